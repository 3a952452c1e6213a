"""One agent asks another."""

import asyncio
import contextvars
import logging

import pytest

from private_me import Agent, DeliveryReceipt, HandlerError, Identity, IncomingCall, MessageBus, XBindError


async def test_a_handler_answers_with_the_proven_did_of_its_caller(asker, teller):
    teller.handle(lambda call: {"from": call.sender, "said": call.payload})
    assert await asker.call("teller", {"topic": "identity"}) == {"from": asker.did, "said": {"topic": "identity"}}
    assert await asker.call(teller.did, [1, None, True, "ä", 0.5]) == {"from": asker.did, "said": [1, None, True, "ä", 0.5]}


async def test_a_handler_may_be_asynchronous(asker, teller):
    async def answer(call: IncomingCall):
        await asyncio.sleep(0)
        return call.payload * 2

    teller.handle(answer)
    assert await asker.call("teller", 21) == 42


async def test_bytes_stay_bytes(asker, teller):
    teller.handle(lambda call: call.payload + b"\0")
    assert await asker.call("teller", b"\xff") == b"\xff\0"
    assert await asker.call("teller", bytearray(b"a")) == b"a\0"
    assert await asker.call("teller", memoryview(b"abcd")[::2]) == b"ac\0"


async def test_an_agent_without_a_handler_signs_a_receipt(asker, teller):
    receipt = await asker.call("teller", "later")
    assert isinstance(receipt, DeliveryReceipt)
    [message] = await teller.receive()
    assert (message.id, message.kind, message.sender, message.payload) == (receipt.message_id, "call", asker.did, "later")
    assert receipt.to == teller.did


async def test_a_message_goes_one_way(asker, teller):
    receipt = await asker.send("teller", {"type": "notification"})
    [message] = await teller.receive()
    assert (message.kind, message.payload, message.id) == ("message", {"type": "notification"}, receipt.message_id)
    assert message.issued_at.tzinfo is not None


async def test_who_waits_for_a_message_gets_the_next(asker, teller):
    waiting = asyncio.create_task(teller.receive(wait=10))
    await asyncio.sleep(0)
    await asker.send("teller", 1)
    assert [each.payload for each in await waiting] == [1]
    assert await teller.receive(wait=0.01) == []


async def test_the_inbox_can_be_iterated_until_its_agent_closes(asker, teller):
    for number in range(3):
        await asker.send("teller", number)
    got = []
    async for message in teller.messages():
        got.append(message.payload)
        if len(got) == 3:
            await teller.close()
    assert got == [0, 1, 2]


async def test_what_a_handler_raises_stays_on_its_side(asker, teller, caplog):
    def fails(call: IncomingCall):
        raise ValueError("a secret")

    teller.handle(fails)
    with pytest.raises(XBindError) as caught:
        await asker.call("teller")
    assert caught.value.code == "HANDLER_FAILED"
    assert caught.value.remote is None and "secret" not in str(caught.value)
    assert "a secret" in caplog.text


async def test_a_handler_error_is_told(asker, teller, caplog):
    def fails(call: IncomingCall):
        raise HandlerError("OFF_TOPIC", "ask about something else", {"try": ["identity"]})

    teller.handle(fails)
    with pytest.raises(XBindError) as caught:
        await asker.call("teller")
    assert caught.value.code == "HANDLER_FAILED" and caught.value.handled == "yes"
    remote = caught.value.remote
    assert remote is not None
    assert (remote.code, remote.message, remote.data) == ("OFF_TOPIC", "ask about something else", {"try": ["identity"]})
    assert not caplog.records


async def test_the_owner_is_told_of_what_fails(bus, asker):
    told = []
    async with Agent("fails", bus=bus, on_handler_error=lambda error, call: told.append((error, call.sender))) as agent:
        agent.handle(lambda call: 1 / 0)
        with pytest.raises(XBindError, match="HANDLER_FAILED"):
            await asker.call("fails")
        agent.handle(lambda call: object())
        with pytest.raises(XBindError, match="HANDLER_FAILED"):
            await asker.call("fails")
    assert [type(error) for error, _ in told] == [ZeroDivisionError, XBindError]
    assert {sender for _, sender in told} == {asker.did}


@pytest.mark.parametrize(
    ("to", "code"),
    [("nobody", "AGENT_NOT_FOUND"), ("did:web:x", "AGENT_NOT_FOUND"), ("asker", "AGENT_NOT_FOUND")],
)
async def test_who_cannot_be_called_is_told(asker, to, code):
    with pytest.raises(XBindError) as caught:
        await asker.call(to)
    assert caught.value.code in (code, "INVALID_DID", "WRONG_AUDIENCE", "INVALID_CONFIG")
    assert caught.value.handled == "no"


async def test_a_call_ends_when_its_time_is_over(asker, teller):
    teller.handle(lambda call: asyncio.sleep(60))
    with pytest.raises(XBindError) as caught:
        await asker.call("teller", timeout=0.05)
    assert (caught.value.code, caught.value.retryable) == ("TIMEOUT", True)
    assert "timeout" in (caught.value.hint or "")


async def test_a_task_that_is_cancelled_gives_its_call_up_and_the_handler_is_cancelled(asker, teller):
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(call: IncomingCall):
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    teller.handle(slow)
    task = asyncio.create_task(asker.call("teller"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 10)
    teller.handle(lambda call: "still there")
    assert await asker.call("teller") == "still there"


async def test_a_handler_hears_that_its_callers_time_is_over(asker, teller):
    cancelled = asyncio.Event()

    async def slow(call: IncomingCall):
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    teller.handle(slow)
    with pytest.raises(XBindError, match="TIMEOUT"):
        await asker.call("teller", timeout=0.05)
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_wait_for_gives_a_call_up(asker, teller):
    teller.handle(lambda call: asyncio.sleep(60))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asker.call("teller"), 0.05)


