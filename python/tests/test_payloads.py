"""What crosses as JSON, and what does not."""

import dataclasses
import enum
import math
from datetime import datetime

import pytest

from private_me import XBindError


@dataclasses.dataclass
class Task:
    topic: str
    words: int = 50


class Mood(str, enum.Enum):
    GOOD = "good"


@pytest.mark.parametrize(
    ("given", "is_"),
    [
        (None, None),
        ("", ""),
        ({}, {}),
        ((1, 2), [1, 2]),
        (Task("x"), {"topic": "x", "words": 50}),
        ([Task("x")], [{"topic": "x", "words": 50}]),
        (Mood.GOOD, "good"),
        (2**53 - 1, 2**53 - 1),
        (-(2**53) + 1, -(2**53) + 1),
        (-0.0, -0.0),
        (1e300, 1e300),
        (5e-324, 5e-324),
        ('\u2028\0"\\ä€😀', '\u2028\0"\\ä€😀'),
        ({"": 1, "a\nb": 2}, {"": 1, "a\nb": 2}),
    ],
)
async def test_plain_data_arrive_as_they_were(asker, teller, given, is_):
    teller.handle(lambda call: call.payload)
    assert await asker.call("teller", given) == is_


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def circle() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def bomb() -> list[object]:
    value: list[object] = ["x" * 1000] * 1000
    for _ in range(10):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    "given",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        10**5000,
        {"a": [math.nan]},
        {1: 2},
        {None: 2},
        {"a": b"bytes"},
        {"a": bytearray(b"bytes")},
        "\ud800",
        {"\udfff": 1},
        object(),
        print,
        {1, 2},
        1j,
        datetime.now(),
        Task,
        nested(129),
        circle(),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_json_would_lose_is_refused(asker, teller, given):
    with pytest.raises(XBindError) as caught:
        await asker.call("teller", given)
    assert caught.value.code == "INVALID_PAYLOAD", caught.value
    assert caught.value.hint


async def test_what_stands_for_more_than_any_text_holds_is_too_large(asker, teller):
    with pytest.raises(XBindError) as caught:
        await asker.call("teller", bomb())
    assert (caught.value.code, bool(caught.value.hint)) == ("PAYLOAD_TOO_LARGE", True)


async def test_lists_nest_128_levels(asker, teller):
    teller.handle(lambda call: call.payload)
    assert await asker.call("teller", nested(128)) == nested(128)


async def test_too_many_bytes_are_refused_before_they_are_copied(asker, teller):
    with pytest.raises(XBindError) as caught:
        await asker.call("teller", bytes(2 << 20))
    assert caught.value.code == "PAYLOAD_TOO_LARGE"
    assert "max_payload_bytes" in (caught.value.hint or "")
    with pytest.raises(XBindError, match="PAYLOAD_TOO_LARGE"):
        await asker.call("teller", "x" * (2 << 20))


async def test_what_changes_meanwhile_arrives_as_it_was(asker, teller):
    teller.handle(lambda call: call.payload)
    data = bytearray(b"before")
    call = asker.call("teller", data)
    import asyncio

    task = asyncio.create_task(call)
    await asyncio.sleep(0)
    data[:] = b"after!"
    assert await task == b"before"
    value = {"a": [1]}
    task = asyncio.create_task(asker.call("teller", value))
    await asyncio.sleep(0)
    value["a"].append(2)
    assert await task == {"a": [1]}


async def test_data_that_change_while_they_are_read_are_read_once(asker, teller):
    value: dict[str, object] = {"first": 1}

    @dataclasses.dataclass
    class Hostile:
        @property
        def member(self) -> int:
            return 1

    class Model:
        def model_dump(self, mode: str) -> dict[str, int]:
            for number in range(1000):
                value[str(number)] = number
            return {"of": len(value)}

    value["model"] = Model()
    value["last"] = 2
    teller.handle(lambda call: call.payload)
    assert set(await asker.call("teller", value)) == {"first", "model", "last"}


async def test_what_fails_while_it_is_read_is_told_without_its_words(asker):
    class Model:
        def model_dump(self, mode: str) -> object:
            raise RuntimeError("a secret")

    with pytest.raises(XBindError) as caught:
        await asker.call("teller", Model())
    assert caught.value.code == "INVALID_PAYLOAD" and "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


async def test_a_released_memoryview_is_told(asker):
    view = memoryview(b"x")
    view.release()
    with pytest.raises(XBindError, match="INVALID_PAYLOAD"):
        await asker.call("teller", view)
