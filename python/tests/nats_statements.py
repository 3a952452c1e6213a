"""Reads the statements of a cluster by docs/nats.md alone, with nothing of the package but DIDs and signatures: a reading of their
own for the vectors."""

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from private_me import XBindError, did_to_public_key, public_key_to_did, verify_signature


class Reading(NamedTuple):
    """By what a statement is read."""

    namespace: str
    operators: list[str]
    now: int
    skew: int
    agent: str | None = None
    key: str | None = None


class Refused(Exception):
    """Why a statement is refused."""


def must(holds: object, code: str = "INVALID_TOKEN") -> None:
    if not holds:
        raise Refused(code)


def read_statement(kind: str, text: str, reading: Reading) -> Any:
    """What one says, by the names of the vectors, or the code that it is refused with."""
    try:
        return READERS[kind](text, reading)
    except Refused as error:
        return str(error)


def is_did(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(did_to_public_key(text))
    except (XBindError, ValueError):
        return False


def read_nkey(text: object) -> tuple[str, str] | None:
    """The key of a server, account or connection: its role, and 32 bytes in base64url."""
    if not isinstance(text, str) or not re.fullmatch("[A-Z2-7]{56}", text):
        return None
    data = base64.b32decode(text)
    role = {0xA0: "user", 0x68: "server", 0x00: "account"}.get(data[0])
    if role is None or binascii.crc_hqx(data[:33], 0) != int.from_bytes(data[33:], "little"):
        return None
    try:
        public_key_to_did(data[1:33])
    except XBindError:
        return None
    return role, b64u(data[1:33])


def token_of_name(name: str) -> str | None:
    return name.replace(".", "=2E") if is_name(name) else None


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url(text: object) -> bytes | None:
    if not isinstance(text, str) or not re.fullmatch("[A-Za-z0-9_-]*", text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if b64u(data) == text else None


def is_name(name: object) -> bool:
    return isinstance(name, str) and bool(re.fullmatch("[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", name))


def is_word(word: object) -> bool:
    return isinstance(word, str) and bool(re.fullmatch("[a-z0-9-]{1,32}", word))


def is_whole(value: object) -> bool:
    return type(value) is int and value >= 0


def is_bytes(value: object, length: int) -> bool:
    data = base64url(value)
    return data is not None and len(data) == length


def strict_object(data: bytes | None) -> dict[str, Any]:
    """One object, no member twice at any depth, whole numbers written as such."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        must(len({name for name, _ in pairs}) == len(pairs))
        return dict(pairs)

    def whole(text: str) -> int:
        must(not text.startswith("-") and int(text) < 2**64)
        return int(text)

    def refuse(_: str) -> None:
        raise Refused("INVALID_TOKEN")

    try:
        must(data is not None and data.startswith(b"{"))
        assert data is not None
        read = json.loads(data.decode(), object_pairs_hook=members, parse_int=whole, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Refused("INVALID_TOKEN") from None
    must(isinstance(read, dict))
    must(not re.search("[\ud800-\udfff]", json.dumps(read, ensure_ascii=False)))
    result: dict[str, Any] = read
    return result


class Parts(NamedTuple):
    kid: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def split(text: str, typ: str, names: str) -> Parts:
    """Check 1, and of check 2 that exactly these claims are there; those with a question mark may be."""
    must(len(text.encode()) <= 2048)
    segments = text.split(".")
    must(len(segments) == 3)
    head, payload, signature = (base64url(each) for each in segments)
    header = strict_object(head)
    must(header.keys() == {"alg", "kid", "typ"} and header["alg"] == "EdDSA" and header["typ"] == typ)
    must(isinstance(header["kid"], str) and signature is not None and len(signature) == 64)
    claims = strict_object(payload)
    must(claims.keys() <= {name.rstrip("?") for name in names.split()} and None not in claims.values())
    must(claims.keys() >= {name for name in names.split() if not name.endswith("?")})
    assert signature is not None
    return Parts(header["kid"], claims, text.rpartition(".")[0].encode(), signature)


def judge(parts: Parts, reading: Reading, longest: int | None, may_issue: Callable[[str], bool]) -> None:
    """The rest of check 2, and the checks behind it."""
    claims = parts.claims
    iss, aud, iat, exp = (claims.get(name) for name in ("iss", "aud", "iat", "exp"))
    must(isinstance(iss, str) and isinstance(aud, str) and is_whole(iat))
    if longest is not None:
        must(is_whole(exp) and 0 < exp - iat <= longest)
    must(is_did(iss))
    must(may_issue(iss), "UNTRUSTED_ISSUER")
    must(aud == reading.namespace, "WRONG_AUDIENCE")
    must(parts.kid == f"{iss}#{iss.removeprefix('did:key:')}")
    must(iat <= reading.now + reading.skew, "TOKEN_NOT_YET_VALID")
    if longest is not None:
        must(reading.now < exp + reading.skew, "TOKEN_EXPIRED")
    must(verify_signature(iss, parts.signed, parts.signature))


def is_host(host: object, did: object) -> bool:
    key = read_nkey(host)
    if key is None or key[0] != "user":
        return False
    return not (is_did(did) and b64u(did_to_public_key(str(did))) == key[1])


def presence(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-presence+jwt", "iss aud iat exp name? ses host key? frame caps")
    claims = parts.claims
    host, frame, caps, name, key = (claims.get(each) for each in ("host", "frame", "caps", "name", "key"))
    must("name" not in claims or is_name(name))
    must(is_bytes(claims["ses"], 16) and ("key" not in claims or is_bytes(key, 32)))
    must(is_whole(frame) and 8192 <= frame <= 67_108_864 and is_host(host, None))
    must(isinstance(caps, list) and len(caps) <= 16 and all(map(is_word, caps)) and len(set(caps)) == len(caps))
    judge(parts, reading, 30, lambda did: reading.agent in (None, did))
    must(is_host(host, claims["iss"]))
    must(reading.key in (None, f"{host}.{claims['iss'].removeprefix('did:key:')}"))
    return {
        "agent": claims["iss"], "capabilities": caps, "encryptionKey": key, "expiresAt": claims["exp"], "host": host,
        "issuedAt": claims["iat"], "maxFrame": frame, "name": name, "session": claims["ses"],
    }  # fmt: skip


def name(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-name+jwt", "iss aud iat name")
    named = parts.claims["name"]
    must(is_name(named))
    judge(parts, reading, None, lambda _: True)
    must(reading.key in (None, token_of_name(named)))
    return {"agent": parts.claims["iss"], "issuedAt": parts.claims["iat"], "name": named}


def mailbox(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-mailbox+jwt", "iss aud iat exp retain key?")
    claims = parts.claims
    retain, key = claims["retain"], claims.get("key")
    must(is_whole(retain) and 1 <= retain <= 604_800 and ("key" not in claims or is_bytes(key, 32)))
    owner = reading.agent if reading.key is None else f"did:key:{reading.key}"
    must(reading.key is None or is_did(owner))
    judge(parts, reading, 604_800, lambda did: did == owner)
    return {
        "agent": claims["iss"], "encryptionKey": key, "expiresAt": claims["exp"], "issuedAt": claims["iat"], "retain": retain,
    }  # fmt: skip


def stop(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-stop+jwt", "iss aud iat verb sub? tok? since? reason?")
    claims = parts.claims
    verb, sub, tok, since, reason = (claims.get(each) for each in ("verb", "sub", "tok", "since", "reason"))
    must(verb in ("stop", "resume"))
    must((sub is None) != (tok is None) and (sub is None or is_did(sub)))
    must(tok is None or (isinstance(tok, str) and re.fullmatch("[^\0-\x1f\x7f-\x9f]+", tok) and len(tok.encode()) <= 512))
    must(since is None or (is_whole(since) and verb == "stop" and is_whole(claims["iat"]) and since <= claims["iat"]))
    must(reason is None or is_word(reason))
    judge(parts, reading, None, lambda did: did in reading.operators)
    return {
        "agent": sub, "issuedAt": claims["iat"], "operator": claims["iss"], "reason": reason, "since": since, "token": tok,
        "verb": verb,
    }  # fmt: skip


def heartbeat(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-heartbeat+jwt", "iss aud iat exp seq count set")
    claims = parts.claims
    must(is_whole(claims["seq"]) and is_whole(claims["count"]) and is_bytes(claims["set"], 32))
    judge(parts, reading, 60, lambda did: did in reading.operators)
    return {
        "count": claims["count"], "expiresAt": claims["exp"], "issuedAt": claims["iat"], "operator": claims["iss"],
        "seq": claims["seq"], "set": claims["set"],
    }  # fmt: skip


def connection(text: str, reading: Reading) -> Any:
    parts = split(text, "agent-connection+jwt", "iss aud jti iat exp nkey")
    claims = parts.claims
    must(is_bytes(claims["jti"], 16) and is_host(claims["nkey"], None))
    judge(parts, reading, 60, lambda _: True)
    must(is_host(claims["nkey"], claims["iss"]))
    return {
        "agent": claims["iss"], "expiresAt": claims["exp"], "id": claims["jti"], "issuedAt": claims["iat"],
        "nkey": claims["nkey"],
    }  # fmt: skip


READERS: dict[str, Callable[[str, Reading], Any]] = {
    "presence": presence, "name": name, "mailbox": mailbox, "stop": stop, "heartbeat": heartbeat,
    "connection": connection,
}  # fmt: skip
