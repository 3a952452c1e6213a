"""AutoGen's messages between runtimes: JSON, read strictly; nothing that is read chooses what code runs."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from autogen_core import (
    JSON_DATA_CONTENT_TYPE,
    PROTOBUF_DATA_CONTENT_TYPE,
    AgentId,
    MessageSerializer,
    TopicId,
    try_get_known_serializers_for_type,
)

from ._check import check_str, name_of
from ._errors import XBindError
from ._guard import WrongInput
from ._json import decode
from ._types import Misfit, Shape, shape_of

LONGEST_NAME = 256
"""Of labels, keys, sources of topics and ids of messages that come from elsewhere, in characters."""
_PLAIN = (type(None), bool, int, float, str, list, dict)


class _Kind(NamedTuple):
    """A type of message, as it was registered."""

    name: str
    content_type: str
    serializer: MessageSerializer[Any]
    shape: Shape | None
    """Of a dataclass, whose own serializer looks at no types."""


class Serializers:
    """The types of messages that a runtime knows, by the names under which they travel."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def add(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """The newest of a name counts."""
        for each in list(serializer) if isinstance(serializer, Sequence) else [serializer]:
            kind = _kind_of(each)
            self._kinds[kind.name, kind.content_type] = kind

    def pack(self, message: Any) -> dict[str, Any]:
        """As it travels. Raises INVALID_PAYLOAD."""
        if type(message) in _PLAIN:
            return {"data": message}
        kind = self._kind_for(message)
        data: Any = kind.serializer.serialize(message)
        if not isinstance(data, bytes):
            raise _unfit(f"the serializer of {kind.name} gave {name_of(data)} and no bytes")
        if kind.content_type != JSON_DATA_CONTENT_TYPE:
            return {"type": kind.name, "as": kind.content_type, "data": base64.b64encode(data).decode()}
        try:
            return {"type": kind.name, "as": kind.content_type, "data": decode(data.decode())}
        except ValueError:
            raise _unfit(f"the serializer of {kind.name} gave no JSON") from None

    def unpack(self, packed: Mapping[str, Any]) -> Any:
        """What came. Raises WrongInput."""
        names = set(packed)
        if names == {"data"}:
            return packed["data"]
        if names != {"type", "as", "data"}:
            raise WrongInput(None)
        kind = self._kinds.get((_text(packed, "type"), _text(packed, "as")))
        if kind is None:
            raise wrong("type")
        try:
            if kind.shape is not None:
                return kind.shape.read(packed["data"])
            return kind.serializer.deserialize(_bytes_of(kind, packed["data"]))
        except Exception:
            raise wrong("data") from None

    def _kind_for(self, message: Any) -> _Kind:
        own: type[Any] = type(message)  # pyright: ignore[reportUnknownVariableType]
        name = getattr(getattr(own, "DESCRIPTOR", None), "full_name", own.__name__)
        for content_type in (JSON_DATA_CONTENT_TYPE, PROTOBUF_DATA_CONTENT_TYPE):
            kind = self._kinds.get((name, content_type))
            if kind is not None:
                return kind
        try:
            known = try_get_known_serializers_for_type(own)
        except (TypeError, ValueError) as error:
            raise _unfit(f"a message of type {own.__name__[:64]} has no serializer") from error
        if not known:
            raise _unfit(f"a message of type {own.__name__[:64]} has no serializer")
        return _kind_of(known[0])


def _kind_of(serializer: MessageSerializer[Any]) -> _Kind:
    name = check_str(serializer.type_name, "type_name")
    content_type = check_str(serializer.data_content_type, "data_content_type")
    for what in ("serialize", "deserialize"):
        if not callable(getattr(serializer, what, None)):
            raise TypeError(f"{name_of(serializer)} has no {what}()")
    return _Kind(name, content_type, serializer, _shape(getattr(serializer, "cls", None)))


def _shape(kind: Any) -> Shape | None:
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        return None
    try:
        return shape_of(kind)
    except Exception:  # annotations that name nothing, or what JSON cannot be read as
        return None


def _bytes_of(kind: _Kind, data: Any) -> bytes:
    if kind.content_type == JSON_DATA_CONTENT_TYPE:
        return json.dumps(data).encode()
    try:
        return base64.b64decode(data, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise Misfit from None


class Parcel(NamedTuple):
    """A message on its way between runtimes."""

    label: str
    """What the sender's owner calls the sender."""
    id: str
    to: str | None
    """What the sender calls the recipient."""
    topic: TopicId | None
    packed: dict[str, Any]

    @property
    def payload(self) -> dict[str, Any]:
        """As it travels."""
        members: dict[str, Any] = {"from": self.label, "id": self.id, "message": self.packed}
        if self.to is not None:
            members["to"] = self.to
        if self.topic is not None:
            members["topic"] = [self.topic.type, self.topic.source]
        return members


def read_parcel(payload: Any, where: str) -> Parcel:
    """`where` is `to` or `topic`. Raises WrongInput."""
    members = members_of(payload, {"from", "id", "message", where})
    packed = members["message"]
    if not isinstance(packed, dict):
        raise wrong("message")
    topic = _topic(members["topic"]) if where == "topic" else None
    to = _text(members, "to") if where == "to" else None
    return Parcel(_text(members, "from"), _text(members, "id"), to, topic, cast("dict[str, Any]", packed))


def _topic(value: Any) -> TopicId:
    if not isinstance(value, list):
        raise wrong("topic")
    parts: dict[str, Any] = dict(zip(("type", "source", "more"), value))  # pyright: ignore[reportUnknownArgumentType]
    if parts.keys() != {"type", "source"}:
        raise wrong("topic")
    try:
        return TopicId(_text(parts, "type"), _text(parts, "source"))
    except ValueError:
        raise wrong("topic") from None


def agent_id(label: str, key: str, what: str) -> AgentId:
    """Of what came. Raises WrongInput."""
    try:
        return AgentId(label, key)
    except ValueError:
        raise wrong(what) from None


def members_of(payload: Any, names: set[str]) -> dict[str, Any]:
    """The members of an object that has exactly these. Raises WrongInput."""
    if not isinstance(payload, dict) or cast("dict[str, Any]", payload).keys() != names:
        raise WrongInput(None)
    return cast("dict[str, Any]", payload)


def text_in(payload: Any, names: set[str]) -> dict[str, str]:
    """The same, all of them text. Raises WrongInput."""
    members = members_of(payload, names)
    return {name: _text(members, name) for name in names}


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members[name]
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise wrong(name)
    return value


def wrong(name: str) -> WrongInput:
    return WrongInput(json.dumps({"path": f"/{name}"}))


def _unfit(what: str) -> XBindError:
    hint = "give plain JSON data or a pydantic model, or call runtime.add_message_serializer()"
    return XBindError("INVALID_PAYLOAD", what, hint)
