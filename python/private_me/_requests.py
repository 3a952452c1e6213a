"""Who sends an HTTP request, and what he may: for any server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    strings,
    whole,
)
from ._errors import XBindError
from ._fetching import FetchDocument
from ._http import Headers, head_text
from ._recorder import Recorder, cut, did_in
from ._revocation import Revocations, refuse_revoked, refuse_revoked_async, sources_in
from ._tokens import covers
from ._verifier import OnBehalfOf, TokenClaims, TokenVerifier, Trust


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
    """What it presents. Where the verifier trusts nobody, nobody has verified it."""
    body: bytes
    """The very bytes that were verified."""
    scopes: tuple[str, ...] = ()
    """What its token grants, where the verifier trusts somebody."""
    chain: tuple[str, ...] = ()
    """On whose behalf: from the outermost delegator to the sender."""
    on_behalf_of: OnBehalfOf | None = None
    """For whom the first of them was given the rights; the word of the token's issuer."""
    quota: Mapping[str, int] | None = None
    """The limits of its token by their names, where anybody in the chain set one."""


class _Genuine(NamedTuple):
    """What is known of a request whose signature holds."""

    request: _native.RequestRef
    told: dict[str, Any]


class _Settled(NamedTuple):
    """A request of which nothing remains to be asked, and what was used for it."""

    verified: VerifiedRequest
    genuine: _Genuine
    token_id: str | None
    used: dict[str, Any] | None


