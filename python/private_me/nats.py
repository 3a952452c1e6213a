"""Agents on several machines: a bus over nats-server, whose agents are found and reached across processes.

>>> async with connect(servers="nats://localhost:4222") as bus, Agent("writer", bus=bus, handler=write) as writer:
...     await bus.named(writer)
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, NoReturn

from . import _native
from ._agent import Agent, member_of
from ._audit import AuditLog, recording_in
from ._bus import MessageBus, Present, present
from ._check import UNSET, Unset, check_bool, check_str, given, name_of, optional, strings, whole
from ._errors import XBindError
from ._identity import Identity, key_of
from ._opening import Opening
from ._waiting import check_fork, wait_for
from .autogen_xbind import AutoGenxBindAgent

__all__ = [
    "AuthKeys",
    "AuthService",
    "NatsBus",
    "StopsService",
    "Tls",
    "auth_keys",
    "connect",
    "serve_auth",
    "serve_stops",
]


_WEEK = 604_800
"""As long as any mail is kept, in seconds."""


@dataclass(frozen=True)
class Tls:
    """TLS, whatever the addresses say."""

    ca: str | None = None
    """Whose certificates are believed besides the usual ones: PEM."""
    cert: str | None = None
    """What this side shows: PEM, with `key`."""
    key: str | None = None
    """The key to `cert`: PEM."""

    def __repr__(self) -> str:
        return f"Tls(ca={self.ca is not None}, cert={self.cert is not None})"


class NatsBus(MessageBus):
    """A bus whose agents are found and reached across machines. What is joined here is called from everywhere on the bus. `async with`
    drains it."""

    __slots__ = ("_nats",)

    _nats: _native.NatsRef

    def __init__(self) -> None:
        """Not made by hand."""
        raise TypeError("connect a bus: await connect(servers=…)")

    @property
    def status(self) -> Literal["connected", "reconnecting", "closed"]:
        """How the connection is; it connects again by itself."""
        check_fork()
        return _native.nats_status(self._nats)

    def agents(self) -> list[Present]:
        """Everybody on the bus, here and elsewhere."""
        check_fork()
        return present(_native.nats_agents(self._nats))

    async def named(self, agent: Agent | AutoGenxBindAgent) -> None:
        """Waits until it is known whether an agent that has joined here has its name: the first that claims one on this bus has it,
        until it closes, or has been gone for half a minute. An agent whose name is another's is reached by its DID, and has the name as
        soon as it is free. Raises NAME_TAKEN, BROKER_UNAVAILABLE.
        """
        check_fork()
        member = member_of(agent.agent if isinstance(agent, AutoGenxBindAgent) else agent)
        if member.name is not None:
            await wait_for(_native.told_nats(self._nats, json.dumps({"verb": "named", "did": member.did})))

    async def mailbox(self, agent: Agent | AutoGenxBindAgent, *, retain_seconds: int | None = None) -> None:
        """Keeps what others `send` to an agent here while it is away, until some process of it has a mailbox again and reads its inbox.
        Each message is taken by one process, once, when it is asked for messages (`receive`, `messages`): what one was about to read
        when it died is not given out again. Whoever has a mailbox keeps his name, too. Where the servers let in by statements
        (`serve_auth`), a bus has a mailbox for its own `identity` alone. With `encrypt`, the agent's key has to be its own:
        `Agent.from_identity`.

        `retain_seconds`: for how long a message is kept, and for how long after the agent was last there messages are taken for it:
        604 800, a week, 1 to 604 800. 0 closes the mailbox.

        >>> await bus.mailbox(agent, retain_seconds=86_400)
        >>> async for message in agent.messages():
        ...     print(message.sender, message.payload)

        Raises AGENT_CLOSED, INVALID_CONFIG, SIGN_FAILED, BROKER_UNAVAILABLE.
        """
        check_fork()
        member = member_of(agent.agent if isinstance(agent, AutoGenxBindAgent) else agent)
        retain = whole(retain_seconds, _WEEK, "retain_seconds", 0, _WEEK)
        member.check()  # it signs, where it lives
        await wait_for(_native.told_nats(self._nats, json.dumps({"verb": "mailbox", "did": member.did, "retain": retain})))

    async def drain(self) -> None:
        """Closes the bus and every agent on it in this process; returns when their last words have left and the servers have heard
        that they are gone, after 15 s at most.

        Others take those of whom they have not for gone by themselves, within a minute. Raises BROKER_UNAVAILABLE, which leaving
        ``async with`` does not."""
        self.close()
        await wait_for(_native.nats_closed(self._nats))

    async def __aenter__(self) -> NatsBus:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.drain()
        except XBindError as error:
            if error.code != "BROKER_UNAVAILABLE":
                raise

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection cannot be pickled or copied")


def connect(
    servers: str | Iterable[str],
    *,
    namespace: str = "main",
    tls: Tls | Unset = UNSET,
    identity: Identity | None = None,
    operators: Iterable[str] | Unset = UNSET,
    encrypt: bool = False,
    audit: AuditLog | Unset = UNSET,
    dangerously_continue_unrecorded: bool | Unset = UNSET,
) -> Opening[NatsBus]:
    """Connects to a cluster of nats-server, 2.11 or newer with JetStream. What it gives is a bus: agents join it as any other, and call
    those of other processes, in Node.js too, by name and DID. Use it in `async with`, or `await` it.

    - `servers`: addresses: `nats://host:4222`, or `tls://host:4222`. With one of a cluster the others are found.
    - `namespace`: which bus it is among those on these brokers: 1 to 32 of `A-Z a-z 0-9 _ -`. Others do not see it.
    - `identity`: who connects, where the servers want to know. The bus keeps a copy of its key while it is open.
    - `operators`: DIDs of those who may stop agents (`serve_stops`). With them, nothing is served while it is not known whom they have
      stopped: calls end with REVOCATION_UNKNOWN.
    - `encrypt`: bodies, and the tokens beside them, are encrypted to the process that they are for, and only such are taken. Calls to
      agents of a bus that does not encrypt end with ENCRYPTION_REQUIRED.
    - `audit`: where agents here put on record what they decide, as on any bus.

    Raises XBindError: BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID, SIGN_FAILED.
    """
    cluster = _cluster(servers, namespace, tls)
    cluster["operators"] = given(operators, strings, "operators")
    cluster["encrypt"] = check_bool(encrypt, "encrypt")
    key = None if identity is None else key_of(identity, "identity")
    recording = recording_in(audit, dangerously_continue_unrecorded)
    text = json.dumps(cluster)

    async def open() -> NatsBus:
        bus = NatsBus.__new__(NatsBus)
        bus._node = _native.new_node(30, *recording)  # pyright: ignore[reportPrivateUsage]
        try:
            bus._nats = await wait_for(_native.connect_nats(bus._node, text, key))  # pyright: ignore[reportPrivateUsage]
        except BaseException:
            bus.close()
            raise
        return bus

    return Opening(open)


class AuthKeys(NamedTuple):
    """How the keys of an auth callout are spelled in the configuration of nats-server."""

    issuer: str
    """`A…`: `issuer` of `auth_callout`."""
    callout: str
    """`U…`: the nkey of a user, and one of `auth_users`."""
    xkey: str
    """`X…`: `xkey` of `auth_callout`, where nobody on the way is to read what servers ask and are told."""


def auth_keys(issuer: Identity) -> AuthKeys:
    """Spells the keys that follow from one. Raises SIGN_FAILED."""
    told = json.loads(_native.callout_keys(key_of(issuer, "issuer")))
    return AuthKeys(told["issuer"], told["callout"], told["xkey"])


class _Service:
    """What an owner runs for the buses on its brokers."""

    __slots__ = ("_service", "__weakref__")

    def __init__(self, service: _native.ServiceRef) -> None:
        self._service = service

    async def _say(self, **word: Any) -> dict[str, Any]:
        check_fork()
        said: dict[str, Any] = json.loads(await wait_for(_native.tell_service(self._service, json.dumps(word))))
        return said

    async def close(self) -> None:
        """Ends it."""
        await self._say(verb="close")

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AuthService(_Service):
    """Lets connections in, until it is closed: who is in stays until his time is over."""

    __slots__ = ("_tasks",)

    _tasks: set[asyncio.Task[None]]
    """What asks the program, and what it says."""

    async def __aenter__(self) -> AuthService:
        return self

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, allow: Callable[[str], Any]) -> None:
        while "did" in (question := await self._say(verb="next")):
            self._begin(self._decide(question["number"], question["did"], allow))

    async def _decide(self, number: int, did: str, allow: Callable[[str], Any]) -> None:
        allowed: Any = False
        try:
            said: Any = allow(did)
            allowed = await said if inspect.isawaitable(said) else said
        except Exception:
            pass  # it has not said yes
        await self._say(verb="decide", number=number, allowed=allowed is True)


def serve_auth(
    servers: str | Iterable[str],
    *,
    issuer: Identity,
    account: str = "AGENTS",
    allow: Iterable[str] | Callable[[str], bool | Awaitable[bool]] | Unset = UNSET,
    operators: Iterable[str] | Unset = UNSET,
    stay: int | None = None,
    namespace: str = "main",
    tls: Tls | Unset = UNSET,
) -> Opening[AuthService]:
    """The auth callout of nats-server: lets a connection in that shows a statement of a DID about its key, signed by the DID, in time and
    never used before, with rights to that agent's own subjects, for minutes. Several processes may do so for one account.

    - `issuer`: the key of the account, kept for this alone and no agent's. A copy of it is kept until `close`.
    - `account`: that connections are put into, by its name in the configuration.
    - `allow`: who may come in: DIDs, or a predicate, which has 5 s. One that raises is a no. By default everybody may, each with the
      rights of its own DID.
    - `operators`: DIDs of those who may stop agents. They come in in any case, and nobody whom they have stopped does.
    - `stay`: how long a connection may stay before it shows a new statement, in seconds: 300, 1 to 300.

    Raises BROKER_UNAVAILABLE, INVALID_CONFIG, INVALID_DID, SIGN_FAILED.
    """
    asks: Callable[[str], Any] | None = None
    if callable(allow):
        asks = allow
    elif not isinstance(allow, Unset):
        asks = set(strings(allow, "allow", ", or a function")).__contains__
    door = {
        "account": check_str(account, "account"),
        "staySeconds": whole(stay, 300, "stay", 1, 300),
        "operators": given(operators, strings, "operators") or [],
        "asks": asks is not None,
    }
    serving = json.dumps({"cluster": _cluster(servers, namespace, tls), "door": door})
    key = key_of(issuer, "issuer")

    async def open() -> AuthService:
        service = AuthService(await wait_for(_native.serve_nats(serving, key)))
        service._tasks = set()  # pyright: ignore[reportPrivateUsage]
        if asks is not None:
            service._begin(service._ask(asks))  # pyright: ignore[reportPrivateUsage]
        return service

    return Opening(open)


class StopsService(_Service):
    """Speaks for an operator, until it is closed."""

    __slots__ = ()

    async def __aenter__(self) -> StopsService:
        return self

    async def stop(self, did: str | None = None, *, token: str | None = None, reason: str | None = None) -> str:
        """Ends an agent, or a token with all that derives from it, on every host at once: its calls and those to it end with REVOKED, and
        none begins any more. Returns when it stands with the server, with the signed statement: keep it for `known`. `reason` is a word
        of 1 to 32 of `a-z 0-9 -`. Raises BROKER_UNAVAILABLE, INVALID_DID, INVALID_CONFIG.
        """
        return await self._said("stop", did, token, reason)

    async def resume(self, did: str | None = None, *, token: str | None = None, reason: str | None = None) -> str:
        """Takes a stop of this operator's back. Raises as `stop` does."""
        return await self._said("resume", did, token, reason)

    async def _said(self, verb: str, did: str | None, token: str | None, reason: str | None) -> str:
        if (did is None) == (token is None):
            raise TypeError("say whom to stop: a DID, or the id of a token")
        word = {
            "did": optional(did, check_str, "did"),
            "token": optional(token, check_str, "token"),
            "reason": optional(reason, check_str, "reason"),
        }
        return str((await self._say(verb=verb, **word)).get("statement", ""))


