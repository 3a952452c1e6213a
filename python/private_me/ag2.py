"""AG2 (ag2 1.2) with participants that are proven: `pip install private-me-autogen[ag2]`."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from . import _framework

try:
    from ag2 import Agent
    from ag2.network import (
        EV_CHANNEL_INVITE,
        EV_CHANNEL_OPENED,
        EV_EXPECTATION_VIOLATED,
        AgentClient,
        AuthBlock,
        AuthError,
        Envelope,
        HubClient,
        HumanClient,
        NotFoundError,
        Passport,
        Resume,
        Rule,
        RuleBasedArbiter,
    )
    from ag2.network.hub.arbiter import Decision, Deny
    from ag2.network.transport.link import LinkFactory
except ImportError as error:
    raise _framework.missing("ag2", "ag2 1.2", "ag2", error) from error

from ._check import UNSET, Unset, check_did, check_str, name_of
from ._errors import XBindError
from ._identity import Identity, key_of
from ._proofs import Proofs, prove
from ._revocation import Revocations

__all__ = ["SCHEME", "DidKeyArbiter", "DidKeyAuth", "DidKeyHubClient", "claim"]

SCHEME = "did:key"
_PASSPORT, _ENVELOPE, _MARK = "ag2.passport", "ag2.envelope", "xbind:"
_HUBS_OWN = frozenset({EV_CHANNEL_INVITE, EV_CHANNEL_OPENED, EV_EXPECTATION_VIOLATED})
"""Events that the hub posts by itself, in the name of a channel's creator."""


def claim(identity: Identity, passport: Passport, *, audience: str, ttl: int = 30) -> AuthBlock:
    """Proves to one hub, once, within `ttl` seconds, whose passport that is: to be set as its `auth`.

    Raises INVALID_DID, MALFORMED_MESSAGE, SIGN_FAILED.
    """
    key_of(identity, "identity")
    jws = prove(identity, check_str(audience, "audience"), _PASSPORT, _facts(passport, identity.did), ttl)
    return AuthBlock(scheme=SCHEME, audience=audience, key_fingerprint=identity.did, claim={"jws": jws})


class DidKeyAuth:
    """An `AuthAdapter`: a name belongs to the DID that registered it, and a claim counts once, at this hub."""

    scheme = SCHEME

    def __init__(self, did: str, *, names: Mapping[str, str] | Unset = UNSET, revocations: Revocations = ()) -> None:
        """`did` is the hub's. `names` says which DID may have which name, and lets no others in; without it, whoever comes
        first has a name. Raises INVALID_DID.
        """
        self._proofs = Proofs(check_str(did, "did"), revocations, None)
        self._names = None if isinstance(names, Unset) else _names(names)

    async def validate(self, passport: Passport, claim: dict[str, Any]) -> None:
        """Raises AuthError."""
        holder = passport.auth.key_fingerprint
        try:
            if not isinstance(claim, dict) or claim.keys() != {"jws"}:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise XBindError("MALFORMED_MESSAGE", "the claim is none of this scheme", "use private_me.ag2.claim()")
            if not isinstance(holder, str):
                raise XBindError("MALFORMED_MESSAGE", "the passport names no DID", "use private_me.ag2.claim()")
            signer = self._proofs.signer(claim["jws"], _PASSPORT, _facts(passport, holder))
        except XBindError as error:
            raise AuthError(str(error)) from error
        if signer != holder:
            raise AuthError(f"NOT_ALLOWED: {passport.name!r} belongs to {holder}, not to {signer}")
        if self._names is not None and self._names.get(passport.name) != signer:
            raise AuthError(f"NOT_ALLOWED: {signer} may not have the name {passport.name!r}")


