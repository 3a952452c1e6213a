"""One key follows another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from . import _native
from ._audit import AuditLog
from ._check import MAX_WHOLE, UNSET, Unset, check_did, check_str, seconds, whole
from ._identity import Identity, key_of
from ._recorder import Recorder

KeyState: TypeAlias = Literal["prepared", "active", "retiring", "retired", "tainted", "revoked"]
"""Where a key stands: announced, in use, in use beside its successor, replaced, doubtful from some time on, taken back."""


@dataclass(frozen=True)
class Rotation:
    """What both keys have signed."""

    old: str
    """The DID of the key that goes."""
    new: str
    """The DID of the key that comes."""
    issued_at: int
    """Seconds since the epoch."""
    active_from: int
    """When the new key starts, in seconds since the epoch."""
    overlap: int
    """How long the old key may go on beside it, in seconds."""


def sign_rotation(
    old: Identity,
    new: Identity,
    *,
    active_from: int | None = None,
    overlap: int | None = None,
    now: int | None = None,
    audit: AuditLog | Unset = UNSET,
    dangerously_continue_unrecorded: bool | Unset = UNSET,
) -> str:
    """Signs with both keys that one follows the other. `overlap` is a day by default. With `audit` it is on record, or nobody gets it.

    Raises INVALID_CONFIG, SIGN_FAILED, AUDIT_FAILED.
    """
    recorder = Recorder.of(audit, dangerously_continue_unrecorded)
    beside = whole(overlap, 86_400, "overlap", 0, MAX_WHOLE)
    keys = key_of(old, "old"), key_of(new, "new")
    statement = _native.sign_rotation(*keys, seconds(active_from, "active_from"), beside, seconds(now, "now"))
    if recorder is not None:
        recorder.put({"event": "rotation.signed", "outcome": "accepted", "by": old.did, "to": new.did})
    return statement


def verify_rotation(statement: str) -> Rotation:
    """Verifies both signatures. Whether the old key had the right to choose its successor, a `KeyHistory` says.

    Raises INVALID_TOKEN.
    """
    return _rotation(_native.verify_rotation(check_str(statement, "statement")))


class KeyHistory:
    """The keys of one agent, from the first on; the first one's DID is the agent's lasting name. Times are in seconds since the
    epoch, by default the system clock's."""

    def __init__(
        self,
        did: str,
        *,
        active_from: int | None = None,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """The history of an agent whose first key is in use since `active_from`, default 0. With `audit` what it takes in and what its
        holder decides is on record, or not done: AUDIT_FAILED. Raises INVALID_DID, INVALID_CONFIG.
        """
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._history = _native.new_key_history(check_str(did, "did"), seconds(active_from, "active_from") or 0)
        self._name = did

    @property
    def name(self) -> str:
        """The DID of the first key."""
        return self._name

    def prepare(self, statement: str, *, now: int | None = None) -> Rotation:
        """Verifies a rotation and takes it in. Raises INVALID_TOKEN, TOKEN_NOT_YET_VALID, INVALID_DELEGATION, AUDIT_FAILED."""
        text, at = check_str(statement, "statement"), seconds(now, "now")
        if self._recorder is not None:
            self._recorder.check()
            with self._recorder.refusals({"event": "key.prepared", "from": self._name}):
                taken = _rotation(_native.prepare_key(self._history, text, at, True))
            self._recorder.put({"event": "key.prepared", "outcome": "accepted", "from": taken.old, "to": taken.new})
        return _rotation(_native.prepare_key(self._history, text, at, False))

    def activate(self, did: str, *, since: int | None = None) -> bool:
        """Brings the start of a prepared key forward. Tells whether anything has changed. Raises INVALID_DID, AUDIT_FAILED."""
        key, at = check_did(did, "did"), _time(since)
        if self._recorder is not None:
            self._recorder.check()
        return self._noted("key.activated", key, lambda trial: _native.activate_key(self._history, key, at, trial))

    def taint(self, did: str, *, since: int | None = None) -> bool:
        """Marks a key as doubtful from some time on: what it signed before stands. Tells whether anything has changed.
        Raises INVALID_DID, AUDIT_FAILED.
        """
        key, at = check_did(did, "did"), _time(since)
        return self._noted("key.tainted", key, lambda trial: _native.taint_key(self._history, key, at, trial))

    def revoke(self, did: str) -> bool:
        """Takes a key back: nothing that it signed stands, whenever. Tells whether anything has changed.
        Raises INVALID_DID, AUDIT_FAILED.
        """
        key = check_did(did, "did")
        return self._noted("key.revoked", key, lambda trial: _native.revoke_key(self._history, key, trial))

    def _noted(self, event: str, to: str, act: Callable[[bool], bool]) -> bool:
        """What changes anything: on record, and then done."""
        if self._recorder is not None and act(True):
            self._recorder.put({"event": event, "outcome": "accepted", "from": self._name, "to": to})
        return act(False)

    def state(self, did: str, at: int | None = None) -> KeyState | None:
        """Where a key stands; None for a key that is not the agent's."""
        return _native.key_state(self._history, check_str(did, "did"), seconds(at, "at"))  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    def may_sign(self, did: str, at: int | None = None) -> bool:
        """Whether a key may sign for the agent."""
        return _native.may_sign(self._history, check_str(did, "did"), seconds(at, "at"))

    def verifies(self, did: str, signed_at: int) -> bool:
        """Whether something signed by that key then stands, asked at any later time. `signed_at` must come from a witness."""
        return _native.receipt_stands(self._history, check_str(did, "did"), whole(signed_at, 0, "signed_at", 0, MAX_WHOLE))

    def current(self, at: int | None = None) -> str | None:
        """The newest key that may sign; None if none may."""
        return _native.current_key(self._history, seconds(at, "at"))


def _time(since: int | None) -> int:
    """One for the trial and for the deed."""
    at = seconds(since, "since")
    return int(time.time()) if at is None else at


def _rotation(text: str) -> Rotation:
    told = json.loads(text)
    return Rotation(told["old"], told["new"], told["issuedAt"], told["activeFrom"], told["overlap"])
