"""Agents and the authority of their operator: a real one, in another process."""

import asyncio
import socket
from typing import Any

import pytest
from authority import Authority
from fetched import code_of
from test_provider import Keystore

from private_me import (
    Agent, Identity, IncomingCall, Located, MessageBus, Registered, StatusListSource, TokenVerifier, XBindError, autogen_xbind,
)  # fmt: skip

AUDIENCE, SCOPE = "api.example.com", "read:payments"
MINE: Any = {"audience": AUDIENCE, "scopes": [SCOPE]}


@pytest.fixture(scope="module")
def own():
    started = Authority(SCOPE, "write:payments")
    yield started
    started.end()


async def test_a_name_is_registered_and_leads_to_its_agent(own, bus):
    alice = await own.agent("alice", bus, registry=own.url, handler=lambda call: {"heard": call.payload})
    told = Registered("alice.dev.example", alice.did)
    assert await alice.register() == await alice.register(own.url) == await alice.register(Located(own.did, own.url)) == told
    bob = await own.agent("bob", bus)
    assert await bob.call("alice.dev.example", "x") == {"heard": "x"}
    assert await code_of(Agent("nobody", bus=bus).call("alice.dev.example", "x")) == "AGENT_NOT_FOUND"
    # Who is taken for another, or has no name, or is not known there.
    other = await Agent.from_identity(own.key("bob"), "alice.dev.example", bus=MessageBus(), registry=own.url)
    assert await code_of(other.register()) == "NAME_TAKEN"
    for name, code in ((None, "INVALID_NAME"), ("unknown", "NOT_ALLOWED")):
        assert await code_of(Agent(name, bus=bus, registry=own.url).register()) == code
    bus.close()


async def test_a_token_is_used_in_a_call_between_two_agents(own, bus):
    alice = await own.agent("alice", bus)
    bob = await own.agent("bob", bus)

    @bob.method(trust=[own.did], scopes=[SCOPE], revocations=StatusListSource(origins=[own.url]))
    def pay(call: IncomingCall[None]) -> Any:
        return [call.sender, list(call.scopes), call.on_behalf_of]

    token = await alice.request_token(audience=bob.did, scopes=[SCOPE])
    assert await alice.call("bob", method="pay", token=token) == [alice.did, [SCOPE], None]
    assert await code_of(alice.call("bob", method="pay")) == "SCOPE_DENIED"
    for_others = await alice.request_token(audience="another", scopes=[SCOPE])
    assert await code_of(alice.call("bob", method="pay", token=for_others)) == "WRONG_AUDIENCE"
    little = await alice.request_token(audience=bob.did, scopes=["write:payments"])
    assert await code_of(alice.call("bob", method="pay", token=little)) == "SCOPE_DENIED"
    bus.close()


async def test_many_callers_make_one_request(own, bus):
    alice = await own.agent("alice", bus)
    wish: Any = {"audience": AUDIENCE, "scopes": [SCOPE, "write:payments"]}
    before = own.issued()
    asked = [asyncio.ensure_future(alice.request_token(**wish)) for _ in range(64)]
    await asyncio.sleep(0)
    for each in asked[::2]:  # also the one that was first
        each.cancel()
    came = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in came[::2])
    [token] = set(came[1::2])
    assert own.issued() == before + 1
    assert await alice.request_token(audience=AUDIENCE, scopes=reversed(wish["scopes"])) == token
    assert own.issued() == before + 1
    for other in ({"audience": "other.example"}, {"scopes": [SCOPE]}, {"ttl": 60}):
        assert await alice.request_token(**{**wish, **other}) != token
    assert own.issued() == before + 4
    claims = await TokenVerifier(AUDIENCE, trust=[own.did], revocations=StatusListSource(origins=[own.url])).verify_async(
        token, scopes=[SCOPE], presenter=alice.did
    )
    assert claims.subject == alice.did
    # One that is nearly over is asked for again: of a second, from its first moment on.
    first, second = [await alice.request_token(**wish, ttl=1) for _ in range(2)]
    assert first != second
    await alice.close()
    assert await code_of(alice.request_token(**wish)) == "AGENT_CLOSED"


async def test_what_is_refused_is_asked_for_again(own, bus):
    alice = await own.agent("alice", bus)
    denied: Any = {"audience": AUDIENCE, "scopes": ["admin:all"]}
    for _ in range(2):
        with pytest.raises(XBindError) as raised:
            await alice.request_token(**denied)
        assert (raised.value.code, raised.value.retryable) == ("SCOPE_DENIED", False)
    own.xbind("agent-scopes", "set", "--scopes", "admin:all", "--scopes", SCOPE, "--scopes", "write:payments", "--profile", "alice")
    assert "." in await alice.request_token(**denied)  # a refusal is not kept
    kept = await alice.request_token(**MINE)
    own.xbind("suspend", "--agent", alice.did)
    assert await code_of(alice.request_token(**MINE, ttl=60)) == "REVOKED"
    assert await code_of(alice.request_token(**MINE)) == "REVOKED"  # nothing is kept of what it had
    own.xbind("reactivate", "--agent", alice.did)
    assert await alice.request_token(**MINE) != kept
    await alice.close()


@pytest.fixture
def nowhere() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def test_an_authority_that_is_away_or_another_one(own, bus, nowhere):
    alice = await own.agent("alice", bus, registry=nowhere)
    for ask in (alice.register(), alice.request_token(**MINE), alice.call("bob.dev.example", 1)):
        with pytest.raises(XBindError) as raised:
            await ask
        assert (raised.value.code, raised.value.retryable) == ("REGISTRY_UNAVAILABLE", True)
    wrong = await own.agent("alice", bus, registry=Located(Identity().did, own.url))
    assert await code_of(wrong.request_token(**MINE)) == "REGISTRY_UNAVAILABLE"
    bus.close()


