"""Mail for agents of other processes that are away, over a nats-server; the names are those of __test__/nats-mail.spec.ts where
it is the same promise."""

import asyncio
import shutil
import sys
import threading
from pathlib import Path

import pytest
from brokers import ROOT, Broker, Member, code_of, until

from private_me import Agent, DeliveryReceipt, Identity, MessageBus
from private_me.autogen_xbind import AutoGenxBindAgent
from private_me.nats import auth_keys, connect, serve_auth

SEED = 9
WRITER = Identity.from_seed(bytes([SEED]) * 32)


def writer_on(bus: MessageBus) -> Agent:
    return Agent("writer", identity=WRITER, bus=bus, timeout=20)


@pytest.fixture
def reader(broker, space):
    """A process that reads its mail, in Python or in Node.js."""
    started: list[Member] = []

    async def start(kind: str = "Python") -> Member:
        if kind == "Python":
            command = [sys.executable, str(Path(__file__).with_name("nats_mail.py"))]
        elif not shutil.which("node") or not (ROOT / "dist" / "nats.mjs").exists():
            pytest.skip("the package for Node.js is not built here")
        else:
            command = ["node", str(ROOT / "__test__" / "helpers" / "nats-reader.mjs")]
        arguments = [broker.url, "writer", str(SEED), space]
        started.append(await asyncio.to_thread(Member, [*command, *arguments]))
        return started[-1]

    yield start
    for each in started:
        each.end()


async def test_an_agent_that_is_away_finds_its_mail_when_it_is_back(broker, space):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus, timeout=20)
        async with connect(broker.url, namespace=space) as first:
            writer = writer_on(first)
            await first.mailbox(writer)
            did = writer.did
            await until(lambda: len(bus.agents()) == 2)
            assert (await asker.send("writer", "here")).status == "delivered"
        assert await code_of(first.mailbox(writer)) == "AGENT_CLOSED"
        await until(lambda: len(bus.agents()) == 1)
        kept = await asker.send(did, {"n": 1})
        assert kept == DeliveryReceipt(kept.message_id, did, "kept")
        assert (await asker.send("writer", "by its name")).status == "kept"
        assert await code_of(asker.call("writer", 1)) == "AGENT_NOT_FOUND"
        async with connect(broker.url, namespace=space) as second:
            back = AutoGenxBindAgent("writer", identity_provider=WRITER, agent_options={"bus": second})
            await second.mailbox(back, retain_seconds=3600)
            letters = back.messages()
            found = [await anext(letters), await anext(letters)]
            assert [(each.sender, each.payload) for each in found] == [(asker.did, {"n": 1}), (asker.did, "by its name")]
            assert (await back.receive(wait=0.3))["value"] == []
            await second.mailbox(back, retain_seconds=0)
        await until(lambda: len(bus.agents()) == 1)
        assert await code_of(asker.send(did, 2)) == "AGENT_NOT_FOUND"


@pytest.mark.parametrize("kind", ["Node.js", "Python"])
async def test_mail_is_read_by_a_process_of_either_language_and_by_the_next_when_that_was_killed(broker, space, reader, kind):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus, timeout=20)
        process = await reader(kind)
        process.end()
        kept: list[str] = []
        number = 0
        while len(kept) < 30:  # until the broker knows that nobody is there
            number += 1
            try:
                if (await asker.send(WRITER.did, f"mail {number}")).status == "kept":
                    kept.append(f"mail {number}")
            except Exception:
                await asyncio.sleep(0.05)
        again = await reader(kind)
        read = [(await asyncio.to_thread(again.line))["handled"] for _ in kept]
        assert read == kept


async def test_mail_that_python_was_sent_is_read_in_node_and_the_other_way_round(broker, space, reader):
    async with connect(broker.url, namespace=space) as bus:
        asker = Agent("asker", bus=bus, timeout=20)
        async with connect(broker.url, namespace=space) as own:
            await own.mailbox(writer_on(own))
            await until(lambda: len(bus.agents()) == 2)
        await until(lambda: len(bus.agents()) == 1)
        assert (await asker.send("writer", ["ünïcode", None])).status == "kept"
        node = await reader("Node.js")
        assert (await asyncio.to_thread(node.line)) == {"handled": ["ünïcode", None]}
        node.end()
        async with connect(broker.url, namespace=space) as back:
            here = writer_on(back)
            await back.mailbox(here)
            assert await here.receive() == []


