"""Tokens, keys and lists that are fetched."""

import asyncio
import base64
import hashlib
import http.server
import json
import threading
from typing import Any

import pytest

from private_me import (
    FetchLimits,
    Identity,
    StatusList,
    StatusRef,
    XBindError,
    issue_token,
)

NOW = 1_800_000_000
AUDIENCE = "https://api.example"
ISSUER = "https://login.example"
URI = "https://status.example/lists/1"
OPERATOR, AGENT, WORKER = (Identity.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
SIGNER = Identity.from_seed(bytes([50]) * 32)


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jws(by: Identity, header: dict[str, Any], claims: dict[str, Any]) -> str:
    text = ".".join(b64u(json.dumps(part).encode()) for part in ({"alg": "EdDSA", **header}, claims))
    return f"{text}.{b64u(sign(by, text.encode()))}"


def sign(by: Identity, data: bytes) -> bytes:
    """An identity signs nothing of that shape for others."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(by.to_pkcs8(), None).sign(data)  # type: ignore[union-attr,call-arg]


def jwks_token(kid: str = "one", **claims: Any) -> str:
    pytest.importorskip("cryptography")
    said = {
        "iss": ISSUER, "sub": AGENT.did, "aud": AUDIENCE, "client_id": AGENT.did, "iat": NOW, "exp": NOW + 7200,
        "jti": b64u(hashlib.sha256(kid.encode()).digest()), "scope": "invoice.*", **claims,
    }  # fmt: skip
    return jws(SIGNER, {"typ": "at+jwt", "kid": kid}, said)


def jwk_set(*kids: str) -> str:
    return json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": SIGNER.to_jwk()["x"], "kid": kid} for kid in kids]})


def token(index: int = 7, uri: str = URI) -> str:
    return issue_token(
        OPERATOR, subject=AGENT.did, audience=AUDIENCE, scopes=["a.*"], ttl=80_000, status=StatusRef(index, uri), now=NOW
    )


def published(*revoked: int, lifetime: int = 3600, now: int = NOW, by: Identity = OPERATOR, uri: str = URI) -> str:
    statuses = StatusList(100)
    for index in revoked:
        statuses.set(index, StatusList.INVALID)
    return statuses.sign(by, uri=uri, lifetime=lifetime, now=now)


async def code_of(asked) -> str:
    try:
        await asked
    except XBindError as error:
        return error.code
    return "ok"


def code_now(ask) -> str:
    try:
        ask()
    except XBindError as error:
        return error.code
    return "ok"


class Net:
    """Documents by address, and who was asked."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.hits: list[tuple[str, FetchLimits]] = []

    async def __call__(self, url: str, limits: FetchLimits) -> Any:
        self.hits.append((url, limits))
        await asyncio.sleep(0)
        if isinstance(self.document, BaseException):
            raise self.document
        return self.document


def serving(document: str) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.hits.append(self.path)  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("content-type", "application/jwk-set+json")
            self.send_header("content-length", str(len(document)))
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hits = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
