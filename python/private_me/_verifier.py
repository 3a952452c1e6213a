"""Verifying tokens: what is found out here, the native side judges."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from . import _native
from ._check import UNSET, Unset, check_bool, check_callable, check_str, given, milliseconds, name_of, strings, whole
from ._errors import XBindError
from ._revocation import Revocations, RevocationSource, RevocationSubject, list_of, sources_in
from ._tokens import StatusRef

Evidence: TypeAlias = Literal["fresh", "unchecked", "stale", "absent", "unreadable", "unknown"]
"""What an answer about revocation rests on."""


@dataclass(frozen=True)
class TrustedIssuer:
    """An issuer that is no DID, and its keys."""

    issuer: str
    """Exactly as its tokens name it in `iss`."""
    jwks: Mapping[str, Any]
    """Its public keys: a JWK set (RFC 7517). Those that are no Ed25519 keys are passed over."""


Trust: TypeAlias = "Sequence[str | TrustedIssuer]"


@dataclass(frozen=True)
class TokenClaims:
    """What a verified token says."""

    issuer: str
    """Who vouches for the rights: a trusted DID, or the name of a trusted issuer."""
    subject: str
    """Who may use them."""
    audience: str
    """Where they may be used, as the issuer wrote it."""
    scopes: tuple[str, ...]
    """What is granted: no more than every link of the chain grants."""
    id: str
    """Unique for the issuer of the last link."""
    issued_at: int
    """Seconds since the epoch."""
    expires_at: int
    """Seconds since the epoch."""
    chain: tuple[str, ...]
    """From the outermost delegator to the subject, DIDs."""
    revocation: Evidence
    """What the answer about revocation rests on."""
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """The first issuer's further claims."""