async def test_what_is_no_agent_and_what_is_no_time_is_refused_and_what_is_given_up_does_no_harm(broker, space):
    async with connect(broker.url, namespace=space) as bus:
        writer = writer_on(bus)
        for wrong in ("writer", None, 0, False, "", object(), float("nan")):
            with pytest.raises(TypeError):
                await bus.mailbox(wrong)
        for wrong in (True, False, "", "60", 1.5, float("nan"), b"60", object()):
            with pytest.raises(TypeError):
                await bus.mailbox(writer, retain_seconds=wrong)
        for wrong in (-1, 604_801, 2**80):
            assert await code_of(bus.mailbox(writer, retain_seconds=wrong)) == "INVALID_CONFIG"
        with pytest.raises(TypeError):
            await bus.mailbox(writer, 60)  # type: ignore[misc]
        elsewhere = Agent("elsewhere", bus=MessageBus())
        assert await code_of(bus.mailbox(elsewhere)) == "AGENT_CLOSED"
        for turns in range(4):
            task = asyncio.create_task(bus.mailbox(writer))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        while await code_of(bus.mailbox(writer, retain_seconds=60)) == "SIGN_FAILED":
            pass  # those that were given up go on, and an agent signs one statement at a time
        closing = asyncio.create_task(bus.mailbox(writer))
        await asyncio.sleep(0)
        bus.close()
        assert await code_of(closing) in ("ok", "AGENT_CLOSED", "BROKER_UNAVAILABLE")
    assert await code_of(bus.mailbox(writer)) == "AGENT_CLOSED"


class Elsewhere:
    """A key that is not the agent's own."""

    def get_did(self) -> str:
        return WRITER.did

    async def sign(self, data: bytes) -> bytes:
        await asyncio.sleep(0)
        return WRITER.dangerously_sign(data)


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("kept", ["its own", "an Identity", "elsewhere"])
async def test_mail_is_encrypted_where_that_is_asked_for_to_a_key_that_is_the_agents_own(broker, space, kept, encrypt):
    async def make(bus: MessageBus) -> Agent:
        if kept == "its own":
            return await Agent.from_identity(WRITER.to_pkcs8(), "writer", bus=bus)
        return Agent("writer", identity=WRITER if kept == "an Identity" else Elsewhere(), bus=bus)

    async with connect(broker.url, namespace=space, encrypt=encrypt) as bus:
        asker = Agent("asker", bus=bus, timeout=20)
        async with connect(broker.url, namespace=space, encrypt=encrypt) as first:
            writer = await make(first)
            if encrypt and kept != "its own":
                assert await code_of(first.mailbox(writer)) == "INVALID_CONFIG"
                return
            await first.mailbox(writer)
            await until(lambda: len(bus.agents()) == 2)
        await until(lambda: len(bus.agents()) == 1)
        assert (await asker.send("writer", "secret")).status == "kept"
        async with connect(broker.url, namespace=space, encrypt=encrypt) as second:
            back = await make(second)
            await second.mailbox(back)
            [message] = await back.receive(wait=20)
            assert (message.payload, message.sender) == ("secret", asker.did)


async def test_mail_is_for_an_identity_where_statements_let_in(space):
    issuer = Identity()
    keys = auth_keys(issuer)
    config = f"""
        accounts {{ AUTH: {{ users: [{{ nkey: {keys.callout} }}] }}, AGENTS: {{ jetstream: enabled }} }}
        authorization {{ timeout: 5, auth_callout {{ issuer: {keys.issuer}, auth_users: [{keys.callout}], account: AUTH }} }}
    """
    door = Broker(config)
    try:
        async with serve_auth(door.url, issuer=issuer, namespace=space):
            async with connect(door.url, namespace=space, identity=WRITER) as bus:
                await bus.mailbox(writer_on(bus))
                assert await code_of(bus.mailbox(Agent("other", bus=bus))) != "ok"
    finally:
        door.end()


def test_a_mailbox_is_read_in_one_event_loop_after_the_other_and_not_from_another_thread(broker, space):
    async def begin():
        bus = await connect(broker.url, namespace=space)
        reader = writer_on(bus)
        await bus.mailbox(reader)
        return bus, reader

    async def read(bus, reader):
        await bus.mailbox(reader, retain_seconds=60)
        asker = Agent(bus=bus, timeout=20)
        assert (await asker.send(reader.did, "one")).status == "delivered"
        [message] = await reader.receive(wait=20)
        assert (message.payload, message.sender) == ("one", asker.did)
        await asker.close()

    bus, reader = asyncio.run(begin())
    for _ in range(2):
        asyncio.run(read(bus, reader))
    raised: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(bus.mailbox(reader, retain_seconds=60))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert [type(each) for each in raised] == [RuntimeError]
    asyncio.run(bus.drain())


@pytest.mark.parametrize("pause", [0, 0.05])
async def test_mailboxes_that_are_opened_at_once_are_opened_one_after_the_other(broker, space, pause):
    class Slow:
        """Signs where a key is elsewhere: it takes its time."""

        def get_did(self):
            return WRITER.did

        async def sign(self, data):
            await asyncio.sleep(pause)
            return WRITER.dangerously_sign(data)

    async with connect(broker.url, namespace=space) as bus:
        writer = Agent("writer", identity=Slow(), bus=bus, timeout=20)
        opened = await asyncio.gather(*(bus.mailbox(writer) for _ in range(20)), return_exceptions=True)
        assert opened == [None] * 20
        closed = await asyncio.gather(*(bus.mailbox(writer, retain_seconds=0) for _ in range(20)), return_exceptions=True)
        assert closed == [None] * 20
