"""Taking rights back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from . import _native
from ._audit import AuditLog
from ._check import UNSET, Unset, check_callable, check_did, check_str, name_of, optional, seconds, whole
from ._errors import XBindError
from ._recorder import Recorder
from ._tokens import StatusRef


class RevocationSubject(NamedTuple):
    """What is asked about: a token or a link of a delegation by its id, or somebody in it by DID."""

    issued_at: int
    """When the token or link was issued, in seconds since the epoch."""
    token_id: str | None = None
    """The id of the token or link; None where a DID is asked about."""
    did: str | None = None
    """A DID in the chain; None where a token is asked about."""
    issuer: str | None = None
    """With `token_id`: who issued it."""
    status: StatusRef | None = None
    """With `token_id`: where its issuer publishes whether it still stands."""


class RevocationSource(Protocol):
    """Knows what was revoked. Whoever raises or answers anything but a bool does not know, and refuses the token."""

    def is_revoked(self, subject: RevocationSubject, /) -> bool | Awaitable[bool]:
        """Whether it was revoked, now or when that is awaited."""
        ...


Revocations: TypeAlias = "RevocationSource | Sequence[RevocationSource]"


class RevocationList:
    """Revoked tokens and DIDs in this process, bounded. A chain of delegations falls with any of its links: by the link's id,
    or by the DID of anybody in it."""

    __slots__ = ("_list", "_recorder", "__weakref__")

    def __init__(
        self,
        *,
        max_entries: int | None = None,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """Room for 100 000 entries by default, at most 10 000 000. With `audit` each revocation is on record, or not done: AUDIT_FAILED.

        Raises INVALID_CONFIG.
        """
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._list = _native.new_revocation_list(whole(max_entries, 100_000, "max_entries", 1, 10_000_000))

    def revoke_token(self, token_id: str, *, keep_until: int | None = None) -> None:
        """Revokes a token or a link of a delegation, and everything delegated from it. With `keep_until`, the entry may be
        dropped after that second. Raises INVALID_CONFIG if the list is full, AUDIT_FAILED; then nothing was revoked.
        """
        token, until = check_str(token_id, "token_id"), seconds(keep_until, "keep_until")
        if self._recorder is not None:
            _native.revoke_token(self._list, token, until, True)
            self._recorder.put({"event": "token.revoked", "outcome": "accepted", "token": token})
        _native.revoke_token(self._list, token, until, False)

    def revoke_did(self, did: str, *, issued_until: int | None = None) -> None:
        """Revokes whatever the DID issues or is granted, whenever; with `issued_until` only what was issued up to that second.

        Raises INVALID_DID, INVALID_CONFIG if the list is full, AUDIT_FAILED; then nothing was revoked.
        """
        whom, until = check_str(did, "did"), seconds(issued_until, "issued_until")
        if self._recorder is not None:
            _native.revoke_did(self._list, whom, until, True)
            self._recorder.put({"event": "did.revoked", "outcome": "accepted", "to": whom})
        _native.revoke_did(self._list, whom, until, False)

    def reinstate(self, did: str) -> bool:
        """Takes the revocation of a DID back; tells whether there was one. Tokens stay revoked.

        Raises INVALID_DID, AUDIT_FAILED; then it stays revoked.
        """
        whom = check_did(did, "did")
        if self._recorder is not None and _native.is_revoked(self._list, None, whom, 0):
            self._recorder.put({"event": "did.reinstated", "outcome": "accepted", "to": whom})
        return _native.reinstate(self._list, whom)

    def is_revoked(self, subject: RevocationSubject, /) -> bool:
        """Whether the token, link or DID stands on this list."""
        token_id = optional(subject.token_id, check_str, "subject.token_id")
        did = optional(subject.did, check_str, "subject.did")
        return _native.is_revoked(self._list, token_id, did, whole(subject.issued_at, 0, "subject.issued_at", 0, 2**53 - 1))

    def purge(self, *, now: int | None = None) -> None:
        """Drops the entries that need not be kept any longer."""
        _native.purge_revocations(self._list, seconds(now, "now"))

    def __len__(self) -> int:
        return int(_native.revocations(self._list))

    def __bool__(self) -> bool:
        return True


def refuse_revoked(sources: Sequence[RevocationSource], did: str, issued_at: int, hint: str) -> None:
    """Raises REVOKED where one says so. Whoever raises, or answers anything but a bool at once, does not know: REVOCATION_UNKNOWN."""
    known = True
    for source in sources:
        try:
            answer: Any = source.is_revoked(RevocationSubject(issued_at, did=did))
        except Exception:
            answer = None
        if inspect.iscoroutine(answer):
            answer.close()
        if answer is True:
            raise XBindError("REVOKED", f"{did} was revoked")
        known = known and answer is False
    if not known:
        raise XBindError("REVOCATION_UNKNOWN", f"no source knows at once whether {did} was revoked", hint, True)


async def refuse_revoked_async(sources: Sequence[RevocationSource], did: str, issued_at: int) -> None:
    """The same for who can wait, 5 s for each."""

    async def ask(source: RevocationSource) -> Any:
        try:
            said: Any = source.is_revoked(RevocationSubject(issued_at, did=did))
            return await asyncio.wait_for(_awaited(said), 5) if inspect.isawaitable(said) else said
        except (Exception, asyncio.CancelledError):  # where it is we who are cancelled, gather() sees to that
            return None

    answers = await asyncio.gather(*map(ask, sources))
    if any(answer is True for answer in answers):
        raise XBindError("REVOKED", f"{did} was revoked")
    if not all(answer is False for answer in answers):
        raise XBindError("REVOCATION_UNKNOWN", f"no source knows in time whether {did} was revoked", "send it again", True)


async def _awaited(said: Awaitable[Any]) -> Any:
    return await said


def list_of(source: RevocationSource) -> _native.ListRef | None:
    """The native list behind one; None for a source that answers for itself, as a subclass may."""
    return source._list if type(source) is RevocationList else None  # pyright: ignore[reportPrivateUsage]


def sources_in(revocations: Revocations) -> list[RevocationSource]:
    """One, or several."""
    if isinstance(revocations, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"revocations must be a source or a list of them, not {name_of(cast(object, revocations))}")
    sources = list(revocations) if isinstance(revocations, Sequence) else [revocations]
    for source in sources:
        check_callable(getattr(source, "is_revoked", None), "revocations.is_revoked")
    return sources
