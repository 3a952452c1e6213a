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
from ._address import Located
from ._audit import AuditLog
from ._check import UNSET, Unset, check_bool, check_callable, check_str, given, milliseconds, name_of, strings, time_told, whole
from ._errors import XBindError
from ._fetching import JWKS, FetchDocument, Shared, fetch_public, is_fetchable, obtain, reason_of
from ._issuer import TrustedIssuer, jwks_text
from ._recorder import Recorder, did_in
from ._revocation import Revocations, RevocationSource, RevocationSubject, list_of, sources_in
from ._status_source import asks_itself, fetching, lists_of, refresh
from ._tokens import StatusRef
from ._waiting import wait_for

Evidence: TypeAlias = Literal["fresh", "unchecked", "stale", "absent", "unreadable", "unknown"]
"""What an answer about revocation rests on."""


Trust: TypeAlias = "Sequence[str | Located | TrustedIssuer]"
"""Whose tokens are accepted: DIDs, an authority whose DID changes, by one of them and its URL, and issuers with their keys."""


Asked: TypeAlias = "tuple[str, list[str], str | None]"
"""A token, what it has to grant, and who presents it."""


@dataclass(frozen=True)
class OnBehalfOf:
    """For whom somebody acts, such as a person who signed in there; the word of a token's issuer."""

    issuer: str
    """Who knows the subject by that name."""
    subject: str
    """Its name there."""


@dataclass(frozen=True)
class TokenClaims:
    """What a verified token says."""

    issuer: str
    """Who vouches for the rights: a trusted DID, or the name of a trusted issuer."""
    subject: str
    """Who may use them; of an exchanged token who acts, not the one on whose behalf."""
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
    on_behalf_of: OnBehalfOf | None = None
    """For whom the first subject acts."""
    quota: Mapping[str, int] | None = None
    """Limits by their names, where anybody in the chain set one: of each name the smallest. The recipient says what it means."""


