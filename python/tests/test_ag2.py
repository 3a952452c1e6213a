"""AG2 with participants that are proven."""

import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

pytest.importorskip("ag2.network", reason="ag2 is not installed: pip install './python[ag2]'")

from ag2 import Agent  # noqa: E402
from ag2.knowledge import MemoryKnowledgeStore  # noqa: E402
from ag2.network import (  # noqa: E402
    EV_TEXT,
    AccessDeniedError,
    AuthBlock,
    AuthError,
    AuthRegistry,
    Envelope,
    Hub,
    HubClient,
    LocalLink,
    Passport,
    Resume,
    Rule,
)
from ag2.network.hub.arbiter import Allow, Deny  # noqa: E402
from ag2.testing import TestConfig  # noqa: E402

from private_me import Identity, RevocationList, XBindError  # noqa: E402
from private_me.ag2 import DidKeyArbiter, DidKeyAuth, DidKeyHubClient, claim  # noqa: E402

HUB = Identity()
ALICE, BOB, MALLORY = Identity(), Identity(), Identity()
OPEN: list[HubClient] = []


class Wire:
    """A link that goes through frames, as one to another process does."""

    def __init__(self, hub: Hub) -> None:
        self._link = LocalLink(hub)

    def client(self):
        return self._link.client()


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = await Hub.open(MemoryKnowledgeStore(), auth=AuthRegistry([DidKeyAuth(HUB.did)]), expectation_sweep_interval=0)
    hub.register_arbiter(DidKeyArbiter(HUB.did))
    yield hub
    while OPEN:
        await OPEN.pop().close()
    await hub.close()


def agent(name: str) -> Agent:
    return Agent(name, config=TestConfig(*["as you say"] * 9))


def client_of(hub: Hub, identity: Identity, link=Wire, audience: str = HUB.did) -> DidKeyHubClient:
    OPEN.append(client := DidKeyHubClient(link(hub), identity=identity, audience=audience))
    return client


async def joined(hub: Hub, name: str, identity: Identity, link=Wire):
    return await client_of(hub, identity, link).register(agent(name), attach_plugin=False)


async def talk(hub: Hub, link=Wire):
    """Alice and Bob, and their channel."""
    alice, bob = await joined(hub, "alice", ALICE, link), await joined(hub, "bob", BOB, link)
    return alice, bob, await alice.open(type="conversation", target="bob")


def passport(name: str, identity: Identity, *, audience: str = HUB.did, **facts) -> Passport:
    own = Passport(name=name, **facts)
    return dataclasses.replace(own, auth=claim(identity, own, audience=audience))


async def texts(hub: Hub, channel: str) -> list[str]:
    return [each.event_data["text"] for each in await hub.read_wal(channel) if each.event_type == EV_TEXT]


async def test_without_it_anybody_speaks_for_anybody():
    hub = await Hub.open(MemoryKnowledgeStore(), expectation_sweep_interval=0)
    alice = await hub.register(agent("alice"), attach_plugin=False)
    await hub.register(agent("bob"), attach_plugin=False)
    channel = await alice.open(type="conversation", target="bob")
    await hub.post_envelope(Envelope(channel.channel_id, alice.agent_id, None, EV_TEXT, {"text": "pay mallory"}))
    assert "pay mallory" in await texts(hub, channel.channel_id)
    await hub.close()


@pytest.mark.parametrize("link", [Wire, LocalLink])
async def test_with_it_each_speaks_for_itself(hub, link):
    alice, bob, channel = await talk(hub, link)
    await channel.send("hello")
    assert "hello" in await texts(hub, channel.channel_id)
    assert (await hub.get_agent("alice")).auth.key_fingerprint == ALICE.did
    forged = Envelope(channel.channel_id, alice.agent_id, None, EV_TEXT, {"text": "pay mallory"})
    with pytest.raises(AccessDeniedError, match="MALFORMED_MESSAGE"):
        await hub.post_envelope(forged)
    # With a signature that is another's.
    mallory = client_of(hub, MALLORY, LocalLink)
    with pytest.raises(AccessDeniedError, match="NOT_ALLOWED"):
        await mallory.post_envelope(forged)
    assert "pay mallory" not in await texts(hub, channel.channel_id)


