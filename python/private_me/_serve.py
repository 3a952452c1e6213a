"""Agents that are called by URL: an ASGI application, for any server that runs one, or for the small one in `_server.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from . import _native
from ._agent import Agent, member_of
from ._bus import MessageBus, node_of
from ._check import MAX_TIMER, check_str, optional, whole
from ._ear import Ear
from ._errors import XBindError
from .autogen_xbind import AutoGenxBindAgent

Scope: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[MutableMapping[str, Any]]]"
Send: TypeAlias = "Callable[[MutableMapping[str, Any]], Awaitable[None]]"

_MEDIA_TYPE = b"application/vnd.xbind.messages"
_STALLED = 30
"""How long whoever reads a response may take none of what is there, in seconds."""


class Refused(Exception):
    """The connection is to end: no more messages can come of its request, or nobody reads its response."""


class serve_agents:
    """An ASGI application that mounts agents: those of a list, which are on one bus, or all of a bus. They are called by the URL,
    or by DID and URL; signed requests and replies, policies, tokens, streams are as on a bus.

    `path` is where they are; by default every path, for frameworks that have routed already. `max_body_bytes` bounds one request,
    with all its messages: 64 MiB, at least 8 KiB; callers send less at a time where that is little. Run it with any ASGI server,
    mount it in FastAPI or Starlette, or give it to `listen`.
    """

    def __init__(
        self,
        agents: Sequence[Agent | AutoGenxBindAgent] | MessageBus,
        *,
        path: str | None = None,
        max_body_bytes: int | None = None,
    ) -> None:
        """Raises TypeError, XBindError: INVALID_CONFIG."""
        self._path = optional(path, check_str, "path")
        if path is not None and not path.startswith("/"):
            raise ValueError("path must begin with '/'")
        self._longest = whole(max_body_bytes, 64 << 20, "max_body_bytes", 8 << 10, MAX_TIMER)
        self._node, self._dids = _served(agents)
        self._server, self._wake = _native.new_server(self._node, self._dids)
        self._open: dict[int, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ear: Ear | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] == "lifespan":
            return await _live(receive, send)
        if scope["type"] != "http":
            raise RuntimeError("agents are called over HTTP")
        if self._path is not None and scope["path"] != self._path:
            return await _answer(send, 404)
        if scope["method"] == "GET":
            body = json.dumps({"agents": self._here()}, separators=(",", ":")).encode()
            return await _answer(send, 200, body, [(b"content-type", b"application/json"), (b"cache-control", b"no-store")])
        if scope["method"] != "POST":
            return await _answer(send, 405, b"", [(b"allow", b"GET, POST")])
        if [value for name, value in scope["headers"] if name.lower() == b"content-type"] != [_MEDIA_TYPE]:
            return await _answer(send, 415)
        # Before anything of it is taken, so that its sender can split it.
        lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if any(value.isdigit() and int(value) > self._longest for value in lengths):
            return await _answer(send, 413)
        return await self._exchange(receive, send)

    def _here(self) -> list[str]:
        """Who of them may be called."""
        here = [each["did"] for each in json.loads(_native.node_agents(self._node)) if not each.get("stopped")]
        return [did for did in here if self._dids is None or did in self._dids]

    async def _exchange(self, receive: Receive, send: Send) -> None:
        """The response begins at once and ends when all messages are done with."""
        self._listen()
        number = _native.open_exchange(self._server)
        ready = self._open[number] = asyncio.Event()
        reading = asyncio.ensure_future(self._read(number, receive))
        reading.add_done_callback(_seen(ready))
        try:
            headers = [(b"content-type", _MEDIA_TYPE), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while not reading.done():
                ready.clear()
                piece, over = _native.take_exchange(self._server, number)
                if piece or over:
                    part = {"type": "http.response.body", "body": piece, "more_body": not over}
                    await asyncio.wait_for(send(part), _STALLED)
                if over:
                    return
                if not piece:
                    await ready.wait()
            if not reading.cancelled() and reading.exception() is not None:
                raise Refused("a request with messages was cut off") from reading.exception()
        finally:
            del self._open[number]
            reading.cancel()
            _native.close_exchange(self._server, number)

    async def _read(self, number: int, receive: Receive) -> None:
        """Until whoever asked has gone. What came before a fault stands; the rest is nobody's."""
        left = self._longest
        more = True
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            piece = bytes(message.get("body", b""))
            left -= len(piece)
            if left < 0 or (piece and _native.feed_exchange(self._server, number, piece) is not None):
                raise Refused("it is no request with messages")
            if more and not message.get("more_body", False):
                more = False
                if _native.end_exchange(self._server, number) is not None:
                    raise Refused("it ended in the middle of a message")

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        if self._ear is not None:
            self._ear.stop()
        self._loop, self._ear = loop, Ear(self._wake, loop, self._woken)

    def _woken(self) -> None:
        for exchange in _native.ready_exchanges(self._server):
            ready = self._open.get(exchange)
            if ready is not None:
                ready.set()


def _seen(ready: asyncio.Event) -> Callable[[asyncio.Future[None]], None]:
    """What has come of the reading is known, also where whoever would say it has ended first."""

    def done(reading: asyncio.Future[None]) -> None:
        if not reading.cancelled():
            reading.exception()
        ready.set()

    return done


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(send: Send, status: int, body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*(headers or []), length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _served(agents: Any) -> tuple[_native.NodeRef, list[str] | None]:
    if isinstance(agents, MessageBus):
        return node_of(agents), None
    if isinstance(agents, (str, bytes)) or not isinstance(agents, Sequence):
        raise TypeError("agents must be a list of agents, or a MessageBus")
    members = [
        member_of(each.agent if isinstance(each, AutoGenxBindAgent) else each, "each of agents")
        for each in agents  # pyright: ignore[reportUnknownVariableType]
    ]
    if not members:
        raise ValueError("agents must not be empty")
    if any(each.node is not members[0].node for each in members):
        raise XBindError("INVALID_CONFIG", "the agents are on several buses", "mount each bus")
    return members[0].node, [each.did for each in members]
