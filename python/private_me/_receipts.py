"""What can be shown later."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from . import _native
from ._calls import CallReceipt
from ._check import UNSET, Unset, check_bytes, check_is, check_str


@dataclass(frozen=True)
class VerifiedReceipt:
    """What a receipt proves: the caller signed this call for the agent, and the agent signed this answer to it."""

    message_id: str
    """The id of the call."""
    op: Literal["call", "send"]
    """What was asked."""
    answer: Literal["result", "error", "receipt"]
    """What came back: a value, a refusal, or that it stands in an inbox."""
    method: str | None
    """The method asked for."""
    issued_at: int
    """When the caller signed, by its clock: seconds since the epoch."""
    answered_at: int
    """When the agent signed its answer, by its clock: seconds since the epoch."""
    parts: int | None
    """How many parts were sent before the end of the answer."""
    request_digest: str
    """SHA-256 of the body of the call, in base64url."""
    result_digest: str
    """SHA-256 of the body of the answer, in base64url."""
    token_digest: str | None
    """SHA-256 of what the call presented, token and approval, in base64url."""


def verify_receipt(
    receipt: CallReceipt, *, caller: str, agent: str, request: bytes | Unset = UNSET, result: bytes | Unset = UNSET
) -> VerifiedReceipt:
    """Verifies a receipt, offline and at any time, by the DIDs of both; every body that is given is to be the one that was signed.

    Raises MALFORMED_MESSAGE, REPLY_MISMATCH, WRONG_AUDIENCE, INVALID_SIGNATURE, INVALID_DID.
    """
    check_is(receipt, CallReceipt, "receipt")
    shown = [check_bytes(each, "request") for each in (receipt.request, request) if not isinstance(each, Unset)]
    results = [check_bytes(each, "result") for each in (receipt.result, result) if not isinstance(each, Unset)]
    jws = check_str(receipt.call, "receipt.call"), check_str(receipt.answer, "receipt.answer")
    who = check_str(caller, "caller"), check_str(agent, "agent")
    proven = json.loads(_native.verify_receipt(*jws, shown, results, *who))
    return VerifiedReceipt(
        proven["messageId"], proven["op"], proven["answer"], proven.get("method"), proven["issuedAt"], proven["answeredAt"],
        proven.get("parts"), proven["requestDigest"], proven["resultDigest"], proven.get("tokenDigest"),
    )  # fmt: skip
