"""A bus over NATS at the hands of others: options that are none, what is given up, threads, forks, and the end of the interpreter."""

import asyncio
import gc
import os
import textwrap
import threading
import time

import pytest
from brokers import code_of, until
from test_lifetime import run

from private_me import Agent, Identity, XBindError
from private_me.nats import NatsBus, Tls, connect, serve_auth, serve_stops

NOTHING = (None, False, 0, float("nan"), object())


async def test_every_option_is_what_it_is_said_to_be(broker):
    """None, False, 0, NaN, and names that are none."""
    texts, identity = ("servers", "namespace", "tls", "operators"), Identity()
    for name in texts:
        for value in NOTHING:
            with pytest.raises(TypeError):
                connect(**{"servers": broker.url, name: value})
    for value in (None, 0, 1, "", "no", float("nan")):
        with pytest.raises(TypeError):
            connect(broker.url, encrypt=value)
    for value in (False, 0, "", identity.did):
        with pytest.raises(TypeError):
            connect(broker.url, identity=value)
        with pytest.raises(TypeError):
            connect(broker.url, audit=value)
    with pytest.raises(TypeError):
        connect(broker.url, operators=identity.did)  # one text is no list
    with pytest.raises(TypeError):
        connect(broker.url, server=broker.url)
    with pytest.raises(TypeError):
        connect(broker.url, tls={"ca": ""})
    for name in ("ca", "cert", "key"):
        with pytest.raises(TypeError):
            connect(broker.url, tls=Tls(**{name: b"PEM"}))
    with pytest.raises(ValueError):
        connect(broker.url, namespace="\ud800")
    for made in (NatsBus,):
        with pytest.raises(TypeError):
            made()
    for wrong in ({"allow": None}, {"allow": "x"}, {"allow": 0}, {"account": None}, {"operators": None}, {"stay": 1.5}):
        with pytest.raises(TypeError):
            serve_auth(broker.url, issuer=identity, **wrong)
    for wrong in ({"stay": 0}, {"stay": 301}):
        with pytest.raises(XBindError):
            serve_auth(broker.url, issuer=identity, **wrong)
    for wrong in ({"life": True}, {"known": None}, {"known": "x"}, {"operator": None}):
        with pytest.raises(TypeError):
            serve_stops(broker.url, **{"operator": identity, **wrong})
    assert "PRIVATE" not in repr(Tls(key="PRIVATE"))


async def test_a_connection_that_is_given_up_leaves_nothing(broker, space):
    for _ in range(5):
        task = asyncio.create_task(_open(broker.url, space))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with connect(broker.url, namespace=space) as bus:
        assert bus.agents() == []
    opening = connect(broker.url, namespace=space)
    async with opening:
        with pytest.raises(RuntimeError):
            await opening.__aenter__()
    del opening, bus
    gc.collect()


async def _open(url: str, space: str) -> NatsBus:
    return await connect(url, namespace=space)


async def test_an_exception_in_a_handler_or_a_block_stays_on_its_side(broker, space, member, caplog):
    with pytest.raises(ZeroDivisionError):
        async with connect(broker.url, namespace=space) as bus:
            Agent("teller", bus=bus, handler=lambda call: 1 / 0)
            async with connect(broker.url, namespace=space) as far:
                asker = Agent(bus=far, timeout=20)
                await until(lambda: len(far.agents()) == 2)
                assert await code_of(asker.call("teller")) == "HANDLER_FAILED"
                raise ZeroDivisionError
    assert bus.status == far.status == "closed"


async def test_a_handler_may_close_the_bus_that_called_it(broker, space):
    async with connect(broker.url, namespace=space) as bus, connect(broker.url, namespace=space) as far:

        async def leave(call):
            await bus.drain()
            return "never"

        Agent("teller", bus=bus, handler=leave)
        asker = Agent(bus=far, timeout=20)
        await until(lambda: len(far.agents()) == 2)
        assert await code_of(asker.call("teller")) == "AGENT_CLOSED"
        await until(lambda: bus.status == "closed")
        assert await code_of(asker.call("teller")) == "AGENT_NOT_FOUND"


