"""Messages for any transport: sealing and opening."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from . import _native
from ._audit import AuditLog
from ._check import UNSET, Unset, check_bytes, check_callable, check_str, given, name_of, optional, strings, time_told, whole
from ._errors import XBindError
from ._identity import Identity, key_of
from ._recorder import Recorder
from ._revocation import Revocations, refuse_revoked, sources_in

MessageOp: TypeAlias = Literal["call", "send", "result", "error", "receipt", "part", "progress", "cancel", "more"]
"""What a message is: docs/wire-format.md."""


@dataclass(frozen=True)
class SealedMessage:
    """A signed message. What has to travel: `jws`, `body`, and `token` if there is one."""

    jws: str
    """The signed claims, in JWS compact form (RFC 7515)."""
    body: bytes
    """The bytes whose digest the JWS signs."""
    token: str | None
    """The token presented with it."""
    id: str
    """Unique for its sender; the answer names it."""


@dataclass(frozen=True)
class VerifiedMessage:
    """A message that passed every check: genuine, in time, for this audience, and opened for the first time."""

    id: str
    """Unique for its sender."""
    op: MessageOp
    """What the message is."""
    sender: str
    """The sender's DID, proven by the signature."""
    to: str
    """The DID whose verifier opened it."""
    body: bytes
    """The very bytes that were verified."""
    content_type: str
    """The media type of the body."""
    issued_at: int
    """Seconds since the epoch."""
    expires_at: int
    """Seconds since the epoch."""
    in_reply_to: str | None
    """The id of the call that it answers or says more of."""
    method: str | None
    """The method asked for."""
    deadline_ms: int | None
    """How long the caller of a call waits, in milliseconds."""
    traceparent: str | None
    """Where the message belongs in a trace; proves nothing."""
    seq: int | None
    """Which part of an answer it is, or which word of progress; on a result or error, how many parts there were."""
    window: int | None
    """How many parts the caller takes, counted from the first."""
    session: str | None
    """The session of its recipient that a call or send is meant for."""
    jws: str
    """The signed claims as they came, to be kept as proof."""


def seal(
    identity: Identity,
    op: MessageOp,
    to: str,
    body: bytes,
    *,
    content_type: str = "application/json",
    ttl: int = 30,
    token: str | None = None,
    in_reply_to: SealedMessage | VerifiedMessage | None = None,
    method: str | None = None,
    deadline_ms: int | None = None,
    traceparent: str | None = None,
    seq: int | None = None,
    window: int | None = None,
    session: str | None = None,
    now: int | None = None,
) -> SealedMessage:
    """Builds and signs one message; the body travels beside the JWS (docs/wire-format.md).

    Raises INVALID_DID, WRONG_AUDIENCE (to oneself), MALFORMED_MESSAGE (an option out of bounds), SIGN_FAILED (destroyed).
    """
    own = check_bytes(body, "body")
    token = optional(token, check_str, "token")
    if token == "":
        raise XBindError("MALFORMED_MESSAGE", "token is empty", "leave `token` out where there is none")
    draft = {
        "op": check_str(op, "op"),
        "to": check_str(to, "to"),
        "contentType": check_str(content_type, "content_type"),
        "ttl": _whole(ttl, "ttl"),
        "now": _whole(now, "now"),
        "token": token,
        "requestId": None if in_reply_to is None else check_str(in_reply_to.id, "in_reply_to.id"),
        "request": None if in_reply_to is None else check_str(in_reply_to.jws, "in_reply_to.jws"),
        "method": optional(method, check_str, "method"),
        "deadlineMs": _whole(deadline_ms, "deadline_ms"),
        "traceparent": optional(traceparent, check_str, "traceparent"),
        "seq": _whole(seq, "seq"),
        "window": _whole(window, "window"),
        "session": optional(session, check_str, "session"),
    }
    sealed = json.loads(_native.seal(key_of(identity, "identity"), json.dumps(draft), own))
    return SealedMessage(sealed["jws"], own, token, sealed["id"])


