"""What somebody does who means harm, or does not know what he does."""

import asyncio
import threading
from typing import Any

import pytest

from private_me import Agent, HandlerError, Identity, IncomingCall, MessageBus, XBindError


class Hostile:
    """Raises whatever is asked of it."""

    def __eq__(self, other: object) -> bool:
        raise SystemExit("eq")

    def __hash__(self) -> int:
        raise SystemExit("hash")

    def __str__(self) -> str:
        raise SystemExit("str")

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    def __bool__(self) -> bool:
        raise SystemExit("bool")

    def __iter__(self):
        raise SystemExit("iter")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class HostileStr(str):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def encode(self, *_: Any) -> bytes:  # type: ignore[override]
        raise RuntimeError("encode")


class HostileDict(dict):
    def items(self):
        raise RuntimeError("items")

    def __iter__(self):
        raise RuntimeError("iter")

    def __getitem__(self, name):
        return "another"


class HostileInt(int):
    def __index__(self) -> int:
        return 7

    def __str__(self) -> str:
        return "8"


class HostileBytes(bytes):
    def __bytes__(self) -> bytes:
        return b"another"

    def __len__(self) -> int:
        return 1


async def test_what_subclasses_say_of_themselves_is_not_believed(asker, teller):
    teller.handle(lambda call: call.payload)
    assert await asker.call("teller", HostileDict(a=1)) == {"a": 1}
    assert await asker.call("teller", [HostileInt(5)]) == [5]
    assert await asker.call("teller", HostileBytes(b"these")) == b"these"
    assert await asker.call("teller", {"k": HostileStr("v")}) == {"k": "v"}


async def test_hostile_objects_are_refused_wherever_they_come(asker, teller):
    hostile = Hostile()
    teller.handle(lambda call: 1)
    with pytest.raises(XBindError, match="INVALID_PAYLOAD"):
        await asker.call("teller", hostile)
    with pytest.raises(XBindError, match="INVALID_PAYLOAD"):
        await asker.call("teller", {"a": [hostile]})
    for ask in (
        lambda: asker.call(hostile),
        lambda: asker.call("teller", method=hostile),
        lambda: asker.call("teller", timeout=hostile),
        lambda: asker.call("teller", token=hostile),
        lambda: asker.call("teller", idempotent=hostile),
        lambda: asker.receive(max=hostile),
        lambda: asker.export_identity(passphrase=hostile),
        lambda: Agent.from_identity(hostile),
    ):
        with pytest.raises(TypeError):
            await ask()
    for make in (
        lambda: Agent(hostile),
        lambda: Agent(bus=hostile),
        lambda: Agent(identity=hostile),
        lambda: teller.handle(print, allow=[hostile]),
        lambda: teller.handle(print, approval=hostile),
        lambda: Identity.from_pkcs8(hostile),
        lambda: Identity().sign(hostile),
    ):
        with pytest.raises(TypeError):
            make()


async def test_texts_that_no_text_can_be_are_told(asker, teller):
    teller.handle(lambda call: 1)
    for ask in ({"to": "\ud800"}, {"to": "teller", "method": "\ud800"}, {"to": "teller", "token": "\ud800"}):
        with pytest.raises((ValueError, XBindError)):
            await asker.call(**ask)
    with pytest.raises(ValueError):
        Agent("\ud800", bus=MessageBus())
    with pytest.raises(XBindError):
        await asker.call("teller\0")
    with pytest.raises(XBindError):
        await asker.call("")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, StopIteration, StopAsyncIteration, MemoryError, RecursionError])  # fmt: skip
@pytest.mark.parametrize("kind", ["sync", "async", "generator"])
def test_whatever_a_handler_raises_its_caller_is_told_and_others_are_served(error, kind):
    """Also what ends the event loop: the loop goes on as often as its owner lets it."""
    bus = MessageBus()
    asker, teller = Agent("asker", bus=bus), Agent("teller", bus=bus)

    def sync(call: IncomingCall[Any]) -> Any:
        if call.payload == "fail":
            raise error()
        return "well"

    async def later(call: IncomingCall[Any]) -> Any:
        await asyncio.sleep(0)
        return sync(call)

    async def generator(call: IncomingCall[Any]) -> Any:
        yield 1
        yield sync(call)

    teller.handle({"sync": sync, "async": later, "generator": generator}[kind])
    loop = asyncio.new_event_loop()
    task = loop.create_task(asker.call("teller", "fail", timeout=10))
    others = [loop.create_task(asker.call("teller", "go on")) for _ in range(3)]
    for _ in range(20):
        try:
            loop.run_until_complete(asyncio.wait([task, *others]))
            break
        except (SystemExit, KeyboardInterrupt):
            continue
    with pytest.raises(XBindError) as caught:
        task.result()
    assert caught.value.code == "HANDLER_FAILED"
    assert [each.result() for each in others] == [[1, "well"] if kind == "generator" else "well"] * 3
    loop.run_until_complete(asker.close())
    loop.run_until_complete(teller.close())
    loop.close()


