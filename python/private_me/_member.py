"""An agent as its port knows it: its life on the bus, its key, what it answers and what it has been sent."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

from . import _native
from ._audit import AuditLog, recording_in
from ._bus import MessageBus, default_bus, node_of
from ._card import AgentCard, CardKeeper, check_addresses
from ._check import (
    MAX_TIMER,
    MAX_WHOLE,
    Unset,
    check_bool,
    check_bytes,
    check_callable,
    check_str,
    given,
    milliseconds,
    optional,
    whole,
)
from ._errors import XBindError
from ._guard import Handler, Policy
from ._identity import Identity, IdentityProvider, Signer
from ._inbox import Inbox
from ._journal import Journal, short
from ._methods import Offers
from ._port import current
from ._recorder import record_text, statement_record
from ._registry import Registered, Registries, RegistryAddress, Wish, registry_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def closed() -> XBindError:
    return XBindError("AGENT_CLOSED", "this agent is closed", "make a new one, or import its identity again")


class Member:
    """One agent."""

    def __init__(
        self,
        name: str | None,
        *,
        key: _native.KeyRef | None,
        identity: Identity | IdentityProvider | None,
        bus: MessageBus | None,
        timeout: float | None,
        message_ttl: int | None,
        max_payload_bytes: int | None,
        inbox_messages: int | None,
        inbox_bytes: int | None,
        concurrency: int | None,
        handler: Handler | None,
        on_handler_error: Callable[..., Any] | None,
        verbose: bool,
        addresses: Iterable[str] | None,
        registry: RegistryAddress | Unset,
        audit: AuditLog | Unset,
        dangerously_continue_unrecorded: bool | Unset,
    ) -> None:
        """Joins the bus. Raises XBindError."""
        self.name = optional(name, check_str, "name")
        if handler is not None:
            check_callable(handler, "handler")
        if on_handler_error is not None:
            check_callable(on_handler_error, "on_handler_error")
        check_bool(verbose, "verbose")
        self.node = node_of(default_bus() if bus is None else bus)
        self.timeout = milliseconds(timeout, 30_000, "timeout")
        self.longest = whole(max_payload_bytes, 1 << 20, "max_payload_bytes", 1, MAX_TIMER)
        named = check_addresses(addresses)
        authority = given(registry, registry_in, "registry")
        self._signer = None if identity is None else Signer(identity)
        provider = None if self._signer is None else self._signer.did
        self.journal = Journal(self.name or "", verbose, on_handler_error)
        options = {
            "name": self.name,
            "maxPayloadBytes": self.longest,
            "messageTtl": whole(message_ttl, 5, "message_ttl", 1, 300),
            "inboxMessages": whole(inbox_messages, 1024, "inbox_messages", 1, MAX_TIMER),
            "inboxBytes": whole(inbox_bytes, 16 << 20, "inbox_bytes", 1, MAX_WHOLE),
            "concurrency": whole(concurrency, 64, "concurrency", 1, MAX_TIMER),
            "handles": handler is not None,
            "tells": self.journal.is_traced,
        }
        log, unrecorded = recording_in(audit, dangerously_continue_unrecorded)
        self.port = current()
        self.number = _native.join(self.port.number, self.node, json.dumps(options), key, provider, log, unrecorded)
        self.did = _native.agent_did(self.port.number, self.number)
        try:
            self._registries = Registries(self.port.number, self.number, self.did, authority)
        except BaseException:  # without its authority there is no agent
            _native.close_agent(self.port.number, self.number)
            raise
        self.port.agents[self.number] = self
        if self.name is None:
            self.journal = Journal(short(self.did), verbose, on_handler_error)
        self.inbox = Inbox(self)
        self.is_closed = False
        self._draining: asyncio.Future[None] | None = None
        self._signing: set[asyncio.Task[Any]] = set()
        self._card = CardKeeper(self.did, self.name, named, self._sign)
        self.offers = Offers(self.did, lambda: self.journal, self._describe)
        if handler is not None:
            self.offers = self.offers.with_handler(handler, Policy())
        self.port.schedule()

    def check(self) -> None:
        """In the thread of the agent, while it is open."""
        self.port.check()
        if self.is_closed:
            raise closed()

    def offer(self, offers: Offers) -> None:
        """Answers that from now on."""
        self.check()
        offers.set(self.port.number, self.number)
        lost, self.offers = offers.lost(self.offers), offers
        self.port.schedule()
        if lost:
            what = f"no {', '.join(lost)} any more"
            self.journal.warn(f"another handler has replaced the one that was set, and its policy with it: {what}")

    async def card(self) -> AgentCard:
        """The card of what it offers."""
        self.check()
        return await self._card.of(self.offers)

    async def register(self, registry: RegistryAddress | Unset) -> Registered:
        """Its name, at its own authority, or another one."""
        at = given(registry, registry_in, "registry")
        self.check()
        return await self._registries.register(at, self.card)

    async def token(self, wish: Wish) -> str:
        """A token of its authority."""
        self.check()
        return await self._registries.token(wish)

    async def _describe(self, _: object) -> dict[str, str]:
        return {"card": (await self.card()).jws}

    @property
    def key(self) -> _native.KeyRef:
        self.check()
        if self._signer is not None and self._signer.key is not None:
            return self._signer.key
        return _native.agent_key(self.port.number, self.number)

    def recorded(self, event: str, signed: str) -> str:
        """What it has signed is on record, where it has a log, or nobody gets it."""
        self.check()
        _native.put_on_record(self.port.number, self.number, record_text(statement_record(event, signed)))
        return signed

    async def _sign(self, data: bytes) -> bytes:
        if self._signer is None or self._signer.key is not None:
            return _native.key_sign(self.key, data, True)
        signature = self._signer.sign(data)
        return check_bytes(await signature if inspect.isawaitable(signature) else signature, "sign()")

    def sign(self, round: int, data: bytes) -> None:
        """For an agent whose key is elsewhere."""
        try:
            signature = None if self._signer is None else self._signer.sign(data)
        except Exception as error:
            return self._signed(round, None, error)
        except BaseException as error:
            self._signed(round, None, error)
            raise
        if not inspect.isawaitable(signature):
            return self._signed(round, signature)
        task = self.port.attach().create_task(_awaited(signature))
        self._signing.add(task)

        def done(task: asyncio.Task[Any]) -> None:
            self._signing.discard(task)
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            self._signed(round, None if error else task.result(), error)

        task.add_done_callback(done)
        return None

    def _signed(self, round: int, signature: Any, error: BaseException | None = None) -> None:
        is_one = isinstance(signature, (bytes, bytearray, memoryview))
        given = check_bytes(signature, "sign()") if is_one else None
        is_taken = _native.signed(self.port.number, self.number, round, None if error is not None else given)
        self.port.schedule()
        if error is not None:
            self.journal.warn("the identity provider failed to sign", error)
        elif not is_taken:
            self.journal.warn("the identity provider gave no signature of 64 bytes by the key of its DID")

    def close(self) -> None:
        """Leaves the bus."""
        if self.is_closed:
            return
        self.port.check()
        self.port.agents.pop(self.number, None)
        self.left()
        _native.close_agent(self.port.number, self.number)
        self.port.schedule()

    async def drain(self, milliseconds: int) -> None:
        """Closes when its handlers have ended, or when that time is over."""
        if self.is_closed:
            return
        self.port.check()
        loop = self.port.attach()
        if self._draining is None:
            self._draining = loop.create_future()
            _native.retire_agent(self.port.number, self.number)
            self.port.schedule()
        timer = loop.call_later(milliseconds / 1000, self.close)
        try:
            await asyncio.shield(self._draining)
        finally:
            timer.cancel()

    def left(self) -> None:
        """It is on the bus no more."""
        self.is_closed = True
        self._registries.forget()
        self.inbox.close(closed)
        if self._draining is not None and not self._draining.done():
            self._draining.set_result(None)


async def _awaited(value: Any) -> Any:
    return await value