async def test_whoever_gives_up_waits_no_longer_for_an_authority_that_hangs(bus):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with Agent("alice", bus=bus, registry=f"http://127.0.0.1:{silent.getsockname()[1]}") as alice:
            asked = [asyncio.ensure_future(alice.request_token(**MINE)) for _ in range(3)]
            connection, _ = await asyncio.to_thread(silent.accept)
            asked[0].cancel()
            done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert done == {asked[0]} and asked[0].cancelled()
            connection.close()
            for each in asked[1:]:
                assert await code_of(each) == "REGISTRY_UNAVAILABLE"


async def test_who_closes_waits_for_no_authority(bus):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = Located(Identity().did, f"http://127.0.0.1:{silent.getsockname()[1]}")
        alice = Agent("alice", bus=bus, registry=at)
        asked = [asyncio.ensure_future(alice.request_token(**MINE)), asyncio.ensure_future(alice.register())]
        held = [await asyncio.to_thread(silent.accept) for _ in asked]
        await alice.close()
        assert [await code_of(each) for each in asked] == ["AGENT_CLOSED"] * 2
        for connection, _ in held:
            connection.close()


def test_what_was_given_in_one_event_loop_is_there_in_the_next(own, bus):
    async def start() -> tuple[Agent, str]:
        alice = await own.agent("alice", bus)
        return alice, await alice.request_token(**MINE)

    alice, token = asyncio.run(start())
    assert asyncio.run(alice.request_token(**MINE)) == token
    bus.close()


@pytest.mark.parametrize("how", ["now", "later"])
async def test_a_key_that_is_elsewhere_signs(own, bus, how):
    keystore = Keystore(how)
    keystore.identity = Identity.from_pkcs8(own.key("bob"))
    async with Agent("bob", identity=keystore, bus=bus, registry=own.url) as bob:
        assert (await bob.register()).name == "bob.dev.example"
        assert "." in await bob.request_token(**MINE)
        keystore.how = "raises"
        assert await code_of(bob.request_token(**MINE, ttl=60)) == "SIGN_FAILED"
    async with Agent("bob", identity=Identity.from_pkcs8(own.key("bob")), bus=bus, registry=own.url) as bob:
        assert "." in await bob.request_token(**MINE)


async def test_options_that_are_none(own, bus):
    for registry in (
        None, False, 0, 1, b"", [], {"url": own.url, "did": own.did}, Located(own.did, None), Located(None, own.url),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="registry"):
            Agent(bus=bus, registry=registry)
        with pytest.raises(TypeError, match="registry"):
            await Agent("other", bus=MessageBus()).register(registry)
    for address in ("", "https://host.example/path", "ftp://x", "http://host.example", f"{own.url}#{own.did}"):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            Agent(bus=bus, registry=address)
    with pytest.raises(XBindError, match="INVALID_CONFIG") as raised:
        Agent(bus=bus, registry="https://user:se-cret@host.example")
    assert "se-cret" not in f"{raised.value!r} {raised.value} {vars(raised.value)}"
    with pytest.raises(XBindError, match="INVALID_DID"):
        Agent(bus=bus, registry=Located("did:key:x", own.url))
    for half in ("https://a.example\ud800", Located(own.did, "\udc00"), Located("\ud800", own.url)):
        with pytest.raises(ValueError, match="surrogate"):
            Agent(bus=bus, registry=half)
    assert bus.agents() == []

    alice = await own.agent("alice", bus)
    before = own.issued()
    for wrong in (
        {"audience": None}, {"audience": 0}, {"audience": False}, {"scopes": None}, {"scopes": SCOPE}, {"scopes": [None]},
        {"scopes": 0}, {"ttl": "60"}, {"ttl": False}, {"ttl": 1.5}, {"original_token": None}, {"original_token": ""},
        {"original_token": 0}, {"original_token": False}, {"ttl_seconds": 60}, {"agent_id": "alice"},
    ):  # fmt: skip
        with pytest.raises(TypeError):
            await alice.request_token(**{**MINE, **wrong})
    with pytest.raises(TypeError):
        await alice.request_token(audience=AUDIENCE)
    for ttl in (0, -1, 86_401, 10**5000):
        assert await code_of(alice.request_token(**MINE, ttl=ttl)) == "INVALID_CONFIG"
    assert own.issued() == before
    free = Agent("free", bus=bus)
    for ask in (free.register(), free.request_token(**MINE)):
        assert await code_of(ask) == "INVALID_CONFIG"
    bus.close()


async def test_results_say_the_same(own, bus):
    options = {"bus": bus, "registry": own.url}
    imported = await autogen_xbind.AutoGenxBindAgent.from_identity(own.key("alice"), "alice", agent_options=options)
    alice = imported["value"]
    registered = await alice.register()
    assert registered == {"ok": True, "value": Registered("alice.dev.example", alice.get_did())}
    token = await alice.request_token(**MINE)
    assert token["ok"] and token["value"] == (await alice.request_token(**MINE))["value"]
    denied = await alice.request_token(audience=AUDIENCE, scopes=["nothing:here"])
    assert not denied["ok"] and denied["error"].code == "SCOPE_DENIED"
    with pytest.raises(TypeError):
        await alice.request_token(**MINE, original_token=None)
    await alice.close()