class TokenVerifier:
    """Verifies tokens and delegations for one audience, offline."""

    def __init__(
        self,
        audience: str,
        *,
        trust: Trust,
        now: Callable[[], float] = time.time,
        clock_skew: int | None = None,
        max_lifetime: int | None = None,
        revocations: Revocations = (),
        revocation_timeout: float | None = None,
        dangerously_accept_unknown_revocation: bool = False,
    ) -> None:
        """`trust` names DIDs whose tokens are accepted, and issuers with their keys. All of `revocations` are asked about every
        link of a chain. Raises INVALID_DID, INVALID_KEY, INVALID_CONFIG.
        """
        check_callable(now, "now")
        sources = sources_in(revocations)
        policy = {
            "audience": check_str(audience, "audience"),
            "clockSkew": whole(clock_skew, 30, "clock_skew", 0, 300),
            "maxLifetime": whole(max_lifetime, 86_400, "max_lifetime", 1, 31_536_000),
            "trust": _trusted(trust),
            "acceptUnknown": check_bool(dangerously_accept_unknown_revocation, "dangerously_accept_unknown_revocation"),
        }
        self._now = now
        self._timeout = milliseconds(revocation_timeout, 5000, "revocation_timeout") / 1000
        self._sources = [each for each in sources if list_of(each) is None]
        lists = [each for each in map(list_of, sources) if each is not None]
        self._judge = _native.new_judge(json.dumps(policy), lists, [])

    @property
    def judge(self) -> _native.JudgeRef:
        """For policies of agents."""
        return self._judge

    @property
    def has_sources(self) -> bool:
        """Whether there are sources to ask about every link."""
        return bool(self._sources)

    def verify(self, token: str, *, scopes: Iterable[str] = (), presenter: str | Unset = UNSET) -> TokenClaims:
        """Verifies a token or a delegation: the checks of docs/tokens.md, in that order. A source that needs time does not know.

        Raises INVALID_TOKEN, INVALID_DELEGATION, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED,
        SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, INVALID_DID, INVALID_CONFIG.
        """
        asked = self._asked(token, scopes, presenter)
        ruling = self._rule(asked, self._answers())
        if isinstance(ruling, list):
            ruling = self._rule(asked, self._answers(self._standing(ruling, None)))
        return _held(ruling)

    async def verify_async(self, token: str, *, scopes: Iterable[str] = (), presenter: str | Unset = UNSET) -> TokenClaims:
        """The same, for sources that take their time."""
        asked = self._asked(token, scopes, presenter)
        ruling = self._rule(asked, self._answers())
        if isinstance(ruling, list):
            ruling = self._rule(asked, self._answers(await self._ask(ruling)))
        return _held(ruling)

    def find_out(self, needs: str) -> str | Coroutine[Any, Any, str]:
        """What a guard's judge needs: at once where nothing takes time."""
        asked = json.loads(needs)
        answers: dict[str, Any] = asked["answers"]
        if not asked["standing"]:
            return json.dumps({**answers, "keysSought": True, "listsSought": True})
        later: list[bool] = []
        standing = self._standing(asked["links"], later)
        if not later:
            return json.dumps({**answers, "standing": standing})

        async def find() -> str:
            return json.dumps({**answers, "standing": await self._ask(asked["links"])})

        return find()

    def _asked(self, token: str, scopes: Iterable[str], presenter: str | Unset) -> tuple[str, list[str], str | None]:
        return check_str(token, "token"), strings(scopes, "scopes"), given(presenter, check_str, "presenter")

    def _answers(self, standing: list[bool | None] | None = None) -> str:
        answers = {"sources": self.has_sources, "patient": False, "keysSought": False, "listsSought": False}
        return json.dumps(answers if standing is None else {**answers, "standing": standing})

    def _rule(self, asked: tuple[str, list[str], str | None], answers: str) -> TokenClaims | list[dict[str, Any]]:
        """Of a token that holds what it says, or the links about which the sources are to be asked."""
        token, scopes, presenter = asked
        ruling = json.loads(_native.judge_token(self._judge, token, self._time(), scopes, presenter, answers))
        if "code" in ruling:
            raise _refused(ruling)
        if "links" in ruling:
            links: list[dict[str, Any]] = ruling["links"]
            return links
        return _claims_of(ruling)

    def _time(self) -> float:
        now: Any = self._now()
        if isinstance(now, bool) or not isinstance(now, (int, float)):
            raise TypeError(f"now() must give seconds, not {name_of(now)}")
        return float(now // 1)

    def _standing(self, links: list[dict[str, Any]], later: list[bool] | None) -> list[bool | None]:
        """What the sources say at once about each link. One yes decides, and then one who does not know."""
        return [
            _conclusion([self._at_once(each, q, later) for q in _questions(link) for each in self._sources]) for link in links
        ]

    def _at_once(self, source: RevocationSource, question: RevocationSubject, later: list[bool] | None) -> Any:
        try:
            answer = source.is_revoked(question)
        except Exception:
            return None
        if not inspect.isawaitable(answer):
            return answer
        if later is not None:
            later.append(True)
        if inspect.iscoroutine(answer):
            answer.close()
        return None

    async def _ask(self, links: list[dict[str, Any]]) -> list[bool | None]:
        async def answer(source: RevocationSource, question: RevocationSubject) -> Any:
            try:
                said: Any = source.is_revoked(question)
                return await asyncio.wait_for(_awaited(said), self._timeout) if inspect.isawaitable(said) else said
            except Exception:
                return None

        asked = [[answer(each, question) for question in _questions(link) for each in self._sources] for link in links]
        return [_conclusion(await asyncio.gather(*link)) for link in asked]


def _held(ruling: TokenClaims | list[dict[str, Any]]) -> TokenClaims:
    if isinstance(ruling, TokenClaims):
        return ruling
    raise XBindError("REVOCATION_UNKNOWN", "the sources were asked and did not answer", None, True)


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _questions(link: dict[str, Any]) -> list[RevocationSubject]:
    """Who speaks for the rights is asked about as well as who uses them."""
    status = link.get("status")
    place = StatusRef(status["index"], status["uri"]) if status else None
    issued_at: int = link["issuedAt"]
    about = RevocationSubject(issued_at, token_id=link["id"], issuer=link["issuer"], status=place)
    return [about, *(RevocationSubject(issued_at, did=link[who]) for who in ("issuer", "subject"))]


def _conclusion(answers: Sequence[Any]) -> bool | None:
    if any(answer is True for answer in answers):
        return True
    return False if all(answer is False for answer in answers) else None


def _trusted(trust: Any) -> list[Any]:
    if isinstance(trust, (str, bytes)) or not isinstance(trust, Sequence):
        raise TypeError(f"trust must be a list of DIDs and issuers, not {name_of(trust)}")
    trusted: list[Any] = []
    names: set[str] = set()
    for at, each in enumerate(trust):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if not isinstance(each, TrustedIssuer):
            trusted.append(check_str(each, f"trust[{at}]"))
            continue
        name = check_str(each.issuer, f"trust[{at}].issuer")
        if name in names:
            raise XBindError("INVALID_CONFIG", f"trust names {name} twice", "put its keys into one JWK set")
        names.add(name)
        trusted.append({"issuer": name, "jwks": json.dumps(dict(each.jwks))})
    if not trusted:
        raise XBindError("INVALID_CONFIG", "trust names nobody", "name whose tokens count")
    return trusted


def _refused(refusal: dict[str, Any]) -> XBindError:
    hint = refusal.get("hint")
    if refusal["code"] == "REVOCATION_UNKNOWN":
        hint = f"the evidence is {refusal['revocation']}: ask again when the sources answer"
    return XBindError(refusal["code"], refusal["message"], hint, refusal["retryable"])


def _claims_of(token: dict[str, Any]) -> TokenClaims:
    return TokenClaims(
        issuer=token["issuer"],
        subject=token["subject"],
        audience=token["audience"],
        scopes=tuple(token["scopes"]),
        id=token["id"],
        issued_at=token["issuedAt"],
        expires_at=token["expiresAt"],
        chain=tuple(token["chain"]),
        revocation=token["revocation"],
        claims=MappingProxyType(json.loads(token["claims"])),
    )
