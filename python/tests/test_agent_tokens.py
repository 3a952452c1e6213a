"""Agents that act for users: a real authority, in another process, and an issuer of users' tokens on this machine."""

import asyncio
import threading
import traceback
from typing import Any

import pytest
from authority import Workflow
from fetched import code_of

from private_me import Agent, Identity, MessageBus, OnBehalfOf, StatusListSource, TokenVerifier, XBindError

AUDIENCE = "api.example.com"
MINE: Any = {"audience": AUDIENCE, "scopes": ["notes:read"]}


@pytest.fixture(scope="module")
def own():
    started = Workflow()
    yield started
    started.end()


async def crew(own: Workflow, bus: MessageBus, *names: str) -> list[Agent]:
    return [await own.authority.agent(name, bus) for name in names]


async def test_a_users_token_is_exchanged_and_handlers_see_for_whom(own, bus):
    analyst, researcher = await crew(own, bus, "analyst", "researcher")
    seen = []
    revocations = StatusListSource(origins=[own.authority.url])
    researcher.handle(
        lambda call: seen.append((call.sender, tuple(call.scopes), call.on_behalf_of)),
        trust=[own.authority.did], scopes=["notes:read"], revocations=revocations,
    )  # fmt: skip
    wish: Any = {"original_token": own.users.token("alice"), "audience": researcher.did, "scopes": ["notes:read"]}
    token = await bus.get_agent_token(agent_id="analyst", **wish)
    assert token == await bus.get_agent_token(agent_id=analyst.did, **wish) == await analyst.request_token(**wish)
    await analyst.call("researcher", token=token)
    itself = await analyst.request_token(audience=researcher.did, scopes=["notes:read"])
    await analyst.call("researcher", token=itself)
    assert seen == [(analyst.did, ("notes:read",), each) for each in (OnBehalfOf(own.users.url, "alice"), None)]
    assert await code_of(Agent("thief", bus=bus).call("researcher", token=token)) == "INVALID_TOKEN"
    bus.close()


async def test_many_callers_make_one_request_and_each_user_has_another(own, bus):
    await crew(own, bus, "analyst")
    alice, bob = own.users.token("alice"), own.users.token("bob")

    def ask(user: str, **more: Any) -> Any:
        return bus.get_agent_token(agent_id="analyst", original_token=user, **{**MINE, **more})

    before = own.authority.issued()
    asked = [asyncio.ensure_future(ask(alice)) for _ in range(64)]
    await asyncio.sleep(0)
    for each in asked[:32]:
        each.cancel()
    came = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in came[:32])
    [token] = set(came[32:])
    assert await ask(alice) == token
    assert own.authority.issued() == before + 1
    others = [await ask(bob), await ask(alice, ttl=60), await ask(alice, audience="b"), await ask(own.users.token("alice"))]
    assert len({token, *others}) == 5
    assert own.authority.issued() == before + 5
    assert await ask(alice, ttl=1) != await ask(alice, ttl=1)  # it is nearly over from its first moment on
    bus.close()


async def test_nobody_gets_more_than_the_user_the_operator_and_the_agent_have(own, bus):
    analyst, _ = await crew(own, bus, "analyst", "writer")
    alice = own.users.token("alice")
    for agent, user, scope in (
        ("analyst", alice, "analysis:read"),
        ("writer", alice, "notes:read"),
        ("analyst", own.users.token("alice", scope="other"), "notes:read"),
    ):
        with pytest.raises(XBindError) as raised:
            await bus.get_agent_token(agent_id=agent, original_token=user, audience=AUDIENCE, scopes=[scope])
        assert (raised.value.code, raised.value.retryable) == ("SCOPE_DENIED", False)
    token = await bus.get_agent_token(agent_id="analyst", original_token=alice, **MINE)
    verifier = TokenVerifier(AUDIENCE, trust=[own.authority.did], revocations=StatusListSource(origins=[own.authority.url]))
    claims = await verifier.verify_async(token, presenter=analyst.did)
    assert (tuple(claims.scopes), claims.on_behalf_of) == (("notes:read",), OnBehalfOf(own.users.url, "alice"))
    bus.close()


async def test_a_users_token_that_does_not_hold_gives_nothing_and_stands_nowhere(own, bus, caplog):
    caplog.set_level(0)
    agents = await crew(own, bus, "analyst")
    over, good = own.users.token("alice", seconds=-1), own.users.token("alice")
    for token, code in (
        (over, "TOKEN_EXPIRED"),
        (f"{good[:-20]}{'A' * 20}", "INVALID_TOKEN"),
        ("not-a-token-at-all", "INVALID_TOKEN"),
        ("x" * 20_000, "INVALID_TOKEN"),
    ):
        with pytest.raises(XBindError) as raised:
            await bus.get_agent_token(agent_id="analyst", original_token=token, **MINE)
        assert raised.value.code == code
        shown = "".join([*traceback.format_exception(raised.value), repr(raised.value), repr(vars(raised.value)), caplog.text])
        assert not any(part[:30] in shown for part in token.split("."))
    token = await bus.get_agent_token(agent_id="analyst", original_token=good, **MINE)
    member = agents[0]._member
    shown = repr([bus, agents, member, vars(member), vars(member._registries), caplog.text])
    assert good[-40:] not in shown and token[-40:] not in shown
    bus.close()


