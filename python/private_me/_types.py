"""What a method takes and gives, as its annotations say: dataclasses, TypedDicts, pydantic models and plain types."""

from __future__ import annotations

import contextvars
import dataclasses
import enum
import types
import typing
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints


class Misfit(Exception):
    """A value of another type, and the place in it."""

    def __init__(self, *path: str | int) -> None:
        super().__init__("".join(f"/{step}" for step in path))
        self.path = path

    def at(self, step: str | int) -> Misfit:
        return Misfit(step, *self.path)


class Shape:
    """How values of one type are read, and the JSON Schema of them."""

    def __init__(self, read: Callable[[Any], Any], schema: dict[str, Any]) -> None:
        self.read = read
        """Gives the value as that type. Raises Misfit."""
        self.schema = schema


_STRUCTURE = ("$defs", "$ref", "allOf", "anyOf", "oneOf", "title", "default")
"""What pydantic tells of a type itself, beside its constraints."""
_MARKS = [getattr(typing, name) for name in ("Required", "NotRequired", "ReadOnly") if hasattr(typing, name)]
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "string"),
    bool: ((bool,), "boolean"),
    int: ((int,), "integer"),
    float: ((int, float), "number"),
    type(None): ((type(None),), "null"),
}


_making: contextvars.ContextVar[tuple[type[Any], ...]] = contextvars.ContextVar("_making", default=())
"""The classes whose members are being looked at."""


def shape_of(kind: Any) -> Shape:
    """Of an annotation. Raises TypeError for one that JSON cannot be read as."""
    if kind is Any or kind is object:
        return Shape(lambda value: value, {})
    if kind is None:
        kind = type(None)
    if kind in _PLAIN:
        return _plain(kind)
    if kind is bytes:
        return Shape(lambda value: value if isinstance(value, bytes) else _misfit(), {})
    origin, args = get_origin(kind), get_args(kind)
    if origin in _MARKS:
        return shape_of(args[0])
    if origin is typing.Annotated:
        return _annotated(kind, shape_of(args[0]), args[1:])
    if origin is Literal:
        return Shape(
            lambda value: value if any(value == a and type(value) is type(a) for a in args) else _misfit(), {"enum": list(args)}
        )
    if origin in (Union, types.UnionType):
        return _union([shape_of(each) for each in args])
    if kind in (list, tuple, Sequence) or origin in (list, Sequence, set, frozenset):
        return _list(kind if origin is None else origin, shape_of(args[0] if args else Any))
    if origin is tuple:
        return _tuple(args)
    if kind in (dict, Mapping) or origin in (dict, Mapping):
        return _dict(shape_of(args[1] if args else Any))
    if isinstance(kind, type):
        made = _making.get()
        if kind in made:
            raise TypeError(f"{kind.__name__} holds itself: use a pydantic model, which may")
        token = _making.set((*made, kind))
        try:
            return _class(cast("type[Any]", kind))
        finally:
            _making.reset(token)
    raise TypeError(f"{kind!r} is no type that JSON can be read as")


def _annotated(kind: Any, bare: Shape, metadata: tuple[Any, ...]) -> Shape:
    """What stands beside a type is read by pydantic, once the value has that type. Words are nobody's constraint."""
    if all(isinstance(each, str) or isinstance(getattr(each, "documentation", None), str) for each in metadata):
        return bare
    try:
        from pydantic import TypeAdapter
    except ImportError:
        raise TypeError(f"{kind!r} says more than a type: pydantic reads that, and is not installed") from None
    try:
        adapter: Any = TypeAdapter(kind)
    except Exception as error:
        raise TypeError(f"{kind!r} cannot be read by pydantic") from error

    def read(value: Any) -> Any:
        given = bare.read(value)
        try:
            return adapter.validate_python(given)
        except (ValueError, TypeError) as error:
            raise _refused(error) from None

    try:
        told = {name: each for name, each in adapter.json_schema().items() if name not in _STRUCTURE}
    except Exception:  # a validator that no schema tells
        told = {}
    return Shape(read, {**told, **bare.schema})


