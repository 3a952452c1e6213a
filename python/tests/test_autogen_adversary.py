"""Whoever means ill to AutoGen's runtime: bytes, names, types and times of its own choosing."""

import asyncio
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import (  # noqa: E402
    JSON_DATA_CONTENT_TYPE,
    AgentId,
    MessageContext,
    TopicId,
    TypeSubscription,
    message_handler,
)
from pydantic import BaseModel  # noqa: E402
from team import Note, Taker, code_of  # noqa: E402

from private_me import Agent, Identity, MessageBus, XBindError  # noqa: E402
from private_me.autogen import Undeliverable, XBindRuntime  # noqa: E402


class Model(BaseModel):
    text: str


class Reader(Taker):
    @message_handler
    async def model(self, message: Model, ctx: MessageContext) -> str:
        return message.text


def packed(data: Any = None, kind: str = "Note", content_type: str = JSON_DATA_CONTENT_TYPE) -> dict[str, Any]:
    return {"type": kind, "as": content_type, "data": {"text": "x"} if data is None else data}


def parcel(**changes: Any) -> dict[str, Any]:
    members = {"from": "boss", "id": "1", "to": "taker", "message": packed(), **changes}
    return {name: value for name, value in members.items() if value is not ...}


BODIES = [
    None, 1, "x", [], {}, b"bytes", b"\x80\x04N.", pickle.dumps(Note("x")),
    parcel(**{"from": ...}), parcel(**{"from": None}), parcel(**{"from": ""}), parcel(**{"from": "a b"}), parcel(**{"from": "a/b"}),
    parcel(**{"from": "x" * 257}), parcel(**{"from": "boss\n"}), parcel(**{"from": ["boss"]}),
    parcel(id=None), parcel(id=1), parcel(id=""), parcel(id="\x1b[2J"), parcel(id="x" * 257), parcel(more=1), parcel(topic=["a", "b"]),
    parcel(to=...), parcel(to=None), parcel(to=1), parcel(to={}),
    parcel(message=...), parcel(message=None), parcel(message="x"), parcel(message=[]), parcel(message={}),
    parcel(message={"type": "Note", "data": {}}), parcel(message={**packed(), "more": 1}),
    parcel(message=packed(kind="Nothing")), parcel(message=packed(kind="object")), parcel(message=packed(kind="__class__")),
    parcel(message={**packed(), "type": 1}), parcel(message={**packed(), "type": None}), parcel(message={**packed(), "as": []}),
    parcel(message=packed(content_type="application/python-pickle")), parcel(message=packed(content_type="application/x-protobuf")),
    parcel(message=packed([])), parcel(message=packed("x")), parcel(message=packed(1)), parcel(message=packed({})),
    parcel(message=packed({"text": 1})), parcel(message=packed({"text": None})), parcel(message=packed({"text": "x", "times": "2"})),
    parcel(message=packed({"text": "x", "times": True})), parcel(message=packed({"text": "x", "__class__": "y"})),
    parcel(message=packed({"text": {"text": "x"}})), parcel(message=packed({"text": []}, "Model")), parcel(message=packed([1], "Model")),
]  # fmt: skip


@pytest.fixture
async def runtime(bus: MessageBus):
    async with XBindRuntime("runtime", bus=bus) as runtime:
        await Reader.register(runtime, "taker", Reader)
        await runtime.add_subscription(TypeSubscription("news", "taker"))
        yield runtime


async def taker_of(runtime: XBindRuntime, key: str = "default") -> Reader:
    return await runtime.try_get_underlying_agent_instance(AgentId("taker", key), Reader)


async def test_what_is_no_message_of_a_runtime_is_refused(bus, runtime, asker, caplog):
    to = (await runtime.get("taker")).key
    for body in BODIES:
        assert await code_of(asker.call(to, body, method="autogen.send")) in ("INVALID_INPUT", "INVALID_PAYLOAD"), body
        assert await code_of(asker.call("runtime", body, method="autogen.publish")) in ("INVALID_INPUT", "INVALID_PAYLOAD"), (
            body
        )
    for topic in (None, 1, "news", [], ["news"], ["news", "s", "x"], ["news", 1], ["a b", "s"], ["", "s"], ["news", ""], ["news", "\n"], ["n" * 257, "s"]):  # fmt: skip
        body = {**parcel(to=...), "topic": topic}
        assert await code_of(asker.call("runtime", body, method="autogen.publish")) == "INVALID_INPUT", topic
    for body in (None, {}, {"type": "taker"}, {"type": "taker", "key": 1}, {"type": "a b", "key": "x"}, {"type": "taker", "key": "\0"}, {"type": "taker", "key": "x", "y": "z"}):  # fmt: skip
        assert await code_of(asker.call("runtime", body, method="autogen.find")) == "INVALID_INPUT", body
    for where, method in (
        (to, None),
        (to, "autogen.find"),
        (to, "autogen.publish"),
        ("runtime", "autogen.send"),
        ("runtime", "x"),
    ):
        assert await code_of(asker.call(where, parcel(), method=method)) == "METHOD_NOT_FOUND"
    assert (await taker_of(runtime)).taken == []
    assert await asker.call(to, parcel(), method="autogen.send") == {"data": 1}
    assert (await taker_of(runtime)).senders == [AgentId("boss", asker.did)]
    assert "Traceback" not in caplog.text


