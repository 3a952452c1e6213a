"""Methods by decorator, with types from annotations."""

import asyncio
import dataclasses
import enum
from collections.abc import AsyncIterator
from typing import Any, Literal, Optional, TypedDict, Union

import pytest
from pydantic import BaseModel, Field

from private_me import Agent, Identity, IncomingCall, XBindError, issue_token


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclasses.dataclass
class Task:
    topic: str
    words: int = 50
    size: Size = Size.SMALL
    tags: list[str] = dataclasses.field(default_factory=list)


class Note(TypedDict):
    text: str
    at: Optional[float]


class Order(BaseModel):
    amount: int = Field(gt=0)
    currency: Literal["EUR", "USD"] = "EUR"


async def test_a_method_takes_a_dataclass_and_gives_one(asker, teller):
    @teller.method
    async def summarise(task: Task) -> Task:
        """Says in few words what a topic is about.

        Not on the card.
        """
        assert isinstance(task, Task) and isinstance(task.size, Size)
        return dataclasses.replace(task, words=task.words + 1)

    answer = await asker.call("teller", {"topic": "identity", "size": "large"}, method="summarise")
    assert answer == {"topic": "identity", "words": 51, "size": "large", "tags": []}
    assert (await asker.call("teller", Task("x"), method="summarise"))["words"] == 51
    assert (await summarise(Task("still a function"))).topic == "still a function"


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({}, "/topic"),
        ({"topic": 1}, "/topic"),
        ({"topic": "x", "words": "many"}, "/words"),
        ({"topic": "x", "words": True}, "/words"),
        ({"topic": "x", "words": 1.5}, "/words"),
        ({"topic": "x", "tags": ["a", 1]}, "/tags/1"),
        ({"topic": "x", "size": "medium"}, "/size"),
        ({"topic": "x", "wrods": 1}, "/wrods"),
        ({"topic": "x", "a/b~c\n": 1}, "/a~1b~0c?"),
        ([], None),
        (None, None),
        ("topic", None),
        (b"bytes", None),
    ],
)
async def test_what_does_not_fit_is_told_with_its_place(asker, teller, payload, path):
    @teller.method
    def summarise(task: Task) -> str:
        raise AssertionError("it does not begin")

    with pytest.raises(XBindError) as caught:
        await asker.call("teller", payload, method="summarise")
    assert caught.value.code == "INVALID_INPUT"
    assert path is None or path in caught.value.message


async def test_pydantic_models_are_validated_by_themselves(asker, teller):
    @teller.method
    def pay(order: Order) -> Order:
        assert isinstance(order, Order)
        return order

    assert await asker.call("teller", {"amount": 5}, method="pay") == {"amount": 5, "currency": "EUR"}
    assert await asker.call("teller", Order(amount=6), method="pay") == {"amount": 6, "currency": "EUR"}
    with pytest.raises(XBindError, match="INVALID_INPUT.*/amount"):
        await asker.call("teller", {"amount": 0}, method="pay")


async def test_plain_types_unions_and_typed_dicts(asker, teller):
    @teller.method
    def note(payload: Union[Note, list[int], None]) -> Any:
        return payload

    @teller.method
    def table(payload: dict[str, tuple[int, str]]) -> int:
        return len(payload)

    @teller.method
    def nothing() -> None: ...

    @teller.method
    def anything(payload):
        return payload

    for fits in ({"text": "x", "at": None}, {"text": "x", "at": 1}, [1, 2], None):
        assert await asker.call("teller", fits, method="note") == fits
    for wrong in ({"text": "x"}, {"text": 1, "at": None}, ["a"], "x"):
        with pytest.raises(XBindError, match="INVALID_INPUT"):
            await asker.call("teller", wrong, method="note")
    assert await asker.call("teller", {"a": [1, "b"]}, method="table") == 1
    with pytest.raises(XBindError, match="INVALID_INPUT"):
        await asker.call("teller", {"a": [1, 2]}, method="table")
    assert await asker.call("teller", method="nothing") is None
    with pytest.raises(XBindError, match="INVALID_INPUT"):
        await asker.call("teller", 1, method="nothing")
    assert await asker.call("teller", {"a": [1]}, method="anything") == {"a": [1]}


async def test_an_answer_of_another_type_is_its_methods_fault(asker, teller, caplog):
    @teller.method
    def lies() -> int:
        return "no number"  # type: ignore[return-value]

    with pytest.raises(XBindError, match="HANDLER_FAILED"):
        await asker.call("teller", method="lies")
    assert "does not fit" in caplog.text


async def test_a_method_may_see_its_call(asker, teller):
    @teller.method("who.asks")
    def who(payload: str, call: IncomingCall[str]) -> list[str]:
        return [payload, call.sender, call.method or "", call.id[:0]]

    assert await asker.call("teller", "me", method="who.asks") == ["me", asker.did, "who.asks", ""]


