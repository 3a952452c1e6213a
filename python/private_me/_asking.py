"""How a call is made."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _native
from ._calls import CallReceipt, Ended, settling
from ._check import check_bool, check_callable, check_str, milliseconds, optional
from ._json import encode
from ._tokens import presented

if TYPE_CHECKING:
    from ._member import Member
    from ._progress import Progress

_USUAL_TOTAL = 600_000


class Asking(NamedTuple):
    """What is asked for, each option read once."""

    time: int
    presented: str | None
    method: str | None
    traceparent: str | None
    total: int | None
    idempotent: bool
    on_progress: Callable[[Progress], None] | None
    receipts: list[CallReceipt] | None = None

    @property
    def native(self) -> tuple[Any, ...]:
        wants = self.receipts is not None
        return self.time, self.presented, self.method, self.traceparent, self.total, wants, self.idempotent


def asking(
    member: Member,
    method: str | None,
    timeout: float | None,
    max_total_timeout: float | None,
    token: str | None,
    approval: str | None,
    traceparent: str | None,
    idempotent: bool,
    on_progress: Callable[[Progress], None] | None,
) -> Asking:
    time = member.timeout if timeout is None else milliseconds(timeout, 0, "timeout")
    total = milliseconds(max_total_timeout, max(time, _USUAL_TOTAL), "max_total_timeout")
    method = optional(method, check_str, "method")
    traceparent = optional(traceparent, check_str, "traceparent")
    if on_progress is not None:
        check_callable(on_progress, "on_progress")
    shown = None if token is None and approval is None else presented(token, approval)
    return Asking(time, shown, method, traceparent, total, check_bool(idempotent, "idempotent"), on_progress)


class Heard:
    """Hears of a call before its end, in the context in which it was made."""

    def __init__(self, member: Member, asked: Asking) -> None:
        self._member = member
        self._on_progress = asked.on_progress
        self._receipts = asked.receipts
        self._context = contextvars.copy_context()

    def part(self, body: str | bytes) -> None:
        """Its answer comes in one."""

    def progress(self, progress: Progress) -> None:
        if self._on_progress is None:
            return
        try:
            self._context.run(self._on_progress, progress)
        except Exception as error:
            self._member.journal.warn("on_progress raised", error)

    def receipt(self, receipt: CallReceipt) -> None:
        if self._receipts is not None:
            self._receipts.append(receipt)


async def ask(member: Member, to: str, payload: Any, asked: Asking, one_way: bool = False) -> Ended:
    """Makes a call or sends a message; how it ends."""
    port = member.port
    loop = port.attach()
    content = encode(payload, member.longest)
    member.check()
    if "://" in to:
        _native.reach_addresses(member.node, None)
    future: asyncio.Future[Ended] = loop.create_future()
    hearing = Heard(member, asked) if asked.on_progress is not None or asked.receipts is not None else None
    call = port.calls.begin(member.number, to, content, one_way, asked.native, settling(future), None, hearing)
    try:
        ended = await future
    except BaseException:
        port.calls.abandon(call)
        raise
    if member.journal.is_traced:
        member.journal.traced(to, "send" if one_way else "call", ended[2][0] if ended[0] is False else "ok")
    return ended