async def test_an_envelope_counts_once_as_it_was_signed_and_for_its_hub(hub):
    alice, _, channel = await talk(hub)
    post, signed = hub.post_envelope, []

    async def keep(envelope: Envelope) -> str:
        signed.append(Envelope.from_json(envelope.to_json()))
        return "kept"

    hub.post_envelope = keep  # type: ignore[method-assign]
    await channel.send("hello")
    [sent] = signed
    changes = [{"event_data": {"text": "bye"}}, {"audience": [alice.agent_id]}, {"event_type": "x"}, {"depth": 1}, {"task_id": "t"}]
    for changed in [*changes, {"priority": "urgent"}, {"causation_id": "c"}, {"ttl_seconds": 9}]:
        with pytest.raises(AccessDeniedError, match="INVALID_SIGNATURE|MALFORMED_MESSAGE"):
            await post(dataclasses.replace(sent, **changed))
    for key in (None, "xbind:", "xbind:x", "ordinary", "xbind:ü"):
        with pytest.raises(AccessDeniedError, match="MALFORMED_MESSAGE"):
            await post(dataclasses.replace(sent, idempotency_key=key))
    await post(dataclasses.replace(sent))
    with pytest.raises(AccessDeniedError, match="REPLAYED"):
        await post(dataclasses.replace(sent))
    elsewhere = client_of(hub, ALICE, LocalLink, BOB.did)
    hub.post_envelope = post  # type: ignore[method-assign]
    with pytest.raises(AccessDeniedError, match="WRONG_AUDIENCE"):
        await elsewhere.post_envelope(dataclasses.replace(sent))
    for said in ({"text": float("nan")}, {"text": object()}):
        with pytest.raises(XBindError, match="INVALID_PAYLOAD"):
            await elsewhere.post_envelope(dataclasses.replace(sent, event_data=said))
    with pytest.raises(ValueError, match="idempotency_key"):
        await elsewhere.post_envelope(dataclasses.replace(sent, idempotency_key="mine"))


async def test_a_claim_counts_once_at_its_hub_and_for_its_passport(hub):
    auth = DidKeyAuth(HUB.did)
    own = passport("alice", ALICE, owner="acme")
    await auth.validate(own, own.auth.claim)
    with pytest.raises(AuthError, match="REPLAYED"):
        await auth.validate(own, own.auth.claim)
    with pytest.raises(AuthError, match="WRONG_AUDIENCE"):
        await auth.validate(passport("alice", ALICE, audience=BOB.did), passport("alice", ALICE, audience=BOB.did).auth.claim)
    for changed in ({"name": "ceo"}, {"owner": "other"}, {"kind": "human"}, {"hub_id": "x"}):
        other = passport("alice", ALICE, owner="acme")
        with pytest.raises(AuthError, match="INVALID_SIGNATURE|MALFORMED_MESSAGE"):
            await auth.validate(dataclasses.replace(other, **changed), other.auth.claim)
    stolen = passport("alice", MALLORY)
    named = dataclasses.replace(stolen, auth=dataclasses.replace(stolen.auth, key_fingerprint=ALICE.did))
    with pytest.raises(AuthError):
        await auth.validate(named, named.auth.claim)
    for wrong in ({}, {"jws": None}, {"jws": 1}, {"jws": "x", "more": 1}, {"token": "x"}, {"jws": "\ud800"}, None):
        with pytest.raises(AuthError, match="MALFORMED_MESSAGE"):
            await auth.validate(own, wrong)
    with pytest.raises(AuthError, match="MALFORMED_MESSAGE"):
        await auth.validate(Passport(name="alice"), passport("alice", ALICE).auth.claim)