async def test_a_topic_of_a_strangers_choosing_makes_nobody_a_neighbour(runtime, asker):
    """A source is the key of whoever hears: with a DID it would be an agent in that DID's name."""
    victim = Identity().did
    for source in (victim, asker.did, runtime.did, "did:key:x", "did:"):
        await asker.call("runtime", {**parcel(to=...), "topic": ["news", source]}, method="autogen.publish")
        await runtime.publish_message(Note("x"), TopicId("news", source))
        assert await code_of(runtime.send_message(Note("x"), AgentId("taker", source)), XBindError) in (
            "AGENT_NOT_FOUND",
            "INVALID_DID",
            "METHOD_NOT_FOUND",
            "WRONG_AUDIENCE",
        )
        assert await code_of(asker.call("runtime", {"type": "taker", "key": source}, method="autogen.find")) == "HANDLER_FAILED"
    await asker.call("runtime", {**parcel(to=...), "topic": ["news", "../../etc"]}, method="autogen.publish")
    await runtime.stop_when_idle()
    assert {str(each.id) for each in runtime._agents} == {"taker/../../etc"}


async def test_agents_are_no_more_than_are_allowed(bus, asker):
    async with XBindRuntime("small", bus=bus, max_agents=3) as small:
        await Reader.register(small, "taker", Reader)
        await small.add_subscription(TypeSubscription("news", "taker"))
        for number in range(10):
            await asker.call("small", {**parcel(to=...), "topic": ["news", f"{number}"]}, method="autogen.publish")
        assert await code_of(small.get("taker", "more"), Undeliverable) == "INBOX_FULL"
        assert len(bus.agents()) == 1 + 1 + 3


async def test_ids_that_lie_are_read_once(runtime):
    class Key(str):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("default")

        def startswith(self, *_: Any) -> bool:
            return False

    class Id(AgentId):
        asked = 0

        @property
        def key(self) -> str:
            self.asked += 1
            return "default" if self.asked == 1 else Identity().did

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash(("taker", "default"))

    assert await runtime.send_message(Note("x"), Id("taker", "x"), sender=Id("taker", "x")) == 1
    assert (await taker_of(runtime)).senders == [await runtime.get("taker")]
    assert (
        await code_of(
            runtime.send_message(Note("x"), AgentId("taker", "default"), sender=AgentId("taker", Key(Identity().did)))
        )
        == "NOT_ALLOWED"
    )
    assert await code_of(runtime.send_message(Note("x"), AgentId("boss", Key("default")))) == "AGENT_NOT_FOUND"
    mine = await runtime.get("taker")
    assert (
        await code_of(runtime.send_message(Note("x"), AgentId("taker", "default"), sender=AgentId("boss", mine.key)))
        == "NOT_ALLOWED"
    )
    assert await code_of(runtime.send_message(Note("x"), AgentId("boss", mine.key))) == "AGENT_NOT_FOUND"


async def test_wrong_types_and_none_are_told(bus, runtime):
    to, topic = AgentId("taker", "default"), TopicId("news", "s")
    wrong: list[Any] = [
        lambda: runtime.send_message(Note("x"), None),
        lambda: runtime.send_message(Note("x"), "taker/default"),
        lambda: runtime.send_message(Note("x"), to, sender="taker/default"),
        lambda: runtime.send_message(Note("x"), to, cancellation_token=object()),
        lambda: runtime.send_message(Note("x"), to, message_id=1),
        lambda: runtime.publish_message(Note("x"), None),
        lambda: runtime.publish_message(Note("x"), "news"),
        lambda: runtime.publish_message(Note("x"), topic, sender=1),
        lambda: runtime.add_subscription(None),
        lambda: runtime.find("runtime", None),
        lambda: runtime.find("runtime", "taker", None),
        lambda: runtime.find(None, "taker"),
        lambda: runtime.register_factory("x", None),
        lambda: runtime.get(None),
        lambda: runtime.agent_metadata(None),
    ]
    for work in wrong:
        with pytest.raises((TypeError, AttributeError)):
            await work()
    for options in (
        {"allow": None},
        {"identity": 1},
        {"identity_of": 1},
        {"bus": 1},
        {"max_agents": "1"},
        {"timeout": "1"},
        {"name": 1},
    ):
        with pytest.raises(TypeError):
            XBindRuntime(**{"bus": bus, **options})
    for options in ({"max_agents": 0}, {"timeout": 0}, {"name": "a b"}, {"allow": ["x"]}):
        with pytest.raises(XBindError):
            XBindRuntime(**{"bus": bus, **options})
    assert [each.name for each in bus.agents() if each.did == runtime.did or each.name is None] == ["runtime"]
    for topics in (None, "news", [1], 1):
        with pytest.raises(TypeError):
            runtime.connect("x", topics=topics)
    with pytest.raises(ValueError):
        runtime.connect("x", topics=["a b"])
    with pytest.raises(TypeError):
        runtime.connect(None, topics=["news"])
    nothing = {"sender": None, "cancellation_token": None, "message_id": None}
    assert await runtime.send_message(Note("x"), to, **nothing) == 1
    await runtime.publish_message(Note("x"), topic, **nothing)
    XBindRuntime(None, identity=None, identity_of=None, bus=bus, timeout=None, max_payload_bytes=None, max_agents=None)
    async with XBindRuntime(bus=bus, identity_of=lambda id: "x") as odd:
        await Reader.register(odd, "taker", Reader)
        with pytest.raises(TypeError):
            await odd.get("taker")


