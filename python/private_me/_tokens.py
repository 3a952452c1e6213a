"""Granting rights and handing them on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import _native
from ._audit import AuditLog
from ._check import MAX_WHOLE, UNSET, Unset, check_is, check_str, given, name_of, optional, seconds, strings, whole
from ._errors import XBindError
from ._identity import Identity, key_of
from ._json import encode_json
from ._recorder import Recorder, signed


@dataclass(frozen=True)
class StatusRef:
    """Where an issuer publishes whether a token still stands."""

    index: int
    """Its place in the list."""
    uri: str
    """Where the list is published."""


def covers(granted: str, needed: str) -> bool:
    """Whether who holds the scope `granted` holds `needed` too: `invoice.*` covers `invoice.read`, not `invoice`.

    Raises INVALID_CONFIG for a text that is no scope.
    """
    return _native.covers(check_str(granted, "granted"), check_str(needed, "needed"))


def issue_token(
    issuer: Identity,
    *,
    subject: str,
    audience: str,
    scopes: Iterable[str],
    quota: Mapping[str, int] | Unset = UNSET,
    ttl: int | None = None,
    claims: Mapping[str, Any] | None = None,
    status: StatusRef | None = None,
    now: int | None = None,
    audit: AuditLog | Unset = UNSET,
    dangerously_continue_unrecorded: bool | Unset = UNSET,
) -> str:
    """Grants scopes, offline, with the issuer's own key: an EdDSA JWT of type at+jwt (RFC 9068).

    `ttl` is in seconds: 3600 by default, at most 86 400. `quota` names limits that whoever it is handed on to can only
    lower; the recipient says what a name means. With `audit` it is on record, or nobody gets it.

    Raises INVALID_DID, INVALID_CONFIG, SIGN_FAILED, AUDIT_FAILED.
    """
    recorder = Recorder.of(audit, dangerously_continue_unrecorded)
    grant = granted(subject, check_str(audience, "audience"), strings(scopes, "scopes"), quota, ttl, claims, status, now)
    token = _native.issue_token(key_of(issuer, "issuer"), grant)
    return signed(recorder, "token.issued", issuer.did, token)


def delegate_token(
    holder: Identity,
    token: str,
    *,
    subject: str,
    audience: str | Unset = UNSET,
    scopes: Iterable[str] | Unset = UNSET,
    quota: Mapping[str, int] | Unset = UNSET,
    ttl: int | None = None,
    status: StatusRef | None = None,
    now: int | None = None,
    audit: AuditLog | Unset = UNSET,
    dangerously_continue_unrecorded: bool | Unset = UNSET,
) -> str:
    """Hands narrower rights on, offline. What is left out is the parent's; nothing wider is ever cut down to fit. With
    `audit` it is on record, or nobody gets it.

    Raises INVALID_DELEGATION, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, INVALID_TOKEN, INVALID_DID, INVALID_CONFIG, SIGN_FAILED,
    AUDIT_FAILED.
    """
    recorder = Recorder.of(audit, dangerously_continue_unrecorded)
    own = given(audience, check_str, "audience")
    grant = granted(subject, own, given(scopes, strings, "scopes"), quota, ttl, None, status, now)
    delegated = _native.delegate_token(key_of(holder, "holder"), check_str(token, "token"), grant)
    return signed(recorder, "token.delegated", holder.did, delegated)


def granted(
    subject: str,
    audience: str | None,
    scopes: list[str] | None,
    quota: Mapping[str, int] | Unset,
    ttl: int | None,
    claims: Mapping[str, Any] | None,
    status: StatusRef | None,
    now: int | None,
) -> str:
    """As the native side takes it."""
    place = None
    if status is not None:
        check_is(status, StatusRef, "status")
        place = {"index": seconds(status.index, "status.index"), "uri": check_str(status.uri, "status.uri")}
    grant = {
        "subject": check_str(subject, "subject"),
        "audience": None if audience is None else check_str(audience, "audience"),
        "scopes": scopes,
        "quota": given(quota, _limits, "quota"),
        "ttl": None if ttl is None else whole(ttl, 0, "ttl", 0, 2**53 - 1),
        "claims": None if claims is None else _claims(claims),
        "status": place,
        "now": seconds(now, "now"),
    }
    return json.dumps(grant)


def _limits(quota: Any, what: str) -> dict[str, int]:
    if not isinstance(quota, Mapping):
        raise TypeError(f"{what} must be a mapping, not {name_of(quota)}")
    limits: dict[str, int] = {}
    for each, most in quota.items():  # pyright: ignore[reportUnknownVariableType]
        name = check_str(each, f"a name in {what}")
        if most is None:
            raise TypeError(f"{what}[{name!r}] must be an int, not None")
        limits[name] = whole(most, 0, f"{what}[{name!r}]", 0, MAX_WHOLE)
    return limits


def _claims(claims: Mapping[str, Any]) -> str:
    if not isinstance(claims, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("claims must be a mapping")
    try:
        return encode_json(dict(claims), "claims")
    except XBindError as error:
        # What a claim says is the issuer's word: less than was given is none of it.
        raise XBindError("INVALID_CONFIG", error.message, "give plain data as a message takes it") from None


def presented(token: str | None, approval: str | None) -> str | None:
    """What a call presents, as one text."""
    shown = {"token": optional(token, check_str, "token"), "approval": optional(approval, check_str, "approval")}
    for what, value in shown.items():
        if value == "":
            raise XBindError("INVALID_TOKEN", f"{what} is empty", f"leave `{what}` out where there is none")
    return _native.write_presented(shown["token"], shown["approval"])