def serve_stops(
    servers: str | Iterable[str],
    *,
    operator: Identity,
    life: int | None = None,
    known: Iterable[str] = (),
    namespace: str = "main",
    tls: Tls | Unset = UNSET,
) -> Opening[StopsService]:
    """Speaks for an operator on a bus: says, again and again, whom it has stopped, and stops agents and tokens. Hosts that name the
    operator serve nothing without it, so run two of them.

    - `operator`: whose DID is among the `operators` of hosts. A copy of its key is kept until `close`.
    - `life`: for how long its word holds that nothing was kept back from a host, in seconds: 15, 3 to 60. So long after this process is
      gone, hosts serve nothing.
    - `known`: what `stop` and `resume` have given, as the owner has kept it: servers may have lost it.

    Raises BROKER_UNAVAILABLE, INVALID_CONFIG, SIGN_FAILED, and those of what is known.
    """
    speaks = {"lifeSeconds": whole(life, 15, "life", 3, 60), "known": strings(known, "known")}
    serving = json.dumps({"cluster": _cluster(servers, namespace, tls), "operator": speaks})
    key = key_of(operator, "operator")

    async def open() -> StopsService:
        return StopsService(await wait_for(_native.serve_nats(serving, key)))

    return Opening(open)


def _cluster(servers: Any, namespace: Any, tls: Any) -> dict[str, Any]:
    addresses = [servers] if isinstance(servers, str) else servers
    cluster: dict[str, Any] = {
        "servers": strings(addresses, "servers", ", or a string"),
        "namespace": check_str(namespace, "namespace"),
        "tls": not isinstance(tls, Unset),
    }
    if isinstance(tls, Unset):
        return cluster
    if not isinstance(tls, Tls):
        raise TypeError(f"tls must be a Tls, not {name_of(tls)}")
    for name in ("ca", "cert", "key"):
        cluster[name] = optional(getattr(tls, name), check_str, f"tls.{name}")
    return cluster
