"""What is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ._codes import ErrorCode
from ._hints import spelt

if TYPE_CHECKING:
    from ._calls import CallReceipt

Handled = Literal["yes", "no", "unknown"]


class RemoteError:
    """What the other agent's handler chose to tell, by raising a `HandlerError`."""

    __slots__ = ("code", "message", "data")

    def __init__(self, code: str, message: str, data: Any = None) -> None:
        self.code = code
        """The code that the handler chose: its own words, none of `ErrorCode`."""
        self.message = message
        """What the handler says went wrong."""
        self.data = data
        """What the handler added, as JSON carried it."""

    def __repr__(self) -> str:
        return f"RemoteError(code={self.code!r}, message={self.message!r})"


class XBindError(Exception):
    """Why something failed. It holds neither keys nor payloads."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        hint: str | None = None,
        retryable: bool = False,
        handled: Handled | None = None,
        message_id: str | None = None,
        remote: RemoteError | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        """What went wrong, for programs: stable for ever, with a section in docs/errors.md."""
        self.message = message
        """What went wrong, in a sentence."""
        self.hint = spelt(hint)
        """What to do about it."""
        self.retryable = retryable
        """Whether the same may succeed later without a change."""
        self.handled: Handled = handled or "no"
        """Whether the other side ran the call: only after `no` is it safe to make it again."""
        self.message_id = message_id
        """The id of the message concerned."""
        self.remote = remote
        """With `HANDLER_FAILED`: what the other agent's handler chose to tell."""
        self.receipt: CallReceipt | None = None
        """Of `call_with_receipt`: the call and the refusal, where that came from its agent, to be shown to others."""

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text

    def __reduce__(self) -> tuple[Any, ...]:
        context = (self.handled, self.message_id, self.remote)
        return type(self), (self.code, self.message, self.hint, self.retryable, *context), {"receipt": self.receipt}


class HandlerError(Exception):
    """Raised by a handler to tell the caller something. Whatever else it raises stays on its side."""

    def __init__(self, code: str, message: str, data: Any = None) -> None:
        if not isinstance(code, str) or not isinstance(message, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("code and message must be strings")
        if not code:
            raise ValueError("code must not be empty: it tells the caller what went wrong")
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message, self.data)
