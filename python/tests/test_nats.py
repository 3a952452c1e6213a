"""Agents of several processes, over a nats-server; the names are those of __test__/nats.spec.ts where it is the same promise."""

import asyncio

import pytest
from brokers import KINDS, Broker, code_of, until

from private_me import Agent, Identity, MessageBus, Progress, XBindError
from private_me.autogen_xbind import AutoGenxBindAgent
from private_me.nats import Tls, auth_keys, connect, serve_auth, serve_stops


@pytest.mark.parametrize("kind", KINDS)
async def test_two_processes_call_each_other_by_name_and_by_did_both_ways_and_send(broker, space, member, kind):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus, timeout=20, handler=lambda call: f"heard {call.payload}")
        writer = await member(kind, bus=bus)
        answer = await asker.call("writer", "ünïcode")
        assert answer == {"echo": "ünïcode", "from": asker.did, "pid": writer.process.pid}
        assert (await asker.call(writer.did, bytes(3)))["echo"] == 3
        assert await asker.call("writer", "asker", method="back") == "heard from the other side"
        assert await asker.call("writer", asker.did, method="back") == "heard from the other side"
        assert (await asker.send("writer", "one way")).to == writer.did
        card = await asker.describe("writer")
        assert "count" in [method.name for method in card.methods]
        assert bus.agents() == sorted([(asker.did, "asker"), (writer.did, "writer")])
        assert bus.status == "connected"
        assert isinstance(bus, MessageBus)
    assert bus.status == "closed"


@pytest.mark.parametrize("kind", KINDS)
async def test_two_processes_stream_with_credit_tell_progress_and_cancel(broker, space, member, kind):
    async with connect([broker.url], namespace=space) as bus:
        asker = Agent(bus=bus, timeout=20)
        writer = await member(kind, bus=bus)
        parts = [part async for part in asker.stream("writer", {"parts": 500}, method="count")]
        assert parts == list(range(500))
        assert await asyncio.to_thread(writer.line) == {"ended": 500}
        async with asker.stream("writer", {"parts": 1_000_000}, method="count") as stream:
            async for part in stream:
                if part == 40:
                    break
        assert await asyncio.to_thread(writer.line) == {"ended": 1_000_000}
        told: list[Progress] = []
        hanging = asyncio.create_task(asker.call("writer", "to be given up", method="hang", on_progress=told.append))
        await until(lambda: bool(told))
        hanging.cancel()
        assert told[0] == {"progress": 1, "total": 2, "message": "hanging"}
        assert await asyncio.to_thread(writer.line) == {"handled": "to be given up"}
        assert await asyncio.to_thread(writer.line) == {"aborted": "to be given up"}
        assert await code_of(asker.call("writer", "no time", method="hang", timeout=0.3)) == "TIMEOUT"


async def test_nobody_is_said_at_once_and_of_two_identities_of_one_name_the_first_has_it(broker, space, member):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus, timeout=20)
        with pytest.raises(XBindError) as caught:
            await asker.call("nobody", 1)
        assert (caught.value.code, caught.value.handled) == ("AGENT_NOT_FOUND", "no")
        first = await member(bus=bus)
        second = AutoGenxBindAgent("writer", agent_options={"bus": bus})
        with pytest.raises(XBindError) as caught:
            await bus.named(second)
        assert (caught.value.code, caught.value.message) == ("NAME_TAKEN", f"the name writer belongs to {first.did}")
        second.handle(lambda call: "by DID")
        assert await asker.call(second.get_did(), 1) == "by DID"
        assert (second.get_did(), None) in bus.agents()
        await bus.named(asker)
        await bus.named(Agent(bus=bus))  # it has no name
        first.say("close\n")
        while await code_of(bus.named(second)) != "ok":
            await asyncio.sleep(0.2)
        assert await asker.call("writer", 1) == "by DID"
        for wrong in ("writer", None, 0):
            with pytest.raises(TypeError):
                await bus.named(wrong)


async def test_an_agent_whose_process_is_killed_is_gone_with_what_it_worked_on(broker, space, member):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus)
        killed = await member(bus=bus)
        hanging = asyncio.create_task(asker.call("writer", "in the middle", method="hang", timeout=600))
        assert await asyncio.to_thread(killed.line) == {"handled": "in the middle"}
        killed.process.kill()
        with pytest.raises(XBindError) as caught:
            await hanging
        assert (caught.value.code, caught.value.handled) == ("AGENT_CLOSED", "unknown")
        await until(lambda: len(bus.agents()) == 1)
        assert await code_of(asker.call("writer", "later")) == "AGENT_NOT_FOUND"


async def test_a_bus_drains_what_was_asked_is_told_its_end_and_others_know_at_once(broker, space, member):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus)
        writer = await member(bus=bus)
        hanging = asyncio.create_task(asker.call("writer", "last", method="hang", timeout=60))
        assert await asyncio.to_thread(writer.line) == {"handled": "last"}
        writer.say("drain\n")
        assert await code_of(hanging) == "AGENT_CLOSED"
        await until(lambda: len(bus.agents()) == 1)
        lines = [await asyncio.to_thread(writer.line), await asyncio.to_thread(writer.line)]
        assert {"drained": "closed"} in lines
        assert await asyncio.to_thread(writer.process.wait) == 0


