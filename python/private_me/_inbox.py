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
        self._waiting: deque[tuple[int, asyncio.Future[list[Message]]]] = deque()

    async def receive(self, most: int, wait: float | None) -> list[Message]:
        """`wait` of None waits for ever."""
        if not self._waiting:
            taken = self._take(most, wait != 0)
            if taken or wait == 0:
                return taken
        if wait == 0:
            return []
        loop = self._member.port.attach()
        future: asyncio.Future[list[Message]] = loop.create_future()
        waiter = (most, future)
        self._waiting.append(waiter)
        timer = None if wait is None else loop.call_later(wait, _nothing, future)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)

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
        """The inbox has messages again."""
        while self._waiting:
            most, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            taken = self._take(most, True)
            if not taken:
                return
            self._waiting.popleft()
            future.set_result(taken)

    def close(self, error: Callable[[], XBindError]) -> None:
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done() and not future.get_loop().is_closed():
                future.set_exception(error())

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


def _nothing(future: asyncio.Future[list[Message]]) -> None:
    if not future.done():
        future.set_result([])
