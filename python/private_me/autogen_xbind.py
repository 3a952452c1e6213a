"""Agents whose methods return a result, as those of `@private.me/autogen` do: `result['ok']`, `result['value']`, `result['error']`.

>>> researcher = AutoGenxBindAgent(name="researcher")
>>> result = await researcher.call(writer.get_did(), {"task": "write-summary"})
>>> if result["ok"]:
...     print("Result:", result["value"])
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, NoReturn, TypedDict, cast

from ._address import Address
from ._agent import Agent
from ._bus import MessageBus
from ._calls import DeliveryReceipt
from ._card import AgentCard
from ._check import UNSET, Unset
from ._errors import HandlerError, RemoteError, XBindError
from ._guard import Handler
from ._identity import Identity, IdentityProvider
from ._inbox import Message
from ._incoming import IncomingCall
from ._registry import RegistryAddress
from ._stream import AnswerStream


class Result(TypedDict):
    """What came of it: `if result['ok']: result['value']`, else `result['error']`. The other one is not there: a KeyError."""

    ok: bool
    """Whether it went well."""
    value: Any
    """What was asked for: there where it went well."""
    error: XBindError
    """Why not, with a code to tell one reason from another: there where it failed."""


class AutoGenxBindAgent:
    """An agent with a cryptographic identity: calls other agents by name or DID, every message signed and verified."""

    __slots__ = ("agent", "__weakref__")

    agent: Agent
    """The same agent, as one that raises: methods, streams, tokens."""

    def __init__(
        self,
        name: str | None = None,
        *,
        agent_options: Mapping[str, Any] | None = None,
        verbose: bool = False,
        identity_provider: Identity | IdentityProvider | None = None,
        handler: Handler | None = None,
    ) -> None:
        """Generates an identity, unless an `Identity` is given, or an `IdentityProvider`, whose key is elsewhere. `agent_options` are those of `Agent`.

        Raises XBindError: INVALID_NAME, INVALID_CONFIG, AGENT_CLOSED.
        """
        self.agent = Agent(name, identity=identity_provider, verbose=verbose, handler=handler, **(agent_options or {}))

    @classmethod
    async def from_identity(
        cls,
        pkcs8: bytes | str,
        name: str | None = None,
        *,
        agent_options: Mapping[str, Any] | None = None,
        verbose: bool = False,
        handler: Handler | None = None,
        **secret: str,
    ) -> Result:
        """An agent with an exported identity: PKCS#8, DER or PEM; of an encrypted one with `passphrase`."""
        options: dict[str, Any] = {**(agent_options or {}), **secret, "verbose": verbose, "handler": handler}
        agent = cls.__new__(cls)
        try:
            agent.agent = await Agent.from_identity(pkcs8, name, **options)
        except XBindError as error:
            return _failed(error)
        return _went_well(agent)

    @property
    def name(self) -> str | None:
        """Its label: it finds the agent and proves nothing."""
        return self.agent.name

    def get_did(self) -> str:
        """Who it is: `did:key:z6Mk…`, which spells the public key."""
        return self.agent.did

    async def call(self, agent_name: Address, payload: Any = None, **options: Any) -> Result:
        """Asks another agent, by name, DID or URL; options as `Agent.call` takes them."""
        return await _result(self.agent.call(agent_name, payload, **options))

    def stream(self, to: Address, payload: Any = None, **options: Any) -> AnswerStream:
        """The parts of an answer as they come; options as `Agent.stream` takes them."""
        return self.agent.stream(to, payload, **options)

    async def send(self, to: Address, payload: Any = None) -> Result:
        """One-way; the value, a `DeliveryReceipt`, says whether the message stands in the recipient's inbox, or is kept for it."""
        return await _result(self.agent.send(to, payload))

    async def receive(self, **options: Any) -> Result:
        """Drains the inbox, oldest first; options as `Agent.receive` takes them."""
        return await _result(self.agent.receive(**options))

    def messages(self) -> AsyncIterator[Message]:
        """The inbox, one message after the other, until the agent closes."""
        return self.agent.messages()

    def handle(self, handler: Handler | None, **policy: Any) -> AutoGenxBindAgent:
        """Answers calls; the policy as `Agent.handle` takes it. Raises XBindError."""
        self.agent.handle(handler, **policy)
        return self

    async def describe(self, to: Address | None = None) -> Result:
        """What this agent offers or another one."""
        return await _result(self.agent.describe(to))

    async def register(self, registry: RegistryAddress | Unset = UNSET) -> Result:
        """Registers its name within the domain of its operator, with its card; the value is a `Registered`."""
        return await _result(self.agent.register(registry))

    async def request_token(self, **request: Any) -> Result:
        """A token of its authority; the request as `Agent.request_token` takes it."""
        return await _result(self.agent.request_token(**request))

    async def export_identity(self, **options: Any) -> Result:
        """The private key as PKCS#8 DER; with `passphrase` encrypted."""
        return await _result(self.agent.export_identity(**options))

    async def close(self, **options: Any) -> None:
        """Leaves the bus; options as `Agent.close` takes them."""
        await self.agent.close(**options)

    async def __aenter__(self) -> AutoGenxBindAgent:
        await self.agent.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.agent.__aexit__(*raised)

    def __repr__(self) -> str:
        return repr(self.agent).replace("<Agent", "<AutoGenxBindAgent", 1)

    def __reduce__(self) -> NoReturn:
        raise TypeError("an agent cannot be pickled or copied: export its identity")


async def _result(asked: Awaitable[Any]) -> Result:
    try:
        return _went_well(await asked)
    except XBindError as error:
        return _failed(error)


def _went_well(value: Any) -> Result:
    return cast(Result, {"ok": True, "value": value})


def _failed(error: XBindError) -> Result:
    return cast(Result, {"ok": False, "error": error})


__all__ = [
    "Agent",
    "AgentCard",
    "AutoGenxBindAgent",
    "DeliveryReceipt",
    "HandlerError",
    "Identity",
    "IdentityProvider",
    "IncomingCall",
    "Message",
    "MessageBus",
    "RemoteError",
    "Result",
    "XBindError",
]