async def test_other_namespaces_see_nothing(broker, space, member):
    await member()
    async with connect(broker.url, namespace=f"{space}x") as bus:
        assert await code_of(Agent(bus=bus).call("writer", 1)) == "AGENT_NOT_FOUND"
        assert len(bus.agents()) == 1


async def test_bodies_are_encrypted_for_who_asks_for_it(broker, space):
    async with (
        connect(broker.url, namespace=space, encrypt=True) as bus,
        connect(broker.url, namespace=space, encrypt=True) as far,
        connect(broker.url, namespace=space) as plain,
    ):
        Agent("teller", bus=far, handler=lambda call: call.payload)
        Agent("plain", bus=plain, handler=lambda call: call.payload)
        asker = Agent(bus=bus, timeout=20)
        await until(lambda: len(bus.agents()) == 3)
        assert await asker.call("teller", "secret") == "secret"
        assert await code_of(asker.call("plain", "secret")) == "ENCRYPTION_REQUIRED"


async def test_an_auth_callout_lets_in_whom_its_predicate_names():
    issuer, known, unknown, raising = (Identity() for _ in range(4))
    keys = auth_keys(issuer)
    config = f"""
        accounts {{ AUTH: {{ users: [{{ nkey: {keys.callout} }}] }}, AGENTS: {{ jetstream: enabled }} }}
        authorization {{ timeout: 5, auth_callout {{ issuer: {keys.issuer}, auth_users: [{keys.callout}], account: AUTH }} }}
    """
    guarded = Broker(config)
    asked: list[str] = []

    async def allow(did: str) -> bool:
        asked.append(did)
        await asyncio.sleep(0)
        if did == raising.did:
            raise RuntimeError("not your business")
        return did == known.did

    try:
        async with serve_auth(guarded.url, issuer=issuer, allow=allow) as service:
            async with connect(guarded.url, identity=known) as bus:
                assert bus.status == "connected"
            for each in (unknown, raising, None):
                assert await code_of(connect(guarded.url, identity=each)) == "BROKER_UNAVAILABLE"
            assert set(asked) == {known.did, unknown.did, raising.did}
            await service.close()
            await service.close()
        held = []

        async def leave(did: str) -> bool:
            await held[0].close()
            return True

        async with serve_auth(guarded.url, issuer=issuer, allow=leave) as closing:
            held.append(closing)
            assert await code_of(connect(guarded.url, identity=known)) in ("ok", "BROKER_UNAVAILABLE")
        async with serve_auth(guarded.url, issuer=issuer, allow=[known.did]):
            async with connect(guarded.url, identity=known):
                assert await code_of(connect(guarded.url, identity=unknown)) == "BROKER_UNAVAILABLE"
    finally:
        guarded.end()


async def test_an_operator_ends_an_agent_on_every_host(broker, space):
    operator = Identity()
    async with serve_stops(broker.url, operator=operator, namespace=space) as stops:
        async with connect(broker.url, namespace=space, operators=[operator.did]) as bus:
            teller = Agent("teller", bus=bus, handler=lambda call: call.payload)
            asker = Agent("asker", bus=bus, timeout=20)
            while await code_of(asker.call("teller", 1)) != "ok":
                await asyncio.sleep(0.05)
            statement = await stops.stop(teller.did, reason="leaked")
            assert statement.count(".") == 2
            while await code_of(asker.call("teller", 2)) == "ok":
                await asyncio.sleep(0.05)
            assert await code_of(stops.stop("did:key:x")) == "INVALID_DID"
            assert await code_of(stops.stop(teller.did, reason="NO")) == "INVALID_CONFIG"
            await stops.resume(teller.did)
            for wrong in ({}, {"did": teller.did, "token": "x"}, {"did": 1}, {"token": b""}):
                with pytest.raises(TypeError):
                    await stops.stop(**wrong)


async def test_a_bus_says_why_there_is_none(broker):
    assert await code_of(connect("nats://127.0.0.1:1")) == "BROKER_UNAVAILABLE"
    wrongs = [
        {"servers": []},
        {"servers": "http://127.0.0.1:1"},
        {"namespace": "a b"},
        {"namespace": ""},
        {"tls": Tls(cert="x")},
        {"tls": Tls(ca="x")},
        {"dangerously_continue_unrecorded": False},
    ]
    for wrong in wrongs:

        async def ask(options=wrong):
            await connect(**{"servers": broker.url, **options})

        assert await code_of(ask()) == "INVALID_CONFIG", wrong
    destroyed = Identity()
    destroyed.destroy()
    assert await code_of(connect(broker.url, identity=destroyed)) == "SIGN_FAILED"
    assert await code_of(connect(broker.url, operators=["did:key:x"])) == "INVALID_DID"
