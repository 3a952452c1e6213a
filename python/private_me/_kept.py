"""Keys that are kept elsewhere: in a security module, or at a server that signs."""

from __future__ import annotations

import json
from typing import Any

from . import _native
from ._check import MAX_WHOLE, UNSET, Unset, check_bytes, check_str, given, milliseconds, whole
from ._waiting import wait_for


class KeptKey:
    """An identity provider whose key is kept elsewhere: see `vault` and `pkcs11`, which make it."""

    __slots__ = ("_did", "_place")

    _did: str
    _place: str

    def __init__(self) -> None:
        """Not made by hand."""
        raise TypeError("ask for a key: await vault(…), or await pkcs11(…)")

    def get_did(self) -> str:
        """Whose key it is."""
        return self._did

    async def sign(self, data: bytes) -> bytes:
        """64 bytes of Ed25519. Raises SIGN_FAILED."""
        signature: bytes = await wait_for(_native.ask_kept(self._place, self._did, check_bytes(data, "data")))
        return signature

    def __repr__(self) -> str:
        return f"KeptKey({self._did!r})"


async def vault(
    *,
    url: str,
    key: str,
    token_file: str,
    did: str | Unset = UNSET,
    mount: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    ca_file: str | Unset = UNSET,
    timeout: float | None = None,
) -> KeptKey:
    """An identity provider whose key stays in the transit engine of a Vault or OpenBao server.

    - `url`: `https://vault.example:8200`; on this machine http as well. `key`: its name there.
    - `token_file`: a file with the token, read for each signature: whoever renews it replaces it.
    - `did`: which version it has to be, by its DID; the newest unless given.
    - `mount`: where the engine is mounted: `transit`. `namespace`: in which one.
    - `ca_file`: a PEM file with certificates to trust beside the usual ones.
    - `timeout`: how long a signature may take, in seconds: 5, at most 30.

    >>> writer = Agent("writer", identity=await vault(url="https://vault.example:8200", key="writer", token_file="/run/token"))

    Raises SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
    """
    place = {"url": check_str(url, "url"), "key": check_str(key, "key"), "tokenFile": check_str(token_file, "token_file")}
    optional = {
        "mount": given(mount, check_str, "mount"),
        "namespace": given(namespace, check_str, "namespace"),
        "caFile": given(ca_file, check_str, "ca_file"),
    }
    return await _kept({**place, **optional}, did, timeout)


async def pkcs11(
    *,
    module: str,
    token: str | Unset = UNSET,
    slot: int | Unset = UNSET,
    key: str | Unset = UNSET,
    id: str | Unset = UNSET,
    pin_file: str | Unset = UNSET,
    pin_env: str | Unset = UNSET,
    did: str | Unset = UNSET,
    timeout: float | None = None,
) -> KeptKey:
    """An identity provider whose key stays in a security module, a smart card or SoftHSM.

    - `module`: the file of the PKCS#11 module, which is loaded into this process.
    - `token`: the label of the token; or `slot`, the number of its slot.
    - `key`: the label of the key; `id`, in hex, with it or instead of it.
    - `pin_file`: a file with the user's PIN; or `pin_env`, a variable of the environment with it.
    - `did`: whose key it has to be.
    - `timeout`: how long a signature may take, in seconds: 5, at most 30.

    >>> module = "/usr/lib/softhsm/libsofthsm2.so"
    >>> writer = Agent("writer", identity=await pkcs11(module=module, token="agents", key="writer", pin_file="/run/pin"))

    Raises SIGN_FAILED (the key cannot be asked for), INVALID_CONFIG.
    """
    place = {
        "module": check_str(module, "module"),
        "token": given(token, check_str, "token"),
        "slot": given(slot, _slot, "slot"),
        "key": given(key, check_str, "key"),
        "id": given(id, check_str, "id"),
        "pinFile": given(pin_file, check_str, "pin_file"),
        "pinEnv": given(pin_env, check_str, "pin_env"),
    }
    return await _kept(place, did, timeout)


def _slot(value: Any, what: str) -> int:
    if value is None:
        raise TypeError(f"{what} must be an int, not None")
    return whole(value, 0, what, 0, MAX_WHOLE)


async def _kept(place: dict[str, Any], did: str | Unset, timeout: float | None) -> KeptKey:
    wanted = given(did, check_str, "did")
    said = {name: value for name, value in place.items() if value is not None}
    text = json.dumps({**said, "timeoutMs": milliseconds(timeout, 5000, "timeout", 1, 30_000)})
    kept = KeptKey.__new__(KeptKey)
    kept._place = text  # pyright: ignore[reportPrivateUsage]
    found = await wait_for(_native.ask_kept(text, wanted, None))
    kept._did = _native.public_key_to_did(found)  # pyright: ignore[reportPrivateUsage]
    return kept