@pytest.mark.parametrize("kind", ["sync", "async", "generator"])
async def test_answers_that_cannot_be_looked_at_are_no_answers(asker, teller, kind):
    class Classless:
        @property
        def __class__(self):
            raise RuntimeError("class")

    class Settles:
        def model_dump(self, mode: str) -> int:
            teller.handle(lambda call: "next")
            raise ValueError("a secret")

    async def later(call: IncomingCall[Any]) -> Any:
        await asyncio.sleep(0)
        return Classless() if call.payload == 1 else Settles()

    async def generator(call: IncomingCall[Any]) -> Any:
        yield await later(call)

    def now(call: IncomingCall[Any]) -> Any:
        return Classless() if call.payload == 1 else Settles()

    for payload in (1, 2):
        teller.handle({"sync": now, "async": later, "generator": generator}[kind])
        with pytest.raises(XBindError, match="HANDLER_FAILED"):
            await asker.call("teller", payload, timeout=10)
    assert await asker.call("teller") == "next"
    assert not asker._member.port.handled._running


async def test_a_log_that_fails_loses_its_line_and_not_the_message(asker, teller):
    import logging

    class Fails(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("log")

    logger, handler = logging.getLogger("private_me"), Fails()
    logger.addHandler(handler)
    try:
        teller.handle(lambda call: 1 / 0)
        with pytest.raises(XBindError, match="HANDLER_FAILED"):
            await asker.call("teller", timeout=10)
        teller.handle(lambda call: 1)
        assert await asker.call("teller") == 1
    finally:
        logger.removeHandler(handler)


async def test_an_owner_who_raises_when_he_is_told_is_told_nothing_more(bus, asker):
    def told(error: BaseException, call: Any) -> None:
        raise RuntimeError("told")

    async with Agent("fails", bus=bus, handler=lambda call: 1 / 0, on_handler_error=told):
        for _ in range(2):
            with pytest.raises(XBindError, match="HANDLER_FAILED"):
                await asker.call("fails", timeout=10)


async def test_a_handler_error_may_hold_anything(asker, teller, caplog):
    class Odd(HandlerError):
        pass

    def with_data(call: IncomingCall[Any]) -> None:
        raise Odd(
            "CODE", "x", Hostile() if call.payload == "object" else "x" * (2 << 20) if call.payload == "long" else "\ud800"
        )

    teller.handle(with_data)
    for payload in ("object", "long", "surrogate"):
        with pytest.raises(XBindError) as caught:
            await asker.call("teller", payload)
        remote = caught.value.remote
        assert remote is not None and (remote.code, remote.data) == ("CODE", None)
    for wrong in (("", "x"), (1, "x"), ("x", None)):
        with pytest.raises((TypeError, ValueError)):
            HandlerError(*wrong)  # type: ignore[arg-type]

    def changed(call: IncomingCall[Any]) -> None:
        error = HandlerError("CODE", "x")
        error.code = "\ud800"
        error.message = Hostile()  # type: ignore[assignment]
        raise error

    teller.handle(changed)
    with pytest.raises(XBindError, match="HANDLER_FAILED"):
        await asker.call("teller")


async def test_handlers_that_close_replace_and_call_themselves(bus, asker):
    teller = Agent("again", bus=bus)

    async def closes(call: IncomingCall[Any]) -> str:
        await teller.close()
        return "never told"

    def replaces(call: IncomingCall[Any]) -> str:
        teller.handle(closes)
        return "replaced"

    teller.handle(replaces)
    assert await asker.call("again") == "replaced"
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await asker.call("again")
    async with Agent("self", bus=bus) as lonely:
        with pytest.raises(XBindError):
            await lonely.call("self")
        with pytest.raises(XBindError):
            await lonely.call(lonely.did)


async def test_callbacks_that_close_their_agents(bus, teller):
    asker = Agent("closes", bus=bus)

    async def slow(call: IncomingCall[Any]) -> None:
        call.progress(1)
        await asyncio.sleep(60)

    closing: list[asyncio.Task[None]] = []
    teller.handle(slow)
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await asker.call("teller", on_progress=lambda word: closing.append(asyncio.ensure_future(asker.close())))
    await asyncio.gather(*closing)


async def test_an_answer_that_settles_twice_is_given_once(asker, teller):
    class Twice:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return 1

    teller.handle(lambda call: Twice())
    assert await asker.call("teller") == 1

    class Neither:
        def __await__(self):
            return None

    teller.handle(lambda call: Neither())
    with pytest.raises(XBindError, match="HANDLER_FAILED"):
        await asker.call("teller")


async def test_iterables_that_are_none_end_their_call(asker, teller):
    class Odd:
        def __aiter__(self):
            return self

        def __anext__(self):
            return 1

    class Fails:
        def __aiter__(self):
            raise RuntimeError("a secret")

    for odd in (Odd, Fails):
        teller.handle(lambda call, odd=odd: odd())
        with pytest.raises(XBindError, match="HANDLER_FAILED"):
            await asker.call("teller", timeout=10)


async def test_a_bytearray_that_is_written_to_by_another_thread(asker, teller):
    """What arrives is what was signed, whatever it was when it was copied."""
    teller.handle(lambda call: call.payload)
    data, over = bytearray(b"a" * 100_000), threading.Event()

    def write() -> None:
        while not over.is_set():
            data[:] = b"b" * len(data)
            data[:] = b"a" * len(data)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(50):
            answer = await asker.call("teller", data)
            assert len(answer) == 100_000 and set(answer) <= {97, 98}
    finally:
        over.set()
        thread.join()


async def test_lists_that_grow_while_they_are_read(asker, teller):
    teller.handle(lambda call: len(call.payload))
    value: list[Any] = [1]

    class Grows:
        def model_dump(self, mode: str) -> int:
            value.extend([Grows()] * 10)
            return 1

    value.append(Grows())
    assert await asker.call("teller", value) == 2
