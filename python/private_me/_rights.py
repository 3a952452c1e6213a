"""What agents let others do, and what they are let do themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _native
from ._check import UNSET, Unset, check_str, given, strings
from ._registry import Registered, RegistryAddress, wish_in
from ._tokens import StatusRef, granted

if TYPE_CHECKING:
    from ._member import Member


class Rights:
    """The part of an agent that has to do with tokens."""

    __slots__ = ("_member", "__weakref__")

    _member: Member

    def grant(
        self,
        *,
        subject: str,
        audience: str,
        scopes: Iterable[str],
        quota: Mapping[str, int] | Unset = UNSET,
        ttl: int | None = None,
        claims: Mapping[str, Any] | None = None,
        status: StatusRef | None = None,
        now: int | None = None,
    ) -> str:
        """Grants scopes with this agent's key: a token that agents which trust this one's DID accept. See `issue_token`."""
        grant = granted(subject, check_str(audience, "audience"), strings(scopes, "scopes"), quota, ttl, claims, status, now)
        return self._member.recorded("token.issued", _native.issue_token(self._member.key, grant))

    def delegate(
        self,
        token: str,
        *,
        subject: str,
        audience: str | Unset = UNSET,
        scopes: Iterable[str] | Unset = UNSET,
        quota: Mapping[str, int] | Unset = UNSET,
        ttl: int | None = None,
        status: StatusRef | None = None,
        now: int | None = None,
    ) -> str:
        """Hands on a part of the rights in a token that was issued to this agent. See `delegate_token`."""
        own = given(audience, check_str, "audience")
        grant = granted(subject, own, given(scopes, strings, "scopes"), quota, ttl, None, status, now)
        delegated = _native.delegate_token(self._member.key, check_str(token, "token"), grant)
        return self._member.recorded("token.delegated", delegated)

    async def register(self, registry: RegistryAddress | Unset = UNSET) -> Registered:
        """Registers its name within the domain of its operator, with its card, or says anew what it offers: at its own registry, or
        this one.

        Raises NAME_TAKEN, NOT_ALLOWED, REVOKED, REGISTRY_UNAVAILABLE, INVALID_NAME, INVALID_CONFIG, SIGN_FAILED, AGENT_CLOSED.
        """
        return await self._member.register(registry)

    async def request_token(
        self, *, audience: str, scopes: Iterable[str], ttl: int | None = None, original_token: str | Unset = UNSET
    ) -> str:
        """A token of its authority: one that it got before while a fifth of its life is left, and asked for once for all who want it.
        A task that is cancelled ends nobody else's request.

        - `audience`: what its verifier is called. `scopes`: what for; its operator has to have granted each.
        - `ttl`: how long it lives, in seconds: 3600.
        - `original_token`: the access token of a user who has signed in: then it is one to act for him, and has no more than he has,
          and not for longer. It goes to the authority alone, and is not kept. Without it the agent acts for itself.

        Raises what `register` raises, SCOPE_DENIED; of a user's token INVALID_TOKEN, TOKEN_EXPIRED, UNTRUSTED_ISSUER.
        """
        return await self._member.token(wish_in(audience, scopes, ttl, original_token))
