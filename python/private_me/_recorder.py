"""Decisions that no agent makes, on their way into a log: what cannot be recorded is not done."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Generator
from typing import Any

from . import _native
from ._audit import AuditLog, recording_in
from ._check import Unset, check_did
from ._errors import XBindError
from ._waiting import check_fork, wait_for


class Recorder:
    """Where they go."""

    def __init__(self, log: _native.LogRef, unrecorded: bool) -> None:
        self._log = log
        self._unrecorded = unrecorded

    @classmethod
    def of(cls, audit: AuditLog | Unset, unrecorded: bool | Unset) -> Recorder | None:
        """None without a log."""
        log, goes_on = recording_in(audit, unrecorded)
        return None if log is None else cls(log, goes_on)

    def check(self) -> None:
        """Raises AUDIT_FAILED where nothing is to begin now: then nobody has to forget what was done."""
        check_fork()
        if not self._unrecorded and not _native.can_write(self._log):
            raise XBindError("AUDIT_FAILED", "it cannot be put on record, and so it was not done", None, True)

    def put(self, entry: dict[str, Any]) -> None:
        """Of what is done next. Where decisions wait for the disk, this does. Raises AUDIT_FAILED: it must not be done."""
        check_fork()
        _native.put_decision(self._log, record_text(entry), self._unrecorded, False)

    async def commit(self, entry: dict[str, Any]) -> bool:
        """The same for who can wait for the disk: true if he has, and has to judge again."""
        waited: bool = await wait_for(_native.commit_decision(self._log, record_text(entry), self._unrecorded))
        return waited

    @contextlib.contextmanager
    def refusals(self, entry: dict[str, Any]) -> Generator[None, None, None]:
        """What is raised within is a refusal, which holds whether it is on record or not."""
        try:
            yield
        except XBindError as error:
            if error.code != "AUDIT_FAILED":
                self._refused(entry, error.code, error.message)
            raise
        except Exception:
            self._refused(entry, "INTERNAL", "a function that was given to the verifier has raised")
            raise

    def _refused(self, entry: dict[str, Any], code: str, message: str) -> None:
        check_fork()
        note, why = entry.get("note"), cut(message)
        note = f"{note}: {why}" if note and why else note or why
        refused = {**entry, "outcome": "refused", "code": code, "note": note}
        with contextlib.suppress(XBindError):
            _native.put_decision(self._log, record_text(refused), self._unrecorded, True)


def signed(recorder: Recorder | None, event: str, by: str, text: str) -> str:
    """What was signed is on record where there is one to be, or nobody gets it."""
    if recorder is not None:
        recorder.put({**statement_record(event, text), "by": by})
    return text


def statement_record(event: str, text: str) -> dict[str, Any]:
    """The record of a token, delegation or approval that was just made: of the last link, for whom it is, and its id."""
    claims = text.rpartition("~")[2].split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    token = said.get("jti")
    return {
        "event": event,
        "outcome": "accepted",
        "to": did_in(said.get("sub")),
        "token": token if isinstance(token, str) else None,
    }


def did_in(text: Any) -> str | None:
    """A text that is a DID."""
    try:
        return check_did(text, "did")
    except (TypeError, ValueError, XBindError):
        return None


def cut(text: str) -> str | None:
    """As a note takes it: at most 255 bytes, and an ellipsis for the rest."""
    whole = text.encode()
    return text or None if len(whole) <= 255 else f"{whole[:255].decode(errors='ignore')}…"


def record_text(entry: dict[str, Any]) -> str:
    """As the native side takes it."""
    return json.dumps({name: value for name, value in entry.items() if value is not None})
