"""A call as its handler sees it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import _native
from ._check import name_of
from ._errors import XBindError
from ._verifier import OnBehalfOf

if TYPE_CHECKING:
    import asyncio

    from ._member import Member

P = TypeVar("P")


class IncomingCall(Generic[P]):
    """A call that a handler answers. If its caller gives up, the handler's task is cancelled."""

    __slots__ = ("id", "sender", "method", "payload", "traceparent", "_seconds", "_rights", "_running")

    id: str
    """Unique for its caller."""
    sender: str
    """The caller's DID, proven by its signature."""
    method: str | None
    """The method asked for, if the caller named one."""
    payload: P
    """What the caller sent. Nobody has checked it, unless the method says of which type it is."""
    traceparent: str | None
    """Where the call belongs in a trace, as the caller says: a `traceparent` of W3C Trace Context."""

    def __init__(self, running: Running, seconds: int, traceparent: str | None) -> None:
        self.id = running.id
        self.sender = running.sender
        self.method = running.method
        self.traceparent = traceparent
        self._seconds = seconds
        self._rights: str | None = None
        self._running = running

    def __repr__(self) -> str:
        return f"<IncomingCall {self.method or ''} from {self.sender}>"

    @property
    def issued_at(self) -> datetime:
        """When the caller signed it, by its clock, to the second."""
        return datetime.fromtimestamp(self._seconds, timezone.utc)

    @property
    def scopes(self) -> tuple[str, ...]:
        """What the caller's token grants; empty for a handler that trusts nobody's tokens."""
        scopes = self._granted()[0]
        return tuple(scopes.split(" ")) if scopes else ()

    @property
    def quota(self) -> Mapping[str, int] | None:
        """The limits of that token by their names, where anybody in the chain set one: of each name the smallest."""
        limits = self._granted()[2]
        pairs = (limit.split("=") for limit in limits.split(" ") if limit)
        return MappingProxyType({name: int(most) for name, most in pairs}) if limits else None

    def _granted(self) -> tuple[str, str, str]:
        """The line of scopes and, behind a tab, limits."""
        return (self._rights or "").split("\n")[0].partition("\t")

    @property
    def chain(self) -> tuple[str, ...]:
        """On whose behalf the caller acts: from the outermost delegator to the caller, DIDs; empty without a token."""
        return tuple((self._rights or "").partition("\n\n")[0].split("\n")[1:])

    @property
    def on_behalf_of(self) -> OnBehalfOf | None:
        """For whom the first of them was given the rights, such as a person who signed in there; the word of the token's issuer."""
        issuer, _, subject = (self._rights or "").partition("\n\n")[2].partition("\n")
        return OnBehalfOf(issuer, subject) if issuer else None

    @property
    def cancelled(self) -> bool:
        """Whether the caller gave up, or the agent closed: handlers that run in other threads look at it."""
        return self._running.cancelled or self._running.answered

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Tells the caller how far the call is, which starts its `timeout` anew. Once the call is over, it does nothing.

        Raises XBindError: INVALID_PAYLOAD, PAYLOAD_TOO_LARGE; TypeError.
        """
        for what, value in (("progress", progress), ("total", total)):
            _check_number(value, what)
        if message is not None and not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"message must be a string, not {name_of(message)}")
        if message is not None and not _is_text(message):
            raise XBindError("INVALID_PAYLOAD", "message holds half of a surrogate pair", "give text that UTF-8 can hold")
        running = self._running
        if running.answered:
            return
        port = running.member.port
        port.check()
        _native.progress(port.number, running.ticket, progress, total, message)
        port.schedule()


class Running:
    """A call that is with its agent."""

    __slots__ = (
        "member", "ticket", "id", "sender", "method", "body", "guarded", "call", "answered", "cancelled", "is_closing", "task",
        "room", "told", "telling",
    )  # fmt: skip

    def __init__(
        self, member: Member, ticket: float, id: str, sender: str, method: str | None, body: str | bytes, guarded: str | None
    ) -> None:
        self.member = member
        self.ticket = ticket
        self.id = id
        self.sender = sender
        self.method = method
        self.body = body
        self.guarded = guarded
        """What is asked, and what its token grants; see guard.rs of crates/xbind-binding."""
        self.call: IncomingCall[Any]
        self.answered = False
        self.cancelled = False
        self.is_closing = False
        """Its generator is being closed."""
        self.task: asyncio.Task[Any] | None = None
        self.room: asyncio.Future[None] | None = None
        """Waits for room for another part."""
        self.told: str | None = None
        """What was found out."""
        self.telling: asyncio.TimerHandle | None = None
        """Its caller is told that it waits for an approval."""


def _check_number(value: Any, what: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be a number, not {name_of(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise XBindError("INVALID_PAYLOAD", f"{what} is {number}", "give a finite number")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
