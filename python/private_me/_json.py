"""Payloads: JSON text, or bytes. Nothing is sent that another language would read as something else."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from typing import Any, NoReturn

from . import _native
from ._errors import XBindError

_HINT = "send plain data: None, booleans, finite numbers, strings, lists, dicts, dataclasses, pydantic models"


class _Unfit(ValueError):
    """What JSON cannot hold."""


def encode(payload: Any, longest: int) -> str | bytes:
    """What crosses the border. Bytes are copied once; those that are too many not even that."""
    if issubclass(type(payload), (bytes, bytearray, memoryview)):  # `__class__` may be code of its own
        try:
            with memoryview(payload) as view:  # pyright: ignore[reportUnknownArgumentType]
                if view.nbytes > longest:
                    raise _too_large(f"a payload of {view.nbytes} bytes is over the limit of {longest}")
                return view.tobytes()
        except ValueError as error:  # the view was released
            raise XBindError("INVALID_PAYLOAD", "payload cannot be read", _HINT) from error
    return encode_json(payload, "payload", longest)


def encode_json(value: Any, what: str, longest: int = 1 << 29) -> str:
    """JSON text that tells no less than the value."""
    try:
        return _native.encode(value, _plain, longest)
    except _native.TooLong:
        raise _too_large(f"{what} is over the limit of {longest} bytes") from None
    except _native.Unfit as error:
        raise XBindError("INVALID_PAYLOAD", f"{what} {error}", _HINT) from None
    except _Unfit as error:
        raise XBindError("INVALID_PAYLOAD", f"{what} {error}", _HINT) from None
    except Exception as error:
        raise XBindError("INVALID_PAYLOAD", f"{what} cannot be read", _HINT) from error


def _too_large(what: str) -> XBindError:
    return XBindError("PAYLOAD_TOO_LARGE", what, "send less, or raise max_payload_bytes on both sides")


def _plain(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)
    if callable(dump):
        return dump(value, mode="json")
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise _Unfit("holds bytes: send them as the payload itself, or as base64")
    raise _Unfit(f"holds an instance of {type(value).__name__[:64]}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode


def decode(body: str | bytes) -> Any:
    """What arrived. ValueError for a body that only claims to be JSON."""
    return _decode(body) if isinstance(body, str) else body
