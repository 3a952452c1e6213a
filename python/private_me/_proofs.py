"""Proofs beside the words of a framework: who says this, to whom, signed, and taken once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._errors import XBindError
from ._identity import Identity
from ._messages import MessageVerifier, seal
from ._revocation import Revocations


def prove(identity: Identity, audience: str, purpose: str, said: Mapping[str, Any], ttl: int) -> str:
    """The JWS of what is said, without the words. Raises INVALID_PAYLOAD, INVALID_DID, SIGN_FAILED."""
    return seal(identity, "send", audience, _bytes(purpose, said), ttl=ttl).jws


class Proofs:
    """Those for one audience, each of which counts once."""

    def __init__(self, audience: str, revocations: Revocations, max_body_bytes: int | None) -> None:
        self._verifier = MessageVerifier(audience, revocations=revocations, max_body_bytes=max_body_bytes)

    def signer(self, jws: object, purpose: str, said: Mapping[str, Any]) -> str:
        """The DID of whoever says it. Raises XBindError."""
        if not isinstance(jws, str):
            raise XBindError("MALFORMED_MESSAGE", "there is no proof of who says this", "let the sender sign it")
        try:
            message = self._verifier.open(jws, _bytes(purpose, said))
        except ValueError as error:
            raise XBindError("MALFORMED_MESSAGE", "the proof is no text") from error
        if message.op != "send":
            raise XBindError("MALFORMED_MESSAGE", f"the proof is a {message.op}")
        return message.sender


def _bytes(purpose: str, said: Mapping[str, Any]) -> bytes:
    """The same for the same words, on both sides."""
    try:
        return json.dumps({"for": purpose, "said": said}, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise XBindError("INVALID_PAYLOAD", "what is said is no JSON", "use plain data") from error
