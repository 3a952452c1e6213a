"""HTTP requests that prove who sends them: RFC 9421, for any client and any server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import _native
from ._audit import AuditLog
from ._check import (
    MAX_TIMER,
    MAX_WHOLE,
    UNSET,
    Unset,
    check_bool,
    check_bytes,
    check_callable,
    check_str,
    given,
    name_of,
    optional,
    seconds,
    strings,
    whole,
)
from ._identity import Identity, key_of
from ._recorder import Recorder, cut, did_in

Headers = Iterable[tuple[str, str]]
"""All of them, in their order, none joined."""


@dataclass(frozen=True)
class VerifiedRequest:
    """A request that is genuine, in time, for this server, and came for the first time."""

    sender: str
    """Who signed it: a DID."""
    created: int
    """When, by the sender's clock: seconds since the epoch."""
    nonce: str
    """Unique for its sender."""
    token: str | None
    """What it presents: give it to a `TokenVerifier`, with the sender as presenter."""
    body: bytes
    """The very bytes that were verified."""


def sign_request(
    identity: Identity,
    method: str,
    url: str,
    *,
    headers: Headers = (),
    body: bytes = b"",
    token: str | None = None,
    approval: str | None = None,
    ttl: int | None = None,
    now: int | None = None,
) -> list[tuple[str, str]]:
    """The header fields to be set on a request as it is about to be sent. `ttl` is its life in seconds: 60, 1 to 300.

    Raises MALFORMED_MESSAGE, INVALID_CONFIG, INVALID_TOKEN, SIGN_FAILED; ValueError for what is no absolute URL.
    """
    parts = urlsplit(check_str(url, "url"))
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("url must be an absolute URL of http or https, without a password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = _head(method, parts.scheme, parts.netloc, target, headers)
    draft = {
        "profile": "xbind",
        "now": int(time.time()) if now is None else seconds(now, "now"),
        "ttl": whole(ttl, 60, "ttl", 1, 300),
        "token": optional(token, check_str, "token"),
        "approval": optional(approval, check_str, "approval"),
    }
    fields = _native.sign_request(key_of(identity, "identity"), head, check_bytes(body, "body"), json.dumps(draft))
    return list(zip(fields[::2], fields[1::2]))


class RequestVerifier:
    """Verifies requests to one server, and remembers them so that none is accepted twice."""

    def __init__(
        self,
        authorities: Iterable[str],
        *,
        allow: Iterable[str] | Unset = UNSET,
        now: Callable[[], float] = time.time,
        clock_skew: int | None = None,
        max_age: int | None = None,
        max_body_bytes: int | None = None,
        max_tracked_requests: int | None = None,
        approvers: Iterable[str] | Unset = UNSET,
        audience: str | None = None,
        dangerously_accept_replay_after_restart: bool = False,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """`authorities` are the hosts, with their ports, to which requests have to go. `allow` names DIDs. A verifier that is new
        knows nothing of what was accepted before, so it refuses what was signed before it was made, unless that danger is wanted.
        With `approvers`, DIDs, each request needs an approval by one of them for `audience`, by default the
        first of `authorities` with https:// before it, which is used once. With `audit` what it decides is on record, and else it lets
        nothing through: AUDIT_FAILED.

        Raises INVALID_DID, INVALID_CONFIG.
        """
        check_callable(now, "now")
        self._approvers = given(approvers, strings, "approvers")
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._now = now
        self._longest = whole(max_body_bytes, 1 << 20, "max_body_bytes", 0, MAX_TIMER)
        own = strings(authorities, "authorities")
        self._audience = f"https://{own[0] if own else ''}" if audience is None else check_str(audience, "audience")
        policy = {
            "profile": "xbind",
            "authorities": own,
            "clockSkew": whole(clock_skew, 5, "clock_skew", 0, 300),
            "maxAge": whole(max_age, 300, "max_age", 1, 86_400),
            "maxBody": self._longest,
            "maxTracked": whole(max_tracked_requests, 1_000_000, "max_tracked_requests", 1, MAX_WHOLE),
            "allow": given(allow, strings, "allow"),
            "keys": [],
        }
        forgets = check_bool(dangerously_accept_replay_after_restart, "dangerously_accept_replay_after_restart")
        self._verifier = _native.new_request_verifier(json.dumps(policy), None if forgets else self._time())

    def verify(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        *,
        scheme: str = "https",
        authority: str | None = None,
    ) -> VerifiedRequest:
        """Verifies one request as it came in: `target` as it stands in the request line, all header fields, the bytes of the body.
        `authority` is that of HTTP/2; else the Host field says it.

        Raises MALFORMED_MESSAGE, INVALID_SIGNATURE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID, REPLAYED, NOT_ALLOWED,
        PAYLOAD_TOO_LARGE, REPLAY_WINDOW_FULL, APPROVAL_REQUIRED, APPROVAL_REFUSED, INVALID_DID, AUDIT_FAILED.
        """
        head = _head(method, scheme, optional(authority, check_str, "authority"), target, headers)
        own, recorder = check_bytes(body, "body"), self._recorder
        if recorder is None:
            return self._verify(head, own, None)[0]
        entry = _entry(method, target, self._audience)
        with recorder.refusals(entry):
            verified, request, used = self._verify(head, own, entry)
        try:
            recorder.put({**entry, "outcome": "accepted"})
        except BaseException:
            _native.forget_request(self._verifier, request, used.get("approver"), used.get("id"))  # it may come again as it is
            raise
        return verified

    def _verify(
        self, head: str, own: bytes, entry: dict[str, Any] | None
    ) -> tuple[VerifiedRequest, _native.RequestRef, dict[str, Any]]:
        """With what was used for it. What is proven of it before anything is asked about it comes into its record."""
        now, used = self._time(), dict[str, Any]()
        request, says = _native.authenticate_request(self._verifier, head, now)
        told = json.loads(says)
        if entry is not None and self._recorder is not None:
            nonce = told["nonce"]
            entry |= {"from": told["from"], "messageId": nonce if re.fullmatch(r"[\w-]{21}[AQgw]", nonce, re.ASCII) else None}
            self._recorder.check()
        _native.accept_request(self._verifier, request, own, now)
        if self._approvers is not None:
            approved = _native.approve_request(self._verifier, request, own, self._approvers, self._audience, now)
            used = json.loads(approved)
        return VerifiedRequest(told["from"], told["created"], told["nonce"], told.get("token"), own), request, used

    def _time(self) -> float:
        now: Any = self._now()
        if isinstance(now, bool) or not isinstance(now, (int, float)):
            raise TypeError(f"now() must give seconds, not {name_of(now)}")
        return now


def _entry(method: str, target: str, audience: str) -> dict[str, Any]:
    """What is on record of a request: its path without the query."""
    path = re.sub(r"^[a-zA-Z][\w+.-]*://[^/]*", "", re.sub(r"[?#].*$", "", target, flags=re.DOTALL), flags=re.ASCII)
    return {
        "event": "request",
        "by": did_in(audience),
        "method": method if re.fullmatch(r"[\w.-]{1,128}", method, re.ASCII) else None,
        "note": cut(path) if path.startswith("/") else None,
    }


def _head(method: str, scheme: str, authority: str | None, target: str, headers: Headers) -> str:
    fields = [check_str(each, "headers") for name, value in headers for each in (name, value)]
    head = {
        "method": check_str(method, "method"),
        "scheme": check_str(scheme, "scheme"),
        "authority": authority,
        "target": check_str(target, "target"),
        "fields": fields,
    }
    return json.dumps(head)