async def test_many_calls_at_once(asker, teller):
    async def answer(call: IncomingCall):
        await asyncio.sleep(0)
        return call.payload

    teller.handle(answer)
    answers = await asyncio.gather(*(asker.call("teller", number) for number in range(2000)))
    assert answers == list(range(2000))


async def test_a_handler_may_call_others(bus, asker, teller):
    async with Agent("third", bus=bus, handler=lambda call: f"{call.payload}!") as third:

        async def answer(call: IncomingCall):
            return await teller.call(third.did, call.payload)

        teller.handle(answer)
        assert await asker.call("teller", "hello") == "hello!"


async def test_handlers_see_no_context_of_a_caller(asker, teller):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    variable.set("the caller's")

    def answer(call: IncomingCall):
        seen = variable.get()
        variable.set("the handler's")
        return seen

    teller.handle(answer)
    assert [await asker.call("teller"), await asker.call("teller")] == ["none", "none"]
    assert variable.get() == "the caller's"


async def test_a_closed_agent_says_so(bus, asker):
    teller = Agent("gone", bus=bus, handler=lambda call: asyncio.sleep(60))
    call = asyncio.create_task(asker.call("gone"))
    await asyncio.sleep(0.01)
    await teller.close()
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await call
    for wrong in (teller.call("asker"), teller.receive(), teller.send("asker"), teller.export_identity(), teller.describe()):
        with pytest.raises(XBindError, match="AGENT_CLOSED"):
            await wrong
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        teller.handle(print)
    await teller.close()


async def test_who_waits_for_a_message_is_told_that_the_agent_closed(teller):
    waiting = asyncio.create_task(teller.receive(wait=None))
    await asyncio.sleep(0.01)
    await teller.close()
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await waiting


async def test_an_agent_drains_before_it_closes(bus, asker):
    begun = asyncio.Event()

    async def slow(call: IncomingCall):
        begun.set()
        await asyncio.sleep(0.05)
        return "done"

    teller = Agent("drains", bus=bus, handler=slow)
    call = asyncio.create_task(asker.call("drains"))
    await begun.wait()
    closing = asyncio.create_task(teller.close(drain=30))
    await asyncio.sleep(0)
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await asker.call(teller.did)
    assert await call == "done"
    await asyncio.wait_for(closing, 10)


async def test_a_stopped_identity_is_stopped(bus, asker, teller):
    teller.handle(lambda call: 1)
    bus.stop(asker.did)
    with pytest.raises(XBindError, match="REVOKED"):
        await asker.call("teller")


async def test_closing_the_bus_closes_its_agents(bus, asker, teller):
    assert [each.name for each in bus.agents()] == ["asker", "teller"]
    bus.close()
    with pytest.raises(XBindError, match="AGENT_CLOSED"):
        await asker.call("teller")


async def test_an_identity_stays_its_owners(bus, asker):
    identity = Identity()
    async with Agent("owned", bus=bus, identity=identity, handler=lambda call: "signed") as agent:
        assert agent.did == identity.did
        assert await asker.call("owned") == "signed"
        assert await agent.export_identity() == identity.to_pkcs8()
    assert len(identity.sign(b"x")) == 64


async def test_calls_are_logged_when_somebody_reads_it(bus, caplog):
    with caplog.at_level(logging.DEBUG, "private_me"):
        async with Agent("loud", bus=bus) as loud, Agent("echo", bus=bus, handler=lambda call: call.payload):
            await loud.call("echo", {"password": "hunter2"})
    assert "loud -> echo call ok" in caplog.text and "echo <- " in caplog.text
    assert "hunter2" not in caplog.text


async def test_buses_are_apart(asker):
    async with Agent("elsewhere", bus=MessageBus(), handler=lambda call: 1):
        with pytest.raises(XBindError, match="AGENT_NOT_FOUND"):
            await asker.call("elsewhere")


async def test_the_default_bus_is_one():
    async with Agent("one-a") as a, Agent("one-b", handler=lambda call: "b"):
        assert await a.call("one-b") == "b"


def test_misspelt_options_and_wrong_types_are_told(bus):
    for wrong in [{"naem": "x"}, {"name": 1}, {"bus": "x"}, {"handler": 1}, {"timeout": "1"}, {"concurrency": 1.5}]:
        with pytest.raises(TypeError):
            Agent(**{"bus": bus, **wrong})
    for wrong in [{"name": "not a name"}, {"timeout": 0}, {"concurrency": 0}, {"message_ttl": 301}, {"timeout": float("nan")}]:
        with pytest.raises(XBindError):
            Agent(**{"bus": bus, **wrong})
    assert bus.agents() == []


async def test_none_is_no_policy(teller):
    for name in ("allow", "trust", "scopes", "revocations", "approval"):
        with pytest.raises(TypeError):
            teller.handle(print, **{name: None})


async def test_none_is_the_default_of_what_has_one(asker, teller):
    teller.handle(lambda call: call.payload)
    names = ("method", "timeout", "max_total_timeout", "token", "approval", "traceparent", "on_progress")
    assert await asker.call("teller", None, **dict.fromkeys(names)) is None


async def test_only_those_on_the_list_may_call(bus, asker, teller):
    teller.handle(lambda call: "in", allow=[asker.did])
    assert await asker.call("teller") == "in"
    async with Agent("other", bus=bus) as other:
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await other.call("teller")
        teller.handle(lambda call: "in", allow=lambda sender: sender == other.did)
        assert await other.call("teller") == "in"
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await asker.call("teller")
    with pytest.raises(TypeError):
        teller.handle(print, allow=asker.did)
