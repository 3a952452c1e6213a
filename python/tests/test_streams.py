"""Answers in parts."""

import asyncio
import gc

import pytest

from private_me import IncomingCall, XBindError


async def test_the_parts_come_in_order_and_none_is_missing(asker, teller):
    @teller.method
    async def count(to: int):
        for number in range(to):
            yield number

    assert [part async for part in asker.stream("teller", 500, method="count")] == list(range(500))
    assert [part async for part in asker.stream("teller", 0, method="count")] == []
    assert await asker.call("teller", 5, method="count") == [0, 1, 2, 3, 4], "gathered for who takes no parts"


async def test_an_answer_in_one_is_the_result(asker, teller):
    teller.handle(lambda call: {"whole": True})
    stream = asker.stream("teller")
    assert [part async for part in stream] == []
    assert await stream.result() == {"whole": True}


async def test_a_generator_makes_no_more_than_its_reader_takes(asker, teller):
    made = 0

    async def endless(call: IncomingCall):
        nonlocal made
        while True:
            made += 1
            yield made

    teller.handle(endless)
    async with asker.stream("teller") as stream:
        assert [await anext(stream), await anext(stream)] == [1, 2]
        await asyncio.sleep(0.1)
        assert made < 100


@pytest.mark.parametrize("how", ["break", "aclose", "with", "cancel", "dropped"])
async def test_who_reads_no_further_gives_the_call_up(asker, teller, how):
    ended = asyncio.Event()

    async def endless(call: IncomingCall):
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.set()

    teller.handle(endless)

    async def read() -> None:
        if how == "with":
            async with asker.stream("teller") as stream:
                await anext(stream)
                return
        stream = asker.stream("teller")
        if how == "break":
            async for _ in stream:
                break
        elif how == "aclose":
            await anext(stream)
            await stream.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        elif how == "cancel":
            async for _ in stream:
                await asyncio.sleep(0)
        else:
            await anext(stream)

    if how == "cancel":
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(read(), 0.05)
    else:
        await read()
    gc.collect()
    await asyncio.wait_for(ended.wait(), 10)


async def test_what_is_cut_short_raises_and_never_just_ends(asker, teller, caplog):
    async def fails(call: IncomingCall):
        yield 1
        raise ValueError("a secret")

    teller.handle(fails)
    got = []
    with pytest.raises(XBindError) as caught:
        async for part in asker.stream("teller"):
            got.append(part)
    assert got == [1] and caught.value.code == "HANDLER_FAILED"
    assert "a secret" in caplog.text


async def test_a_part_that_cannot_be_sent_ends_the_answer(asker, teller, caplog):
    closed = asyncio.Event()

    async def odd(call: IncomingCall):
        try:
            yield 1
            yield object()
        finally:
            closed.set()

    teller.handle(odd)
    with pytest.raises(XBindError, match="HANDLER_FAILED"):
        async for _ in asker.stream("teller"):
            pass
    await asyncio.wait_for(closed.wait(), 10)


async def test_the_time_of_a_stream_does_not_run_while_parts_are_unread(asker, teller):
    @teller.method
    async def count(to: int):
        for number in range(to):
            yield number

    got = []
    async for part in asker.stream("teller", 80, method="count", timeout=0.2):
        got.append(part)
        if part in (0, 40):
            await asyncio.sleep(0.4)
    assert got == list(range(80))


async def test_bytes_and_large_parts(asker, teller):
    async def parts(call: IncomingCall):
        for size in (0, 1, 100_000):
            yield b"x" * size
        yield "y" * 100_000

    teller.handle(parts)
    assert [len(part) async for part in asker.stream("teller")] == [0, 1, 100_000, 100_000]


async def test_a_handler_may_give_an_iterable_of_its_own(asker, teller):
    class Three:
        def __aiter__(self):
            self.left = 3
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return self.left

    async def later(call: IncomingCall):
        await asyncio.sleep(0)
        return Three()

    teller.handle(later)
    assert [part async for part in asker.stream("teller")] == [2, 1, 0]


async def test_many_streams_at_once(asker, teller):
    @teller.method
    async def count(to: int):
        for number in range(to):
            yield number

    async def read(to: int) -> int:
        return sum([part async for part in asker.stream("teller", to, method="count")])

    assert await asyncio.gather(*(read(to) for to in range(100))) == [to * (to - 1) // 2 for to in range(100)]


async def test_a_reader_who_leaves_does_not_cut_off_how_the_handler_cleans_up(asker, teller):
    begun, ended = [], []

    @teller.method
    async def count(to: int):
        begun.append(to)
        try:
            for number in range(1000):
                yield number
        finally:
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
                ended.append("whole")
            except BaseException as error:
                ended.append(repr(error))
                raise

    for leaves_at in range(80):
        async for part in asker.stream("teller", leaves_at, method="count"):
            if part == leaves_at % 40:
                break
    while len(ended) < len(begun):
        await asyncio.sleep(0.01)
    assert ended == ["whole"] * 80
