"""Logs of what agents decided: who let whom in, and on what grounds. Each line is chained to the one before, and signed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike, fspath
from typing import Any, Literal, NamedTuple, TypeAlias, cast, overload

from . import _native
from ._check import (
    MAX_WHOLE,
    UNSET,
    Unset,
    check_bool,
    check_did,
    check_str,
    given,
    milliseconds,
    name_of,
    optional,
    strings,
    whole,
)
from ._errors import XBindError
from ._identity import Identity, key_of
from ._opening import Opening
from ._sink import AuditHead, AuditSink, Sink, head_in
from ._waiting import check_fork, wait_for

AuditOutcome: TypeAlias = Literal["accepted", "refused", "answered", "failed"]
"""What became of something: it was let in or done, or not, or answered with a value, or begun and ended without one."""


class VerifiedAudit(NamedTuple):
    """A log that nobody edited."""

    records: int
    """How many records it has, without what the log wrote by itself."""
    head: AuditHead
    """How far it goes."""
    did: str
    """Whose log it is."""
    first: int
    """The number of its first line; above 0 where earlier files are elsewhere."""


class AuditRecord(NamedTuple):
    """A record as it stands in the log."""

    seq: int
    """Its number in the log."""
    time: int
    """When it was decided, by the clock here: seconds since the epoch."""
    previous: str
    """The digest of the line before it, in base64url."""
    event: str
    """What happened."""
    outcome: AuditOutcome
    """What became of it."""
    by: str
    """The DID that decided."""
    sender: str | None
    """The DID that asked."""
    to: str | None
    """The DID that it is about, or for."""
    method: str | None
    """The method asked for."""
    message_id: str | None
    """The id of the message."""
    digest: str | None
    """The digest of its whole JWS, in base64url: a receipt has the JWS."""
    token: str | None
    """The id of the token."""
    chain: tuple[str, ...]
    """On whose behalf, from the issuer on."""
    code: str | None
    """Why it was refused or failed."""
    note: str | None
    """A word of whoever recorded it."""


class AuditLog:
    """A log that `open_audit_log` has opened. `async with` closes it."""

    __slots__ = ("_log", "_state", "_sink", "__weakref__")

    _log: _native.LogRef
    _sink: Sink | None
    _state: dict[str, Any]

    def __init__(self) -> None:
        """Not made by hand."""
        raise TypeError("open a log: open_audit_log(path, signer=identity)")

    @property
    def did(self) -> str:
        """Whose key signs it."""
        return str(self._state["did"])

    @property
    def records(self) -> int:
        """How many records it held when it was opened."""
        return int(self._state["records"])

    @property
    def first(self) -> int:
        """The number of its first line; above 0 where earlier files are elsewhere."""
        return int(self._state["first"])

    @property
    def lost_bytes(self) -> int:
        """How many bytes were cut off its end when it was opened: what a crash had left of records that nobody was told of."""
        return int(self._state["lostBytes"])

    @property
    def lost_to(self) -> str | None:
        """The file beside the log where these are kept."""
        lost: str | None = self._state.get("lostTo")
        return lost

    def append(
        self,
        event: str,
        outcome: AuditOutcome,
        *,
        by: str | None = None,
        sender: str | None = None,
        to: str | None = None,
        method: str | None = None,
        message_id: str | None = None,
        digest: str | None = None,
        token: str | None = None,
        chain: Iterable[str] | None = None,
        code: str | None = None,
        note: str | None = None,
    ) -> bool:
        """Puts something of your own on record, never a payload. False if the log cannot be written, has no room, or is closed: what
        cannot be recorded is not to be done. With `sync='always'` it is on the disk when this returns.

        - `event`: 1 to 64 of `a-z 0-9 . _ -`, not beginning with `log.`. `code`: `A-Z` and `_`. `note`: at most 1024 bytes.
        - `by`: the DID that decided, that of the log by default; `sender`: the one that asked; `to`: whom it is about, or for.

        Raises XBindError: INVALID_CONFIG, INVALID_DID.
        """
        check_fork()
        texts = {
            "by": by, "from": sender, "to": to, "method": method, "messageId": message_id, "digest": digest, "token": token,
            "code": code, "note": note,
        }  # fmt: skip
        entry: dict[str, Any] = {"event": check_str(event, "event"), "outcome": check_str(outcome, "outcome")}
        for name, text in texts.items():
            if text is not None:
                entry[name] = check_str(text, _OWN.get(name, name))
        if chain is not None:
            entry["chain"] = strings(chain, "chain")
        return _native.append_record(self._log, json.dumps(entry))

    async def flush(self) -> AuditHead:
        """Waits until all that was decided so far is on record. Raises AUDIT_FAILED."""
        self._attach()
        return head_in(await wait_for(_native.flush_log(self._log, False)))

    async def query(
        self,
        *,
        agent: str | Unset = UNSET,
        token: str | Unset = UNSET,
        since: int | None = None,
        until: int | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> list[AuditRecord]:
        """The records that fit all that is given, oldest first. Those of the last milliseconds may be missing before a `flush`.

        - `agent`: a DID that decided, asked, was asked, or on whose behalf it was. `token`: its id.
        - `since`, `until`: not before that second, and before that one. `after`: behind the record of that `seq`: the next page.
        - `limit`: at most so many: 1000, at most 100 000.

        Raises INVALID_AUDIT, AUDIT_FAILED, PAYLOAD_TOO_LARGE (more than 64 MiB: ask for less at once), INVALID_DID, INVALID_CONFIG.
        """
        asked = {
            "agent": given(agent, check_did, "agent"),
            "token": given(token, check_str, "token"),
            "since": _number(since, "since"),
            "until": _number(until, "until"),
            "after": _number(after, "after"),
            "limit": whole(limit, 1000, "limit", 1, 100_000),
        }
        query = json.dumps({name: value for name, value in asked.items() if value is not None})
        return [_record_in(each) for each in json.loads(await wait_for(_native.query_log(self._log, query)))]

    async def close(self) -> AuditHead:
        """Puts on record what was decided so far, and takes nothing more. Raises AUDIT_FAILED, if something could not be."""
        self._attach()
        try:
            head = head_in(await wait_for(_native.flush_log(self._log, True)))
        except XBindError:
            self._end()
            raise
        self._end()  # one who gives up waiting leaves the callback to take the rest
        return head

    def _end(self) -> None:
        if self._sink is not None:
            self._sink.end()

    def _attach(self) -> None:
        if self._sink is not None:
            self._sink.attach()

    async def __aenter__(self) -> AuditLog:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AuditLog of {self.did}>"


_OWN = {"from": "sender", "messageId": "message_id"}


@overload
def open_audit_log(
    path: str | PathLike[str],
    *,
    signer: Identity,
    sync: Literal["always", "batch", "none"] = "batch",
    max_file_bytes: int | None = None,
    first: int | None = None,
) -> Opening[AuditLog]: ...


@overload
def open_audit_log(
    path: AuditSink,
    *,
    signer: Identity,
    sync: Literal["always", "batch", "none"] = "batch",
    last_line: str | None = None,
    timeout: float | None = None,
) -> Opening[AuditLog]: ...


def open_audit_log(
    path: str | PathLike[str] | AuditSink,
    *,
    signer: Identity,
    sync: Literal["always", "batch", "none"] = "batch",
    max_file_bytes: int | None = None,
    first: int | None = None,
    last_line: str | None = None,
    timeout: float | None = None,
) -> Opening[AuditLog]:
    """Opens the log at that path, or begins one there: `path`, then `path.1`, `path.2` and so on. It is read through first: one that
    was changed does not open. One process writes a log at a time.

    With a function or a coroutine function in the place of the path, that gets the lines, in the event loop; it is for you that one
    process at a time goes on with them. Such a log is not searched (`query` is INVALID_CONFIG), and with `always` a call begins when the
    callback has its record.

    >>> async with open_audit_log("audit.jsonl", signer=identity) as log, Agent("teller", audit=log) as teller:
    ...     ...

    - `signer`: signs the log, always the same one. The log keeps a copy of its key until it is closed.
    - `sync`: what a decision waits for. `always`: a call begins when the disk has its record. `batch`: records go to the disk together,
      within some 10 ms, and calls do not wait. `none`: the same, and when they are on the disk is for the operating system to decide.
    - `max_file_bytes`: a file that is longer is continued in the next: 256 MiB, at least 4096. Not with a callback.
    - `first`: line that its files must begin with, or before it: with 0 all of them must be there. Not with a callback.
    - `last_line`: with a callback: the last line that it has taken before, without its line feed, where the log goes on.
    - `timeout`: with a callback: how long it may take for a batch, in seconds: 30, at most 600.

    Raises INVALID_AUDIT, AUDIT_FAILED (it cannot be read or written, or is open already), INVALID_CONFIG, SIGN_FAILED.
    """
    sink = path if callable(path) else None
    place, key = "" if sink is not None else _path(path), key_of(signer, "signer")
    misplaced = (max_file_bytes, first) if sink is not None else (last_line, timeout)
    if misplaced != (None, None):
        why = "max_file_bytes and first are of files, last_line and timeout are of a callback"
        raise XBindError("INVALID_CONFIG", why)
    last, patience = optional(last_line, check_str, "last_line"), milliseconds(timeout, 30_000, "timeout", 1, 600_000)
    longest = whole(max_file_bytes, 256 << 20, "max_file_bytes", 4096, MAX_WHOLE)
    begin, durability = _number(first, "first"), check_str(sync, "sync")

    async def open() -> AuditLog:
        log = AuditLog.__new__(AuditLog)
        taker = log._sink = None if sink is None else Sink(sink, patience)  # pyright: ignore[reportPrivateUsage]
        try:
            if taker is None:
                opening = _native.open_log(place, key, durability, longest, begin)
            else:
                opening = _native.hand_over(taker.taker, key, durability, last)
            log._log = await wait_for(opening)  # pyright: ignore[reportPrivateUsage]
        except BaseException:
            if taker is not None:
                taker.end()
            raise
        log._state = json.loads(_native.log_state(log._log))  # pyright: ignore[reportPrivateUsage]
        return log

    return Opening(open)


def verify_audit(
    path: str | PathLike[str],
    *,
    did: str | Unset = UNSET,
    head: AuditHead | Unset = UNSET,
    first: int | None = None,
) -> VerifiedAudit:
    """Reads a log through and verifies all of it, as that of `did`, and that it holds the line of `head`, which was kept elsewhere.
    With `first` its files must begin with that line, or before it. Takes its time for a long one, in which other threads go on.

    Raises INVALID_AUDIT, with file, line and reason; AUDIT_FAILED (it cannot be read), INVALID_DID, INVALID_CONFIG.
    """
    wanted = None if isinstance(head, Unset) else _head(head)
    told = json.loads(_native.verify_log(_path(path), given(did, check_str, "did"), wanted, _number(first, "first")))
    return VerifiedAudit(told["records"], AuditHead(told["seq"], told["digest"]), told["did"], told["first"])


def witness_head(witness: Identity, head: AuditHead) -> str:
    """Signs that this identity has seen how far a log goes: a second pair of eyes, which need not trust whoever keeps the log. What the
    log has signed is verified first, and must say what the head says. Raises INVALID_AUDIT, SIGN_FAILED, INVALID_CONFIG.
    """
    text = _head(head)
    check_str(head.jws, "head.jws")
    return _native.witness_head(key_of(witness, "witness"), text)


def verify_witness(statement: str, *, witness: str) -> AuditHead:
    """Verifies what a witness, a DID, has signed; `time` is the witness's. Raises INVALID_AUDIT, UNTRUSTED_ISSUER, INVALID_DID."""
    return head_in(_native.read_witness(check_str(statement, "statement"), check_str(witness, "witness")))


