"""How messages are handled in one runtime: in the order in which they come, each in a task of its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from autogen_core import Agent, CancellationToken, MessageContext, MessageHandlerContext

from ._autogen_agents import Agents, Instance, refused

log = logging.getLogger("private_me")

acting: contextvars.ContextVar[Instance | None] = contextvars.ContextVar("private_me_acting", default=None)
"""Whose handler runs."""

_Turn: TypeAlias = "tuple[int, asyncio.Future[None] | None, asyncio.Future[None]]"
"""Between which stops it came, when the message before is with its handler, and when this one is."""


class Delivery:
    """What is under way."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._context = contextvars.copy_context()
        self._held: list[asyncio.Future[bool]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._round = 0
        self.is_started = False
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self) -> None:
        if self.is_closed:
            raise refused("AGENT_CLOSED", "this runtime is closed", "make a new one")
        if self.is_started:
            raise RuntimeError("Runtime is already started")
        self.is_started = True
        self._let_go(True)

    def stop(self) -> None:
        """What has not begun ends; what runs may end."""
        if not self.is_started:
            raise RuntimeError("Runtime is not started")
        self.is_started = False
        self._round += 1

    async def idle(self) -> None:
        """Until nothing is under way but whoever asks."""
        if not self.is_started:
            raise RuntimeError("Runtime is not started")
        while rest := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(rest)
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.is_closed = True
        self.is_started = False
        self._round += 1
        self._let_go(False)
        await asyncio.sleep(0)  # what was held ends by itself
        rest = self._tasks - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    async def finish(self, task: asyncio.Task[Any], token: CancellationToken, is_own: bool) -> Any:
        """Waits for a handler. Whoever gives up tells it by the token, and leaves it to end by itself."""
        waiting = asyncio.shield(task)
        token.link_future(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            given_up = token.is_cancelled() or getattr(asyncio.current_task(), "cancelling", int)()
            if self.is_closed and task.cancelled() and not given_up:
                raise refused("AGENT_CLOSED", "the runtime was closed while the message was handled") from None
            if is_own:
                token.cancel()
            raise

    def begin(self, instance: Instance, message: Any, context: MessageContext) -> asyncio.Task[Any]:
        """Hands a message to an agent here. The task ends as its handler does."""
        began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        before, instance.began = instance.began, began
        work = self._handle(instance, message, context, (self._round, before, began))
        task = self._context.copy().run(asyncio.ensure_future, work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: _begun(began))  # also of what was cancelled before its first step
        return task

    async def _handle(self, instance: Instance, message: Any, context: MessageContext, turn: _Turn) -> Any:
        agent = await self._in_turn(instance, turn)
        acting.set(instance)
        with MessageHandlerContext.populate_context(instance.id):
            return await agent.on_message(message, ctx=context)

    async def _in_turn(self, instance: Instance, turn: _Turn) -> Agent:
        """The agent, when every message that came before is with its handler."""
        round, before, began = turn
        try:
            if before is not None and before.get_loop() is began.get_loop():
                await before
            if self._round != round or not (self.is_started or await self._hold()):
                what = "the runtime was stopped before the message was handled"
                raise refused("AGENT_CLOSED", what, "start() it, and send again")
            return await self._agents.make(instance)
        finally:
            _begun(began)

    async def _hold(self) -> bool:
        """Until the runtime starts, or never will."""
        if self.is_closed:
            return False
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held.append(future)
        return await future

    def _let_go(self, is_started: bool) -> None:
        held, self._held = self._held, []
        for future in held:
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(is_started)


def _begun(began: asyncio.Future[None]) -> None:
    if not began.done():
        began.set_result(None)


def noting(what: str) -> Callable[[asyncio.Task[Any]], None]:
    """For handlers on which nobody waits."""

    def done(task: asyncio.Task[Any]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.warning("%s failed", what, exc_info=error)

    return done
