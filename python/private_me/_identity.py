"""Who somebody is: a key pair, the DID that spells it, and its files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any, Literal, NoReturn, Protocol, TypedDict, overload

from . import _native
from ._check import UNSET, Unset, check_bytes, check_str


class PublicJWK(TypedDict):
    """The public key as a JWK (RFC 8037)."""

    kty: str
    crv: str
    x: str


class Identity:
    """An Ed25519 key pair and its DID. The private key stays in native memory: no `repr`, pickle or copy holds it."""

    __slots__ = ("_key", "_did", "__weakref__")

    def __init__(self) -> None:
        """A fresh one."""
        self._key = _native.generate_key()
        self._did = _native.key_did(self._key)

    @classmethod
    def generate(cls) -> Identity:
        """A fresh one."""
        return cls()

    @classmethod
    def from_seed(cls, seed: bytes) -> Identity:
        """The identity of 32 secret bytes. Raises INVALID_KEY."""
        return _identity_of(_native.key_from_seed(check_bytes(seed, "seed")))

    @classmethod
    def from_pkcs8(cls, pkcs8: bytes | str, passphrase: str | Unset = UNSET) -> Identity:
        """From a key file, DER or PEM; of an encrypted one with its passphrase, which takes its time.

        Raises IMPORT_FAILED, WRONG_PASSPHRASE.
        """
        return _identity_of(read_key(pkcs8, passphrase))

    @property
    def did(self) -> str:
        """Who it is: `did:key:z6Mk…`, which spells the public key."""
        return self._did

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return did_to_public_key(self._did)

    def sign(self, data: bytes) -> bytes:
        """Signs bytes: 64 bytes of Ed25519. Refuses what has the shape of a statement of this package. Raises SIGN_FAILED."""
        return _native.key_sign(self._key, check_bytes(data, "data"), False)

    def dangerously_sign(self, data: bytes) -> bytes:
        """Signs anything, also what this package would read as a statement of its own."""
        return _native.key_sign(self._key, check_bytes(data, "data"), True)

    @overload
    def to_pkcs8(self, *, passphrase: str | Unset = UNSET, format: Literal["der"] = "der") -> bytes: ...

    @overload
    def to_pkcs8(self, *, passphrase: str | Unset = UNSET, format: Literal["pem"]) -> str: ...

    def to_pkcs8(self, *, passphrase: str | Unset = UNSET, format: Literal["der", "pem"] = "der") -> bytes | str:
        """The private key as a PKCS#8 file; with a passphrase encrypted, which takes its time. Raises EXPORT_FAILED."""
        return write_key(self._key, passphrase, format)

    def to_jwk(self) -> PublicJWK:
        """The public key as a JWK (RFC 8037)."""
        jwk: PublicJWK = json.loads(_native.jwk_json(self._did))
        return jwk

    def to_did_document(self) -> dict[str, Any]:
        """The document that `did:key` derives from the DID."""
        document: dict[str, Any] = json.loads(_native.did_document_json(self._did))
        return document

    def destroy(self) -> None:
        """Wipes the key; the identity is unusable afterwards."""
        _native.destroy_key(self._key)

    def __enter__(self) -> Identity:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def __repr__(self) -> str:
        return f"Identity({self._did!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an Identity cannot be pickled or copied: export it with to_pkcs8()")


def _identity_of(key: _native.KeyRef) -> Identity:
    identity = Identity.__new__(Identity)
    identity._key = key  # pyright: ignore[reportPrivateUsage]
    identity._did = _native.key_did(key)  # pyright: ignore[reportPrivateUsage]
    return identity


def key_of(identity: Identity, what: str) -> _native.KeyRef:
    if not isinstance(identity, Identity):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{what} must be an Identity, not {type(identity).__name__}")
    return identity._key  # pyright: ignore[reportPrivateUsage]


def passphrase_in(passphrase: str | Unset) -> str | None:
    """One that is there has a value: None would export a plain key by accident."""
    if isinstance(passphrase, Unset):
        return None
    return check_str(passphrase, "passphrase, which is to be left out where there is none,")


def read_key(file: bytes | str, passphrase: str | Unset) -> _native.KeyRef:
    word = passphrase_in(passphrase)
    if isinstance(file, str):
        return _native.key_from_pkcs8(check_str(file, "pkcs8"), b"", word)
    return _native.key_from_pkcs8(None, check_bytes(file, "pkcs8, where it is no text,"), word)


def write_key(key: _native.KeyRef, passphrase: str | Unset, format: str) -> bytes | str:
    if format not in ("der", "pem"):
        raise ValueError("format must be 'der' or 'pem'")
    word = passphrase_in(passphrase)
    if word is None:
        return _native.export_key(key, format == "pem")
    return _native.export_prepared(key, format == "pem", _native.prepare_export(word))


async def write_key_async(key: _native.KeyRef, passphrase: str | Unset) -> bytes:
    """A passphrase is worked on by another thread, without the key."""
    word = passphrase_in(passphrase)
    if word is None:
        written = _native.export_key(key, False)
    else:
        written = _native.export_prepared(key, False, await asyncio.to_thread(_native.prepare_export, word))
    assert isinstance(written, bytes)
    return written


class IdentityProvider(Protocol):
    """A key that lives elsewhere: a KMS, Vault transit, an HSM, the OS keychain."""

    def get_did(self) -> str:
        """The `did:key` of the key; asked once, when the agent is made."""
        ...

    def sign(self, data: bytes) -> bytes | Awaitable[bytes]:
        """64 bytes of Ed25519 by the key of `get_did()`; checked before anything leaves."""
        ...


class Signer:
    """Signs for an agent whose key is not its own."""

    def __init__(self, owner: Identity | IdentityProvider) -> None:
        if isinstance(owner, Identity):
            self.key: _native.KeyRef | None = key_of(owner, "identity")
            self.did = _native.key_did(self.key)
            return
        if not all(callable(getattr(type(owner), name, None)) for name in ("get_did", "sign")):
            raise TypeError(f"identity must be an Identity, or have get_did() and sign(), not {type(owner).__name__}")
        self.key = None
        self.did = check_str(owner.get_did(), "get_did()")
        _native.did_to_public_key(self.did)
        self._provider = owner

    def sign(self, data: bytes) -> Any:
        """A signature, or what is awaited for one."""
        return self._provider.sign(data) if self.key is None else _native.key_sign(self.key, data, True)


def did_to_public_key(did: str) -> bytes:
    """The 32 bytes of an Ed25519 `did:key`. Raises INVALID_DID."""
    return _native.did_to_public_key(check_str(did, "did"))


def public_key_to_did(public_key: bytes) -> str:
    """The `did:key` of a 32-byte Ed25519 public key. Raises INVALID_KEY."""
    return _native.public_key_to_did(check_bytes(public_key, "public_key"))


def verify_signature(did: str, data: bytes, signature: bytes) -> bool:
    """Strict Ed25519 verification: False for a wrong signature, INVALID_DID for an unusable DID."""
    return _native.verify_signature(check_str(did, "did"), check_bytes(data, "data"), check_bytes(signature, "signature"))
