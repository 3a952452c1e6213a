"""The parts of an answer, in order, and what it ends with."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from . import _native
from ._asking import Asking, Heard
from ._calls import Ended, error_of, opened
from ._json import decode, encode

if TYPE_CHECKING:
    from ._member import Member

_WINDOW = 32
"""How many parts come ahead of their reader."""
_GIVEN_UP: Ended = (False, None, ("ABORTED", "the caller gave up", None, False, "unknown"), None)
_UNREADABLE: Ended = (False, None, ("INVALID_PAYLOAD", "a part of the answer only claims to be JSON", None, False, "yes"), None)


class AnswerStream:
    """The parts of an answer: `async for part in agent.stream(…)`. The call begins with the first part that is asked for."""

    def __init__(self, member: Member, to: str, payload: Any, asked: Asking) -> None:
        self._member = member
        self._to = to
        self._content: str | bytes = encode(payload, member.longest)
        self._asked = asked
        self._reading: _Reading | None = None

    def __aiter__(self) -> AnswerStream:
        return self

    async def __anext__(self) -> Any:
        return await self._begun().next()

    async def result(self) -> Any:
        """What the answer ends with: None for a generator, the whole answer of a handler that answers once. It comes when all
        parts have come, and they come no further ahead than they are read.
        """
        return opened(await self._begun().end())

    async def aclose(self) -> None:
        """Gives the call up, unless it is over: the handler there is cancelled."""
        if self._reading is not None:
            self._reading.give_up()

    async def __aenter__(self) -> AnswerStream:
        self._begun()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        reading = getattr(self, "_reading", None)
        if reading is not None:
            reading.dropped()

    def _begun(self) -> _Reading:
        if self._reading is None:
            self._reading = _Reading(self._member, self._to, self._content, self._asked)
            self._content = b""
        return self._reading


class _Reading(Heard):
    """What has come of an answer in parts, and who waits for more."""

    def __init__(self, member: Member, to: str, content: str | bytes, asked: Asking) -> None:
        super().__init__(member, asked)
        self._parts: deque[Any] = deque()
        self._untold = 0
        self._ended: Ended | None = None
        self._is_over = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._calls = member.port.calls
        self._loop = member.port.attach()
        member.check()
        if "://" in to:
            _native.reach_addresses(member.node, None)
        self._call = self._calls.begin(member.number, to, content, False, asked.native, self._end, _WINDOW, self)

    def part(self, body: str | bytes) -> None:
        if self._is_over or self._ended is not None:
            return
        try:
            self._parts.append(decode(body))
        except ValueError:
            return self._calls.abandon(self._call, _UNREADABLE)
        self._wake()

    async def next(self) -> Any:
        while True:
            if self._is_over:
                raise StopAsyncIteration
            if self._parts:
                self._untold += 1
                if self._untold >= _WINDOW // 2 or len(self._parts) == 1:
                    self._say()
                return self._parts.popleft()
            if self._ended is not None:
                self._is_over = True
                if self._ended[0] is False:
                    raise error_of(self._ended)
                raise StopAsyncIteration
            await self._more()

    async def end(self) -> Ended:
        while self._ended is None:
            await self._more()
        return self._ended

    def give_up(self) -> None:
        self._is_over = True
        self._parts.clear()
        self._calls.abandon(self._call, _GIVEN_UP)
        self._wake()

    def dropped(self) -> None:
        """Nobody can read it any more: it may be another thread that says so."""
        if self._ended is None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.give_up)

    def _end(self, ended: Ended) -> None:
        self._ended = ended
        self._wake()

    async def _more(self) -> None:
        future: asyncio.Future[None] = self._member.port.attach().create_future()
        self._waiting.append(future)
        try:
            await future
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(None)

    def _say(self) -> None:
        """How many parts were read."""
        if self._ended is None and self._untold:
            self._calls.took(self._call, self._untold)
        self._untold = 0
