"""Lists in which issuers publish which of their tokens still stand (Token Status List)."""

from __future__ import annotations

import json
from typing import Final

from . import _native
from ._check import MAX_WHOLE, check_str, seconds, whole
from ._errors import XBindError
from ._identity import Identity, key_of


class StatusList:
    """The status of many tokens, for their issuer to publish."""

    VALID: Final = 0
    """The token stands."""
    INVALID: Final = 1
    """The token was revoked, for good."""
    SUSPENDED: Final = 2
    """The token is revoked for the time being; takes lists of 2 bits at least."""

    def __init__(self, size: int, *, bits: int = 1) -> None:
        """A list of at least `size` tokens, all of them valid, of 1, 2, 4 or 8 bits each. Raises INVALID_CONFIG."""
        self._list = _native.new_status_list(whole(bits, 1, "bits", 0, 255), whole(size, 0, "size", 0, MAX_WHOLE))

    @classmethod
    def read(cls, jws: str, *, uri: str, issuer: str) -> StatusList:
        """A list that was signed before by that DID, to go on with it. Raises INVALID_TOKEN, INVALID_DID."""
        read = cls.__new__(cls)
        read._list = _native.read_status_list(check_str(jws, "jws"), check_str(uri, "uri"), check_str(issuer, "issuer"))
        return read

    def set(self, index: int, status: int) -> None:
        """Raises INVALID_CONFIG beyond the end, or for a status that the bits cannot hold."""
        at, to = whole(index, 0, "index", 0, MAX_WHOLE), whole(status, 0, "status", 0, 255)
        _native.set_status(self._list, at, to)

    def get(self, index: int) -> int | None:
        """The status at an index; None beyond the end."""
        try:
            return _native.get_status(self._list, whole(index, 0, "index", 0, MAX_WHOLE))
        except XBindError:
            return None

    def sign(
        self, issuer: Identity, *, uri: str, lifetime: int | None = None, ttl: int | None = None, now: int | None = None
    ) -> str:
        """Signs the list for the address at which it is published. It may be relied upon for `lifetime` seconds, 3600 by default.

        Raises INVALID_CONFIG, SIGN_FAILED.
        """
        life = whole(lifetime, 3600, "lifetime", 0, MAX_WHOLE)
        draft = {"uri": check_str(uri, "uri"), "lifetime": life, "ttl": seconds(ttl, "ttl"), "now": seconds(now, "now")}
        return _native.sign_status_list(key_of(issuer, "issuer"), self._list, json.dumps(draft))