class Game:
    """A serializer that does as it likes."""

    data_content_type = JSON_DATA_CONTENT_TYPE
    type_name = "Played"

    def __init__(self, gives: Any) -> None:
        self.gives = gives

    def serialize(self, message: Any) -> Any:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives

    def deserialize(self, payload: bytes) -> Any:
        raise KeyError("a secret")


@dataclass
class Played:
    text: str


@pytest.mark.parametrize("gives", [None, "{}", b"", b"{", b"NaN", b'{"x": Infinity}', b"\xff", b"1 2", pickle.dumps(1), 1])
async def test_a_serializer_that_gives_no_json_sends_nothing(bus, runtime, gives):
    to = await runtime.get("taker")
    async with XBindRuntime(bus=bus) as other:
        other.add_message_serializer(Game(gives))
        assert await code_of(other.send_message(Played("x"), to)) == "INVALID_PAYLOAD"


async def test_serializers_are_looked_at(bus, runtime, asker):
    for wrong in (None, [None], object(), [1]):
        with pytest.raises((TypeError, AttributeError)):
            runtime.add_message_serializer(wrong)
    runtime.add_message_serializer(Game(ValueError("a secret")))
    to = await runtime.get("taker")
    body = parcel(message=packed({"text": "x"}, "Played"))
    assert await code_of(asker.call(to.key, body, method="autogen.send")) == "INVALID_INPUT"
    async with XBindRuntime(bus=bus) as other:
        other.add_message_serializer(Game(ValueError("mine")))
        with pytest.raises(ValueError, match="mine"):
            await other.send_message(Played("x"), to)
        for odd in (object(), {1, 2}, {"x": float("nan")}, {"x": object()}, b"bytes", lambda: 1, Note, 2**70, "\ud800"):
            assert await code_of(other.send_message(odd, to)) == "INVALID_PAYLOAD", odd


async def test_a_strangers_answer_is_read_as_strictly(bus, runtime):
    answers: list[Any] = [
        None,
        1,
        [],
        {},
        {"data": 1, "x": 1},
        packed(kind="Nothing"),
        packed({"text": 1}),
        b"x",
        {"did": 1},
        {"did": "x"},
    ]
    async with Agent("stranger", bus=bus) as stranger:
        for answer in answers:
            stranger.handle(lambda call, answer=answer: answer)
            if answer not in ({"did": 1}, {"did": "x"}):
                assert await code_of(runtime.send_message(Note("x"), AgentId("x", stranger.did))) == "INVALID_PAYLOAD", answer
            assert await code_of(runtime.find("stranger", "x")) in ("INVALID_PAYLOAD", "INVALID_DID"), answer
        mine = await runtime.get("taker")
        stranger.handle(lambda call: {"did": mine.key})
        found = await runtime.find("stranger", "boss")
        assert await code_of(runtime.send_message(Note("x"), found), Undeliverable) == "AGENT_NOT_FOUND"


async def test_a_crowd_of_events_is_bounded(bus, runtime, asker, monkeypatch):
    import private_me._autogen_outside as outside

    monkeypatch.setattr(outside, "_MOST_EVENTS", 5)
    await runtime.stop()
    events = [asker.call("runtime", {**parcel(to=...), "topic": ["news", "s"]}, method="autogen.publish") for _ in range(8)]
    ended = await asyncio.gather(*events, return_exceptions=True)
    assert [getattr(getattr(each, "remote", None), "code", None) for each in ended] == [None] * 5 + ["INBOX_FULL"] * 3
    runtime.start()
    await runtime.stop_when_idle()
    assert len((await taker_of(runtime, "s")).taken) == 5
    await asker.call("runtime", {**parcel(to=...), "topic": ["news", "s"]}, method="autogen.publish")