def _class(kind: type[Any]) -> Shape:
    validate = getattr(kind, "model_validate", None)
    if callable(validate):
        return _pydantic(kind, validate)
    if issubclass(kind, enum.Enum):
        return _enum(kind)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        fields = [field for field in dataclasses.fields(kind) if field.init]
        required = {f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
        return _object({f.name: shape_of(hints[f.name]) for f in fields}, required, lambda members: kind(**members))
    if typing.is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        return _object({name: shape_of(hint) for name, hint in hints.items()}, set(getattr(kind, "__required_keys__")), dict)
    raise TypeError(f"{kind.__name__} is no type that JSON can be read as: use a dataclass, a TypedDict or a pydantic model")


def _enum(kind: type[enum.Enum]) -> Shape:
    values = {each.value: each for each in kind}

    def read(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, (str, int, float)) or isinstance(value, bool) or value not in values:
            raise Misfit
        return values[value]

    return Shape(read, {"enum": list(values)})


def _misfit() -> Any:
    raise Misfit


def _plain(kind: Any) -> Shape:
    kinds, name = _PLAIN[kind]

    def read(value: Any) -> Any:
        if isinstance(value, bool) and kind is not bool or not isinstance(value, kinds):
            raise Misfit
        return float(value) if isinstance(value, int) and kind is float else value

    return Shape(read, {"type": name})


def _union(shapes: list[Shape]) -> Shape:
    def read(value: Any) -> Any:
        for shape in shapes:
            try:
                return shape.read(value)
            except Misfit:
                continue
        raise Misfit

    return Shape(read, {"anyOf": [shape.schema for shape in shapes]})


def _list(kind: Any, items: Shape) -> Shape:
    make = kind if kind in (tuple, set, frozenset) else list

    def read(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Misfit
        items_read = [_read_at(at, items, each) for at, each in enumerate(value)]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return _made(make, items_read)

    return Shape(read, {"type": "array", "items": items.schema})


def _tuple(args: tuple[Any, ...]) -> Shape:
    if len(args) == 2 and args[1] is Ellipsis:
        return _list(tuple, shape_of(args[0]))
    shapes = [shape_of(each) for each in args]

    def read(value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(shapes):  # pyright: ignore[reportUnknownArgumentType]
            raise Misfit
        return tuple(_read_at(at, shape, each) for at, (shape, each) in enumerate(zip(shapes, value)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    return Shape(
        read,
        {"type": "array", "prefixItems": [shape.schema for shape in shapes], "minItems": len(shapes), "maxItems": len(shapes)},
    )


def _dict(values: Shape) -> Shape:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Misfit
        return {key: _read_at(key, values, each) for key, each in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    return Shape(read, {"type": "object", "additionalProperties": values.schema})


def _object(members: dict[str, Shape], required: set[str], make: Callable[[dict[str, Any]], Any]) -> Shape:
    def read(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if not isinstance(value, dict):
            raise Misfit
        for name in value:  # pyright: ignore[reportUnknownVariableType]
            if name not in members:
                raise Misfit(name)  # pyright: ignore[reportUnknownArgumentType]
        for name in members:
            if name in required and name not in value:
                raise Misfit(name)
        return _made(make, {name: _read_at(name, members[name], each) for name, each in value.items()})  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    schema: dict[str, Any] = {"type": "object", "properties": {name: shape.schema for name, shape in members.items()}}
    return Shape(read, {**schema, "required": [name for name in members if name in required], "additionalProperties": False})


def _pydantic(kind: Any, validate: Callable[[Any], Any]) -> Shape:
    def read(value: Any) -> Any:
        return _made(validate, value)

    return Shape(read, kind.model_json_schema())


def _made(make: Callable[[Any], Any], of: Any) -> Any:
    """What a class of its own says no to does not fit."""
    try:
        return make(of)
    except (ValueError, TypeError) as error:
        raise _refused(error) from None


def _refused(error: Exception) -> Misfit:
    """With the place, where pydantic names one."""
    errors: Any = getattr(error, "errors", None)
    if not callable(errors):
        return Misfit()
    [first, *_] = cast("list[dict[str, Any]]", errors(include_url=False, include_context=False, include_input=False))
    return Misfit(*first["loc"])


def _read_at(step: Any, shape: Shape, value: Any) -> Any:
    try:
        return shape.read(value)
    except Misfit as misfit:
        raise misfit.at(step) from None


def answered(kind: Any) -> Any:
    """What a method gives, whether it is awaited or comes in parts."""
    while get_origin(kind) in (Awaitable, AsyncIterator, AsyncIterable, AsyncGenerator):
        kind = get_args(kind)[0]
    return kind