class RequestVerifier:
    """Verifies requests to one server, and remembers them so that none is accepted twice."""

    def __init__(
        self,
        authorities: Iterable[str],
        *,
        allow: Iterable[str] | Unset = UNSET,
        trust: Trust | Unset = UNSET,
        scopes: Iterable[str] | Unset = UNSET,
        revocations: Revocations = (),
        fetch: FetchDocument | Unset = UNSET,
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

        - `trust`: whose tokens count, as for `TokenVerifier`. With it each request must present one for `audience`, issued to its
          sender, which grants all of `scopes`. `fetch` is a client of your own for JWK sets.
        - `revocations`: who is asked about the sender, about each link of its token, and about the approver.
        - `approvers`: DIDs. With them each request needs an approval by one of them for `audience`, which is used once.
        - `audience`: by default the first of `authorities` with https:// before it.
        - `audit`: what it decides is on record, and else it lets nothing through: AUDIT_FAILED.

        Raises INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG.
        """
        check_callable(now, "now")
        self._approvers = given(approvers, strings, "approvers")
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._now = now
        own = strings(authorities, "authorities")
        self._audience = f"https://{own[0] if own else ''}" if audience is None else check_str(audience, "audience")
        policy = {
            "profile": "xbind",
            "authorities": own,
            "clockSkew": whole(clock_skew, 5, "clock_skew", 0, 300),
            "maxAge": whole(max_age, 300, "max_age", 1, 86_400),
            "maxBody": whole(max_body_bytes, 1 << 20, "max_body_bytes", 0, MAX_TIMER),
            "maxTracked": whole(max_tracked_requests, 1_000_000, "max_tracked_requests", 1, MAX_WHOLE),
            "allow": given(allow, strings, "allow"),
            "keys": [],
        }
        forgets = check_bool(dangerously_accept_replay_after_restart, "dangerously_accept_replay_after_restart")
        self._verifier = _native.new_request_verifier(json.dumps(policy), None if forgets else self._time())
        self._scopes = _scopes(given(scopes, strings, "scopes") or [])
        self._sources = sources_in(revocations)
        self._tokens: TokenVerifier | None = None
        if not isinstance(trust, Unset):
            self._tokens = TokenVerifier(self._audience, trust=trust, now=now, revocations=self._sources, fetch=fetch)
        elif self._scopes:
            raise XBindError("INVALID_CONFIG", "scopes are of tokens", "say in `trust` whose tokens count")

    def verify(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        *,
        scopes: Iterable[str] = (),
        scheme: str = "https",
        authority: str | None = None,
    ) -> VerifiedRequest:
        """Verifies one request as it came in: `target` as it stands in the request line, all header fields, the bytes of the body.
        `authority` is that of HTTP/2; else the Host field says it. `scopes` are needed beside those of the verifier. A source of
        `revocations` that needs time does not know, and keys that are not in memory are not fetched: `verify_async`.

        Raises MALFORMED_MESSAGE, INVALID_SIGNATURE, WRONG_AUDIENCE, MESSAGE_EXPIRED, MESSAGE_NOT_YET_VALID, REPLAYED, NOT_ALLOWED,
        SCOPE_DENIED and the other errors of tokens, REVOKED, REVOCATION_UNKNOWN, PAYLOAD_TOO_LARGE, REPLAY_WINDOW_FULL,
        APPROVAL_REQUIRED, APPROVAL_REFUSED, INVALID_DID, AUDIT_FAILED.
        """
        head = head_text(method, scheme, optional(authority, check_str, "authority"), target, headers)
        own, needed = check_bytes(body, "body"), [*self._scopes, *_scopes(strings(scopes, "scopes"))]
        entry, recorder = _entry(method, target, self._audience), self._recorder
        with _refusals(recorder, entry):
            genuine = self._authenticated(head, entry)
            settled = self._settled(genuine, own, self._rights(genuine, needed))
            self._approver_stands(settled)
            at = self._time()
        if recorder is None:
            return settled.verified
        try:
            recorder.put(_accepted(entry, settled))
        except XBindError:
            self._forget(settled)
            raise
        with _refusals(recorder, entry):  # the disk was waited for: what does not hold any more is refused
            if self._time() != at:
                self._in_time(settled)
                self._rights(genuine, needed)
                self._approver_stands(settled)
        return settled.verified

    async def verify_async(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        *,
        scopes: Iterable[str] = (),
        scheme: str = "https",
        authority: str | None = None,
    ) -> VerifiedRequest:
        """The same, for sources that take their time. Fetches the keys of issuers that are trusted by the URL of their JWK set, and
        status lists; the event loop goes on while the log writes.
        """
        head = head_text(method, scheme, optional(authority, check_str, "authority"), target, headers)
        own, needed = check_bytes(body, "body"), [*self._scopes, *_scopes(strings(scopes, "scopes"))]
        entry, recorder = _entry(method, target, self._audience), self._recorder
        with _refusals(recorder, entry):
            genuine = self._authenticated(head, entry)
            settled = self._settled(genuine, own, await self._rights_async(genuine, needed))
            if settled.used is not None:  # that took its time, in which a token or its sender may have been revoked
                await self._approver_stands_async(settled)
                await self._rights_async(genuine, needed)
        if recorder is None:
            return settled.verified
        try:
            waited = await recorder.commit(_accepted(entry, settled))
        except XBindError:
            self._forget(settled)
            raise
        with _refusals(recorder, entry):
            if waited:
                await self._rights_async(genuine, needed)
                self._in_time(settled)
                await self._approver_stands_async(settled)
        return settled.verified

    def _authenticated(self, head: str, entry: dict[str, Any]) -> _Genuine:
        """What is proven of a request before anything is asked about it comes into its record."""
        request, says = _native.authenticate_request(self._verifier, head, self._time())
        told = json.loads(says)
        nonce = told["nonce"]
        entry |= {"from": told["from"], "messageId": nonce if re.fullmatch(r"[\w-]{21}[AQgw]", nonce, re.ASCII) else None}
        return _Genuine(request, told)

    def _settled(self, genuine: _Genuine, own: bytes, rights: TokenClaims | None) -> _Settled:
        """Accepts it, and uses its approval."""
        if self._recorder is not None:
            self._recorder.check()
        request, told = genuine
        now, used = self._time(), None
        _native.accept_request(self._verifier, request, own, now)
        if self._approvers is not None:
            approved = _native.approve_request(self._verifier, request, own, self._approvers, self._audience, now)
            used = json.loads(approved)
        granted = ((), (), None, None) if rights is None else (rights.scopes, rights.chain, rights.on_behalf_of, rights.quota)
        token = told.get("token")
        verified = VerifiedRequest(told["from"], told["created"], told["nonce"], token, own, *granted)
        return _Settled(verified, genuine, None if rights is None else rights.id, used)

    def _rights(self, genuine: _Genuine, needed: list[str]) -> TokenClaims | None:
        told = genuine.told
        if self._tokens is not None:
            return self._tokens.verify(_token_in(told), presenter=told["from"], scopes=needed)
        _nobody_grants(needed)
        refuse_revoked(self._sources, told["from"], told["created"], "send it again")
        return None

    async def _rights_async(self, genuine: _Genuine, needed: list[str]) -> TokenClaims | None:
        told = genuine.told
        if self._tokens is not None:
            return await self._tokens.verify_async(_token_in(told), presenter=told["from"], scopes=needed)
        _nobody_grants(needed)
        await refuse_revoked_async(self._sources, told["from"], told["created"])
        return None

    def _approver_stands(self, settled: _Settled) -> None:
        if settled.used is not None:
            refuse_revoked(self._sources, settled.used["approver"], settled.used["issuedAt"], "send it again")

    async def _approver_stands_async(self, settled: _Settled) -> None:
        if settled.used is not None:
            await refuse_revoked_async(self._sources, settled.used["approver"], settled.used["issuedAt"])

    def _in_time(self, settled: _Settled) -> None:
        if settled.used is not None and self._time() > settled.used["until"]:
            raise XBindError("APPROVAL_REQUIRED", "the approval has expired")

    def _forget(self, settled: _Settled) -> None:
        """It may come again as it is."""
        used = settled.used or {}
        _native.forget_request(self._verifier, settled.genuine.request, used.get("approver"), used.get("id"))

    def _time(self) -> float:
        now: Any = self._now()
        if isinstance(now, bool) or not isinstance(now, (int, float)):
            raise TypeError(f"now() must give seconds, not {name_of(now)}")
        return now


def _refusals(recorder: Recorder | None, entry: dict[str, Any]) -> AbstractContextManager[None]:
    return nullcontext() if recorder is None else recorder.refusals(entry)


def _scopes(scopes: list[str]) -> list[str]:
    """Raises INVALID_CONFIG for what is none."""
    for scope in scopes:
        covers(scope, scope)
    return scopes


def _token_in(told: dict[str, Any]) -> str:
    token = told.get("token")
    if token is None:
        raise XBindError("SCOPE_DENIED", "the request presents no token", "give sign_request a token")
    return str(token)


def _nobody_grants(needed: list[str]) -> None:
    if needed:
        raise XBindError("SCOPE_DENIED", "nobody is trusted to grant scopes here")


def _accepted(entry: dict[str, Any], settled: _Settled) -> dict[str, Any]:
    return {**entry, "outcome": "accepted", "token": settled.token_id, "chain": settled.verified.chain or None}


def _entry(method: str, target: str, audience: str) -> dict[str, Any]:
    """What is on record of a request: its path without the query."""
    path = re.sub(r"^[a-zA-Z][\w+.-]*://[^/]*", "", re.sub(r"[?#].*$", "", target, flags=re.DOTALL), flags=re.ASCII)
    return {
        "event": "request",
        "by": did_in(audience),
        "method": method if re.fullmatch(r"[\w.-]{1,128}", method, re.ASCII) else None,
        "note": cut(path) if path.startswith("/") else None,
    }
