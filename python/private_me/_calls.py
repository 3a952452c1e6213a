"""The calls that the agents of a port have made, and who waits for the end of which."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from . import _native
from ._errors import RemoteError, XBindError
from ._hints import hinted
from ._json import decode
from ._progress import Progress, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._port import Port

Ended: TypeAlias = "tuple[Any, ...]"
"""How a call has ended: `(True, from, body)`, `(None, id, to)` for a receipt (and `"kept"` where there is none), `(False, id, failure, remote)`."""


DeliveryStatus: TypeAlias = Literal["delivered", "kept"]
"""What became of a message."""


@dataclass(frozen=True)
class DeliveryReceipt:
    """What a recipient signs for a message that stands in its inbox; or, where `status` says `kept`, what a broker says."""

    message_id: str
    """The id of the message, as its recipient sees it."""
    to: str
    """The DID of the recipient, which has signed for what was delivered."""
    status: DeliveryStatus = "delivered"
    """`delivered`, or `kept`: the recipient is away, the broker says that it keeps the message in its mailbox, and nobody has signed
    for anything."""


@dataclass(frozen=True)
class CallReceipt:
    """A call and what answered it, which anybody can verify by the two DIDs alone: `verify_receipt`."""

    call: str
    """The JWS of the call."""
    answer: str
    """The JWS of the answer, refusal or delivery receipt."""
    request: bytes
    """The body of the call: what was sent."""
    result: bytes
    """The body of the answer."""


class Hearing(Protocol):
    """Who hears of a call before its end."""

    def part(self, body: str | bytes) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def receipt(self, receipt: CallReceipt) -> None: ...


def opened(ended: Ended) -> Any:
    """What a call has given. Raises XBindError."""
    if ended[0] is None:
        return DeliveryReceipt(*ended[1:])
    if not ended[0]:
        raise error_of(ended)
    try:
        return decode(ended[2])
    except ValueError:
        raise XBindError("INVALID_PAYLOAD", "the answer only claims to be JSON", handled="yes") from None


def error_of(ended: Ended) -> XBindError:
    """Made where its caller waits, so that the traceback names him."""
    _, message_id, failure, remote = ended
    code, message, hint, retryable, handled = failure
    hint = hinted(code, message, hint)
    return XBindError(code, message, hint, retryable, handled, message_id, _remote_in(remote))


def _remote_in(text: str | None) -> RemoteError | None:
    if text is None:
        return None
    try:
        told = json.loads(text)
        return RemoteError(told["code"], told["message"], told.get("data"))
    except (ValueError, KeyError, TypeError):
        return None


class Calls:
    """By the numbers of the native side."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._pending: dict[float, Callable[[Ended], None]] = {}
        self._heard: dict[float, Hearing] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def begin(
        self, agent: int, to: str, content: str | bytes, one_way: bool, asked: tuple[Any, ...], settle: Callable[[Ended], None],
        window: float | None = None, hearing: Hearing | None = None,
    ) -> float:  # fmt: skip
        """`asked`: the time in milliseconds, what is presented, method, traceparent, all of the time, receipt, idempotent."""
        time, presented, method, traceparent, total, receipt, idempotent = asked
        port = self._port
        call = _native.call(
            port.number, agent, to, content, one_way, time, presented, method, traceparent, total, window, receipt,
            idempotent,
        )  # fmt: skip
        self._pending[call] = settle
        if hearing is not None:
            self._heard[call] = hearing
        port.schedule()
        self._arm(time if total is None else min(time, total))
        return call

    def ended(self, call: float, ended: Ended) -> None:
        settle = self._pending.pop(call, None)
        if self._heard:
            self._heard.pop(call, None)
        if settle is not None:
            settle(ended)

    def part(self, call: float, body: str | bytes) -> None:
        hearing = self._heard.get(call)
        if hearing is not None:
            hearing.part(body)

    def progress(self, call: float, progress: float | None, total: float | None, message: str | None) -> None:
        hearing = self._heard.get(call)
        if hearing is not None:
            hearing.progress(told(progress, total, message))

    def receipt(self, call: float, asked: str, answer: str, request: bytes, result: bytes) -> None:
        hearing = self._heard.get(call)
        if hearing is not None:
            hearing.receipt(CallReceipt(asked, answer, request, result))

    def took(self, call: float, parts: int) -> None:
        _native.took(self._port.number, call, parts)
        self._port.schedule()

    def abandon(self, call: float, error: Ended | None = None) -> None:
        """The caller gives up."""
        settle = self._pending.pop(call, None)
        if settle is None:
            return
        self._heard.pop(call, None)
        try:
            self._port.check()
        except RuntimeError:
            return  # nobody waits, in another thread: its time will be over
        _native.abandon(self._port.number, call)
        self._port.schedule()
        if error is not None:
            settle(error)

    def watch(self) -> None:
        """The native side has made a call of its own, whose time is to be noticed too."""
        left = _native.next_deadline(self._port.number)
        if left is not None:
            self._arm(max(left, 1))

    def moved(self) -> None:
        """Another event loop runs."""
        self._timer, self._timer_at = None, math.inf
        self.watch()

    def _arm(self, milliseconds: float) -> None:
        loop = self._port.loop
        if loop is None:
            return
        at = loop.time() + milliseconds / 1000
        if at >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = loop.call_at(at, self._due)

    def _due(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self.watch()
        self._port.schedule()


def settling(future: asyncio.Future[Ended]) -> Callable[[Ended], None]:
    """Ends what waits, unless it was given up or its event loop is over."""

    def settle(ended: Ended) -> None:
        if not future.done() and not future.get_loop().is_closed():
            future.set_result(ended)

    return settle
