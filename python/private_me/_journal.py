"""What an agent says in the log `private_me`, under its label. Never a payload or a key."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._errors import XBindError
from ._hints import hinted

if TYPE_CHECKING:
    from ._incoming import IncomingCall

logger = logging.getLogger("private_me")


class Journal:
    """The lines of one agent."""

    __slots__ = ("_label", "_level", "_on_failure", "is_traced")

    def __init__(self, label: str, verbose: bool, on_failure: Callable[..., Any] | None) -> None:
        self._label = label
        self._level = logging.INFO if verbose else logging.DEBUG
        self._on_failure = on_failure
        self.is_traced = logger.isEnabledFor(self._level)
        """Each message gets a line: as the log was set when the agent was made."""

    def warn(self, line: str, error: BaseException | None = None) -> None:
        self._log(logging.WARNING, "%s: %s", self._label, line, error=error)

    def trace(self, sender: str, kind: str, id: str, outcome: str | None = "") -> None:
        """A message that came in, or what became of it."""
        if self.is_traced:
            self._log(self._level, "%s <- %s %s %s %s", self._label, short(sender), kind, id, outcome or "")

    def traced(self, to: str, kind: str, outcome: str) -> None:
        """How a message that went out has ended."""
        if self.is_traced:
            self._log(self._level, "%s -> %s %s %s", self._label, short(to), kind, outcome)

    def unsent(self, id: str, sender: str, failure: tuple[Any, ...]) -> None:
        code, message, hint, retryable, handled = failure
        what = f"the handler's value was not sent: {message}"
        self.failed(XBindError(code, what, hinted(code, message, hint), retryable, handled), None, id, sender)

    def failed(self, error: BaseException, call: IncomingCall[Any] | None, id: str = "", sender: str = "") -> None:
        """A handler failed, or what judges its calls: its owner is told, one way or the other."""
        if self._on_failure is not None:
            try:
                told = self._on_failure(error, call)
                if inspect.iscoroutine(told):
                    told.close()
                    self.warn("on_handler_error must not be asynchronous: nobody waits for it")
                return
            except Exception as failed:
                self.warn("on_handler_error failed", failed)
        id, sender = (call.id, call.sender) if call else (id, sender)
        what = "%s: the handler failed, call %s of %s"
        self._log(logging.ERROR, what, self._label, id, short(sender), error=error)

    def _log(self, level: int, line: str, *of: object, error: BaseException | None = None) -> None:
        """A log that fails loses its line, not the message."""
        try:
            logger.log(level, line, *of, exc_info=error)
        except Exception:
            pass


def short(address: str) -> str:
    """`did:key:z6Mk…2doK`: enough to tell agents apart. Names stay as they are; what is neither cannot forge a line."""
    if re.fullmatch(r"[\w.-]{1,64}", address, re.ASCII):
        return address
    plain = re.sub(r"[^\w.:-]", "?", address, flags=re.ASCII)
    return f"{plain[:12]}…{plain[-4:]}" if len(plain) > 20 else plain
