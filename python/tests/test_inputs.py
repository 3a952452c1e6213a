"""What a method asks of its input, and what may be a method."""

import builtins
import dataclasses
import enum
import functools
import logging
from typing import Annotated, Any, Optional, TypedDict

import pydantic
import pytest
from pydantic import AfterValidator, Field

from private_me import Identity, IncomingCall, XBindError


def even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number


@dataclasses.dataclass
class Person:
    age: Annotated[int, Field(gt=0)]


@pydantic.dataclasses.dataclass
class Checked:
    age: Annotated[int, Field(gt=0)]


class Noted(TypedDict):
    text: Annotated[str, "what it says", Field(max_length=3)]


@dataclasses.dataclass
class Grown:
    age: int

    def __post_init__(self):
        if self.age < 18:
            raise ValueError("too young")


@dataclasses.dataclass
class Tree:
    kids: "list[Tree]"


class Level(enum.Enum):
    HALF = 0.5


@pytest.mark.parametrize(
    ("kind", "fits", "other", "path"),
    [
        (Annotated[int, Field(gt=0)], 1, -1, None),
        (Annotated[int, Field(gt=0)], 1, "1", None),
        (Annotated[int, AfterValidator(even)], 2, 3, None),
        (list[Annotated[str, Field(pattern="^a")]], ["ab"], ["ab", "b"], "/1"),
        (Optional[Annotated[int, Field(gt=0)]], None, -1, None),
        (Person, {"age": 1}, {"age": -1}, "/age"),
        (Checked, {"age": 1}, {"age": -1}, "/age"),
        (Noted, {"text": "abc"}, {"text": "abcd"}, "/text"),
        (list[Grown], [{"age": 18}], [{"age": 18}, {"age": 17}], "/1"),
        (set[Any], [1], [{}], None),
        (Level, 0.5, 0.25, None),
    ],
)
async def test_what_stands_beside_a_type_holds(asker, teller, caplog, kind, fits, other, path):
    @teller.method
    def take(it: kind) -> str:  # pyright: ignore[reportInvalidTypeForm]
        return "taken"

    assert await asker.call("teller", fits, method="take") == "taken"
    with pytest.raises(XBindError, match="INVALID_INPUT") as raised:
        await asker.call("teller", other, method="take")
    assert path is None or path in str(raised.value)
    assert caplog.text == ""


async def test_the_card_tells_it(asker, teller):
    @teller.method
    def take(it: Annotated[int, Field(gt=0, description="how many")]) -> None: ...

    [method] = (await asker.describe("teller")).methods
    assert method.input == {"type": "integer", "exclusiveMinimum": 0, "description": "how many"}


def test_without_pydantic_a_constraint_is_refused_and_words_are_not(teller_alone, monkeypatch):
    real = builtins.__import__

    def no_pydantic(name, *more):
        if name == "pydantic":
            raise ImportError(name)
        return real(name, *more)

    def words(it: Annotated[int, "how many"]): ...
    def constraint(it: Annotated[int, Field(gt=0)]): ...

    monkeypatch.setattr(builtins, "__import__", no_pydantic)
    teller_alone.method(words)
    with pytest.raises(TypeError, match="pydantic reads that, and is not installed"):
        teller_alone.method(constraint)


@pytest.fixture
def teller_alone(bus):
    from private_me import Agent

    return Agent("teller", bus=bus)


def test_what_cannot_be_an_input_is_told_when_the_method_is_made(teller_alone):
    def recursive(it: Tree): ...
    def no_such_constraint(it: Annotated[int, Field(discriminator="kind")]): ...

    for wrong, why in ((recursive, "Tree holds itself"), (no_such_constraint, "cannot be read by pydantic")):
        with pytest.raises(TypeError, match=why):
            teller_alone.method(wrong)


async def test_a_parameter_with_a_default_may_be_left_out(asker, teller):
    @teller.method
    def five(it: int = 5) -> int:
        return it

    @teller.method
    def who(call: IncomingCall[Any], it: Optional[str] = "nobody") -> Any:
        return [it, call.method]

    assert [await asker.call("teller", each, method="five") for each in (None, 3)] == [5, 3]
    assert [await asker.call("teller", each, method="who") for each in (None, "me")] == [["nobody", "who"], ["me", "who"]]
    with pytest.raises(XBindError, match="INVALID_INPUT"):
        await asker.call("teller", "5", method="five")


async def test_a_partial_and_an_object_that_is_called_are_methods(asker, teller):
    class Adds:
        """Adds."""

        def __call__(self, it: int) -> int:
            return it + 1

    def power(it: int, by: int) -> int:
        """Raises."""
        return it**by

    teller.method("adds")(Adds())
    teller.method("squares")(functools.partial(power, by=2))
    assert await asker.call("teller", 4, method="adds") == 5
    assert await asker.call("teller", 4, method="squares") == 16
    for name in ("adds", "squares"):
        with pytest.raises(XBindError, match="INVALID_INPUT"):
            await asker.call("teller", "4", method=name)
    assert [each.description for each in (await asker.describe("teller")).methods] == ["Adds.", "Raises."]
    with pytest.raises(TypeError, match="is given one"):
        teller.method(Adds())


async def test_whoever_replaces_a_handler_is_told_what_does_not_hold_any_more(asker, teller, caplog):
    caplog.set_level(logging.WARNING, "private_me")
    teller.handle(lambda call: 1)
    teller.handle(lambda call: 2, allow=[asker.did], trust=[Identity().did])
    teller.handle(lambda call: 3, allow=[asker.did], trust=[Identity().did], scopes=["x"])
    assert caplog.text == ""
    teller.handle(lambda call: 4, allow=[teller.did])
    assert "its policy with it: no trust, scopes any more" in caplog.text
    caplog.clear()

    @teller.method(scopes=["a"], trust=[Identity().did])
    def one() -> None: ...

    teller.remove_method("one")
    assert caplog.text == ""
    teller.handle(lambda call: 5)
    assert "no allow any more" in caplog.text
