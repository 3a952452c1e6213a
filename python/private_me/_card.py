"""Cards: what an agent offers, signed by it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import _native
from ._check import UNSET, Unset, check_str, given, seconds, strings, whole
from ._errors import XBindError
from ._journal import short

if TYPE_CHECKING:
    from ._methods import Offers

_ANYBODY = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
"""Any DID will do to find out whether a card can be."""
_SKEW = 30
_KEPT = 1800
"""How long a card is handed out before another one is signed, in seconds: half of its life."""


@dataclass(frozen=True)
class OfferedMethod:
    """A method in a card."""

    name: str
    """What is called for: `agent.call(did, payload, method=name)`."""
    scopes: tuple[str, ...]
    """What a token must grant to call it."""
    description: str | None = None
    """What it does, as its agent says."""
    input: Mapping[str, Any] | None = None
    """The JSON Schema of the payload."""
    output: Mapping[str, Any] | None = None
    """The JSON Schema of the answer."""


@dataclass(frozen=True)
class AgentCard:
    """What an agent offers, signed by it. Names, descriptions and schemas are its own words: a stranger's text."""

    did: str
    """Whose card it is, proven by the signature."""
    name: str | None
    """The agent's label, which proves nothing."""
    methods: tuple[OfferedMethod, ...]
    """What it offers."""
    addresses: tuple[str, ...]
    """Where it says that it can be reached beyond this process: URLs."""
    expires_at: int
    """Until when it holds, in seconds since the epoch."""
    jws: str
    """The signed statement itself, to show to others: docs/cards.md."""
    session: str | None = None
    """The session of an agent of another process, where `describe` has asked it: an approval that is to be brought along names it.
    It is no part of what is signed."""


def check_addresses(addresses: Any) -> list[str]:
    """A copy of the URLs that an agent says it has. Raises INVALID_CONFIG for those that no card can name."""
    copy = [] if addresses is None else strings(addresses, "addresses")
    _native.card_to_sign(_ANYBODY, json.dumps({"methods": [], "addresses": copy}))
    return copy


def verify_card(jws: str, *, did: str | Unset = UNSET, now: int | None = None, clock_skew: int | None = None) -> AgentCard:
    """Verifies a card that came by any way, as that of `did`, or of whomever it names.

    Raises INVALID_TOKEN, UNTRUSTED_ISSUER, TOKEN_NOT_YET_VALID, TOKEN_EXPIRED, INVALID_DID, INVALID_CONFIG.
    """
    skew = whole(clock_skew, _SKEW, "clock_skew", 0, 300)
    return _read(check_str(jws, "jws"), given(did, check_str, "did"), seconds(now, "now"), skew)


def card_in(answer: Any, sender: str, session: str | None) -> AgentCard:
    """The card in the answer of an agent, which has to be its own."""
    card: Any = answer.get("card") if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if isinstance(card, str):
        return replace(_read(card, sender, None, _SKEW), session=session)
    raise XBindError("INVALID_TOKEN", f"{short(sender)} did not answer with a card")


class CardKeeper:
    """An agent's own card, which is signed anew when the agent offers something else, or half of its life is over."""

    def __init__(self, did: str, name: str | None, addresses: list[str], sign: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._did = did
        self._addresses = addresses
        self._name = name
        self._sign = sign
        self._kept: tuple[Offers, float, AgentCard] | None = None

    async def of(self, offers: Offers) -> AgentCard:
        if self._kept and self._kept[0] is offers and time.monotonic() < self._kept[1]:
            return self._kept[2]
        draft = json.dumps({"name": self._name, "methods": offers.methods(), "addresses": self._addresses})
        text = _native.card_to_sign(self._did, draft)
        try:
            signature = base64.urlsafe_b64encode(await self._sign(text.encode())).rstrip(b"=").decode()
        except Exception as error:
            if isinstance(error, XBindError):
                raise
            raise XBindError("SIGN_FAILED", "the card was not signed with the key of this agent") from error
        card = _read(f"{text}.{signature}", self._did, None, 0)
        self._kept = (offers, time.monotonic() + _KEPT, card)
        return card


def _read(jws: str, did: str | None, now: int | None, skew: int) -> AgentCard:
    card = json.loads(_native.verify_card(jws, did, now, skew))
    methods = tuple(
        OfferedMethod(
            name=each["name"],
            scopes=tuple(each["scopes"]),
            description=each.get("description"),
            input=json.loads(each["input"]) if "input" in each else None,
            output=json.loads(each["output"]) if "output" in each else None,
        )
        for each in card["methods"]
    )
    return AgentCard(card["did"], card.get("name"), methods, tuple(card["addresses"]), card["expiresAt"], jws)
