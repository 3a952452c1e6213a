"""A yes or no to one call, signed."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from . import _native
from ._agent import Agent, member_of
from ._audit import AuditLog
from ._check import UNSET, Unset, check_bytes, check_callable, check_is, check_str, name_of, optional, seconds, strings, whole
from ._guard import Handler
from ._identity import Identity, key_of
from ._incoming import IncomingCall
from ._json import decode
from ._recorder import Recorder, signed


@dataclass(frozen=True)
class CallToApprove:
    """The call that is decided upon: these two, this method, and these very bytes."""

    caller: str
    """The DID that makes it."""
    recipient: str
    """The DID that is asked."""
    body: bytes
    """The arguments of the call, byte for byte."""
    method: str | None = None
    """Which method is asked for; None for a call that names none."""
    session: str | None = None
    """The session of the recipient, for a call from another process."""
    content_type: str = "application/json"
    """The media type of the body."""


@dataclass(frozen=True)
class Approval:
    """A decision that is genuine, in time, and about the very call that it was held against."""

    decision: Literal["approve", "deny"]
    """Yes or no."""
    approver: str
    """Who decided, proven by the signature."""
    id: str
    """Unique for its approver: an approval is for one call, which whoever relies on it has to see to."""
    issued_at: int
    """Seconds since the epoch."""
    expires_at: int
    """Seconds since the epoch."""


class ApprovalRequest(NamedTuple):
    """What an approver decides upon."""

    agent: str
    """The agent that was called and asks for the approval, proven by its signature."""
    caller: str
    """Who called it, as that agent says."""
    method: str | None
    """The method asked for, if the caller named one."""
    payload: Any
    """The very arguments of the call."""
    chain: tuple[str, ...]
    """On whose behalf the caller acts, outermost first, as that agent says."""


def _native_call(call: CallToApprove) -> str:
    members = {
        "caller": check_str(call.caller, "call.caller"),
        "recipient": check_str(call.recipient, "call.recipient"),
        "method": optional(call.method, check_str, "call.method"),
        "session": optional(call.session, check_str, "call.session"),
        "contentType": check_str(call.content_type, "call.content_type"),
    }
    return json.dumps(members)


def approve_call(
    approver: Identity | Agent,
    call: CallToApprove,
    decision: Literal["approve", "deny"] = "approve",
    *,
    ttl: int | None = None,
    now: int | None = None,
    audit: AuditLog | Unset = UNSET,
    dangerously_continue_unrecorded: bool | Unset = UNSET,
) -> str:
    """Signs a yes or no to one call: a JWT of type agent-approval+jwt. `ttl` is in seconds: 300 by default, at most 3600.
    With `audit` it is on record, or nobody gets it; an agent has its own log.

    Raises INVALID_CONFIG (also for an approver who is the caller), INVALID_DID, SIGN_FAILED, AUDIT_FAILED.
    """
    recorder = Recorder.of(audit, dangerously_continue_unrecorded)
    check_is(call, CallToApprove, "call")
    key = member_of(approver).key if isinstance(approver, Agent) else key_of(approver, "approver")
    body = check_bytes(call.body, "call.body")
    life = whole(ttl, 300, "ttl", 0, 2**53 - 1)
    statement = _native.approve_call(key, check_str(decision, "decision"), _native_call(call), body, life, seconds(now, "now"))
    if isinstance(approver, Agent):
        member_of(approver).recorded("approval.signed", statement)
    return signed(recorder, "approval.signed", approver.did, statement)


def verify_approval(
    statement: str, call: CallToApprove, approvers: Iterable[str], *, now: int | None = None, clock_skew: int | None = None
) -> Approval:
    """Verifies a decision about a call by one of these approvers, DIDs. A no verifies too: look at `decision`.

    Raises INVALID_TOKEN, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED, INVALID_SIGNATURE, INVALID_DID.
    """
    check_is(call, CallToApprove, "call")
    skew = whole(clock_skew, 30, "clock_skew", 0, 300)
    demands = json.dumps({"approvers": strings(approvers, "approvers"), "now": seconds(now, "now"), "clockSkew": skew})
    body = check_bytes(call.body, "call.body")
    approval = json.loads(_native.verify_approval(check_str(statement, "statement"), _native_call(call), body, demands))
    return Approval(approval["decision"], approval["approver"], approval["id"], approval["issuedAt"], approval["expiresAt"])


def approvals(
    approver: Agent, decide: Callable[[ApprovalRequest], bool | Awaitable[bool]], otherwise: Handler | None = None
) -> Handler:
    """A handler for an approver: `operator.handle(approvals(operator, decide))`. Each decision is signed for this caller, this
    agent, this method and these arguments. Calls that ask for no approval go to `otherwise`.
    """
    member = member_of(approver, "approver")
    check_callable(decide, "decide")
    if otherwise is not None:
        check_callable(otherwise, "otherwise")

    async def answer(call: IncomingCall[Any]) -> Any:
        asked = _request_in(call.payload)
        if asked is None:
            if otherwise is None:
                raise TypeError("not a request for an approval")
            value = otherwise(call)
            return await value if inspect.isawaitable(value) else value
        shown = _native.shown_body(asked["contentType"], asked["body"], asked.get("method"))
        payload = decode(shown)
        who = ApprovalRequest(call.sender, asked["caller"], asked.get("method"), payload, tuple(asked["chain"]))
        said: Any = decide(who)
        yes: Any = await said if inspect.isawaitable(said) else said
        if not isinstance(yes, bool):
            member.journal.warn(f"decide() has to answer True or False; what it gave, {name_of(yes)}, is a no")
        body = shown.encode() if isinstance(shown, str) else shown
        method, session = asked.get("method"), asked.get("session")
        decided = CallToApprove(asked["caller"], call.sender, body, method, session, asked["contentType"])
        return {"approval": approve_call(approver, decided, "approve" if yes is True else "deny")}

    return answer


def _request_in(payload: Any) -> dict[str, Any] | None:
    request = _member(payload, "approvalRequest")
    chain = _member(request, "chain")
    if not isinstance(chain, list):
        return None
    texts: list[Any] = [_member(request, name) for name in ("caller", "contentType", "body")]
    texts += [*chain, *(request[name] for name in ("method", "session") if name in request)]  # pyright: ignore[reportUnknownVariableType]
    return request if all(isinstance(text, str) for text in texts) else None


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
