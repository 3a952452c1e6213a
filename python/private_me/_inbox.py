"""An agent's inbox."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._errors import XBindError
from ._journal import short
from ._json import decode

if TYPE_CHECKING:
    from ._member import Member


@dataclass(frozen=True)
class Message:
    """What stands in an inbox: a message, or a call that nobody answered."""

    id: str
    """Unique for its sender."""
    kind: Literal["message", "call"]
    """`message` for what was sent, `call` for a call that came while there was no handler."""
    sender: str
    """The sender's DID, proven by its signature."""
    payload: Any
    """What the sender sent, which nobody has checked."""
    issued_at: datetime
    """When the sender signed it, by its clock, to the second."""


class Inbox:
    """Those who wait are served one after the other, in the order in which they came."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._waiting: deque[_Waiter] = deque()

    async def receive(self, most: int, wait: float | None) -> list[Message]:
        """`wait` of None waits for ever."""
        self._forget_closed_loops()
        if not self._waiting:
            taken = self._take(most, wait != 0)
            if taken or wait == 0:
                return taken
        if wait == 0:
            return []
        loop = self._member.port.attach()
        waiter = _Waiter(loop)
        self._waiting.append(waiter)
        if self._waiting[0].loop is not loop:
            self.arrived()
        timer = None if wait is None else loop.call_later(wait, waiter.end)
        try:
            while True:
                await waiter.woken
                if waiter.is_over:
                    return []
                # Taken here and not before: a task that is cancelled when it is woken already loses nothing.
                self._member.check()
                taken = self._take(most, True)
                if taken:
                    return taken
                waiter.woken = loop.create_future()
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            self.arrived()

    async def iterate(self) -> AsyncIterator[Message]:
        """One after the other, until the agent closes."""
        while True:
            try:
                for message in await self.receive(1, None):
                    yield message
            except XBindError as error:
                if error.code != "AGENT_CLOSED":
                    raise
                return

    def arrived(self) -> None:
        """The inbox has messages again, or whoever was woken for them has gone on: the next one looks."""
        self._forget_closed_loops()
        here = self._member.port.loop
        for waiter in self._waiting:
            waiter.wake()
            if waiter.loop is here:  # others go on when their loops do
                return

    def close(self, error: Callable[[], XBindError]) -> None:
        self._forget_closed_loops()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.woken.done():
                waiter.woken.set_exception(error())

    def _forget_closed_loops(self) -> None:
        if any(waiter.loop.is_closed() for waiter in self._waiting):
            self._waiting = deque(waiter for waiter in self._waiting if not waiter.loop.is_closed())

    def _take(self, most: int, listen: bool) -> list[Message]:
        member = self._member
        flat = iter(_native.receive(member.port.number, member.number, most, listen))
        messages: list[Message] = []
        for one_way, id, sender, seconds, body in zip(flat, flat, flat, flat, flat):
            try:
                payload = decode(body)
            except ValueError:
                member.journal.warn(f"message {id} from {short(sender)} only claims to be JSON")
                continue
            when = datetime.fromtimestamp(seconds, timezone.utc)
            messages.append(Message(id, "message" if one_way else "call", sender, payload, when))
        return messages


class _Waiter:
    """Whoever waits for messages."""

    __slots__ = ("loop", "woken", "is_over")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.woken: asyncio.Future[None] = loop.create_future()
        self.is_over = False
        """Its time is up."""

    def wake(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)

    def end(self) -> None:
        self.is_over = True
        self.wake()
