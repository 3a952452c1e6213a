"""Status lists of others, which tell whether their tokens still stand."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from . import _native
from ._check import (
    MAX_WHOLE,
    UNSET,
    Unset,
    check_bool,
    check_callable,
    check_is,
    check_str,
    given,
    name_of,
    strings,
    time_told,
    whole,
)
from ._errors import XBindError
from ._fetching import STATUS_LIST, FetchDocument, Shared, fetch_public, is_fetchable, obtain, reason_of
from ._issuer import TrustedIssuer, jwks_text
from ._revocation import RevocationSubject
from ._status_list import StatusList
from ._tokens import StatusRef


class StatusEvidence(NamedTuple):
    """What a list says: its status for a token, or why it says nothing. Only fresh evidence decides."""

    evidence: Literal["fresh", "stale", "absent", "unreadable"]
    """A list is at hand that may be relied upon now; else it is too old, not there, or has no such place."""
    status: int | None
    """What it says, where it is fresh: 0 is valid."""


class StatusListSource:
    """Status lists of others, fetched when a token names them, or put in by hand. Given to a `TokenVerifier`, it answers for the
    tokens with a `status` claim; without fresh evidence they are refused with REVOCATION_UNKNOWN.

    >>> revocations = StatusListSource(origins=["https://status.example"])
    >>> verifier = TokenVerifier("https://billing.example", trust=[identity.did], revocations=revocations)
    """

    def __init__(
        self,
        *,
        max_age: int | None = None,
        refresh: int | None = None,
        max_lists: int | None = None,
        max_bytes: int | None = None,
        origins: Iterable[str] | Unset = UNSET,
        offline: bool = False,
        fetch: FetchDocument | Unset = UNSET,
        now: Callable[[], float] = time.time,
    ) -> None:
        """- `max_age`: how long a list is relied upon after it was signed, whatever it says itself, in seconds: 86 400.
        - `refresh`: how old a copy may be before the next is asked for: 300, from 30 to 86 400. While none comes, the old one serves.
        - `max_lists`, `max_bytes`: room for lists: 1000, 64 MiB. Half of it is for issuers that a verifier with this source trusts.
        - `origins`: where lists are fetched from, such as `https://status.example`. By default wherever a trusted issuer's own token
          points, and nowhere for a link of a delegation, whose maker nobody here has chosen.
        - `offline`: never fetches; lists come by `put` alone. `fetch`: a client of your own, as behind a proxy.

        Raises INVALID_CONFIG.
        """
        check_callable(now, "now")
        own = fetch_public if isinstance(fetch, Unset) else fetch
        check_callable(own, "fetch")
        self._fetch = None if check_bool(offline, "offline") else own
        self._now = now
        self._shared = Shared()
        named = given(origins, strings, "origins")
        wanted = whole(refresh, 300, "refresh", 30, 86_400)
        policy = {
            "refresh": MAX_WHOLE if offline else wanted,
            "maxLists": whole(max_lists, 1000, "max_lists", 1, 100_000),
            "maxBytes": whole(max_bytes, 64 << 20, "max_bytes", 1 << 20, 2**40),
            "maxAge": whole(max_age, 86_400, "max_age", 1, 31_536_000),
            "origins": None if named is None else [_origin(each) for each in named],
        }
        self._lists = _native.new_status_lists(json.dumps(policy))

    def put(self, jws: str, by: TrustedIssuer | Unset = UNSET) -> None:
        """Takes a signed list in, as where nothing can be fetched. It speaks for the tokens of the DID that signed it, or for those of
        the issuer `by`. Of two lists of the same second both count.

        Raises INVALID_TOKEN, TOKEN_EXPIRED (older than the one at hand), TOKEN_NOT_YET_VALID (from the future, while another is at
        hand), INVALID_KEY (the JWK set), INVALID_DID, INVALID_CONFIG (no room for it).
        """
        text = check_str(jws, "jws")
        if not isinstance(by, (TrustedIssuer, Unset)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"by must be a TrustedIssuer, not {name_of(by)}")
        issuer = None if isinstance(by, Unset) else check_str(by.issuer, "by.issuer")
        jwks = None if isinstance(by, Unset) else jwks_text(by.jwks, "by.jwks")
        signer, uri = _says(text)
        _native.put_list(self._lists, text, uri, signer if issuer is None else issuer, jwks, self._time())

    def status_of(self, issuer: str, status: StatusRef) -> StatusEvidence:
        """What is known here of a token by that issuer. Fetches nothing."""
        check_is(status, StatusRef, "status")
        place = {"index": whole(status.index, 0, "status.index", 0, MAX_WHOLE), "uri": check_str(status.uri, "status.uri")}
        told, why = _native.ask_list(self._lists, check_str(issuer, "issuer"), json.dumps(place), self._time())
        evidence: Any = why or "fresh"
        return StatusEvidence(evidence, told)

    def is_revoked(self, subject: RevocationSubject, /) -> bool:
        """Whether it was revoked. Raises REVOCATION_UNKNOWN for a token with a status that no fresh list here answers for."""
        if subject.status is None or subject.issuer is None:
            return False
        answer = self.status_of(subject.issuer, subject.status)
        if answer.evidence != "fresh":
            raise XBindError("REVOCATION_UNKNOWN", f"the token's status list is {answer.evidence}", None, True)
        return answer.status != StatusList.VALID

    def _time(self) -> float:
        return time_of(self._now)

    async def _refresh(
        self, judge: _native.JudgeRef, links: Sequence[dict[str, Any]], now: float, time_: Callable[[], float]
    ) -> list[str]:
        """Fetches what the links need, and gives the reasons why some of it did not come."""
        if self._fetch is None:
            return []
        updates = [
            self._update(self._fetch, judge, link["issuer"], link["status"], place == 0, now, time_)
            for place, link in enumerate(links)
            if link.get("status")
        ]
        return [failure for failure in await asyncio.gather(*updates) if failure is not None]

    async def _update(
        self, fetch: FetchDocument, judge: _native.JudgeRef, issuer: str, status: dict[str, Any], first: bool, now: float,
        time_: Callable[[], float],
    ) -> str | None:  # fmt: skip
        """Fetches a list if it is due, once for all who wait; gives the reason if it did not come."""
        uri: str = status["uri"]
        due = json.loads(_native.list_due(self._lists, issuer, json.dumps(status), first, now))
        if "fetch" not in due:
            failure: str | None = due.get("failure")
            return await self._shared.join((issuer, uri)) if due["running"] else failure
        limits = STATUS_LIST._replace(named=due["fetch"])

        async def take() -> str | None:
            try:
                text = await obtain(fetch, uri, limits)
                _native.put_issuers_list(judge, self._lists, text, uri, issuer, time_())
            except XBindError as error:
                return error.message
            except Exception as error:
                return reason_of(error)
            return None

        def ended(failure: str | None) -> None:
            _native.list_came(self._lists, issuer, uri, now, failure)

        return await self._shared.do((issuer, uri), take, ended)


def fetching(source: Any) -> StatusListSource | None:
    """A source whose lists the native side asks."""
    return source if isinstance(source, StatusListSource) else None


def asks_itself(source: StatusListSource) -> bool:
    """Whether it answers for itself, as a subclass may, so that it has to be asked besides."""
    names = ("is_revoked", "status_of")
    own = vars(source)
    return any(name in own or getattr(type(source), name) is not getattr(StatusListSource, name) for name in names)


async def refresh(
    source: StatusListSource, judge: _native.JudgeRef, links: Sequence[dict[str, Any]], now: float, time_: Callable[[], float]
) -> list[str]:
    """What a verifier needs of a source."""
    return await source._refresh(judge, links, now, time_)  # pyright: ignore[reportPrivateUsage]


def lists_of(source: StatusListSource) -> _native.ListsRef:
    return source._lists  # pyright: ignore[reportPrivateUsage]


def time_of(now: Callable[[], float]) -> float:
    """Whole seconds by a clock of the user's."""
    told = time_told(now)
    if not 0 <= told < math.inf:
        raise TypeError(f"now() must give seconds since the epoch, not {told}")
    return told // 1


def _origin(text: str) -> str:
    if is_fetchable(text):
        parts = urlsplit(text)
        if (
            parts.path in ("", "/")
            and not parts.query
            and not parts.fragment
            and text.rstrip("/") == f"{parts.scheme}://{parts.netloc}"
        ):
            return f"{parts.scheme}://{parts.netloc}"
    raise XBindError("INVALID_CONFIG", "origins holds what is no https origin", "give https://host or https://host:port")


def _says(jws: str) -> tuple[str, str]:
    """Whom and what a list is by and about, to look it up by; whether it is true is verified where it is taken in."""
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in jws.split(".")[:2])
        kid, sub = header["kid"], claims["sub"]
    except (ValueError, TypeError, KeyError, RecursionError):
        kid = sub = None
    if not (isinstance(kid, str) and isinstance(sub, str)):
        raise XBindError("INVALID_TOKEN", "the status list is not a compact JWS with kid and sub")
    return check_str(kid.partition("#")[0], "kid"), check_str(sub, "sub")
