"""Logs of what agents decided, as others write them."""

from __future__ import annotations

import json
from os import PathLike, fspath
from typing import Any, NamedTuple

from . import _native
from ._check import MAX_WHOLE, UNSET, Unset, check_str, given, name_of, whole


class AuditHead(NamedTuple):
    """How far a log goes. Kept elsewhere, it shows that the end of a log was cut off."""

    seq: int
    """Of its last record."""
    digest: str
    """Of that record's line."""


class VerifiedAudit(NamedTuple):
    """A log that nobody edited."""

    records: int
    """How many records it has, without what the log wrote by itself."""
    head: AuditHead
    """How far it goes."""


def verify_audit(path: str | PathLike[str], *, did: str | Unset = UNSET, head: AuditHead | Unset = UNSET) -> VerifiedAudit:
    """Verifies a log, as that of `did`, and that it holds the record of `head`. Takes its time for a long one.

    Raises INVALID_AUDIT, with the line; INVALID_DID.
    """
    place: Any = fspath(path)
    if not isinstance(head, (AuditHead, Unset)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"head must be an AuditHead, not {name_of(head)}")
    wanted = None
    if not isinstance(head, Unset):
        seq, digest = whole(head.seq, 0, "head.seq", 0, MAX_WHOLE), check_str(head.digest, "head.digest")
        wanted = json.dumps({"seq": seq, "digest": digest})
    told = json.loads(_native.verify_log(check_str(place, "path"), given(did, check_str, "did"), wanted))
    return VerifiedAudit(told["records"], AuditHead(told["seq"], told["digest"]))
