"""What an agent asks of the authority of its operator. What it was given is kept, and asked for once for all, by the native side."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

from . import _native
from ._address import Located
from ._card import AgentCard
from ._check import Unset, check_str, given, name_of, strings, whole
from ._errors import XBindError
from ._waiting import wait_for

RegistryAddress: TypeAlias = "str | Located"
"""An authority: its URL, best with its DID. Without, it is the one whose DID the server says when it is first asked. What it answers is
signed by it, or is not believed."""

_MOST = 8
"""Authorities that an agent remembers."""


class Registered(NamedTuple):
    """A name that is registered."""

    name: str
    """The whole name: the agent's own, and the domain of its operator."""
    did: str
    """To whom it leads."""


class Wish(NamedTuple):
    """A token that is asked for."""

    request: str
    original_token: str | None

    def __repr__(self) -> str:
        return "Wish(…)"


def registry_in(at: Any, what: str) -> str:
    """As the native side reads it: `url#did`."""
    if isinstance(at, str):
        return _without_did(at, what)
    if not isinstance(at, Located):
        raise TypeError(f"{what} must be a URL or a Located, not {name_of(at)}")
    return f"{_without_did(at.url, f'{what}.url')}#{check_str(at.did, f'{what}.did')}"


def _without_did(url: Any, what: str) -> str:
    """What is behind a # would be read as a DID."""
    return check_str(url, what).replace("#", "%23")


def wish_in(audience: str, scopes: Iterable[str], ttl: int | None, original_token: str | Unset) -> Wish:
    """Each of them read once. A token of a user that is missing by mistake must not give the agent its own rights."""
    request: dict[str, Any] = {"audience": check_str(audience, "audience"), "scopes": strings(scopes, "scopes")}
    if ttl is not None:
        request["ttl"] = whole(ttl, 0, "ttl", 1, 86_400)
    user = given(original_token, check_str, "original_token, which is to be left out where there is none,")
    if user == "":
        raise TypeError("original_token must be a token, not an empty string")
    return Wish(json.dumps(request), user)


class Registries:
    """The authorities of an agent, by their addresses; its own is that of its options."""

    def __init__(self, port: int, agent: int, did: str, own: str | None) -> None:
        """With its own, the agent calls by the names there. Raises INVALID_CONFIG, INVALID_DID."""
        self._port = port
        self._agent = agent
        self._did = did
        self._own = own
        self._known: dict[str, _native.RegistryRef] = {}
        if own is not None:
            self._at(own, True)

    async def register(self, at: str | None, card: Callable[[], Awaitable[AgentCard]]) -> Registered:
        """The agent's name, with its card."""
        registry = self._of(at)
        request = json.dumps({"card": (await card()).jws})
        return Registered(await wait_for(_native.ask_registry(registry, request, None)), self._did)

    async def token(self, wish: Wish) -> str:
        """A token, with that of a user one to act for him."""
        token: str = await wait_for(_native.ask_registry(self._of(None), wish.request, wish.original_token))
        return token

    def forget(self) -> None:
        """What they have given: whoever has closed asks for nothing any more."""
        self._known.clear()

    def _of(self, named: str | None) -> _native.RegistryRef:
        at = self._own if named is None else named
        if at is None:
            raise XBindError("INVALID_CONFIG", "this agent has no registry", "give registry='https://authority.example'")
        return self._at(at, False)

    def _at(self, at: str, resolves: bool) -> _native.RegistryRef:
        known = self._known.get(at)
        if known is None:
            known = _native.open_registry(self._port, self._agent, at, resolves)
            if len(self._known) >= _MOST:  # few have more than one
                for other in [each for each in self._known if each != self._own]:
                    del self._known[other]
            self._known[at] = known
        return known
