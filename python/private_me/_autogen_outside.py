"""What goes from one runtime to others, and what comes from there: signed, verified, and read strictly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, cast

from autogen_core import AgentId, CancellationToken, MessageContext, TopicId
from autogen_core.exceptions import CantHandleException, MessageDroppedException

from ._address import Address, Located
from ._agent import Agent
from ._autogen_agents import Agents, CannotHandle, Instance, Undeliverable
from ._autogen_delivery import Delivery
from ._autogen_topics import Topics
from ._autogen_wire import Parcel, Serializers, agent_id, read_parcel, text_in
from ._card import AgentCard
from ._check import check_did, name_of, strings
from ._errors import HandlerError, XBindError
from ._guard import NoMethod
from ._incoming import IncomingCall

_SEND, _PUBLISH, _FIND = "autogen.send", "autogen.publish", "autogen.find"
_UNDELIVERED = ("NO_SUCH_AGENT", "AGENT_NOT_FOUND", "AGENT_CLOSED", "INBOX_FULL")
_MOST_EVENTS = 4096
_NOBODY = "runtime"
"""The label of what no agent sends."""


class _Peer(NamedTuple):
    """Another runtime, and the types of topics that go there."""

    to: Address
    topics: frozenset[str]


class Outside:
    """The other runtimes."""

    def __init__(self, agents: Agents, delivery: Delivery, topics: Topics, serializers: Serializers) -> None:
        self._agents = agents
        self._delivery = delivery
        self._topics = topics
        self._serializers = serializers
        self._peers: dict[str, _Peer] = {}
        self._places: dict[str, Located] = {}
        self._events = 0
        self.door: Agent
        """The runtime's own identity: it takes events in, and signs what no agent sends."""

    async def find(self, peer: Address, wanted: AgentId) -> AgentId:
        """Which DID another runtime names."""
        told = await _call(self.door, peer, {"type": wanted.type, "key": wanted.key}, _FIND)
        did = cast("dict[str, Any]", told).get("did") if isinstance(told, dict) else None
        if not isinstance(did, str):
            raise XBindError("INVALID_PAYLOAD", "the other runtime named no DID", handled="yes")
        check_did(did, "did")
        if isinstance(peer, Located):
            self._places[did] = Located(did, peer.url)
        elif isinstance(peer, str) and "://" in peer:
            self._places[did] = Located(did, peer)
        return AgentId(wanted.type, did)

    def connect(self, peer: Address, topics: Iterable[str]) -> None:
        types = frozenset(strings(topics, "topics"))
        for each in types:
            TopicId(each, "any")  # raises for what is no type
        self._peers[_named(peer)] = _Peer(peer, types)

    def disconnect(self, peer: Address) -> None:
        self._peers.pop(_named(peer), None)

    async def send(self, message: Any, to: AgentId, speaker: Instance | None, token: CancellationToken, id: str) -> Any:
        """A message for an agent, and its answer."""
        own, label = self._voice(speaker)
        payload = Parcel(label, id, to.type, None, self._serializers.pack(message)).payload
        answer = await _linked(_call(own, self._places.get(to.key, to.key), payload, _SEND), token)
        try:
            return self._serializers.unpack(cast("dict[str, Any]", answer) if isinstance(answer, dict) else {})
        except Exception:
            hint = "make its type known: runtime.add_message_serializer()"
            raise XBindError("INVALID_PAYLOAD", "the answer is of no type that is known here", hint, handled="yes") from None

    def publishing(
        self, message: Any, topic: TopicId, speaker: Instance | None, id: str
    ) -> Callable[[CancellationToken], Awaitable[None]]:
        """An event as it is now, to be sent to those who are connected for it."""
        peers = [peer for peer in self._peers.values() if topic.type in peer.topics]
        own, label = self._voice(speaker)
        payload = Parcel(label, id, None, topic, self._serializers.pack(message)).payload if peers else None

        async def send(token: CancellationToken) -> None:
            calls = (_linked(_call(own, peer.to, payload, _PUBLISH), token) for peer in peers)
            for ended in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(ended, XBindError) and not isinstance(ended, Undeliverable):
                    raise Undeliverable(*_parts(ended)) from ended
                if isinstance(ended, BaseException):
                    raise ended

        return send

    def _voice(self, speaker: Instance | None) -> tuple[Agent, str]:
        return (self.door, _NOBODY) if speaker is None else (speaker.agent, speaker.id.type)

    async def receive(self, instance: Instance, call: IncomingCall[Any]) -> Any:
        """A message for an agent here."""
        if call.method != _SEND:
            raise NoMethod
        parcel = read_parcel(call.payload, "to")
        if parcel.to != instance.id.type:
            raise HandlerError("NO_SUCH_AGENT", "the agent of that DID has another type")
        sender = agent_id(parcel.label, call.sender, "from")
        message, token = self._serializers.unpack(parcel.packed), CancellationToken()
        task = self._delivery.begin(instance, message, MessageContext(sender, None, True, token, parcel.id))
        try:
            return self._serializers.pack(await self._delivery.finish(task, token, True))
        except asyncio.CancelledError:
            if not task.done():  # its place is taken until it heeds its token
                await asyncio.wait([task])
            raise
        except Undeliverable as error:
            raise HandlerError(error.code, error.message) from error
        except CantHandleException as error:
            raise HandlerError("CANNOT_HANDLE", "the agent takes no message of that type") from error
        except MessageDroppedException as error:
            raise HandlerError("DROPPED", "the message was dropped") from error

    async def enter(self, call: IncomingCall[Any]) -> Any:
        """What comes to the runtime: a question who is here, or an event."""
        if call.method == _FIND:
            asked = text_in(call.payload, {"type", "key"})
            try:
                return {"did": self._agents.here(agent_id(asked["type"], asked["key"], "type")).agent.did}
            except Undeliverable as error:
                raise HandlerError(error.code, error.message) from error
        if call.method != _PUBLISH:
            raise NoMethod
        parcel = read_parcel(call.payload, "topic")
        sender = agent_id(parcel.label, call.sender, "from")
        message = self._serializers.unpack(parcel.packed)
        if self._events >= _MOST_EVENTS:
            raise HandlerError("INBOX_FULL", "the runtime has as many events under way as it may")
        context = MessageContext(sender, parcel.topic, False, CancellationToken(), parcel.id)
        for task in self._topics.spread(message, context, None):
            self._events += 1
            task.add_done_callback(self._ended)
        return None

    def _ended(self, _: object) -> None:
        self._events -= 1


async def _call(own: Agent, to: Address, payload: Any, method: str) -> Any:
    try:
        return await own.call(to, payload, method=method)
    except XBindError as error:
        remote = "" if error.remote is None else error.remote.code
        if remote == "CANNOT_HANDLE":
            raise CannotHandle(*_parts(error)) from error
        if error.code in ("AGENT_NOT_FOUND", "AGENT_CLOSED") or remote in _UNDELIVERED:
            raise Undeliverable(*_parts(error)) from error
        raise


def _parts(error: XBindError) -> tuple[Any, ...]:
    return error.code, error.message, error.hint, error.retryable, error.handled, error.message_id, error.remote


async def _linked(work: Awaitable[Any], token: CancellationToken) -> Any:
    """Until it ends, or the token is cancelled."""
    waiting = asyncio.ensure_future(work)
    token.link_future(waiting)
    return await waiting


def _named(peer: Address) -> str:
    if isinstance(peer, str):
        return peer
    if isinstance(peer, (Located, AgentCard)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return json.dumps([peer.did, peer.url if isinstance(peer, Located) else ""])
    raise TypeError(f"peer must be a name, a DID, a URL, a Located or a card, not {name_of(peer)}")