async def test_with_the_session_of_the_user_ends_what_agents_were_given_for_him(own, bus):
    [analyst] = await crew(own, bus, "analyst")
    carol, dave = own.users.token("carol"), own.users.token("dave")

    def ask(user: str, **more: Any) -> Any:
        return bus.get_agent_token(agent_id="analyst", original_token=user, **MINE, **more)

    await ask(carol)
    daves, itself = await ask(dave), await analyst.request_token(**MINE)
    own.users.sign_out("carol", own.authority.url)
    assert await code_of(ask(carol, ttl=60)) == "REVOKED"
    assert await code_of(ask(carol)) == "REVOKED"  # nothing is handed out that was kept
    assert (await ask(dave), await analyst.request_token(**MINE)) == (daves, itself)
    bus.close()


async def test_a_token_is_asked_for_by_an_agent_that_is_here_and_by_no_other(own, bus):
    [analyst] = await crew(own, bus, "analyst")
    user = own.users.token("alice")

    def ask(agent_id: str, on: MessageBus = bus) -> Any:
        return on.get_agent_token(agent_id=agent_id, original_token=user, **MINE)

    for nobody in ("writer", "analyst ", "", "Analyst", Identity().did, f"x\n{'y' * 100}"):
        with pytest.raises(XBindError) as raised:
            await ask(nobody)
        assert raised.value.code == "AGENT_NOT_FOUND" and "\n" not in str(raised.value)
    assert await code_of(ask("analyst", MessageBus())) == "AGENT_NOT_FOUND"
    free, twin = Agent("free", bus=bus), Agent("analyst", bus=bus)
    assert await code_of(ask("free")) == "INVALID_CONFIG"  # it has no authority
    assert await code_of(ask("analyst")) == "AMBIGUOUS_NAME"
    assert "." in await ask(analyst.did)
    await twin.close()
    bus.stop(analyst.did)
    assert await code_of(ask("analyst")) == "REVOKED"
    await free.close()
    assert await code_of(ask("free")) == "AGENT_NOT_FOUND"
    bus.close()


async def test_a_shared_bus_is_one_and_agents_of_other_threads_answer_for_themselves(own):
    bus = MessageBus.shared("agent-tokens")
    user = own.users.token("alice")
    ended = threading.Event()
    here = threading.Event()

    async def elsewhere() -> None:
        async with Agent("far", bus=MessageBus.shared("agent-tokens")):
            here.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
    thread.start()
    try:
        assert await asyncio.to_thread(here.wait, 60)
        assert [each.name for each in bus.agents()] == ["far"]
        assert await code_of(bus.get_agent_token(agent_id="far", original_token=user, **MINE)) == "AGENT_NOT_FOUND"
        await crew(own, MessageBus.shared("agent-tokens"), "analyst")
        assert "." in await bus.get_agent_token(agent_id="analyst", original_token=user, **MINE)
    finally:
        ended.set()
        thread.join()
        bus.close()


async def test_what_is_no_wish_is_a_mistake_of_whoever_made_it(own, bus):
    await crew(own, bus, "analyst")
    wish: Any = {"agent_id": "analyst", "original_token": own.users.token("alice"), **MINE}
    before = own.authority.issued()
    for wrong in (
        {"original_token": None}, {"original_token": ""}, {"original_token": 0}, {"original_token": False}, {"agent_id": None},
        {"agent_id": 7}, {"agent_id": False}, {"audience": None}, {"scopes": "notes:read"}, {"scopes": [None]}, {"ttl": "60"},
        {"ttl": True}, {"ttl_seconds": 60}, {"subject_token": "x"},
    ):  # fmt: skip
        with pytest.raises(TypeError):
            await bus.get_agent_token(**{**wish, **wrong})
    for text in ("original_token", "agent_id", "audience"):  # half a surrogate pair would be asked for as another text
        with pytest.raises(ValueError, match=text):
            await bus.get_agent_token(**{**wish, text: "\ud800"})
    for name in wish:
        with pytest.raises(TypeError):
            await bus.get_agent_token(**{each: value for each, value in wish.items() if each != name})
    assert await code_of(bus.get_agent_token(**wish, ttl=0)) == "INVALID_CONFIG"
    assert own.authority.issued() == before
    bus.close()