def recording_in(audit: Any, unrecorded: Any) -> tuple[_native.LogRef | None, bool]:
    """Where decisions are put on record, as agents and buses are told."""
    goes_on = given(unrecorded, check_bool, "dangerously_continue_unrecorded")
    if isinstance(audit, Unset):
        if goes_on is None:
            return None, False
        why = "dangerously_continue_unrecorded is of the audit log that is given beside it, and none is"
        hint = "say it where the log is given, as to the bus whose log its agents use, or give this one a log of its own"
        raise XBindError("INVALID_CONFIG", why, hint)
    if not isinstance(audit, AuditLog):
        raise TypeError(f"audit must be a log that open_audit_log has opened, not {name_of(audit)}")
    return audit._log, goes_on is True  # pyright: ignore[reportPrivateUsage]


def _head(head: Any) -> str:
    if not isinstance(head, AuditHead):
        raise TypeError(f"head must be an AuditHead, not {name_of(head)}")
    members = {
        "seq": whole(head.seq, 0, "head.seq", 0, MAX_WHOLE),
        "digest": check_str(head.digest, "head.digest"),
        "did": optional(head.did, check_str, "head.did"),
        "log": optional(head.log, check_str, "head.log"),
        "time": _number(head.time, "head.time"),
        "jws": optional(head.jws, check_str, "head.jws"),
    }
    return json.dumps({name: value for name, value in members.items() if value is not None})


def _number(value: Any, what: str) -> int | None:
    return None if value is None else whole(value, 0, what, 0, MAX_WHOLE)


def _path(path: Any) -> str:
    """Native code would end the path at a zero."""
    place = check_str(cast("object", fspath(path)), "path")
    if place == "" or "\0" in place:
        raise ValueError("path must be the path of a file")
    return place


def _record_in(told: dict[str, Any]) -> AuditRecord:
    return AuditRecord(
        told["seq"], told["time"], told["previous"], told["event"], told["outcome"], told["by"], told.get("from"),
        told.get("to"), told.get("method"), told.get("messageId"), told.get("digest"), told.get("token"),
        tuple(told.get("chain", ())), told.get("code"), told.get("note"),
    )  # fmt: skip
