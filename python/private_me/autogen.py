"""AutoGen (autogen-core 0.7) with senders that are proven: `pip install private-me-autogen[autogen]`."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from . import _framework

try:
    from autogen_core import Agent as FrameworkAgent
    from autogen_core import (
        AgentId,
        AgentMetadata,
        AgentRuntime,
        AgentType,
        CancellationToken,
        MessageContext,
        MessageSerializer,
        Subscription,
        TopicId,
    )
    from autogen_core.exceptions import NotAccessibleError
except ImportError as error:
    raise _framework.missing("autogen", "autogen-core 0.7", "autogen", error) from error

from ._address import Address
from ._agent import Agent, member_of
from ._autogen_agents import Agents, CannotHandle, Factory, IdentityOf, Instance, Undeliverable, plain
from ._autogen_delivery import Delivery, acting
from ._autogen_outside import Outside
from ._autogen_topics import Topics
from ._autogen_wire import Serializers
from ._bus import MessageBus
from ._check import UNSET, Unset, check_callable, check_str, name_of, whole
from ._errors import XBindError
from ._guard import Allow
from ._identity import Identity
from ._incoming import IncomingCall

__all__ = ["CannotHandle", "Undeliverable", "XBindRuntime"]

T = TypeVar("T", bound=FrameworkAgent)
_class_of = type


class XBindRuntime(AgentRuntime):
    """An `AgentRuntime` in which `ctx.sender.key` is the DID of whoever sent the message, proven.

    Each agent has an identity of its own. Between runtimes, messages are signed with it and verified. Within one, the runtime
    knows who speaks, and lets no agent send in the name of another. An id whose key is a DID is that agent, wherever it is; all
    other keys are sessions of this runtime, as AutoGen has them. `AgentId.type` is a label: it proves nothing.

    >>> async with XBindRuntime() as runtime:
    ...     await Writer.register(runtime, "writer", Writer)
    ...     await runtime.send_message(Task("identity"), AgentId("writer", "default"))
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        identity: Identity | None = None,
        identity_of: IdentityOf | None = None,
        bus: MessageBus | None = None,
        allow: Allow | Unset = UNSET,
        timeout: float | None = None,
        max_payload_bytes: int | None = None,
        max_agents: int | None = None,
    ) -> None:
        """A runtime, on the bus of this process unless one is given.

        - `name`: under which other runtimes of the bus find this one. `identity`: the runtime's own.
        - `identity_of`: the identity of an agent, by its AgentId; None for a fresh one.
        - `allow`: the DIDs, or a predicate over the proven DID, whose messages from elsewhere are taken; everyone's by default.
        - `timeout`: of messages to other runtimes, in seconds: 30. `max_payload_bytes`: 1 MiB.
        - `max_agents`: 10 000; each session of a type is one.

        Raises XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_KEY, INVALID_DID, AGENT_CLOSED (the bus is closed).
        """
        if identity_of is not None:
            check_callable(identity_of, "identity_of")
        most = whole(max_agents, 10_000, "max_agents", 1, 1_000_000)

        def join(own: Identity | None, label: str | None = None) -> Agent:
            return Agent(label, identity=own, bus=bus, timeout=timeout, max_payload_bytes=max_payload_bytes)

        def answer(agent: Agent, handler: Callable[[IncomingCall[Any]], Any]) -> None:
            agent.handle(handler, allow=allow)

        def receive(instance: Instance, call: IncomingCall[Any]) -> Any:
            return self._outside.receive(instance, call)

        self._agents = Agents(self, identity_of, most, join, receive, answer)
        self._delivery = Delivery(self._agents)
        self._topics = Topics(self._agents, self._delivery)
        self._serializers = Serializers()
        self._outside = Outside(self._agents, self._delivery, self._topics, self._serializers)
        door = self._outside.door = join(identity, name)
        try:
            answer(door, self._outside.enter)
        except BaseException:
            member_of(door).close()
            raise

    @property
    def did(self) -> str:
        """Who the runtime is: it takes events in, and signs what no agent sends."""
        return self._outside.door.did

    # Other runtimes

    async def find(self, peer: Address, type: str | AgentType, key: str = "default") -> AgentId:
        """Asks another runtime for an agent of its own. The type and the DID are that runtime's word; what is sent to the id is
        for that DID alone.
        """
        label = type.type if isinstance(type, AgentType) else type
        wanted = AgentId(check_str(label, "type"), check_str(key, "key"))
        return await self._outside.find(peer, wanted)

    def connect(self, peer: Address, *, topics: Iterable[str]) -> None:
        """From now on what is published here to topics of these types goes to that runtime too."""
        self._outside.connect(peer, topics)

    def disconnect(self, peer: Address) -> None:
        """Nothing that is published goes there any more."""
        self._outside.disconnect(peer)

    # Messages

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Sends a message to an agent here or elsewhere, and gives its answer.

        Raises what the handler raises, if it is here; else XBindError, of it Undeliverable and CannotHandle. NOT_ALLOWED for a
        sender that is no agent of this runtime, or not the one whose handler runs.
        """
        to, speaker = plain(recipient, "recipient"), self._speaker(sender)
        token, id = _token(cancellation_token), _message_id(message_id)
        if self._agents.is_elsewhere(to):
            return await self._outside.send(message, to, speaker, token, id)
        proven = None if speaker is None else speaker.proven
        context = MessageContext(proven, None, True, token, id)
        task = self._delivery.begin(self._agents.awaited(to), message, context)
        return await self._delivery.finish(task, token, cancellation_token is None)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publishes a message to the subscribers here, and to the runtimes that are connected for topics of that type. Returns
        when these have taken it; handlers go on by themselves.

        Raises Undeliverable when a connected runtime has not taken it; all others have. NOT_ALLOWED for a forged sender.
        """
        topic, speaker = _topic(topic_id), self._speaker(sender)
        token, id = _token(cancellation_token), _message_id(message_id)
        send = self._outside.publishing(message, topic, speaker, id)
        proven = None if speaker is None else speaker.proven
        self._topics.spread(message, MessageContext(proven, topic, False, token, id), speaker)
        await send(token)

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Makes a type of messages known that comes from elsewhere: whatever agents handle is known already."""
        self._serializers.add(serializer)

    async def add_subscription(self, subscription: Subscription) -> None:
        """Who hears of which topics. Raises ValueError for one that is there."""
        self._topics.add(subscription)

    async def remove_subscription(self, id: str) -> None:
        """Raises LookupError for one that is not there."""
        self._topics.remove(id)

    # Agents

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], T | Awaitable[T]],
        *,
        expected_class: type[T] | None = None,
    ) -> AgentType:
        """Makes agents of a type when they are first wanted, one for each session. Raises ValueError for a type that is there."""
        label = AgentId(type, "any").type
        check_callable(agent_factory, "agent_factory")
        if label in self._agents.factories:
            raise ValueError(f"Agent with type {label} already exists.")

        async def factory() -> FrameworkAgent:
            made = agent_factory()
            agent = await made if isinstance(made, Awaitable) else made
            if expected_class is not None and not isinstance(agent, expected_class):
                raise ValueError(f"the factory of {label} gave {name_of(agent)} and no {expected_class.__name__}")
            return agent

        self._agents.factories[label] = cast("Factory", factory)
        return AgentType(label)

    async def register_agent_instance(self, agent_instance: FrameworkAgent, agent_id: AgentId) -> AgentId:
        """Registers an agent that was made. With a DID as key, `identity_of` has to give its identity. Raises ValueError, XBindError."""
        id = plain(agent_id, "agent_id")
        kind = self._agents.factories.get(id.type, _class_of(agent_instance))
        if not isinstance(kind, _class_of):
            raise ValueError("Agent factories and agent instances cannot be registered to the same type.")
        if kind is not _class_of(agent_instance):
            raise ValueError("Agent instances must be the same object type.")
        if self._agents.known(id) is not None:
            raise ValueError(f"Agent with id {id} already exists.")
        instance = self._agents.add(id)
        try:
            await agent_instance.bind_id_and_runtime(id=id, runtime=self)
        except BaseException:
            self._agents.forget(instance)
            await instance.agent.close()
            raise
        self._agents.factories[id.type] = kind
        instance.made = agent_instance
        return id

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The id of an agent by which it can be reached from everywhere: its key is the DID."""
        id = plain(id_or_type if isinstance(id_or_type, AgentId) else AgentId(id_or_type, key), "id")
        if self._agents.is_elsewhere(id) and lazy:
            return id
        instance = self._agents.here(id)
        if not lazy:
            await self._agents.make(instance)
        return instance.proven

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[T] = FrameworkAgent) -> T:  # type: ignore[assignment]
        """The agent itself. Raises LookupError, NotAccessibleError for one elsewhere, TypeError for another class."""
        agent = await self._made(id)
        if not isinstance(agent, type):
            raise TypeError(f"Agent with name {id.type} is not of type {type.__name__}. It is of type {name_of(agent)}")
        return agent

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What an agent here says of itself. Raises LookupError, NotAccessibleError for one elsewhere."""
        return (await self._made(agent)).metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The state of an agent here. Raises LookupError, NotAccessibleError."""
        return await (await self._made(agent)).save_state()

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Gives an agent here its state. Raises LookupError, NotAccessibleError."""
        await (await self._made(agent)).load_state(state)

    async def save_state(self) -> Mapping[str, Any]:
        """The state of all agents that were made, by their ids here."""
        made = [(str(each.id), each.made) for each in self._agents if each.made is not None]
        return {id: dict(await agent.save_state()) for id, agent in made}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives agents their states; those of types that are not registered are left out."""
        for id in [AgentId.from_str(each) for each in state]:
            if id.type in self._agents.factories:
                await (await self._made(id)).load_state(state[str(id)])

    # Its life

    def start(self) -> None:
        """Handles messages from now on; what has come before waits."""
        self._delivery.start()

    async def stop(self) -> None:
        """Messages that no handler has yet end with AGENT_CLOSED; handlers that run may end. It can start again."""
        self._delivery.stop()

    async def stop_when_idle(self) -> None:
        """Stops when no handler runs and no message waits."""
        await self._delivery.idle()
        self._delivery.stop()

    async def close(self) -> None:
        """Stops for good: handlers are cancelled, agents closed, and their identities leave the bus."""
        if self._delivery.is_closed:
            return
        await self._delivery.close()
        await self._outside.door.close()
        made = [each.made for each in self._agents if each.made is not None]
        for each in self._agents:
            if each.making is not None:
                each.making.cancel()
            await each.agent.close()
        for ended in await asyncio.gather(*(agent.close() for agent in made), return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def __aenter__(self) -> XBindRuntime:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<XBindRuntime {self.did}>"

    # Who speaks

    def _speaker(self, sender: AgentId | None) -> Instance | None:
        """The agent in whose name a message goes out. Raises NOT_ALLOWED."""
        if sender is None:
            return None
        id = plain(sender, "sender")
        try:
            speaker = self._agents.here(id)
        except Undeliverable as error:
            what = f"{id!r} is no agent of this runtime, which cannot speak for it"
            raise XBindError("NOT_ALLOWED", what, "let the agent itself send, where its key is") from error
        now = acting.get()
        if now is not None and now is not speaker and self._agents.known(now.id) is now:
            what = f"the handler of {now.id!r} sends in the name of {id!r}"
            raise XBindError("NOT_ALLOWED", what, "each agent speaks for itself: use its own send_message")
        return speaker

    async def _made(self, agent: AgentId) -> FrameworkAgent:
        id = plain(agent, "agent")
        if self._agents.is_elsewhere(id):
            raise NotAccessibleError(f"{id} is in another runtime, if anywhere")
        return await self._agents.make(self._agents.here(id))


def _topic(topic: Any) -> TopicId:
    if not isinstance(topic, TopicId):
        raise TypeError(f"topic_id must be a TopicId, not {name_of(topic)}")
    return TopicId(str.__str__(topic.type), str.__str__(topic.source))


def _token(token: CancellationToken | None) -> CancellationToken:
    if token is not None and not isinstance(token, CancellationToken):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"cancellation_token must be a CancellationToken, not {name_of(token)}")
    return CancellationToken() if token is None else token


def _message_id(id: str | None) -> str:
    return str(uuid.uuid4()) if id is None else check_str(id, "message_id")
