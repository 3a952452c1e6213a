"""HTTP requests and responses that prove who sends them: RFC 9421, for any client and any server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from . import _native
from ._agent import Agent, member_of
from ._check import MAX_TIMER, UNSET, Unset, check_bytes, check_str, given, optional, seconds, whole
from ._identity import Identity, key_of

Headers: TypeAlias = "Iterable[tuple[str, str]]"
"""All of them, in their order, none joined."""


class HttpRequest(NamedTuple):
    """A request, without its body."""

    method: str
    """`GET`, `POST`, …"""
    url: str
    """Absolute, of http or https: a server puts the host that was asked for before the path."""
    headers: Headers
    """All header fields, in their order, none joined: for a response also those that sign the request."""


@dataclass(frozen=True)
class VerifiedResponse:
    """A response that was signed for the request."""

    sender: str
    """Who signed it: a DID."""
    created: int
    """When, by the sender's clock: seconds since the epoch."""
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
    head = _asked(HttpRequest(method, url, headers))
    draft = {
        "profile": "xbind",
        "now": int(time.time()) if now is None else seconds(now, "now"),
        "ttl": whole(ttl, 60, "ttl", 1, 300),
        "token": optional(token, check_str, "token"),
        "approval": optional(approval, check_str, "approval"),
    }
    fields = _native.sign_request(key_of(identity, "identity"), head, check_bytes(body, "body"), json.dumps(draft))
    return list(zip(fields[::2], fields[1::2]))


def sign_response(
    identity: Identity,
    status: int,
    request: HttpRequest,
    *,
    headers: Headers = (),
    body: bytes = b"",
    ttl: int | None = None,
    now: int | None = None,
) -> list[tuple[str, str]]:
    """The header fields to be set on the response to a signed request, which it is bound to. `ttl` is its life in seconds: 60, 1 to 300.

    Raises MALFORMED_MESSAGE, INVALID_CONFIG, SIGN_FAILED; ValueError for what is no absolute URL.
    """
    response = json.dumps({"status": whole(status, 200, "status", 100, 999), "fields": _fields(headers)})
    at, life = int(time.time()) if now is None else whole(now, 0, "now", 0, 2**53 - 1), whole(ttl, 60, "ttl", 1, 300)
    key, own = key_of(identity, "identity"), check_bytes(body, "body")
    fields = _native.sign_response(key, response, own, _asked(request), at, life)
    return list(zip(fields[::2], fields[1::2]))


def verify_response(
    status: int,
    headers: Headers,
    body: bytes,
    request: HttpRequest,
    *,
    sender: str | Unset = UNSET,
    clock_skew: int | None = None,
    max_age: int | None = None,
    max_body_bytes: int | None = None,
    now: int | None = None,
) -> VerifiedResponse:
    """Verifies the response to a request that this side has signed; `request` is what was sent, signature and all.

    `sender` is the DID that must have signed it; anybody without: then look at `sender` of what comes back.

    Raises MALFORMED_MESSAGE, INVALID_SIGNATURE, REPLY_MISMATCH (not bound to this request, or signed by somebody else),
    MESSAGE_NOT_YET_VALID, MESSAGE_EXPIRED, INVALID_DID, PAYLOAD_TOO_LARGE.
    """
    policy = {
        "from": given(sender, check_str, "sender"),
        "clockSkew": whole(clock_skew, 5, "clock_skew", 0, 300),
        "maxAge": whole(max_age, 300, "max_age", 1, 86_400),
        "maxBody": whole(max_body_bytes, 1 << 20, "max_body_bytes", 0, MAX_TIMER),
    }
    response = json.dumps({"status": whole(status, 200, "status", 100, 999), "fields": _fields(headers)})
    at, own = int(time.time()) if now is None else whole(now, 0, "now", 0, 2**53 - 1), check_bytes(body, "body")
    told = json.loads(_native.verify_response(json.dumps(policy), response, own, _asked(request), at))
    return VerifiedResponse(told["from"], told["created"], own)


def approve_request(
    approver: Identity | Agent,
    request: HttpRequest,
    *,
    caller: str,
    recipient: str,
    body: bytes = b"",
    decision: Literal["approve", "deny"] = "approve",
    ttl: int | None = None,
    now: int | None = None,
) -> str:
    """Signs a yes or no to one request: its method, authority, path, query and body. The sender gives it to `sign_request` as
    `approval`.

    - `request`: the one that is decided upon, with all header fields that say how its body is to be read.
    - `caller`: the DID that signs the request. `recipient`: for whom the server takes approvals, the `audience` of its verifier.
    - `ttl`: how long it counts, in seconds: 300, at most 3600.

    Raises INVALID_CONFIG (also for an approver who is the caller), INVALID_DID, MALFORMED_MESSAGE, SIGN_FAILED.
    """
    key = member_of(approver).key if isinstance(approver, Agent) else key_of(approver, "approver")
    decided = {
        "decision": check_str(decision, "decision"),
        "caller": check_str(caller, "caller"),
        "recipient": check_str(recipient, "recipient"),
        "ttl": whole(ttl, 300, "ttl", 0, 2**53 - 1),
        "now": int(time.time()) if now is None else seconds(now, "now"),
    }
    return _native.decide_request(key, _asked(request), check_bytes(body, "body"), json.dumps(decided))


def _asked(request: HttpRequest) -> str:
    """As the native side takes a request that is about to be sent, or was."""
    method, url, headers = request
    parts = urlsplit(check_str(url, "url"))
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError("url must be an absolute URL of http or https, without a password")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return head_text(method, parts.scheme, parts.netloc, target, headers)


def head_text(method: str, scheme: str, authority: str | None, target: str, headers: Headers) -> str:
    head = {
        "method": check_str(method, "method"),
        "scheme": check_str(scheme, "scheme"),
        "authority": authority,
        "target": check_str(target, "target"),
        "fields": _fields(headers),
    }
    return json.dumps(head)


def _fields(headers: Headers) -> list[str]:
    return [check_str(each, "headers") for name, value in headers for each in (name, value)]