class TokenVerifier:
    """Verifies tokens and delegations for one audience, offline but for issuers whose keys or status lists are fetched."""

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
        fetch: FetchDocument | Unset = UNSET,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
    ) -> None:
        """`trust` names DIDs whose tokens are accepted, authorities as `Located`, and issuers with their keys. All of `revocations` are asked about every
        link of a chain. `fetch` is a client of your own for JWK sets, as behind a proxy. With
        `audit` what it decides is on record, and else it lets nothing through: AUDIT_FAILED.

        Raises INVALID_DID, INVALID_KEY (a JWK set), INVALID_CONFIG.
        """
        check_callable(now, "now")
        self._recorder = Recorder.of(audit, dangerously_continue_unrecorded)
        self._by = None if self._recorder is None else did_in(audience)
        self._fetch: FetchDocument = fetch_public if isinstance(fetch, Unset) else fetch
        check_callable(self._fetch, "fetch")
        sources = sources_in(revocations)
        trusted, self._remote = _trusted(trust)
        policy = {
            "audience": check_str(audience, "audience"),
            "clockSkew": whole(clock_skew, 30, "clock_skew", 0, 300),
            "maxLifetime": whole(max_lifetime, 86_400, "max_lifetime", 1, 31_536_000),
            "trust": trusted,
            "acceptUnknown": check_bool(dangerously_accept_unknown_revocation, "dangerously_accept_unknown_revocation"),
        }
        self._now = now
        self._timeout = milliseconds(revocation_timeout, 5000, "revocation_timeout") / 1000
        revoked = [each for each in map(list_of, sources) if each is not None]
        self._own = [each for each in sources if list_of(each) is None]
        self._lists = [each for each in map(fetching, {id(each): each for each in sources}.values()) if each is not None]
        self._shared = Shared()
        self._judge = _native.new_judge(json.dumps(policy), revoked, [lists_of(each) for each in self._lists])

    @property
    def judge(self) -> _native.JudgeRef:
        """For policies of agents."""
        return self._judge

    @property
    def has_sources(self) -> bool:
        """Whether there are sources to ask about every link."""
        return bool(self._sources)

    @property
    def _sources(self) -> list[RevocationSource]:
        """Those that answer for themselves."""
        return [each for each in self._own if (lists := fetching(each)) is None or asks_itself(lists)]

    def verify(self, token: str, *, scopes: Iterable[str] = (), presenter: str | Unset = UNSET) -> TokenClaims:
        """Verifies a token or a delegation: the checks of docs/tokens.md, in that order. An issuer whose keys are not in memory is
        UNTRUSTED_ISSUER, a source that needs time does not know.

        Raises INVALID_TOKEN, INVALID_DELEGATION, UNTRUSTED_ISSUER, WRONG_AUDIENCE, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED,
        SCOPE_DENIED, REVOKED, REVOCATION_UNKNOWN, INVALID_DID, INVALID_CONFIG, AUDIT_FAILED.
        """
        asked, recorder = self._asked(token, scopes, presenter), self._recorder
        if recorder is None:
            return self._verify(asked)
        entry = {"event": "token", "by": self._by, "from": did_in(asked[2])}
        with recorder.refusals(entry):
            at, claims = self._time(), self._verify(asked)
        recorder.put(_accepted(entry, claims))
        with recorder.refusals(entry):  # the disk was waited for: what does not hold any more is refused
            return claims if self._time() == at else self._verify(asked)

    async def verify_async(self, token: str, *, scopes: Iterable[str] = (), presenter: str | Unset = UNSET) -> TokenClaims:
        """The same, for sources that take their time. Fetches the keys of an issuer that is trusted by the URL of its JWK set, and
        status lists, and asks authorities that are trusted.
        """
        asked, recorder = self._asked(token, scopes, presenter), self._recorder
        if recorder is None:
            return await self._verify_async(asked)
        entry = {"event": "token", "by": self._by, "from": did_in(asked[2])}
        with recorder.refusals(entry):
            claims = await self._verify_async(asked)
        if await recorder.commit(_accepted(entry, claims)):
            with recorder.refusals(entry):
                return await self._verify_async(asked)
        return claims

    def _verify(self, asked: Asked) -> TokenClaims:
        answers = self._answers(patient=False)
        ruling = self._rule(asked, answers)
        if not isinstance(ruling, TokenClaims):
            ruling = self._rule(asked, {**answers, "standing": self._standing(ruling["links"], None)})
        if isinstance(ruling, TokenClaims):
            return ruling
        raise XBindError("REVOCATION_UNKNOWN", "the sources were asked and did not answer", None, True)

    async def _verify_async(self, asked: Asked) -> TokenClaims:
        answers, reasons = self._answers(patient=True), list[str]()
        while True:
            ruling = self._rule(asked, answers, reasons)
            if isinstance(ruling, TokenClaims):
                return ruling
            standing = self._ask(ruling["links"]) if ruling["standing"] else None
            answers = await self._answer(ruling, answers, standing, reasons)

    def find_out(self, needs: str) -> str | Coroutine[Any, Any, str]:
        """What a guard's judge needs: at once where nothing takes time."""
        asked = json.loads(needs)
        answers: dict[str, Any] = asked["answers"]
        later: list[bool] = []
        standing = self._standing(asked["links"], later) if asked["standing"] else None
        if not later and not ("keys" in asked or asked["authorities"] or asked["lists"]):
            return json.dumps(answers if standing is None else {**answers, "standing": standing})

        async def find() -> str:
            told = await self._ask(asked["links"]) if later else standing
            return json.dumps(await self._answer(asked, answers, told, []))

        return find()

    async def _answer(
        self, needs: dict[str, Any], answers: dict[str, Any], standing: Any, reasons: list[str]
    ) -> dict[str, Any]:
        """What was found out of what a judge needs: each is sought once."""
        issuer: str | None = needs.get("keys")
        links: list[dict[str, Any]] = needs["links"]
        told = {
            **answers,
            "keysSought": answers["keysSought"] or issuer is not None or needs["authorities"],
            "listsSought": answers["listsSought"] or needs["lists"],
        }
        now = self._time()
        seeking: list[Awaitable[Any]] = []
        if needs["lists"]:
            seeking += [refresh(each, self._judge, links, now, self._time) for each in self._lists]
        if needs["authorities"]:
            seeking.append(wait_for(_native.ask_authorities(self._judge, now)))
        if issuer in self._remote:
            seeking.append(self._fetch_keys(issuer, self._remote[issuer], now))
        standing = _settled(standing) if standing is None or isinstance(standing, list) else standing
        known, *came = await asyncio.gather(standing, *seeking)
        reasons += [reason for each in came if isinstance(each, list) for reason in each]  # pyright: ignore[reportUnknownVariableType]
        return told if known is None else {**told, "standing": known}

    async def _fetch_keys(self, issuer: str, url: str, now: float) -> None:
        came: list[str | None] = [None]

        async def take() -> str | None:
            try:
                came[0] = await obtain(self._fetch, url, JWKS)
            except Exception as error:
                return reason_of(error)
            return None

        def ended(why: str | None) -> None:
            _native.keys_came(self._judge, issuer, now, came[0], why or "")

        await self._shared.do(issuer, take, ended)

    def _asked(self, token: str, scopes: Iterable[str], presenter: str | Unset) -> Asked:
        return check_str(token, "token"), strings(scopes, "scopes"), given(presenter, check_str, "presenter")

    def _answers(self, *, patient: bool) -> dict[str, Any]:
        return {"sources": self.has_sources, "patient": patient, "keysSought": False, "listsSought": False}

    def _rule(self, asked: Asked, answers: dict[str, Any], reasons: Sequence[str] = ()) -> TokenClaims | dict[str, Any]:
        """What a token that holds says, or what has to be found out first."""
        token, scopes, presenter = asked
        told = json.dumps(answers)
        ruling: dict[str, Any] = json.loads(_native.judge_token(self._judge, token, self._time(), scopes, presenter, told))
        if "code" in ruling:
            raise _refused(ruling, reasons)
        return ruling if "links" in ruling else _claims_of(ruling)

    def _time(self) -> float:
        return time_told(self._now) // 1

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
            except (Exception, asyncio.CancelledError):  # where it is we who are cancelled, gather() sees to that
                return None

        asked = [[answer(each, question) for question in _questions(link) for each in self._sources] for link in links]
        return [_conclusion(await asyncio.gather(*link)) for link in asked]


