"""The calls that are with the handlers of a port's agents."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import sys
import time
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

from . import _native
from ._errors import HandlerError, XBindError
from ._guard import MAY_BEGIN, TO_BE_GIVEN_BACK, WAITS, NoMethod, Unreadable, WrongInput
from ._incoming import IncomingCall, Running
from ._json import decode, encode, encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ._port import Port

_OPEN, _WAIT = 0, 1
_SLICE = 0.001
"""How long one answer may make parts before the event loop gets its turn, in seconds."""
_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Handled:
    """By their tickets."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._running: dict[float, Running] = {}

    def run(self, port: Port, take: Callable[[], Any]) -> None:
        """A call comes in."""
        member = port.agents.get(take())
        ticket, id = take(), take()
        sender = port.sender(take)
        seconds, guarded, method, traceparent, body = take(), take(), take(), take(), take()
        if member is None:
            return
        running = Running(member, ticket, id, sender, method, body, guarded)
        running.call = IncomingCall(running, seconds, traceparent)
        self._running[ticket] = running
        try:
            member.journal.trace(sender, "call", id)
        except BaseException as error:
            self._threw(running, error)
            raise
        if guarded is None:
            self._start(running, _native.start(port.number, ticket))
        else:
            self._judge(running)

    def cancel(self, ticket: float) -> None:
        """The caller of that call has given up, or its agent closed."""
        running = self._running.get(ticket)
        if running is None:
            return
        running.cancelled = True
        if running.task is not None and not running.is_closing:
            running.task.cancel()

    def go_on(self, ticket: float) -> None:
        """There is room for another part of the answer."""
        running = self._running.get(ticket)
        if running is not None and running.room is not None and not running.room.done():
            running.room.set_result(None)

    def resumed(self, ticket: float) -> None:
        """Whoever was asked about that call has answered, or it has ended."""
        running = self._running.get(ticket)
        if running is None:
            return
        if running.telling is not None:
            running.telling.cancel()
        if running.guarded is None:
            self._start(running, _native.start(self._port.number, ticket))
        else:
            self._judge(running)

    def moved(self, loop: asyncio.AbstractEventLoop) -> None:
        """Another event loop runs: what worked in one that is over has ended with it."""
        for running in list(self._running.values()):
            task = running.task
            if task is not None and (task.done() or task.get_loop().is_closed()) and task.get_loop() is not loop:
                self._gave_up(running)

    def _judge(self, running: Running) -> None:
        """Says what is asked about a call; whoever has to be asked is waited for."""
        member, number = running.member, self._port.number
        try:
            guard = member.offers.guard_for(running.method)
            judged = guard.judge(number, running) if guard else _native.start(number, running.ticket)
        except Exception as error:
            return self._threw(running, error)
        except BaseException as error:
            self._threw(running, error)
            raise
        if not isinstance(judged, int):
            return self._find_out(running, judged)
        if judged == WAITS:
            self._say_that_it_waits(running, 0)
        if judged == MAY_BEGIN:
            asks, _, rights = (running.guarded or "").partition("\n")
            running.call._rights = rights or (_native.rights(number, running.ticket) if asks else None)  # pyright: ignore[reportPrivateUsage]
        self._start(running, judged)

    def _find_out(self, running: Running, answers: Coroutine[Any, Any, str]) -> None:
        if not _native.wait(self._port.number, running.ticket):
            answers.close()
            self._finish(running)
            return

        async def find() -> None:
            try:
                running.told = await answers
            except BaseException as error:
                if not running.cancelled:  # whoever fails is not asked again
                    self._refuse(running, "REVOCATION_UNKNOWN")
                    if isinstance(error, Exception):
                        running.member.journal.failed(error, running.call)
                if not isinstance(error, Exception):
                    raise
            finally:
                _native.resume(self._port.number, running.ticket)
                self._port.schedule()

        running.task = self._port.attach().create_task(find())

    def _say_that_it_waits(self, running: Running, words: int) -> None:
        if running.answered:
            return
        self._port.calls.watch()
        try:
            running.call.progress(message="waiting for an approval")
        except XBindError:
            return
        loop = self._port.attach()
        running.telling = loop.call_later(0.25 if words < 20 else 1, self._say_that_it_waits, running, words + 1)

    def _start(self, running: Running, start: int) -> None:
        """Much may have happened since the call came; what does not hold any more does not begin."""
        port, ticket = self._port, running.ticket
        if start == WAITS:
            return port.schedule()
        if start == TO_BE_GIVEN_BACK:
            _native.give_back(port.number, ticket, running.body)
        if start != MAY_BEGIN:
            self._finish(running)
            return None
        handler = running.member.offers.handler_for(running.method)
        if handler is None:
            return self._refuse(running, "AGENT_CLOSED")
        try:
            running.call.payload = decode(running.body)
        except ValueError:
            return self._refuse(running, "INVALID_PAYLOAD")
        running.body = b""
        context = contextvars.Context()
        try:
            value = context.run(handler, running.call)
            if inspect.isawaitable(value):
                return self._await(running, context, value if inspect.iscoroutine(value) else _awaited(value))
            self._answer(running, context, value)
        except Exception as error:
            self._threw(running, error)
        except BaseException as error:
            self._threw(running, error)
            raise
        return None

    def _await(self, running: Running, context: contextvars.Context, value: Coroutine[Any, Any, Any]) -> None:
        loop = self._port.attach()
        task = running.task = context.run(lambda: asyncio.Task(value, loop=loop, **_EAGER))

        def done(task: asyncio.Task[Any]) -> None:
            if task.cancelled():  # by us, or by whoever ends the event loop
                return self._gave_up(running)
            error = task.exception()
            if error is not None:
                return self._threw(running, error)
            return self._answer(running, context, task.result())

        if task.done():
            done(task)
        else:
            task.add_done_callback(done)

    def _answer(self, running: Running, context: contextvars.Context, value: Any) -> None:
        """To look at a value may run its own code, which may do anything."""
        if running.answered:
            return None
        try:
            if isinstance(value, _Ended):
                return self._say(running, None, _native.finish) if value.whole else self._gave_up(running)
            if isinstance(value, AsyncIterable):
                return self._await(running, context, self._send(running, value))  # pyright: ignore[reportUnknownArgumentType]
            return self._say(running, value, _native.answer)
        except Exception as error:
            return self._threw(running, error)
        except BaseException as error:
            self._threw(running, error)
            raise

    async def _send(self, running: Running, parts: AsyncIterable[Any]) -> _Ended:
        """An answer in parts, no faster than its caller reads it."""
        port, ticket, longest = self._port, running.ticket, running.member.longest
        source = parts.__aiter__()
        began = time.monotonic()
        try:
            while True:
                flow = _native.flow(port.number, ticket)
                while flow == _WAIT:
                    running.room = port.attach().create_future()
                    await running.room
                    flow = _native.flow(port.number, ticket)
                if flow != _OPEN:
                    return _Ended(False)
                if time.monotonic() - began > _SLICE:
                    await asyncio.sleep(0)
                    began = time.monotonic()
                try:
                    value = await source.__anext__()
                except StopAsyncIteration:
                    return _Ended(True)
                if _native.part(port.number, ticket, encode(value, longest)) > _WAIT:
                    return _Ended(False)
                port.schedule()
        finally:
            close = getattr(source, "aclose", None)
            if close is not None:
                running.is_closing = True  # whoever cancels it now would cut off its `finally`
                await close()

    def _say(self, running: Running, value: Any, answer: Callable[[int, float, str | bytes], None]) -> None:
        content = encode(value, running.member.longest)
        if self._finish(running):  # encoding runs the value's own code, which may have settled it
            answer(self._port.number, running.ticket, content)
            self._trace(running, "answered")

    def _threw(self, running: Running, error: BaseException) -> None:
        if running.answered:
            return None
        if isinstance(error, WrongInput):
            return self._refuse(running, "INVALID_INPUT", error.detail)
        if isinstance(error, NoMethod):
            return self._refuse(running, "METHOD_NOT_FOUND")
        if isinstance(error, Unreadable):
            return self._refuse(running, "INVALID_PAYLOAD")
        if isinstance(error, HandlerError):
            try:
                told = self._told(running, error)
            except BaseException:
                self._refuse(running, "HANDLER_FAILED")
                raise
            return self._refuse(running, "HANDLER_FAILED", told)
        self._refuse(running, "HANDLER_FAILED")
        if isinstance(error, Exception):  # all else its owner meets himself
            running.member.journal.failed(error, running.call)
        return None

    def _told(self, running: Running, error: HandlerError) -> str | None:
        """What a HandlerError tells, as JSON: as much of it as may go into a body."""
        member = running.member
        told: dict[str, Any] = {"code": error.code, "message": error.message}
        if not all(isinstance(each, str) for each in told.values()):
            member.journal.warn("a HandlerError was not sent: its code or message is no text")
            return None
        for data in [{"data": error.data}, {}] if error.data is not None else [{}]:
            try:
                detail = encode_json({**told, **data}, "a HandlerError", member.longest)
                body = f'{{"code":"HANDLER_FAILED","detail":{detail}}}'
                _native.check_json(body)
                if len(body.encode()) <= member.longest:
                    return detail
                what = "too large"
            except XBindError as wrong:
                what = wrong.message
            member.journal.warn(f"{'the data of ' if data else ''}a HandlerError was not sent: {what}")
        return None

    def _gave_up(self, running: Running) -> None:
        """The handler heeded that: it is no failure, and nobody waits. Its place is given free."""
        if self._finish(running):
            _native.refuse(self._port.number, running.ticket, "HANDLER_FAILED", None)
            self._trace(running, "given up")

    def _refuse(self, running: Running, code: str, detail: str | None = None) -> None:
        if self._finish(running):
            _native.refuse(self._port.number, running.ticket, code, detail)
            self._trace(running, f"{'failed' if code == 'HANDLER_FAILED' else 'refused'} {code}")

    def _finish(self, running: Running) -> bool:
        """False if it was answered before."""
        if running.answered:
            return False
        running.answered = True
        self._running.pop(running.ticket, None)
        if running.telling is not None:
            running.telling.cancel()
        self._port.schedule()
        return True

    def _trace(self, running: Running, outcome: str) -> None:
        """Once the native side knows: a log runs its owner's code."""
        running.member.journal.trace(running.sender, "call", running.id, outcome)


class _Ended:
    """How an answer in parts has ended: whole, or because nobody takes more."""

    __slots__ = ("whole",)

    def __init__(self, whole: bool) -> None:
        self.whole = whole


async def _awaited(value: Any) -> Any:
    return await value