class DidKeyArbiter(RuleBasedArbiter):
    """A `HubArbiter`: only participants of the scheme `did:key` come in, and each envelope is signed by its sender, once, for
    this hub. The rules of AG2 hold as well.

    What the hub posts by itself (invitations, openings, violated expectations) carries no signature.
    """

    def __init__(self, did: str, *, revocations: Revocations = (), max_body_bytes: int | None = None) -> None:
        """`did` is the hub's. `max_body_bytes`: of an envelope, 1 MiB. Raises INVALID_DID, INVALID_CONFIG."""
        self._proofs = Proofs(check_str(did, "did"), revocations, max_body_bytes)

    async def authorize_register(self, passport: Passport, resume: Resume, rule: Rule) -> Decision:
        if passport.auth.scheme != SCHEME or passport.effective_kind == "remote_agent":
            return Deny(f"NOT_ALLOWED: {passport.name!r} is not proven: its scheme has to be {SCHEME}")
        return await super().authorize_register(passport, resume, rule)

    async def authorize_send(self, envelope: Envelope, sender: Passport, sender_rule: Rule, recipients: list[Passport]) -> Decision:
        if sender.effective_kind == "remote_agent":
            return Deny(f"NOT_ALLOWED: {sender.name!r} is of another hub, which nobody has proven here")
        if envelope.event_type not in _HUBS_OWN:
            key = envelope.idempotency_key
            jws = key[len(_MARK) :] if isinstance(key, str) and key.startswith(_MARK) else None
            try:
                signer = self._proofs.signer(jws, _ENVELOPE, _said(envelope))
            except XBindError as error:
                return Deny(str(error))
            if sender.auth.scheme != SCHEME or signer != sender.auth.key_fingerprint:
                return Deny(f"NOT_ALLOWED: {signer} speaks in the name of {sender.name!r}")
        return await super().authorize_send(envelope, sender, sender_rule, recipients)


class DidKeyHubClient(HubClient):
    """A `HubClient` of one identity: it proves passports, and signs every envelope, for one hub."""

    def __init__(
        self, link: LinkFactory, *, identity: Identity, audience: str, hub: Any = None, rpc_timeout: float = 30.0
    ) -> None:
        """`audience` is the DID of the hub. Raises INVALID_DID."""
        super().__init__(link, hub=hub, rpc_timeout=rpc_timeout)
        key_of(identity, "identity")
        check_did(audience, "audience")
        self._identity = identity
        self._audience = audience

    async def register(
        self,
        agent: Agent,
        passport: Passport | None = None,
        resume: Resume | None = None,
        *,
        skill_md: str | None = None,
        rule: Rule | None = None,
        attach_plugin: bool = True,
    ) -> AgentClient:
        proven = self._proven(Passport(name=agent.name) if passport is None else passport)
        return await super().register(agent, proven, resume, skill_md=skill_md, rule=rule, attach_plugin=attach_plugin)

    async def register_human(
        self, passport: Passport, *, resume: Resume | None = None, rule: Rule | None = None, auto_ack_invites: bool = True
    ) -> HumanClient:
        human = self._proven(dataclasses.replace(passport, kind=passport.kind or "human"))
        return await super().register_human(human, resume=resume, rule=rule, auto_ack_invites=auto_ack_invites)

    async def attach(
        self,
        agent: Agent,
        name: str,
        *,
        passport: Passport | None = None,
        resume: Resume | None = None,
        rule: Rule | None = None,
        skill_md: str | None = None,
        attach_plugin: bool = True,
        since_envelope_id: str | None = "",
    ) -> AgentClient:
        if passport is None:
            with contextlib.suppress(NotFoundError):
                passport = await self.get_agent(name)
        proven = None if passport is None else self._proven(passport)
        return await super().attach(
            agent, name, passport=proven, resume=resume, rule=rule, skill_md=skill_md, attach_plugin=attach_plugin,
            since_envelope_id=since_envelope_id,
        )  # fmt: skip

    async def post_envelope(self, envelope: Envelope) -> str:
        key = envelope.idempotency_key
        if key is not None and not key.startswith(_MARK):
            raise ValueError("idempotency_key is where the signature stands: leave it out")
        jws = prove(self._identity, self._audience, _ENVELOPE, _said(envelope), 30)
        return await super().post_envelope(dataclasses.replace(envelope, idempotency_key=f"{_MARK}{jws}"))

    def _proven(self, passport: Passport) -> Passport:
        return dataclasses.replace(passport, auth=claim(self._identity, passport, audience=self._audience))


def _facts(passport: Passport, holder: str) -> dict[str, Any]:
    """All that a passport says but what the hub stamps."""
    facts = passport.to_dict()
    for stamped in ("auth", "agent_id", "created_at"):
        facts.pop(stamped)
    return {**facts, "kind": passport.effective_kind, "holder": holder}


def _said(envelope: Envelope) -> dict[str, Any]:
    """All that an envelope says but what the hub stamps, and the place of its signature."""
    said = envelope.to_dict()
    for stamped in ("envelope_id", "created_at", "idempotency_key"):
        said.pop(stamped)
    return said


def _names(names: Mapping[str, str]) -> dict[str, str]:
    if not isinstance(names, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"names must be a mapping, not {name_of(names)}: leave it out where there is none")
    own = {check_str(name, "names"): check_str(did, "names") for name, did in dict(names).items()}
    for did in own.values():
        check_did(did, "names")
    return own
