"""AutoGen's topics, states and lives on agents whose senders are proven."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import (  # noqa: E402
    AgentId,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypeSubscription,
    default_subscription,
    message_handler,
    try_get_known_serializers_for_type,
    type_subscription,
)
from autogen_core.exceptions import UndeliverableException  # noqa: E402
from team import Done, Task, Writer, code_of  # noqa: E402

from private_me import MessageBus  # noqa: E402
from private_me.autogen import Undeliverable, XBindRuntime  # noqa: E402


@pytest_asyncio.fixture
async def here(bus: MessageBus) -> AsyncIterator[XBindRuntime]:
    async with XBindRuntime("here", bus=bus) as runtime:
        runtime.add_message_serializer(try_get_known_serializers_for_type(Done))
        yield runtime


@pytest_asyncio.fixture
async def there(bus: MessageBus) -> AsyncIterator[XBindRuntime]:
    async with XBindRuntime("there", bus=bus) as runtime:
        runtime.add_message_serializer(try_get_known_serializers_for_type(Done))
        await Writer.register(runtime, "writer", Writer)
        yield runtime


async def writer_of(runtime: XBindRuntime, key: str = "default") -> Writer:
    return await runtime.try_get_underlying_agent_instance(AgentId("writer", key), Writer)


@type_subscription("news")
class Reader(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("reads")
        self.seen: list[tuple[str, AgentId | None, str]] = []

    @message_handler
    async def read(self, message: Task, ctx: MessageContext) -> None:
        assert ctx.topic_id is not None and not ctx.is_rpc
        self.seen.append((message.topic, ctx.sender, ctx.topic_id.source))
        if message.topic == "fails":
            raise ValueError("a secret")


@default_subscription
class Chatter(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("talks")
        self.seen: list[str] = []

    @message_handler
    async def hear(self, message: Task, ctx: MessageContext) -> None:
        self.seen.append(message.topic)
        if message.topic == "hello":
            await self.publish_message(Task(f"{self.id.type} heard"), DefaultTopicId())


async def test_subscribers_hear_of_events_in_their_session(here):
    await Chatter.register(here, "a", Chatter)
    await Chatter.register(here, "b", Chatter)
    await here.publish_message(Task("hello"), DefaultTopicId(source="s1"))
    await here.stop_when_idle()
    heard = [(await here.try_get_underlying_agent_instance(AgentId(each, "s1"), Chatter)).seen for each in "ab"]
    assert heard == [["hello", "b heard"], ["hello", "a heard"]]


async def test_events_reach_connected_runtimes_with_the_did_of_their_publisher(here, there):
    await Reader.register(there, "reader", Reader)
    await Writer.register(here, "writer", Writer)
    here.connect("there", topics=["news"])
    await here.publish_message(Task("1"), TopicId("news", "s"), sender=AgentId("writer", "default"))
    await here.publish_message(Task("2"), TopicId("news", "s"))
    await here.publish_message(Task("3"), TopicId("gossip", "s"))
    await there.stop_when_idle()
    reader = await there.try_get_underlying_agent_instance(AgentId("reader", "s"), Reader)
    assert reader.seen == [("1", await here.get("writer"), "s"), ("2", AgentId("runtime", here.did), "s")]
    here.disconnect("there")
    await here.publish_message(Task("4"), TopicId("news", "s"))
    assert len(reader.seen) == 2


async def test_a_runtime_that_is_gone_is_told_and_the_others_hear(here, there, caplog):
    await Reader.register(there, "reader", Reader)
    await Reader.register(here, "reader", Reader)
    here.connect("gone", topics=["news"])
    here.connect("there", topics=["news"])
    with pytest.raises(UndeliverableException):
        await here.publish_message(Task("fails"), TopicId("news", "s"))
    for runtime in (here, there):
        await runtime.stop_when_idle()
        assert len((await runtime.try_get_underlying_agent_instance(AgentId("reader", "s"), Reader)).seen) == 1
    assert "a secret" in caplog.text


async def test_subscriptions_come_and_go(here):
    await Writer.register(here, "writer", Writer)
    subscription = TypeSubscription("t", "writer")
    await here.add_subscription(subscription)
    with pytest.raises(ValueError):
        await here.add_subscription(TypeSubscription("t", "writer"))
    await here.remove_subscription(subscription.id)
    with pytest.raises(LookupError):
        await here.remove_subscription(subscription.id)
    with pytest.raises(TypeError):
        await here.add_subscription("t")  # type: ignore[arg-type]
    await here.publish_message(Task("x"), TopicId("t", "default"))
    assert (await writer_of(here)).seen == []


# State and life


async def test_state_goes_by_sessions(bus):
    class Keeper(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("keeps")
            self.kept: dict[str, str] = {}

        @message_handler
        async def keep(self, message: Task, ctx: MessageContext) -> None:
            self.kept["topic"] = message.topic

        async def save_state(self) -> dict[str, str]:
            return dict(self.kept)

        async def load_state(self, state) -> None:
            self.kept = dict(state)

    async with XBindRuntime(bus=bus) as one, XBindRuntime(bus=bus) as two:
        for runtime in (one, two):
            await Keeper.register(runtime, "keeper", Keeper)
        await one.send_message(Task("x"), AgentId("keeper", "s"))
        state = await one.save_state()
        assert state == {"keeper/s": {"topic": "x"}}
        await two.load_state({**state, "stranger/s": {}})
        keeper = await two.get("keeper", "s")
        assert await two.agent_save_state(keeper) == {"topic": "x"}
        await two.agent_load_state(keeper, {"topic": "y"})
        assert (await two.save_state()) == {"keeper/s": {"topic": "y"}}
        assert (await two.agent_metadata(keeper))["description"] == "keeps"


async def test_messages_wait_until_it_starts(bus):
    runtime = XBindRuntime(bus=bus)
    await Writer.register(runtime, "writer", Writer)
    call = asyncio.create_task(runtime.send_message(Task("x"), AgentId("writer", "default")))
    await asyncio.sleep(0.01)
    assert not call.done()
    runtime.start()
    assert (await call).text == "about x"
    with pytest.raises(RuntimeError, match="already started"):
        runtime.start()
    await runtime.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()
    runtime.start()
    await runtime.send_message(Task("x"), AgentId("writer", "default"))
    await runtime.close()


async def test_nobody_waits_for_ever_for_a_runtime_that_stops(bus, here, there):
    writer, theirs = await here.find("there", "writer"), await writer_of(there)
    call = asyncio.create_task(here.send_message(Task("slow"), writer))
    own = asyncio.create_task(there.send_message(Task("slow"), writer))
    await theirs.begun.wait()
    late = asyncio.create_task(there.send_message(Task("x"), AgentId("writer", "s")))
    await asyncio.sleep(0)
    await there.stop()
    assert await code_of(late, Undeliverable) == "AGENT_CLOSED"
    waits = asyncio.create_task(there.send_message(Task("x"), AgentId("writer", "s")))
    await asyncio.sleep(0.01)
    await there.close()
    await there.close()
    assert await code_of(waits, Undeliverable) == "AGENT_CLOSED"
    assert await code_of(own, Undeliverable) == "AGENT_CLOSED"
    assert await code_of(call) in ("AGENT_CLOSED", "HANDLER_FAILED")
    assert await code_of(there.send_message(Task("x"), writer), Undeliverable) == "AGENT_CLOSED"
    with pytest.raises(Undeliverable):
        there.start()
    assert [each.name for each in bus.agents()] == ["here"]


async def test_messages_for_an_agent_begin_in_the_order_in_which_they_came(bus):
    class Slow(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("begins")
            self.begun: list[str] = []

        @message_handler
        async def take(self, message: Task, ctx: MessageContext) -> None:
            self.begun.append(message.topic)

    async def made() -> Slow:
        await asyncio.sleep(0.01)
        return Slow()

    runtime, id = XBindRuntime(bus=bus), AgentId("slow", "s")
    await Slow.register(runtime, "slow", made)
    sent = [asyncio.create_task(runtime.send_message(Task(f"{number}"), id)) for number in range(5)]
    await asyncio.sleep(0)
    runtime.start()
    for turn in range(5, 60):
        sent.append(asyncio.create_task(runtime.send_message(Task(f"{turn}"), id)))
        await asyncio.sleep(0 if turn % 2 else 0.0005)
    await asyncio.gather(*sent)
    slow = await runtime.try_get_underlying_agent_instance(id, Slow)
    assert slow.begun == [f"{number}" for number in range(60)]
    await runtime.close()


def test_a_runtime_lives_in_one_event_loop_after_the_other(bus):
    runtime, let = XBindRuntime(bus=bus), []

    async def made() -> Writer:
        while not let:
            await asyncio.sleep(0.01)
        return Writer()

    async def gives_up() -> None:
        await Writer.register(runtime, "writer", made)
        runtime.start()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(runtime.send_message(Task("x"), AgentId("writer", "s")), 0.02)

    async def goes_on() -> None:
        let.append(1)
        assert (await runtime.send_message(Task("x"), AgentId("writer", "s"))).text == "about x"
        await runtime.close()

    asyncio.run(gives_up())
    asyncio.run(goes_on())
