"""AutoGen on agents whose senders are proven."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import (  # noqa: E402
    AgentId,
    AgentRuntime,
    CancellationToken,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    message_handler,
    try_get_known_serializers_for_type,
)
from autogen_core.exceptions import CantHandleException, NotAccessibleError, UndeliverableException  # noqa: E402
from team import Done, Task, Writer, code_of  # noqa: E402

from private_me import Agent, Identity, MessageBus, XBindError  # noqa: E402
from private_me.autogen import CannotHandle, Undeliverable, XBindRuntime  # noqa: E402


@dataclass
class Pay:
    amount: int


class Cashier(RoutedAgent):
    """Pays when its boss says so."""

    def __init__(self, boss: AgentId) -> None:
        super().__init__("pays")
        self.boss = boss

    @message_handler
    async def pay(self, message: Pay, ctx: MessageContext) -> str:
        return "paid" if ctx.sender == self.boss else "refused"


class Asker(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("asks")

    @message_handler
    async def ask(self, message: Task, ctx: MessageContext) -> Done:
        kind, _, key = message.topic.partition(" ")
        done: Done = await self.send_message(Task("x"), AgentId(kind, key))
        return done


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


def test_it_is_a_runtime_of_the_protocol(bus):
    assert isinstance(XBindRuntime(bus=bus), AgentRuntime)


# Who sends


async def test_without_it_anybody_is_the_boss():
    runtime = SingleThreadedAgentRuntime()
    await Cashier.register(runtime, "cashier", lambda: Cashier(AgentId("boss", "default")))
    await Writer.register(runtime, "boss", Writer)
    runtime.start()
    forged = AgentId("boss", "default")
    assert await runtime.send_message(Pay(100), AgentId("cashier", "default"), sender=forged) == "paid"
    await runtime.stop()


async def test_with_it_nobody_is_the_boss_but_the_boss(here, there, bus):
    await Asker.register(there, "boss", Asker)
    boss = await there.get("boss")
    await Cashier.register(here, "cashier", lambda: Cashier(boss))
    cashier = await here.get("cashier")
    assert await here.send_message(Pay(100), cashier) == "refused"
    # The boss is elsewhere: this runtime has no key to speak for it, nor has a third one.
    assert await code_of(here.send_message(Pay(100), cashier, sender=boss)) == "NOT_ALLOWED"
    assert await code_of(here.publish_message(Pay(100), TopicId("x", "y"), sender=boss)) == "NOT_ALLOWED"
    async with XBindRuntime(bus=bus) as third:
        assert await code_of(third.send_message(Pay(100), cashier, sender=boss)) == "NOT_ALLOWED"
        await Writer.register(third, "boss", Writer)
        liar = AgentId("boss", "default")
        assert await third.send_message(Pay(100), cashier, sender=liar) == "refused"
    # Bytes that claim to come from it, without a runtime.
    async with Agent("mallory", bus=bus) as mallory:
        claim = {
            "from": "boss",
            "id": "1",
            "to": "cashier",
            "message": {"type": "Pay", "as": "application/json", "data": {"amount": 1}},
        }
        answer = await mallory.call(cashier.key, claim, method="autogen.send")
        assert answer == {"data": "refused"}
    assert await there.send_message(Pay(100), cashier, sender=AgentId("boss", "default")) == "paid"
    assert await there.send_message(Pay(100), cashier, sender=boss) == "paid"


async def test_no_agent_sends_in_the_name_of_its_neighbour(here):
    class Liar(RoutedAgent):
        @message_handler
        async def lie(self, message: Task, ctx: MessageContext) -> str:
            to = AgentId("cashier", "default")
            answer: str = await self.runtime.send_message(Pay(1), to, sender=AgentId("boss", "default"))
            return answer

    await Writer.register(here, "boss", Writer)
    boss = await here.get("boss")
    await Cashier.register(here, "cashier", lambda: Cashier(boss))
    await Liar.register(here, "liar", lambda: Liar("lies"))
    assert await here.send_message(Pay(1), AgentId("cashier", "default"), sender=boss) == "paid"
    assert await code_of(here.send_message(Task("x"), AgentId("liar", "default"))) == "NOT_ALLOWED"


async def test_the_key_of_a_sender_is_its_did_here_and_there(here, there):
    await Writer.register(here, "scribe", Writer)
    await Asker.register(here, "asker", Asker)
    asker, writer = await here.get("asker"), await here.find("there", "writer")
    await here.send_message(Task("scribe default"), AgentId("asker", "default"))
    assert (await here.send_message(Task(f"writer {writer.key}"), asker)).text == "about x"
    scribe = await here.try_get_underlying_agent_instance(AgentId("scribe", "default"), Writer)
    assert scribe.seen == (await writer_of(there)).seen == [("x", asker)]
    assert asker.key.startswith("did:key:") and asker == await here.get(asker)


async def test_who_got_a_message_can_answer_its_sender(here, there):
    await Writer.register(here, "scribe", Writer)
    await there.send_message(Task("a"), await there.find("here", "scribe"), sender=AgentId("writer", "default"))
    scribe = await here.try_get_underlying_agent_instance(AgentId("scribe", "default"), Writer)
    [(_, sender)] = scribe.seen
    assert (await here.send_message(Task("b"), sender, sender=scribe.id)).text == "about b"
    assert (await writer_of(there)).seen == [("b", await here.get("scribe"))]


async def test_what_no_agent_sends_the_runtime_signs(here, there):
    await here.send_message(Task("x"), await here.find("there", "writer"))
    assert (await writer_of(there)).seen == [("x", AgentId("runtime", here.did))]


async def test_an_agent_keeps_its_identity(bus):
    identity = Identity()
    names = {AgentId("writer", "default"): identity}
    async with XBindRuntime(bus=bus, identity_of=names.get) as runtime:
        await Writer.register(runtime, "writer", Writer)
        assert (await runtime.get("writer")).key == identity.did
        assert (await runtime.get("writer", "other")).key != identity.did
    async with XBindRuntime(bus=bus, identity_of=lambda id: identity) as runtime:
        await Writer.register(runtime, "writer", Writer)
        await runtime.get("writer")
        assert await code_of(runtime.get("writer", "other")) == "INVALID_CONFIG"


async def test_an_instance_may_be_registered_under_its_did(bus):
    identity = Identity()
    async with XBindRuntime(bus=bus, identity_of=lambda id: identity) as runtime:
        own = AgentId("writer", identity.did)
        writer = Writer()
        assert await writer.register_instance(runtime, own) == own
        assert (await runtime.send_message(Task("x"), own)).by == identity.did
        with pytest.raises(ValueError):
            await Writer().register_instance(runtime, own)
    async with XBindRuntime(bus=bus) as runtime:
        assert await code_of(Writer().register_instance(runtime, own)) == "AGENT_NOT_FOUND"


async def test_only_those_who_may_are_heard(bus, there):
    allowed: list[str] = []
    async with XBindRuntime("strict", bus=bus, allow=lambda did: did in allowed) as strict:
        await Writer.register(strict, "writer", Writer)
        writer = await strict.get("writer")
        assert await code_of(there.find("strict", "writer")) == "NOT_ALLOWED"
        assert await code_of(there.send_message(Task("x"), writer)) == "NOT_ALLOWED"
        allowed.append((await there.get("writer")).key)
        assert (await there.send_message(Task("x"), writer, sender=AgentId("writer", "default"))).text == "about x"


# Messages


async def test_sessions_are_as_in_the_framework(here):
    await Writer.register(here, "writer", Writer)
    assert [(await here.send_message(Task("x"), AgentId("writer", key))).by for key in ("a", "b", "a")] == ["a", "b", "a"]
    assert len((await writer_of(here, "a")).seen) == 2


async def test_what_fails_here_is_raised_as_it_is(here):
    await Writer.register(here, "writer", Writer)
    with pytest.raises(ValueError, match="a secret"):
        await here.send_message(Task("fails"), AgentId("writer", "default"))


async def test_what_fails_there_has_a_stable_code(here, there):
    writer = await here.find("there", "writer")
    with pytest.raises(XBindError) as caught:
        await here.send_message(Task("fails"), writer)
    assert (caught.value.code, caught.value.remote) == ("HANDLER_FAILED", None) and "secret" not in str(caught.value)
    with pytest.raises(XBindError) as caught:
        await here.send_message(Task("tells"), writer)
    assert caught.value.remote is not None and caught.value.remote.code == "OFF_TOPIC"
    with pytest.raises(CantHandleException):
        await here.send_message(Task("cannot"), writer)
    assert await code_of(here.send_message(Task("cannot"), writer), CannotHandle) == "HANDLER_FAILED"


async def test_who_is_not_there_is_told(here, there):
    with pytest.raises(UndeliverableException):
        await here.send_message(Task("x"), AgentId("nobody", "default"))
    writer = await here.find("there", "writer")
    assert await code_of(here.send_message(Task("x"), AgentId("editor", writer.key)), Undeliverable) == "HANDLER_FAILED"
    assert await code_of(here.send_message(Task("x"), AgentId("x", Identity().did)), Undeliverable) == "AGENT_NOT_FOUND"
    assert await code_of(here.find("there", "nobody"), Undeliverable) == "HANDLER_FAILED"
    assert await code_of(here.find("nowhere", "writer"), Undeliverable) == "AGENT_NOT_FOUND"
    with pytest.raises(NotAccessibleError):
        await here.agent_metadata(writer)
    with pytest.raises(LookupError):
        await here.agent_metadata(AgentId("nobody", "default"))


async def test_a_call_ends_when_its_time_is_over(bus, there):
    async with XBindRuntime(bus=bus, timeout=0.05) as hasty:
        writer = await hasty.find("there", "writer")
        await writer_of(there)
        assert await code_of(hasty.send_message(Task("slow"), writer)) == "TIMEOUT"
        theirs = await writer_of(there)
        while theirs.token is None or not theirs.token.is_cancelled():
            await asyncio.sleep(0.01)
        theirs.let.set()


async def test_a_cancelled_token_reaches_the_handler_here_and_there(here, there):
    await Writer.register(here, "writer", Writer)
    for id, theirs in (
        (AgentId("writer", "default"), await writer_of(here)),
        (await here.find("there", "writer"), await writer_of(there)),
    ):
        token = CancellationToken()
        call = asyncio.create_task(here.send_message(Task("slow"), id, cancellation_token=token))
        await theirs.begun.wait()
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while theirs.token is None or not theirs.token.is_cancelled():
            await asyncio.sleep(0.01)
        theirs.let.set()
        cancelled = CancellationToken()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await here.send_message(Task("x"), id, cancellation_token=cancelled)


async def test_plain_json_needs_no_type(here, there):
    class Echo(RoutedAgent):
        @message_handler
        async def echo(self, message: str, ctx: MessageContext) -> str:
            return message + "!"

    await there.register_factory("echo", lambda: Echo("echoes"))
    assert await here.send_message("ä", await here.find("there", "echo")) == "ä!"


async def test_an_answer_of_an_unknown_type_is_told(here, there, bus):
    async with XBindRuntime(bus=bus) as strange:
        writer = await strange.find("there", "writer")
        assert await code_of(strange.send_message(Task("x"), writer)) == "INVALID_PAYLOAD"
