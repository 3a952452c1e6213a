"""Where the agents of a thread meet the native side: what they ask for is worked off together, in the event loop that runs."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from . import _native
from ._calls import Calls
from ._ear import Ear
from ._handled import Handled
from ._waiting import begin, check_fork, is_forked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._member import Member

_BATCH = 256
_SUPERSEDED = (
    "a newer agent of the same DID has come: calls by the DID reach that one until it closes,"
    " calls by a name the agent of that name"
)
_ports: weakref.WeakSet[Port] = weakref.WeakSet()
_local = threading.local()


def current() -> Port:
    """The port of this thread."""
    check_fork()
    port: Port | None = getattr(_local, "port", None)
    if port is None:
        begin()
        port = _local.port = Port()
        _local.held = _Held(port)
    return port


class Port:
    """All agents of one thread. They live in the event loop that runs there, one after the other if there are several."""

    def __init__(self) -> None:
        self.number, self._wake = _native.open_port()
        self.agents: dict[int, Member] = {}
        self._thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        # Handlers see no caller's context: calls of several callers are worked off together.
        self._context = contextvars.Context()
        self._ear: Ear | None = None
        self._senders: dict[int, str] = {}
        self._rang = False
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self.calls = Calls(self)
        self.handled = Handled(self)
        _ports.add(self)

    def check(self) -> None:
        """Agents belong to the thread in which they were made."""
        if getattr(_local, "port", None) is not self:  # numbers of threads that have ended are used again
            raise RuntimeError(
                "this agent lives in another thread: make one in each thread, on one MessageBus,"
                " or use asyncio.run_coroutine_threadsafe"
            )
        check_fork()

    def attach(self) -> asyncio.AbstractEventLoop:
        """The event loop that runs, in which the agents live from now on."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.check()
            raise
        if loop is not self._loop or getattr(_local, "port", None) is not self:
            self._move(loop)
        return loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop in which the agents live, unless it is over."""
        loop = self._loop
        return None if loop is None or loop.is_closed() else loop

    def schedule(self) -> None:
        """Works when the loop turns that runs; where none does, when one is there."""
        running: asyncio.AbstractEventLoop | None
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = self.loop
        if running is None:
            return
        if running is not self._loop:
            return self._move(running)
        if not self._scheduled:
            self._scheduled = True
            running.call_soon(self._work, context=self._context)
        return None

    async def wait_for(self, soon: _native.Soon) -> Any:
        """What takes its time, once another thread has done it. Raises what came of it."""
        loop = self.attach()
        self._last += 1
        number = self._last
        asked = self._asked[number] = loop.create_future()
        try:
            self._wake.begin(number, soon)
            return await asked
        finally:
            self._asked.pop(number, None)

    def _rung(self) -> None:
        self._rang = True
        self.schedule()

    def _settle(self) -> None:
        self._rang = False
        for number, value, error in self._wake.came():
            asked = self._asked.get(number)
            if asked is None or asked.done() or asked.get_loop().is_closed():
                continue
            if error is None:
                asked.set_result(value)
            else:
                asked.set_exception(error)

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        self.check()
        self._loop = loop
        if self._ear is not None:
            self._ear.stop()
        self._ear = Ear(self._wake, loop, self._rung)
        self._scheduled = False
        self.calls.moved()
        self.handled.moved(loop)
        self.schedule()

    def close(self) -> None:
        """The thread is over."""
        if threading.get_ident() == self._thread and not is_forked():
            if self._ear is not None:
                self._ear.stop()
            _native.close_port(self.number)
        self.number = 0

    def forked(self) -> None:
        """In the child."""
        self._loop = None

    def _work(self) -> None:
        self._scheduled = False
        if self._rang:
            self._settle()
        events, more = _native.flush(self.number, _BATCH, False)
        if more:
            self.schedule()
        thrown: BaseException | None = None
        take = iter(events).__next__
        for kind in iter(take, None):
            try:
                self._dispatch(kind, take)
            except Exception as error:  # each event was read whole before anybody's code ran
                self._broken(error)
            except BaseException as error:  # the others are not to be lost with it
                thrown = error
        if thrown is not None:
            raise thrown

    def _broken(self, error: Exception) -> None:
        loop = self._loop
        if loop is not None:
            loop.call_exception_handler({"message": "private_me met an internal fault", "exception": error})

    def _dispatch(self, kind: int, take: Callable[[], Any]) -> None:
        """Kinds and fields as events.rs of crates/xbind-binding writes them."""
        if kind == 0:
            self.handled.run(self, take)
        elif kind == 2:
            self.calls.ended(take(), (True, self.sender(take), take()))
        elif kind == 3:
            self.calls.ended(take(), (None, take(), take()))
        elif kind == 4:
            self.calls.ended(take(), (False, take(), take(), take()))
        elif kind == 1:
            self.handled.cancel(take())
        elif kind == 12:
            self.calls.part(take(), take())
        elif kind == 13:
            self.calls.progress(take(), take(), take(), take())
        elif kind == 14:
            self.handled.go_on(take())
        elif kind == 15:
            self.calls.receipt(take(), take(), take(), take(), take())
        elif kind == 20:
            self.handled.resumed(take())
        elif kind == 22:
            self.calls.ended(take(), (None, take(), take(), "kept"))
        elif kind == 23:
            take()
            self.calls.watch()
        else:
            self._told(kind, take)

    def _told(self, kind: int, take: Callable[[], Any]) -> None:
        number = take()
        member = self.agents.get(number)
        fields = [take() for _ in range({6: 2, 8: 3, 11: 3, 21: 1}.get(kind, 0))]
        if kind == 7:
            self.agents.pop(number, None)
        if member is None:
            return
        if kind == 5:
            member.inbox.arrived()
        elif kind == 6:
            member.sign(*fields)
        elif kind == 7:
            member.left()
        elif kind == 8:
            member.journal.unsent(*fields)
        elif kind == 9:
            member.close()
        elif kind == 10:
            member.journal.warn(_SUPERSEDED)
        elif kind == 11:
            member.journal.trace(fields[1], "message", fields[0], fields[2])
        elif kind == 21:
            member.journal.warn(fields[0])

    def sender(self, take: Callable[[], Any]) -> str:
        """DIDs are told once, with the place in which the native side wants them kept."""
        slot: int = take()
        if slot < 0:
            self._senders[~slot] = take()
            slot = ~slot
        return self._senders[slot]


class _Held:
    """Seen when its thread ends."""

    def __init__(self, port: Port) -> None:
        self.port = port

    def __del__(self) -> None:
        self.port.close()


def _after_fork() -> None:
    for port in list(_ports):
        port.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
