"""Issuers that are no DIDs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ._check import name_of

Jwks: TypeAlias = "Mapping[str, Any]"
"""A JWK set (RFC 7517)."""


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer that is no DID, and its keys."""

    issuer: str
    """Exactly as its tokens name it in `iss`."""
    jwks: Jwks | str
    """Its public keys: a JWK set (RFC 7517), or the URL of one, which is fetched when a token needs it. Those that are no Ed25519 keys
    are passed over."""


def jwks_text(jwks: Any, what: str) -> str:
    """The text of a JWK set."""
    if not isinstance(jwks, Mapping):
        raise TypeError(f"{what} must be a JWK set, not {name_of(jwks)}")
    return json.dumps(dict(jwks))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
