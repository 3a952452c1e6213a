"""Whose tokens count while an authority changes its key; the same promises as __test__/rights-authorities.spec.ts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from authority import Authority

from private_me import Agent, Identity, Located, MessageBus, TokenVerifier, XBindError, issue_token

AUDIENCE = "https://api.example"


@pytest.fixture
def authority() -> Iterator[Authority]:
    started = Authority()
    yield started
    started.end()


def token(by: Identity, subject: str, audience: str = AUDIENCE) -> str:
    return issue_token(by, subject=subject, audience=audience, scopes=["read"])


async def test_it_is_followed_from_key_to_key(authority: Authority) -> None:
    at, someone = int(time.time()), Identity.generate().did
    verifier = TokenVerifier(AUDIENCE, trust=[authority.at], now=lambda: at)
    first = token(authority.own_key(), someone)
    with pytest.raises(XBindError, match="is not trusted") as unasked:
        verifier.verify(first)
    assert unasked.value.code == "UNTRUSTED_ISSUER"
    assert unasked.value.hint is not None and "verify_async()" in unasked.value.hint
    assert (await verifier.verify_async(first)).issuer == authority.at.did
    assert verifier.verify(first).issuer == authority.at.did

    authority.step("rotate-key")
    second = token(authority.own_key("authority.1.key"), someone)
    with pytest.raises(XBindError, match="is not trusted"):
        await verifier.verify_async(second)  # it was asked this very second
    at += 5
    assert (await verifier.verify_async(second)).issuer != authority.at.did
    assert verifier.verify(first).issuer == authority.at.did

    authority.step("taint-key", authority.at.did)
    at += 5
    for strange in (token(Identity.generate(), someone), first):
        with pytest.raises(XBindError, match="is not trusted"):
            await verifier.verify_async(strange)
    assert (await verifier.verify_async(second)).scopes == ("read",)

    authority.kill()
    at += 300
    with pytest.raises(XBindError, match="did not say whether it has that DID") as away:
        await verifier.verify_async(second)
    assert (away.value.code, away.value.retryable) == ("UNTRUSTED_ISSUER", True)


async def test_a_handler_follows_too(authority: Authority) -> None:
    bus = MessageBus()
    async with Agent("caller", bus=bus) as caller, Agent("guarded", bus=bus) as guarded:
        guarded.handle(lambda call: call.scopes[0], trust=[authority.at], scopes=["read"])
        good = token(authority.own_key(), caller.did, guarded.did)
        assert await caller.call("guarded", 1, token=good) == "read"
        with pytest.raises(XBindError) as refused:
            await caller.call("guarded", 1, token=token(Identity.generate(), caller.did, guarded.did))
        assert refused.value.code == "UNTRUSTED_ISSUER"


def test_options_that_are_none() -> None:
    did = Identity.generate().did
    wrong: list[Any] = [Located(did, "http://authority.example"), Located(did, ""), Located("x", "https://authority.example")]
    for each in wrong:
        with pytest.raises(XBindError):
            TokenVerifier(AUDIENCE, trust=[each])
    nothing: Any = None
    for each in (Located(did, nothing), Located(nothing, "https://authority.example"), (did, "https://authority.example")):
        with pytest.raises(TypeError):
            TokenVerifier(AUDIENCE, trust=[each])  # type: ignore[list-item]