async def test_bytes_that_change_while_they_are_sent_are_those_of_the_call(broker, space):
    async with connect(broker.url, namespace=space) as bus, connect(broker.url, namespace=space) as far:
        Agent("teller", bus=bus, handler=lambda call: call.payload)
        asker = Agent(bus=far, timeout=20)
        await until(lambda: len(far.agents()) == 2)
        for kind in (lambda body: body, memoryview):
            body = bytearray(b"as it was" * 1000)
            call = asyncio.create_task(asker.call("teller", kind(body)))
            await asyncio.sleep(0)
            body[:] = bytes(len(body))
            assert await call == b"as it was" * 1000


def test_a_bus_goes_from_one_event_loop_to_the_next_and_serves_agents_of_other_threads(broker, space):
    async def open() -> NatsBus:
        return await connect(broker.url, namespace=space)

    bus = asyncio.run(open())
    told: list[object] = []
    asker = Agent("asker", bus=bus, timeout=20)

    def thread() -> None:
        async def serve() -> None:
            async with Agent("teller", bus=bus, handler=lambda call: call.payload) as teller:
                await bus.named(teller)
                ready.set()
                while not over.is_set():
                    await asyncio.sleep(0.01)

        try:
            asyncio.run(serve())
        finally:
            told.append("over")

    ready, over = threading.Event(), threading.Event()
    serving = threading.Thread(target=thread)
    serving.start()
    try:
        assert ready.wait(30)
        for number in range(3):
            assert asyncio.run(asker.call("teller", number)) == number
    finally:
        over.set()
        serving.join()
    asyncio.run(bus.drain())
    assert (told, bus.status) == (["over"], "closed")


EXITS = {
    "the end": "pass",
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "connecting": "asyncio.create_task(open()); await asyncio.sleep(0)",
}


@pytest.mark.parametrize("how", EXITS)
def test_the_interpreter_ends_with_a_bus_open(broker, space, how):
    program = f"""
        import asyncio, os, sys
        from private_me import Agent
        from private_me.nats import connect
        async def open(): return await connect({broker.url!r}, namespace={space!r})
        async def main():
            bus, far = await open(), await open()
            Agent("b", bus=bus, handler=lambda call: asyncio.sleep(3600))
            agent = Agent("a", bus=far)
            while len(far.agents()) < 2: await asyncio.sleep(0.01)
            for number in range(50): asyncio.create_task(agent.call("b", "x" * 1000))
            await asyncio.sleep(0.05)
            {EXITS[how]}
        asyncio.run(main())
    """
    began = time.monotonic()
    run(program)
    assert time.monotonic() - began < 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_told_and_the_bus_of_its_parent_goes_on(broker, space):
    program = f"""
        import asyncio, os, threading, warnings
        warnings.simplefilter("ignore")
        from private_me import Agent
        from private_me.nats import connect
        bus = []
        async def main():
            bus.append(await connect({broker.url!r}, namespace={space!r}))
        if {{elsewhere}}:
            thread = threading.Thread(target=lambda: asyncio.run(main()))
            thread.start(); thread.join(); del thread
        else:
            asyncio.run(main())
        child = os.fork()
        if child == 0:
            told = []
            async def use(ask):
                return ask()
            for ask in (lambda: bus[0].status, bus[0].agents, bus[0].close, lambda: bus[0].stop("did:key:x"), lambda: Agent("c")):
                try: asyncio.run(use(ask))
                except RuntimeError as error: told.append("fork" in str(error))
            for ask in (lambda: bus[0].drain(), lambda: bus[0].named(None), main):
                try: asyncio.run(ask())
                except RuntimeError as error: told.append("fork" in str(error))
            os._exit(0 if told == [True] * 8 else 1)
        _, status = os.waitpid(child, 0)
        print(status, bus[0].status)
        asyncio.run(bus[0].drain())
    """
    for elsewhere in (False, True):
        assert run(textwrap.dedent(program).replace("{elsewhere}", str(elsewhere))).strip() == "0 connected"


async def test_a_server_that_is_silent_hangs_nobody_who_gives_up(broker, space):
    async with connect(broker.url, namespace=space) as bus:
        Agent("asker", bus=bus)
        broker.pause()
        try:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_open(broker.url, space), 0.3)
        finally:
            broker.go_on()