async def test_what_is_no_method_is_told_when_it_is_made(teller):
    with pytest.raises(TypeError):

        @teller.method
        def two(a: int, b: int): ...

    with pytest.raises(TypeError):

        @teller.method
        def many(*values: int): ...

    with pytest.raises(TypeError):

        @teller.method
        def odd(value: object, other: Identity): ...

    with pytest.raises(TypeError):

        @teller.method
        def unknown(value: Identity): ...

    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        teller.method("not a name")(lambda payload: payload)
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        teller.method("xbind.mine")(lambda payload: payload)
    with pytest.raises(TypeError):
        teller.method("name", alow=[])


async def test_a_method_that_nobody_handles_is_not_found(asker, teller):
    for method in ("unknown", "xbind.unknown"):
        with pytest.raises(XBindError, match="METHOD_NOT_FOUND"):
            await asker.call("teller", method=method)
    teller.handle(lambda call: call.method)
    assert await asker.call("teller", method="any") == "any"
    with pytest.raises(XBindError, match="METHOD_NOT_FOUND"):
        await asker.call("teller", method="xbind.unknown")
    teller.method("once")(lambda payload: "once")
    assert await asker.call("teller", method="once") == "once"
    teller.remove_method("once")
    assert await asker.call("teller", method="once") == "once", "the handler without a name"


async def test_a_card_tells_methods_with_their_schemas(asker, teller):
    @teller.method(description="Pays.", scopes=["pay"], trust=[asker.did])
    def pay(order: Order) -> int:
        return order.amount

    @teller.method
    def summarise(task: Task) -> AsyncIterator[str]:
        """Says it shortly."""
        raise NotImplementedError

    card = await asker.describe("teller")
    assert (card.did, card.name) == (teller.did, "teller")
    first, second = card.methods
    assert (first.name, first.description, first.scopes) == ("pay", "Pays.", ("pay",))
    assert first.input is not None and first.input["properties"]["amount"]["exclusiveMinimum"] == 0
    assert (second.description, second.output) == ("Says it shortly.", {"type": "string"})
    assert second.input is not None
    assert second.input["required"] == ["topic"] and second.input["additionalProperties"] is False
    from private_me import verify_card

    assert verify_card(card.jws, did=teller.did) == card
    assert (await teller.describe()).jws == card.jws
    with pytest.raises(XBindError, match="UNTRUSTED_ISSUER"):
        verify_card(card.jws, did=asker.did)


async def test_a_method_has_a_policy_of_its_own(bus, asker, teller):
    owner = Identity()
    teller.handle(lambda call: "open", allow=[asker.did])
    teller.method("guarded", trust=[owner.did], scopes=["report.read"])(lambda payload: "guarded")

    @teller.method("seen", allow=lambda sender: True)
    def seen(call: IncomingCall[None]) -> list[Any]:
        return [list(call.scopes), list(call.chain)]

    with pytest.raises(XBindError, match="SCOPE_DENIED"):
        await asker.call("teller", method="guarded")
    token = issue_token(owner, subject=asker.did, audience=teller.did, scopes=["report.*"])
    assert await asker.call("teller", method="guarded", token=token) == "guarded"
    narrow = issue_token(owner, subject=asker.did, audience=teller.did, scopes=["other"])
    with pytest.raises(XBindError, match="SCOPE_DENIED"):
        await asker.call("teller", method="guarded", token=narrow)
    async with Agent("other", bus=bus) as other:
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await other.call("teller")
        assert await other.call("teller", method="seen") == [[], []]
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await other.call("teller", method="guarded", token=token)


async def test_progress_is_told_and_starts_the_time_anew(asker, teller):
    @teller.method
    async def slow(call: IncomingCall[None]) -> str:
        for step in range(4):
            call.progress(step, 4, f"step {step}")
            await asyncio.sleep(0.1)
        return "done"

    words: list[dict[str, object]] = []
    answer = await asker.call("teller", method="slow", timeout=5, on_progress=lambda word: words.append(dict(word)))
    assert answer == "done"
    assert words == [{"progress": step, "total": 4, "message": f"step {step}"} for step in range(4)]


async def test_what_progress_cannot_say_is_told(asker, teller):
    codes: list[str] = []

    def handler(call: IncomingCall[Any]) -> None:
        for word in ({"progress": float("nan")}, {"message": "\ud800"}, {"message": "x" * 10000}, {"total": 10**400}):
            try:
                call.progress(**word)
            except XBindError as error:
                codes.append(error.code)
        for word in ({"progress": "1"}, {"progress": True}, {"total": b""}, {"total": object()}, {"message": 5}, {"message": b"x"}):
            with pytest.raises(TypeError):
                call.progress(**word)

    teller.handle(handler)
    await asker.call("teller", on_progress=lambda word: 1 / 0)
    assert codes == ["INVALID_PAYLOAD", "INVALID_PAYLOAD", "PAYLOAD_TOO_LARGE", "INVALID_PAYLOAD"]
