"""Microsoft Agent Framework (agent-framework-core 1.23) with authors that are proven: the extra `agent-framework`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from . import _framework

try:
    from agent_framework import AgentContext, AgentMiddleware, AgentResponse, Message
except ImportError as error:
    raise _framework.missing("agent_framework", "agent-framework-core 1.23", "agent-framework", error) from error

from ._check import check_bool, check_did, check_str, name_of, strings
from ._errors import XBindError
from ._identity import Identity, key_of
from ._proofs import Proofs, prove
from ._revocation import Revocations

__all__ = ["SENDERS", "XBindMiddleware", "sign_message"]

SENDERS = "xbind.senders"
"""Where `context.metadata` holds who sent which message: DIDs, and None for a person who signed nothing."""
_PROOFS, _PURPOSE = "xbind", "agent_framework.message"


def sign_message(identity: Identity, message: Message, *, audience: Iterable[str], ttl: int = 300) -> Message:
    """Signs a message, as it is now, for agents of these DIDs: each takes it once, within `ttl` seconds.

    Raises INVALID_DID, INVALID_PAYLOAD, MALFORMED_MESSAGE, SIGN_FAILED.
    """
    key_of(identity, "identity")
    said = _said(message)
    proofs = {did: prove(identity, did, _PURPOSE, said, ttl) for did in strings(audience, "audience")}
    message.additional_properties[_PROOFS] = proofs
    return message


class XBindMiddleware(AgentMiddleware):
    """Lets in what its author has signed for this agent, and signs what the agent answers, for its peers.

    A message that names an author, or is no user's, has to be signed by the DID which that name stands for in `peers`. The
    agent finds the DIDs in `context.metadata[SENDERS]`. Parts of an answer that is streamed are not signed, the answer is.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        peers: Mapping[str, str],
        people: bool = True,
        ttl: int = 300,
        revocations: Revocations = (),
        max_body_bytes: int | None = None,
    ) -> None:
        """`peers`: which DID an author's name stands for; to these the answers are signed. `people`: whether messages of role
        `user` that name no author come in unsigned. `ttl`: how many seconds an answer may travel, at most 300.

        Raises INVALID_DID, INVALID_CONFIG.
        """
        key_of(identity, "identity")
        if not isinstance(peers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"peers must be a mapping, not {name_of(peers)}")
        self._identity = identity
        self._peers = {check_str(name, "peers"): check_str(did, "peers") for name, did in dict(peers).items()}
        for did in self._peers.values():
            check_did(did, "peers")
        self._people = check_bool(people, "people")
        self._ttl = ttl
        self._proofs = Proofs(identity.did, revocations, max_body_bytes)
        self._audience = [did for did in dict.fromkeys(self._peers.values()) if did != identity.did]

    async def process(self, context: AgentContext, call_next: Callable[[], Awaitable[None]]) -> None:
        """Raises XBindError, before the agent sees anything."""
        context.messages = list(context.messages)
        context.metadata[SENDERS] = [self._sender(message) for message in context.messages]
        name = getattr(context.agent, "name", None)

        def sign(answer: AgentResponse[Any]) -> AgentResponse[Any]:
            for message in answer.messages:
                self._sign(message, name)
            return answer

        if context.stream:
            context.stream_result_hooks.append(sign)
        await call_next()
        if not context.stream and isinstance(context.result, AgentResponse):
            sign(cast("AgentResponse[Any]", context.result))

    def _sender(self, message: Message) -> str | None:
        author, proofs = message.author_name, message.additional_properties.get(_PROOFS)
        if author is None and proofs is None and message.role == "user" and self._people:
            return None
        own = self._identity.did
        jws = cast("dict[str, Any]", proofs).get(own) if isinstance(proofs, dict) else None
        if jws is None:
            what = f"a message of {_shown(author)} is not signed for {own}"
            raise XBindError("NOT_ALLOWED", what, "let its author sign it: XBindMiddleware, sign_message()")
        signer = self._proofs.signer(jws, _PURPOSE, _said(message))
        if signer not in self._peers.values() if author is None else self._peers.get(author) != signer:
            raise XBindError("NOT_ALLOWED", f"{signer} is not who {_shown(author)} stands for", "look at peers")
        return signer

    def _sign(self, message: Message, name: str | None) -> None:
        if message.author_name is None:
            message.author_name = name
        if message.author_name == name and self._audience:
            sign_message(self._identity, message, audience=self._audience, ttl=self._ttl)


def _said(message: Message) -> dict[str, Any]:
    """Contents with all that they carry; what a message carries beside them is its framework's."""
    contents = [each.to_dict() for each in message.contents]
    return {"role": message.role, "author": message.author_name, "id": message.message_id, "contents": contents}


def _shown(author: str | None) -> str:
    return "nobody" if author is None else repr(author[:64])
