"""Agents, as Python programs use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, NoReturn, TypeVar, overload

from . import _native
from ._address import Address, recipient_in
from ._asking import ask, asking
from ._audit import AuditLog
from ._bus import MessageBus
from ._calls import CallReceipt, DeliveryReceipt, opened
from ._card import AgentCard, card_in
from ._check import MAX_WHOLE, UNSET, Unset, check_str, milliseconds, optional, whole
from ._errors import XBindError
from ._guard import Allow, ApprovalPolicy, Handler, Policy
from ._identity import Identity, IdentityProvider, passphrase_in, read_key, write_key_async
from ._inbox import Message
from ._member import Member
from ._methods import DESCRIBE, method_of, name_of_method
from ._progress import Progress
from ._registry import RegistryAddress
from ._revocation import Revocations
from ._rights import Rights
from ._stream import AnswerStream
from ._verifier import Trust

F = TypeVar("F", bound=Callable[..., Any])


class Agent(Rights):
    """An agent with a cryptographic identity: calls other agents by name or DID, every message signed and verified.

    It belongs to the thread in which it is made, and lives in the event loop that runs there.

    >>> async with Agent("researcher") as researcher, Agent("writer", handler=lambda call: call.payload) as writer:
    ...     await researcher.call("writer", {"topic": "identity"})
    """

    __slots__ = ()

    def __init__(
        self,
        name: str | None = None,
        *,
        identity: Identity | IdentityProvider | None = None,
        bus: MessageBus | None = None,
        timeout: float | None = None,
        message_ttl: int | None = None,
        max_payload_bytes: int | None = None,
        inbox_messages: int | None = None,
        inbox_bytes: int | None = None,
        concurrency: int | None = None,
        handler: Handler | None = None,
        on_handler_error: Callable[..., Any] | None = None,
        verbose: bool = False,
        addresses: Iterable[str] | None = None,
        registry: RegistryAddress | Unset = UNSET,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """Generates an identity, unless one is given, which stays its owner's, or a provider signs with a key elsewhere.

        - `name`: a label, and an address on the bus: letters, digits, `.`, `_`, `-`, 1 to 64.
        - `bus`: where it lives; by default the bus of this process.
        - `timeout`: of a call, in seconds: 30. `message_ttl`: the life of a message in seconds: 5.
        - `max_payload_bytes`: 1 MiB. `inbox_messages`, `inbox_bytes`: room for one sender: 1024, 16 MiB.
        - `concurrency`: calls handled at once: 64.
        - `handler`: answers calls from the start: everybody's, until `handle()` sets a policy.
        - `on_handler_error`: told of what a handler raises; by default it goes to the log `private_me`.
        - `verbose`: a line in the log for each message. `addresses`: URLs where it is, for its card.
        - `registry`: the authority of its operator, a URL or a `Located`: then it calls by the names there, too.
        - `audit`: where it puts on record what it decides about calls, by default its bus's log: `open_audit_log`. What cannot be
          recorded is not done (AUDIT_FAILED), but with `dangerously_continue_unrecorded`.

        Raises XBindError: INVALID_NAME, INVALID_CONFIG, INVALID_KEY, AGENT_CLOSED (the bus is closed).
        """
        self._member = Member(
            name, key=None, identity=identity, bus=bus, timeout=timeout, message_ttl=message_ttl,
            max_payload_bytes=max_payload_bytes, inbox_messages=inbox_messages, inbox_bytes=inbox_bytes,
            concurrency=concurrency, handler=handler, on_handler_error=on_handler_error, verbose=verbose,
            addresses=addresses, registry=registry, audit=audit, dangerously_continue_unrecorded=dangerously_continue_unrecorded,
        )  # fmt: skip

    @classmethod
    async def from_identity(
        cls,
        pkcs8: bytes | str,
        name: str | None = None,
        *,
        passphrase: str | Unset = UNSET,
        bus: MessageBus | None = None,
        timeout: float | None = None,
        message_ttl: int | None = None,
        max_payload_bytes: int | None = None,
        inbox_messages: int | None = None,
        inbox_bytes: int | None = None,
        concurrency: int | None = None,
        handler: Handler | None = None,
        on_handler_error: Callable[..., Any] | None = None,
        verbose: bool = False,
        addresses: Iterable[str] | None = None,
        registry: RegistryAddress | Unset = UNSET,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> Agent:
        """An agent with an exported identity: PKCS#8, DER or PEM, plain or encrypted.

        Raises IMPORT_FAILED, WRONG_PASSPHRASE, and what the constructor raises.
        """
        if isinstance(passphrase, Unset):
            key = read_key(pkcs8, passphrase)
        else:
            key = await asyncio.to_thread(read_key, pkcs8, passphrase)
        agent = cls.__new__(cls)
        try:
            agent._member = Member(
                name, key=key, identity=None, bus=bus, timeout=timeout, message_ttl=message_ttl,
                max_payload_bytes=max_payload_bytes, inbox_messages=inbox_messages, inbox_bytes=inbox_bytes,
                concurrency=concurrency, handler=handler, on_handler_error=on_handler_error, verbose=verbose,
                addresses=addresses, registry=registry, audit=audit, dangerously_continue_unrecorded=dangerously_continue_unrecorded,
            )  # fmt: skip
        finally:
            _native.destroy_key(key)  # the agent has its own by now
        return agent

    @property
    def name(self) -> str | None:
        """Its label: it finds the agent and proves nothing."""
        return self._member.name

    @property
    def did(self) -> str:
        """Who it is: `did:key:z6Mk…`, which spells the public key."""
        return self._member.did

    async def call(
        self,
        to: Address,
        payload: Any = None,
        *,
        method: str | None = None,
        timeout: float | None = None,
        max_total_timeout: float | None = None,
        token: str | None = None,
        approval: str | None = None,
        traceparent: str | None = None,
        idempotent: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Any:
        """Asks another agent, by name, DID or URL. The request and the reply are signed, and both are verified.

        An agent without a handler gets the call in its inbox and answers with a signed `DeliveryReceipt`; a call that names a
        method gets none. A task that is cancelled gives its call up, and the handler there is cancelled too.

        - `timeout`: how long the other side may be silent, in seconds; the agent's own by default. Whatever it says of the call
          starts the time anew, within `max_total_timeout`: 600.
        - `token`, `approval`: what is presented with the call, whose signature covers it.
        - `idempotent`: the call may run twice without harm, and is made again where its connection is lost.

        Raises XBindError: docs/errors.md, addressing, messages, delivery and rights.
        """
        asked = asking(self._member, method, timeout, max_total_timeout, token, approval, traceparent, idempotent, on_progress)
        return opened(await ask(self._member, recipient_in(to), payload, asked))

    async def call_with_receipt(
        self,
        to: Address,
        payload: Any = None,
        *,
        method: str | None = None,
        timeout: float | None = None,
        max_total_timeout: float | None = None,
        token: str | None = None,
        approval: str | None = None,
        traceparent: str | None = None,
        idempotent: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> tuple[Any, CallReceipt]:
        """The same, and the call and its answer themselves, to be shown to others: `verify_receipt`. Those of a refusal are in the
        `receipt` of what is raised.
        """
        asked = asking(self._member, method, timeout, max_total_timeout, token, approval, traceparent, idempotent, on_progress)
        receipts: list[CallReceipt] = []
        ended = await ask(self._member, recipient_in(to), payload, asked._replace(receipts=receipts))
        try:
            return opened(ended), receipts[0]
        except XBindError as error:
            error.receipt = receipts[0] if receipts else None
            raise

    def stream(
        self,
        to: Address,
        payload: Any = None,
        *,
        method: str | None = None,
        timeout: float | None = None,
        max_total_timeout: float | None = None,
        token: str | None = None,
        approval: str | None = None,
        traceparent: str | None = None,
        idempotent: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> AnswerStream:
        """Asks another agent, and gives the parts of its answer as they come: each is signed, in its place, and none is missing.

        The handler there is an async generator, and makes no more than its reader takes. Leaving an `async with` around the
        stream, or `aclose()`, gives the call up. An answer in one has no parts, and is what `await stream.result()` gives.
        """
        asked = asking(self._member, method, timeout, max_total_timeout, token, approval, traceparent, idempotent, on_progress)
        return AnswerStream(self._member, recipient_in(to), payload, asked)

    async def send(self, to: Address, payload: Any = None) -> DeliveryReceipt:
        """One-way; returns when the message stands in the recipient's inbox, which the recipient has signed for. Over NATS, one for who is
        away and has a mailbox may be kept: then `status` of what comes back is `kept`, and nobody has signed for anything.

        Raises XBindError: docs/errors.md, addressing, messages and delivery.
        """
        asked = asking(self._member, None, None, None, None, None, None, False, None)
        receipt = opened(await ask(self._member, recipient_in(to), payload, asked._replace(total=None), True))
        assert isinstance(receipt, DeliveryReceipt)
        return receipt

    async def receive(self, *, max: int | None = None, wait: float | None = 0) -> list[Message]:
        """Drains the inbox, oldest first. With `wait`, waits for the first message at most so many seconds; None, for ever.

        Raises AGENT_CLOSED.
        """
        most = whole(max, MAX_WHOLE, "max", 1, MAX_WHOLE)
        seconds = None if wait is None else milliseconds(wait, 0, "wait", 0) / 1000
        self._member.check()
        self._member.port.attach()
        return await self._member.inbox.receive(most, seconds)

    def messages(self) -> AsyncIterator[Message]:
        """The inbox, one message after the other, until the agent closes."""
        return self._member.inbox.iterate()

    def handle(
        self,
        handler: Handler | None,
        *,
        allow: Allow | Unset = UNSET,
        trust: Trust | Unset = UNSET,
        scopes: Iterable[str] | Unset = UNSET,
        revocations: Revocations | Unset = UNSET,
        approval: ApprovalPolicy | Unset = UNSET,
    ) -> None:
        """Answers calls: `handler` gets an `IncomingCall`. None sends those without a method to the inbox again.

        - `allow`: DIDs, or a predicate over the proven DID; everyone by default.
        - `trust`, `scopes`: whose tokens are accepted, and what they must grant. With it, a call must present a token.
        - `revocations`: where it is asked whether a token, a link or a DID was revoked.
        - `approval`: who signs each call, with its very arguments, before the handler runs.

        Raises XBindError: INVALID_DID, INVALID_CONFIG, INVALID_KEY, AGENT_CLOSED.
        """
        member = self._member
        member.offer(member.offers.with_handler(handler, Policy(allow, trust, scopes, revocations, approval)))

    @overload
    def method(self, function: F, /) -> F: ...

    @overload
    def method(
        self,
        name: str | None = None,
        /,
        *,
        description: str | None = None,
        allow: Allow | Unset = UNSET,
        trust: Trust | Unset = UNSET,
        scopes: Iterable[str] | Unset = UNSET,
        revocations: Revocations | Unset = UNSET,
        approval: ApprovalPolicy | Unset = UNSET,
    ) -> Callable[[F], F]: ...

    def method(
        self,
        name: Any = None,
        /,
        *,
        description: str | None = None,
        allow: Allow | Unset = UNSET,
        trust: Trust | Unset = UNSET,
        scopes: Iterable[str] | Unset = UNSET,
        revocations: Revocations | Unset = UNSET,
        approval: ApprovalPolicy | Unset = UNSET,
    ) -> Any:
        """Answers calls of one method with a function: `@agent.method`, or `@agent.method("name", allow=[did])`.

        The function takes the payload as one parameter, of the type that its annotation says, and, annotated `IncomingCall`, the
        call. What does not fit is INVALID_INPUT at the caller, with the path. An async generator answers in parts. What the
        options leave out is the policy of `handle()`. The card tells types and the docstring.
        """
        policy = Policy(allow, trust, scopes, revocations, approval)

        def decorate(function: F, called: str | None = None) -> F:
            handler, described = method_of(function)
            if description is not None:
                described["description"] = check_str(description, "description")
            member = self._member
            member.offer(member.offers.with_method(called or name_of_method(function), handler, policy, described))
            return function

        if callable(name):
            return decorate(name)
        own = optional(name, check_str, "name")

        def decorator(function: F) -> F:
            return decorate(function, own)

        return decorator

    def remove_method(self, name: str) -> None:
        """Takes a method away."""
        member = self._member
        member.offer(member.offers.with_method(name, None, Policy(), {}))

    async def describe(self, to: Address | None = None) -> AgentCard:
        """What this agent offers or another one: its methods with JSON Schemas and scopes, signed by it, and verified."""
        if to is None:
            return await self._member.card()
        asked = asking(self._member, DESCRIBE, None, None, None, None, None, False, None)
        ended = await ask(self._member, recipient_in(to), None, asked)
        answer = opened(ended)
        return card_in(answer, ended[1], _native.known_session(self._member.node, ended[1]))

    async def export_identity(self, *, passphrase: str | Unset = UNSET) -> bytes:
        """The private key as PKCS#8 DER; with a passphrase encrypted, which another thread works on.

        Raises EXPORT_FAILED, AGENT_CLOSED.
        """
        passphrase_in(passphrase)
        return await write_key_async(self._member.key, passphrase)

    async def close(self, *, drain: float | None = 0) -> None:
        """Leaves the bus: pending calls end with AGENT_CLOSED, the key is wiped. With `drain` no new calls come in, and handlers
        that run may end within so many seconds.
        """
        time = milliseconds(drain, 0, "drain", 0)
        if time:
            await self._member.drain(time)
        else:
            self._member.close()

    async def __aenter__(self) -> Agent:
        self._member.check()
        self._member.port.attach()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._member.close()

    def __repr__(self) -> str:
        label = "" if self.name is None else f"{self.name!r}, "
        return f"<Agent {label}{self.did}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an agent cannot be pickled or copied: export its identity")


def member_of(agent: Any, what: str = "agent") -> Member:
    """What is behind an agent."""
    if not isinstance(agent, Agent):
        raise TypeError(f"{what} must be an Agent, not {type(agent).__name__}")
    return agent._member  # pyright: ignore[reportPrivateUsage]