def _whole(value: Any, what: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {name_of(value)}")
    if not 0 <= value < 2**53:
        raise XBindError("MALFORMED_MESSAGE", f"{what} is {value}", "give a whole number that is not negative")
    return value


class MessageVerifier:
    """Verifies messages addressed to one DID, and remembers what it has accepted so that nothing is accepted twice."""

    def __init__(
        self,
        audience: str,
        *,
        now: Callable[[], float] = time.time,
        clock_skew: int | None = None,
        max_lifetime: int | None = None,
        max_body_bytes: int | None = None,
        max_tracked_messages: int | None = None,
        session: str | Unset = UNSET,
        pending: Callable[[str], SealedMessage | None] | None = None,
        running: Callable[[str, str], VerifiedMessage | None] | None = None,
        allow: Iterable[str] | Unset = UNSET,
        revocations: Revocations = (),
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """`pending` looks up calls that this side has made by id, so that their answers can be matched; `running` calls that it
        works on, by id and caller. `allow` names DIDs whose messages are taken. `session` names the replay window, 16 random
        bytes in base64url. With `audit` what it decides is on record, and else it lets nothing through: AUDIT_FAILED.

        Raises INVALID_DID, INVALID_CONFIG.
        """
        check_callable(now, "now")
        for what, function in (("pending", pending), ("running", running)):
            if function is not None:
                check_callable(function, what)
        self._sources = sources_in(revocations)
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._now = now
        self._pending = pending
        self._running = running
        policy = {
            "audience": check_str(audience, "audience"),
            "clockSkew": whole(clock_skew, 30, "clock_skew", 0, 300),
            "maxLifetime": whole(max_lifetime, 300, "max_lifetime", 1, 300),
            "maxBody": whole(max_body_bytes, 1 << 20, "max_body_bytes", 0, 0x7FFF_FFFF),
            "maxTracked": whole(max_tracked_messages, 1_000_000, "max_tracked_messages", 1, 100_000_000),
            "session": given(session, check_str, "session"),
            "allow": given(allow, strings, "allow"),
            "asks": bool(self._sources) or self._recorder is not None,
        }
        self._audience = audience
        self._verifier = _native.new_verifier(json.dumps(policy))

    def open(self, jws: str, body: bytes, token: str | None = None) -> VerifiedMessage:
        """Opens one message: all checks of docs/wire-format.md, in that order. Raises what `now`, `pending` and `running` raise.

        Raises MALFORMED_MESSAGE, PAYLOAD_TOO_LARGE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID, INVALID_SIGNATURE,
        NOT_ALLOWED, REVOKED, REVOCATION_UNKNOWN, STALE_SESSION, REPLY_MISMATCH, REPLAYED, REPLAY_WINDOW_FULL, AUDIT_FAILED.
        """
        text, own, shown = check_str(jws, "jws"), check_bytes(body, "body"), optional(token, check_str, "token")
        recorder = self._recorder
        if recorder is None:
            return self._open(text, own, shown, None)
        entry: dict[str, Any] = {"event": "message", "by": self._audience, "digest": _digest_of(text)}
        with recorder.refusals(entry):
            message = self._open(text, own, shown, entry)
        accepted = {"outcome": "accepted", "from": message.sender, "messageId": message.id, "method": message.method}
        try:
            recorder.put({**entry, **accepted})
        except XBindError:
            _native.forget_message(self._verifier, message.sender, message.id)  # it may come again as it is
            raise
        return message

    def _open(self, text: str, own: bytes, shown: str | None, entry: dict[str, Any] | None) -> VerifiedMessage:
        """What is proven of a message before anything is asked about it comes into its record."""
        now = time_told(self._now)
        opened, waiting = _native.open(self._verifier, now, text, own, shown)
        if waiting is not None:
            claim = json.loads(_native.claim(waiting))
            if entry is not None:
                entry["from"] = claim["from"]
            refuse_revoked(self._sources, claim["from"], claim["issuedAt"], "open it again")
            if self._recorder is not None:
                self._recorder.check()
            opened = _native.accept(self._verifier, waiting, now, own, shown, self._call_of(claim))
        assert opened is not None
        message = json.loads(opened)
        return VerifiedMessage(
            id=message["id"],
            op=message["op"],
            sender=message["from"],
            to=message["to"],
            body=own,
            content_type=message["contentType"],
            issued_at=message["issuedAt"],
            expires_at=message["expiresAt"],
            in_reply_to=message.get("inReplyTo"),
            method=message.get("method"),
            deadline_ms=message.get("deadlineMs"),
            traceparent=message.get("traceparent"),
            seq=message.get("seq"),
            window=message.get("window"),
            session=message.get("session"),
            jws=text,
        )

    def _call_of(self, claim: dict[str, Any]) -> str | None:
        """The JWS of the call that a message is about, by what the user of this class knows."""
        about = claim.get("about")
        if about is None:
            return None
        call: SealedMessage | VerifiedMessage | None
        if claim["isReply"]:
            call = None if self._pending is None else self._pending(about)
        else:
            call = None if self._running is None else self._running(about, claim["from"])
        jws = getattr(call, "jws", None)
        return jws if isinstance(jws, str) else None


def _digest_of(jws: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(jws.encode()).digest()).rstrip(b"=").decode()
