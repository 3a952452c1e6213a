"""Many calls: at once, and for long. XBIND_CALLS=1000000 makes it long; over HTTP and NATS it is a tenth of that."""

import asyncio
import contextlib
import gc
import os
import sys
import threading

import pytest
import pytest_asyncio
from brokers import until

from private_me import Agent, IncomingCall, Located, MessageBus, listen, serve_agents
from private_me.nats import connect

CALLS = int(os.environ.get("XBIND_CALLS", "20000"))


async def test_ten_thousand_calls_at_once(asker, teller):
    async def answer(call: IncomingCall):
        await asyncio.sleep(0)
        return call.payload

    teller.handle(answer)
    answers = await asyncio.gather(*(asker.call("teller", number, timeout=300) for number in range(10_000)))
    assert answers == list(range(10_000))


async def test_a_burst_while_the_interpreter_is_held(bus):
    """Other threads compute all the time, and each call gets its turn."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            sum(range(10_000))

    threads = [threading.Thread(target=hold, daemon=True) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        async with Agent("a", bus=bus) as a, Agent("b", bus=bus, handler=lambda call: call.payload):
            answers = await asyncio.gather(*(a.call("b", number, timeout=300) for number in range(3000)))
            assert answers == list(range(3000))
    finally:
        over.set()
        for each in threads:
            each.join()


def resident() -> int:
    """KiB."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest_asyncio.fixture(params=["in process", "HTTP", "NATS"])
async def pair(request):
    """Who asks, whom, where that is, and how many calls."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "NATS":
            url, space = request.getfixturevalue("broker").url, request.getfixturevalue("space")
            one, other = [await stack.enter_async_context(connect(url, namespace=space)) for _ in range(2)]
        else:
            one = other = MessageBus()
        if request.param == "HTTP":
            other = MessageBus()
        asker = await stack.enter_async_context(Agent("asker", bus=one, timeout=60))
        teller = await stack.enter_async_context(Agent("teller", bus=other))
        if request.param == "HTTP":
            server = await stack.enter_async_context(listen(serve_agents([teller], path="/agents")))
            yield asker, teller, Located(teller.did, f"{server.url}/agents"), CALLS // 10
        else:
            await until(lambda: len(one.agents()) == 2)
            yield asker, teller, "teller", CALLS if request.param == "in process" else CALLS // 10


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
async def test_calls_streams_and_refusals_leave_no_memory_behind(pair):
    asker, teller, to, calls = pair

    @teller.method
    async def count(to: int):
        for number in range(to):
            yield bytes(100)

    async def answer(call: IncomingCall):
        if call.payload["n"] % 10 == 0:
            raise KeyError("told to the log alone")
        return call.payload

    teller._member.journal._on_failure = lambda error, call: None
    teller.handle(answer)

    async def some(calls: int) -> None:
        for first in range(0, calls, 500):
            asked = (asker.call(to, {"n": number, "text": "x" * 100}) for number in range(first, first + 500))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert sum(isinstance(each, Exception) for each in answers) == 50
            assert len([part async for part in asker.stream(to, 20, method="count")]) == 20
            task = asyncio.create_task(asker.call(to, {"n": 1}))
            await asyncio.sleep(0)
            task.cancel()

    await some(min(calls, 10_000))
    gc.collect()
    before, objects, files, tasks = resident(), len(gc.get_objects()), open_files(), len(asyncio.all_tasks())
    await some(calls)
    await asyncio.sleep(0)
    gc.collect()
    print(f"{calls} calls: {resident() - before} KiB, {len(gc.get_objects()) - objects} objects")
    # Replay windows remember what was accepted for the life of a message: some hundred bytes each, for seconds.
    assert resident() - before < 40_000
    assert len(gc.get_objects()) - objects < 2_000
    assert open_files() - files < 50 and len(asyncio.all_tasks()) - tasks < 50
