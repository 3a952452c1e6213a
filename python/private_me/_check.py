"""What is wrong with options is told at once. Where None would loosen a policy, it is not taken for an absent option."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, cast

from . import _native
from ._errors import XBindError

MAX_TIMER = 0x7FFF_FFFF
MAX_WHOLE = 2**53 - 1

T = TypeVar("T")


class Unset:
    """An option that was left out."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


def check_str(value: Any, what: str) -> str:
    """A text of one's own: a subclass may say something else the next time."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, not {name_of(value)}")
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds half of a surrogate pair") from None
    return text


def check_bytes(value: Any, what: str) -> bytes:
    """A copy that nobody changes."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{what} must be bytes, not {name_of(value)}")
    with memoryview(value) as view:  # pyright: ignore[reportUnknownArgumentType]
        return view.tobytes()


def check_callable(value: Any, what: str) -> None:
    if not callable(value):
        raise TypeError(f"{what} must be callable, not {name_of(value)}")


def check_bool(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{what} must be a bool, not {name_of(value)}")
    return value


def optional(value: Any, check: Callable[[Any, str], T], what: str) -> T | None:
    return None if value is None else check(value, what)


def given(value: Any, check: Callable[[Any, str], T], what: str) -> T | None:
    """Of an option without which less is asked: None is no value of it."""
    return None if isinstance(value, Unset) else check(value, what)


def check_did(value: Any, what: str) -> str:
    """For what returns nothing: a text that is no DID is none that is not known."""
    did = check_str(value, what)
    _native.did_to_public_key(did)
    return did


def strings(value: Any, what: str, other: str = "") -> list[str]:
    """A copy of a list of strings. One string is none, though it could be read letter by letter."""
    if isinstance(value, (str, bytes, dict)) or not isinstance(value, Iterable):
        raise TypeError(f"{what} must be a list of strings{other}, not {name_of(cast(object, value))}")
    return [check_str(each, f"{what}[{at}]") for at, each in enumerate(list(value))]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def whole(value: Any, fallback: int, what: str, least: int, most: int) -> int:
    """A whole number of an option within its bounds, or INVALID_CONFIG."""
    if value is None:
        return fallback
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {name_of(value)}")
    number = int.__index__(value)
    if least <= number <= most:
        return number
    raise XBindError("INVALID_CONFIG", f"{what} is {_shown(number)}", f"give a whole number from {least} to {most}")


def milliseconds(value: Any, fallback: int, what: str, least: int = 1, most: int = MAX_TIMER) -> int:
    """Seconds, of which a millisecond is the least, or INVALID_CONFIG."""
    if value is None:
        return fallback
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be seconds, not {name_of(value)}")
    number = int.__index__(value) if isinstance(value, int) else float.__float__(value)
    if least <= number * 1000 <= most:
        return int(-(-number * 1000 // 1))
    raise XBindError("INVALID_CONFIG", f"{what} is {_shown(number)}", f"give seconds from {least / 1000:g} to {most // 1000}")


def seconds(value: Any, what: str) -> int | None:
    """A time in seconds since the epoch."""
    return None if value is None else whole(value, 0, what, 0, MAX_WHOLE)


def time_told(now: Callable[[], float]) -> float:
    """What a clock of the user's says."""
    told: Any = now()
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        raise TypeError(f"now() must give seconds, not {name_of(told)}")
    try:
        return float(told)
    except OverflowError:
        raise TypeError("now() must give seconds since the epoch, not a number of more than 300 digits") from None


def check_is(value: Any, kind: type[Any], what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{what} must be a {kind.__name__}, not {name_of(value)}")


def _shown(number: float) -> str:
    """Python writes no whole number of more than 4300 digits."""
    return str(number) if isinstance(number, float) or number.bit_length() <= 64 else "a number of more than 64 bits"


def name_of(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__[:64]}"
