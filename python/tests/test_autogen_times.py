"""AutoGen's runtime when agents call themselves, are made slowly, give up, or end it under way."""

import asyncio

import pytest

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import (  # noqa: E402
    AgentId,
    CancellationToken,
    MessageContext,
    RoutedAgent,
    TypeSubscription,
    message_handler,
)
from team import Note, Taker, code_of  # noqa: E402

from private_me import Agent, MessageBus  # noqa: E402
from private_me.autogen import Undeliverable, XBindRuntime  # noqa: E402


@pytest.fixture
async def runtime(bus: MessageBus):
    async with XBindRuntime("runtime", bus=bus) as runtime:
        await Taker.register(runtime, "taker", Taker)
        await runtime.add_subscription(TypeSubscription("news", "taker"))
        yield runtime


async def taker_of(runtime: XBindRuntime, key: str = "default") -> Taker:
    return await runtime.try_get_underlying_agent_instance(AgentId("taker", key), Taker)


async def test_an_agent_that_calls_itself_or_back_does_not_hang(bus):
    class Back(RoutedAgent):
        @message_handler
        async def count(self, message: Note, ctx: MessageContext) -> int:
            if message.times == 0:
                return 0
            to = ctx.sender if message.text == "back" and ctx.sender is not None else self.id
            done: int = await self.send_message(Note(message.text, message.times - 1), to)
            return done + 1

    async with XBindRuntime("one", bus=bus) as one, XBindRuntime("two", bus=bus) as two:
        for runtime in (one, two):
            await Back.register(runtime, "back", lambda: Back("calls back"))
        assert await one.send_message(Note("self", 20), AgentId("back", "s")) == 20
        far = await one.find("two", "back")
        assert await one.send_message(Note("back", 20), far, sender=await one.get("back")) == 20


async def test_a_factory_that_waits_for_itself_is_told(runtime):
    async def waits() -> Taker:
        await runtime.send_message(Note("x"), AgentId("waits", "default"))
        return Taker()

    async def fails() -> Taker:
        raise KeyError("broken")

    await runtime.register_factory("waits", waits)
    await runtime.register_factory("fails", fails)
    await runtime.register_factory("nothing", lambda: None)
    await runtime.register_factory("other", Taker, expected_class=Agent)
    with pytest.raises(RuntimeError, match="waits for the agent"):
        await runtime.send_message(Note("x"), AgentId("waits", "default"))
    for _ in range(2):
        with pytest.raises(KeyError):
            await asyncio.gather(*(runtime.send_message(Note("x"), AgentId("fails", "default")) for _ in range(3)))
    with pytest.raises(TypeError):
        await runtime.get("nothing", lazy=False)
    with pytest.raises(ValueError):
        await runtime.get("other", lazy=False)
    with pytest.raises(ValueError):
        await runtime.register_factory("fails", Taker)
    for label in ("", "a b", "a/b", "a\n"):
        with pytest.raises(ValueError):
            await runtime.register_factory(label, Taker)


async def test_an_agent_is_made_once(runtime):
    made = []

    async def slow() -> Taker:
        made.append(1)
        await asyncio.sleep(0.01)
        return Taker()

    await runtime.register_factory("slow", slow)
    await asyncio.gather(*(runtime.send_message(Note("x"), AgentId("slow", "s")) for _ in range(50)))
    assert len(made) == 1


async def test_whoever_gives_up_while_an_agent_is_made_leaves_it_whole(runtime):
    let = asyncio.Event()

    async def slow() -> Taker:
        await let.wait()
        return Taker()

    await runtime.register_factory("slow", slow)
    token = CancellationToken()
    first = asyncio.create_task(runtime.send_message(Note("1"), AgentId("slow", "s"), cancellation_token=token))
    second = asyncio.create_task(runtime.send_message(Note("2"), AgentId("slow", "s")))
    third = asyncio.create_task(runtime.send_message(Note("3"), AgentId("slow", "s")))
    await asyncio.sleep(0.01)
    token.cancel()
    second.cancel()
    let.set()
    assert await third == 1
    for each in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await each


async def test_a_handler_that_stops_or_closes_its_runtime_ends_it(bus):
    class Stopper(RoutedAgent):
        @message_handler
        async def stop(self, message: Note, ctx: MessageContext) -> str:
            runtime = self.runtime
            assert isinstance(runtime, XBindRuntime)
            await getattr(runtime, message.text)()
            return "done"

    for how in ("stop", "stop_when_idle", "close"):
        async with XBindRuntime(bus=bus) as runtime:
            await Stopper.register(runtime, "stopper", lambda: Stopper("stops"))
            assert await asyncio.wait_for(runtime.send_message(Note(how), AgentId("stopper", "s")), 10) == "done"
    assert bus.agents() == []


async def test_a_runtime_is_closed_whatever_its_agents_do(bus):
    closed = []

    class Clings(Taker):
        async def close(self) -> None:
            closed.append(self.id.key)
            raise OSError("it clings")

    async def never() -> Taker:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    runtime = XBindRuntime(bus=bus)
    runtime.start()
    await Clings.register(runtime, "clings", Clings)
    await runtime.register_factory("never", never)
    for key in ("a", "b"):
        await runtime.get("clings", key, lazy=False)
    waits = asyncio.create_task(runtime.send_message(Note("x"), AgentId("never", "s")))
    await asyncio.sleep(0.01)
    with pytest.raises(OSError, match="it clings"):
        await runtime.close()
    assert closed == ["a", "b"] and await code_of(waits, Undeliverable) == "AGENT_CLOSED"
    assert [each.name for each in bus.agents()] == []