async def _settled(value: Any) -> Any:
    return value


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


def _trusted(trust: Any) -> tuple[list[Any], dict[str, str]]:
    """As the native side takes it, and where the keys of some issuers are fetched."""
    if isinstance(trust, (str, bytes)) or not isinstance(trust, Sequence):
        raise TypeError(f"trust must be a list of DIDs, authorities and issuers, not {name_of(trust)}")
    trusted: list[Any] = []
    names: set[str] = set()
    remote: dict[str, str] = {}
    for at, each in enumerate(trust):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if isinstance(each, Located):
            trusted.append({"did": check_str(each.did, f"trust[{at}].did"), "url": check_str(each.url, f"trust[{at}].url")})
            continue
        if not isinstance(each, TrustedIssuer):
            trusted.append(check_str(each, f"trust[{at}]"))
            continue
        name = check_str(each.issuer, f"trust[{at}].issuer")
        if name in names:
            raise XBindError("INVALID_CONFIG", f"trust names {name} twice", "put its keys into one JWK set")
        names.add(name)
        if not isinstance(each.jwks, str):
            trusted.append({"issuer": name, "jwks": jwks_text(each.jwks, f"trust[{at}].jwks")})
            continue
        url = check_str(each.jwks, f"trust[{at}].jwks")
        if not is_fetchable(url):
            raise XBindError("INVALID_CONFIG", f"trust[{at}].jwks is no https URL in its plain spelling")
        remote[name] = url
        trusted.append({"issuer": name})
    if not trusted:
        raise XBindError("INVALID_CONFIG", "trust names nobody", "name whose tokens count")
    return trusted, remote


_REMEDIES = {
    "stale": "the issuer has to publish its status list anew",
    "absent": "give the verifier a StatusListSource that may fetch the list, or put it there",
    "unreadable": "the issuer has to publish a status list that can be read and is long enough",
    "unknown": "ask again when the source answers",
}


def _refused(refusal: dict[str, Any], reasons: Sequence[str]) -> XBindError:
    """With what to do about it, which only this side can name."""
    code, message, hint = refusal["code"], refusal["message"], refusal.get("hint")
    issuer, why = refusal.get("keysOf"), refusal.get("keysFailure")
    if code == "REVOCATION_UNKNOWN":
        because = f" ({', '.join(reasons)})" if reasons else ""
        grade: str = refusal["revocation"]
        hint = f"the evidence is {grade}{because}: {_REMEDIES.get(grade, 'ask again')}"
    elif (authority := refusal.get("authority")) is not None:
        if why is not None:
            message = f"{message}: {authority} did not say whether it has that DID: {why}"
            return XBindError("UNTRUSTED_ISSUER", message, None, True)
        asked = f"{authority} has no such DID, and is asked again after 5 s at the earliest"
        unasked = f"verify_async() asks {authority} which DIDs it has, verify() does not wait for it"
        hint = asked if refusal["keysAsked"] else unasked
    elif issuer is not None and why is not None:
        return XBindError("UNTRUSTED_ISSUER", f"the keys of {issuer} were not fetched: {why}", None, True)
    elif issuer is not None:
        asked = "its JWK set holds no such key, and is asked for again after 30 s at the earliest"
        unasked = "verify_async() asks for the keys of this issuer, verify() does not"
        hint = asked if refusal["keysAsked"] else unasked
    return XBindError(code, message, hint, refusal["retryable"])


def _accepted(entry: dict[str, Any], claims: TokenClaims) -> dict[str, Any]:
    return {**entry, "outcome": "accepted", "to": did_in(claims.subject), "token": claims.id, "chain": claims.chain}


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
        on_behalf_of=OnBehalfOf(**token["onBehalfOf"]) if "onBehalfOf" in token else None,
        quota=MappingProxyType(token["quota"]) if "quota" in token else None,
    )
