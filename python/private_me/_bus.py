"""Where agents meet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from . import _native
from ._audit import AuditLog, recording_in
from ._check import UNSET, Unset, check_str, given, whole
from ._reach import HttpReach, reach_by, reach_in
from ._registry import wish_in
from ._waiting import check_fork


class Present(NamedTuple):
    """Who is on a bus."""

    did: str
    """Who it is."""
    name: str | None
    """Its label, if it has one."""


class MessageBus:
    """An in-process bus, for agents of any thread. Of several agents of one DID, the newest is called by the DID; a name leads
    to the agent that has it."""

    __slots__ = ("_node", "__weakref__")

    def __init__(
        self,
        *,
        max_lifetime: int | None = None,
        audit: AuditLog | Unset = UNSET,
        dangerously_continue_unrecorded: bool | Unset = UNSET,
        http: HttpReach | Unset = UNSET,
    ) -> None:
        """A bus of its own. `max_lifetime` is the longest life of a message in seconds, 1 to 300, default 30.

        `audit` is where agents here put on record what they decide, unless they have a log of their own: `open_audit_log`. What
        cannot be recorded is not done, but with `dangerously_continue_unrecorded`: what is done then, nobody can show.

        `http` is how agents here reach URLs: `HttpReach(proxy="http://proxy.example:3128")`. Raises INVALID_CONFIG.
        """
        longest = whole(max_lifetime, 30, "max_lifetime", 1, 300)
        reach = given(http, lambda value, _: reach_in(value), "http")
        self._node = _native.new_node(longest, *recording_in(audit, dangerously_continue_unrecorded))
        if reach is not None:
            reach_by(self._node, reach)

    @classmethod
    def shared(cls, name: str) -> MessageBus:
        """The bus of that name in this process. Raises INVALID_NAME."""
        bus = MessageBus.__new__(MessageBus)
        bus._node = _native.shared_node(check_str(name, "name"))
        return bus

    def agents(self) -> list[Present]:
        """Who is here, in the order in which they came."""
        check_fork()
        return present(_native.node_agents(self._node))

    async def get_agent_token(
        self, *, agent_id: str, original_token: str, audience: str, scopes: Iterable[str], ttl: int | None = None
    ) -> str:
        """A token for an agent here, to act for a user who has signed in: the agent's own `request_token` with an `original_token`.
        `agent_id` is its name or DID; it has to be on this bus, and of this thread.

        Raises what `request_token` raises, AGENT_NOT_FOUND, AMBIGUOUS_NAME.
        """
        from ._port import current  # which knows of all that are here

        wish = wish_in(audience, scopes, ttl, check_str(original_token, "original_token"))
        port = current()
        number = _native.agent_of(port.number, self._node, check_str(agent_id, "agent_id"))
        return await port.agents[number].token(wish)

    def stop(self, did: str) -> None:
        """Stops an identity here, at once and for good: its calls, and those to it, end with REVOKED, handlers that work on them
        are cancelled, what it has approved, issued or delegated counts no more. Raises INVALID_DID.
        """
        check_fork()
        _native.stop_on_node(self._node, check_str(did, "did"))

    def close(self) -> None:
        """Closes the bus and every agent on it, also those of other threads."""
        check_fork()
        _native.close_node(self._node)


def present(told: str) -> list[Present]:
    """As the native side tells it."""
    return [Present(each["did"], each.get("name")) for each in json.loads(told)]


def node_of(bus: MessageBus) -> _native.NodeRef:
    if not isinstance(bus, MessageBus):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"bus must be a MessageBus, not {type(bus).__name__}")
    return bus._node  # pyright: ignore[reportPrivateUsage]


_default: MessageBus | None = None


def default_bus() -> MessageBus:
    """The bus of this process."""
    global _default
    if _default is None:
        _default = MessageBus()
    return _default
