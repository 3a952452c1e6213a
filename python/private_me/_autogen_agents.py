"""The agents of one runtime: what makes them, who they are, and the calls that reach them."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from autogen_core import Agent as FrameworkAgent
from autogen_core import AgentId, AgentInstantiationContext, AgentRuntime
from autogen_core.exceptions import CantHandleException, UndeliverableException

from ._agent import Agent
from ._check import name_of
from ._codes import ErrorCode
from ._errors import XBindError
from ._identity import Identity

if TYPE_CHECKING:
    from ._incoming import IncomingCall

Factory = Callable[[], "FrameworkAgent | Awaitable[FrameworkAgent]"]
IdentityOf = Callable[[AgentId], "Identity | None"]


class Undeliverable(XBindError, UndeliverableException, LookupError):
    """A message that reached nobody: a stable code, and what AutoGen's protocol names."""


class CannotHandle(XBindError, CantHandleException):
    """A message that reached an agent which does not take its type."""


def refused(code: ErrorCode, what: str, hint: str | None = None) -> Undeliverable:
    return Undeliverable(code, what, hint)


def is_did(key: str) -> bool:
    """Whether a key names an identity; all others name a session."""
    return key.startswith("did:")


def plain(id: Any, what: str) -> AgentId:
    """A copy whose parts are read once, and compare as text does."""
    if not isinstance(id, AgentId):
        raise TypeError(f"{what} must be an AgentId, not {name_of(id)}")
    kind, key = id.type, id.key
    if not isinstance(kind, str) or not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{what} must hold strings")
    return AgentId(str.__str__(kind), str.__str__(key))


class Instance:
    """An agent: who it is is known before it is made."""

    def __init__(self, id: AgentId, agent: Agent) -> None:
        self.id = id
        """As the framework calls it: the key is a session's, or its DID."""
        self.agent = agent
        """Its identity on the bus."""
        self.proven = AgentId(id.type, agent.did)
        """As others see it."""
        self.made: FrameworkAgent | None = None
        self.making: asyncio.Future[None] | None = None
        self.began: asyncio.Future[None] | None = None
        """When the newest message is with its handler."""


_making: contextvars.ContextVar[Instance | None] = contextvars.ContextVar("private_me_making", default=None)


class Agents:
    """By id and by DID."""

    def __init__(
        self,
        runtime: AgentRuntime,
        identity_of: IdentityOf | None,
        most: int,
        join: Callable[[Identity | None], Agent],
        answer: Callable[[Instance, IncomingCall[Any]], Any],
        allow: Callable[[Agent, Callable[[IncomingCall[Any]], Any]], None],
    ) -> None:
        self._runtime = runtime
        self._identity_of = identity_of
        self._most = most
        self._join = join
        self._answer = answer
        self._allow = allow
        self._by_id: dict[AgentId, Instance] = {}
        self._by_did: dict[str, Instance] = {}
        self.factories: dict[str, Factory | type[FrameworkAgent]] = {}
        """By type; of types whose instances are registered one by one, their class."""

    def __iter__(self) -> Any:
        return iter(list(self._by_id.values()))

    def known(self, id: AgentId) -> Instance | None:
        """The agent of that id, if it is here."""
        if not is_did(id.key):
            return self._by_id.get(id)
        instance = self._by_did.get(id.key)
        return instance if instance is not None and instance.id.type == id.type else None

    def is_elsewhere(self, id: AgentId) -> bool:
        """Whether another runtime may have it."""
        return is_did(id.key) and id.key not in self._by_did and self.known(id) is None

    def here(self, id: AgentId) -> Instance:
        """The agent of that id, with an identity from now on. Raises Undeliverable."""
        instance = self.known(id)
        if instance is not None:
            return instance
        factory = self.factories.get(id.type)
        if factory is None:
            hint = "register its type, or find() it at the runtime that has it"
            raise refused("AGENT_NOT_FOUND", f"this runtime has no agents of type {id.type}", hint)
        if isinstance(factory, type):
            raise refused("AGENT_NOT_FOUND", f"no instance {id!r} is registered", "register_agent_instance() it first")
        return self.add(id)

    def awaited(self, id: AgentId) -> Instance:
        """The same, for whoever waits for what it answers."""
        instance = self.here(id)
        if instance.made is None and _making.get() is instance:
            raise RuntimeError(f"the factory of {instance.id} waits for the agent that it makes")
        return instance

    def add(self, id: AgentId) -> Instance:
        """Gives an agent an identity. Raises Undeliverable, XBindError."""
        if len(self._by_id) >= self._most:
            what = f"this runtime has {self._most} agents, as many as it may"
            raise refused("INBOX_FULL", what, "raise max_agents, or close the runtime")
        identity = None if self._identity_of is None else self._identity_of(id)
        if identity is not None and not isinstance(identity, Identity):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"identity_of must give an Identity or None, not {name_of(identity)}")
        if is_did(id.key) and (identity is None or identity.did != id.key):
            raise refused("AGENT_NOT_FOUND", f"no key for {id.key} is here", "give it by identity_of")
        if identity is not None and identity.did in self._by_did:
            raise XBindError("INVALID_CONFIG", f"{identity.did} is an agent here already", "one identity for each agent")
        if id in self._by_id:
            raise ValueError(f"Agent with id {id} already exists.")
        instance = Instance(id, self._join(identity))
        self._allow(instance.agent, lambda call: self._answer(instance, call))
        self._by_id[id] = self._by_did[instance.agent.did] = instance
        return instance

    def forget(self, instance: Instance) -> None:
        self._by_id.pop(instance.id, None)
        self._by_did.pop(instance.agent.did, None)

    async def make(self, instance: Instance) -> FrameworkAgent:
        """The agent itself, which is made once. Raises what its factory raises."""
        if instance.made is not None:
            return instance.made
        if instance.making is None or instance.making.done():
            instance.making = asyncio.ensure_future(self._invoke(instance))
        await asyncio.shield(instance.making)
        assert instance.made is not None
        return instance.made

    async def _invoke(self, instance: Instance) -> None:
        factory = self.factories[instance.id.type]
        assert not isinstance(factory, type)
        _making.set(instance)
        with AgentInstantiationContext.populate_context((self._runtime, instance.id)):
            made = factory()
            agent: Any = await made if inspect.isawaitable(made) else made
        if not isinstance(agent, FrameworkAgent):
            raise TypeError(f"the factory of {instance.id.type} gave {name_of(agent)} and no agent")
        instance.made = agent