async def test_names_may_be_given_to_dids(hub):
    auth = DidKeyAuth(HUB.did, names={"alice": ALICE.did})
    own = passport("alice", ALICE)
    await auth.validate(own, own.auth.claim)
    for wrong in (passport("alice", MALLORY), passport("mallory", MALLORY)):
        with pytest.raises(AuthError, match="NOT_ALLOWED"):
            await auth.validate(wrong, wrong.auth.claim)


async def test_only_the_proven_come_in(hub):
    OPEN.append(plain := HubClient(Wire(hub)))
    for wrong in (Passport(name="alice"), passport("alice", ALICE, audience=BOB.did)):
        with pytest.raises(AuthError):
            await plain.register(agent("alice"), wrong, attach_plugin=False)
        with pytest.raises(AuthError):
            await hub.register_identity(wrong, Resume())
    arbiter = DidKeyArbiter(HUB.did)
    for wrong in (Passport(name="x"), Passport(name="x", kind="remote_agent", auth=AuthBlock(scheme="did:key"))):
        assert isinstance(await arbiter.authorize_register(wrong, Resume(), Rule()), Deny)
    # A participant of another hub is not looked at when it is registered, and may not speak.
    far = await hub.register_identity(Passport(name="far", kind="remote_agent", auth=AuthBlock(scheme="did:key")), Resume())
    with pytest.raises(AccessDeniedError, match="NOT_ALLOWED"):
        await hub.post_envelope(Envelope("c", far.agent_id, None, EV_TEXT, {"text": "pay"}))
    assert isinstance(await arbiter.authorize_register(passport("alice", ALICE), Resume(), Rule()), Allow)


async def test_a_name_is_attached_again_by_its_did_alone(hub):
    await joined(hub, "alice", ALICE)
    again = client_of(hub, ALICE)
    assert (await again.attach(agent("alice"), "alice", attach_plugin=False)).agent_id == hub.find_agent_id("alice")
    with pytest.raises(AuthError):
        await client_of(hub, MALLORY).attach(agent("alice"), "alice", attach_plugin=False)
    OPEN.append(plain := HubClient(Wire(hub)))
    with pytest.raises(AuthError):
        await plain.attach(agent("alice"), "alice", attach_plugin=False)
    new = await again.attach(agent("carol"), "carol", passport=Passport(name="carol"), resume=Resume(), attach_plugin=False)
    assert new.agent_id == hub.find_agent_id("carol")


async def test_people_come_in_too(hub):
    human = await client_of(hub, BOB).register_human(Passport(name="bob"))
    assert (await hub.get_agent("bob")).auth.key_fingerprint == BOB.did
    alice = await joined(hub, "alice", ALICE)
    channel = await human.open(type="conversation", target="alice")
    assert human is not None and alice is not None and channel is not None


async def test_the_revoked_stay_out():
    revoked = RevocationList()
    auth = DidKeyAuth(HUB.did, revocations=revoked)
    own = passport("alice", ALICE)
    revoked.revoke_did(ALICE.did)
    with pytest.raises(AuthError, match="REVOKED"):
        await auth.validate(own, own.auth.claim)


def test_options_that_are_none_are_told(hub):
    for wrong in (
        lambda: DidKeyAuth(None),
        lambda: DidKeyAuth(HUB.did, names=None),
        lambda: DidKeyAuth(HUB.did, names={"x": None}),
        lambda: DidKeyArbiter(None),
        lambda: DidKeyHubClient(Wire(hub), identity=None, audience=HUB.did),
        lambda: DidKeyHubClient(Wire(hub), identity=ALICE, audience=None),
        lambda: claim(None, Passport(name="x"), audience=HUB.did),
        lambda: claim(ALICE, Passport(name="x"), audience=None),
        lambda: DidKeyAuth(HUB.did, revocations=None),
    ):
        with pytest.raises(TypeError):
            wrong()
