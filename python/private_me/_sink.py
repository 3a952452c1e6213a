"""Where the lines of a log go that is not kept in files."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from . import _native
from ._ear import Ear


class AuditHead(NamedTuple):
    """How far a log goes. Kept elsewhere, it shows that nothing before it was changed, and that the end was not cut off."""

    seq: int
    """Of its last line then."""
    digest: str
    """Of that line, which names all lines before it."""
    did: str | None = None
    """Whose log it is."""
    log: str | None = None
    """Which of them: its id."""
    time: int | None = None
    """When it was signed: seconds since the epoch."""
    jws: str | None = None
    """What the log, or a witness, has signed."""


class AuditBatch(NamedTuple):
    """Lines of a log, the last of which is its signature over all before."""

    text: str
    """What a file of the log would hold: lines of JSON, a line feed behind each."""
    seq: int
    """The number of the first line. Where a batch was not taken before, the next begins with the same: put it in its place."""
    head: AuditHead
    """How far the log goes with them."""


AuditSink: TypeAlias = "Callable[[AuditBatch], object]"
"""Takes the lines of a log that is not kept in files, one batch at a time. They are there for good when it returns, or what it gives
was awaited; when that raises, or takes longer than `timeout`, they are not, and come again."""


class Sink:
    """Gives them to a callback, in the event loop in which the log was opened, or, once that is over, in one that waits for the log."""

    def __init__(self, take: AuditSink, milliseconds: int) -> None:
        self._take = take
        self.taker, self._wake = _native.new_taker(milliseconds)
        self._loop = asyncio.get_running_loop()
        self._ear: Ear | None = Ear(self._wake, self._loop, self._rung)
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self) -> None:
        """Somebody waits for the log."""
        if self._ear is None or not self._loop.is_closed():
            return
        self._ear.stop()
        self._loop = asyncio.get_running_loop()
        self._ear = Ear(self._wake, self._loop, self._rung)
        self._rung()

    def end(self) -> None:
        """No more will come."""
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.stop()

    def _rung(self) -> None:
        for number, text, head in _native.batches(self.taker):
            task = self._loop.create_task(self._handed(number, text, head))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handed(self, number: int, text: str, told: str) -> None:
        refused: str | None = "what takes its lines was given up"
        try:
            head = head_in(told)
            said: Any = self._take(AuditBatch(text, head.seq + 2 - text.count("\n"), head))
            if inspect.isawaitable(said):
                await said
            refused = None
        except Exception as error:
            refused = _reason_of(error)
        finally:
            _native.taken(self.taker, number, refused)


def _reason_of(error: Exception) -> str:
    """The words of what was raised, whatever it was."""
    try:
        return str(error)[:256].encode(errors="replace").decode() or type(error).__name__[:64]
    except Exception:
        return "what takes its lines has raised"


def head_in(text: str) -> AuditHead:
    """As the native side tells it."""
    told = json.loads(text)
    return AuditHead(told["seq"], told["digest"], told.get("did"), told.get("log"), told.get("time"), told.get("jws"))
