"""Limits that tokens carry, and that only shrink."""

from types import MappingProxyType
from typing import Any

import pytest

from private_me import Agent, Identity, TokenVerifier, XBindError, delegate_token, issue_token

OWNER, CLERK, TEMP = Identity(), Identity(), Identity()
LIMITS = {"llm.tokens": 1_000_000, "llm.micros": 5_000_000}


def issued(**options: Any) -> str:
    return issue_token(OWNER, subject=CLERK.did, audience="api", scopes=["a"], **options)


def quota_of(token: str, owner: str = OWNER.did) -> Any:
    return TokenVerifier("api", trust=[owner]).verify(token).quota


def test_a_part_is_handed_on():
    whole = issued(quota=LIMITS, claims={"team": "x"})
    assert quota_of(whole) == LIMITS and isinstance(quota_of(whole), MappingProxyType)
    assert dict(TokenVerifier("api", trust=[OWNER.did]).verify(whole).claims) == {"team": "x"}
    part = delegate_token(CLERK, whole, subject=TEMP.did, quota={"llm.tokens": 100_000, "calls": 7})
    assert quota_of(part) == {"llm.tokens": 100_000, "llm.micros": 5_000_000, "calls": 7}
    assert quota_of(delegate_token(CLERK, whole, subject=TEMP.did)) == LIMITS
    assert quota_of(issued()) is None


def test_nothing_grows():
    with pytest.raises(XBindError, match="INVALID_DELEGATION") as caught:
        delegate_token(CLERK, issued(quota=LIMITS), subject=TEMP.did, quota={"llm.tokens": 1_000_001})
    assert caught.value.hint == "held: 1000000 of llm.tokens"


async def test_agents_grant_and_delegate(bus):
    async with Agent("owner", bus=bus) as owner, Agent("clerk", bus=bus) as clerk:
        granted = owner.grant(subject=clerk.did, audience="api", scopes=[], quota=LIMITS)
        part = clerk.delegate(granted, subject=TEMP.did, quota={"llm.tokens": 0})
        async with Agent("api", bus=bus) as api:
            api.handle(lambda call: [list(call.scopes), call.quota and dict(call.quota)], trust=[owner.did])
            own = owner.grant(subject=clerk.did, audience=api.did, scopes=["a"], quota=LIMITS)
            assert await clerk.call("api", token=own) == [["a"], LIMITS]
            assert await clerk.call("api", token=owner.grant(subject=clerk.did, audience=api.did, scopes=[])) == [[], None]
        assert quota_of(part, owner.did) == {**LIMITS, "llm.tokens": 0}


@pytest.mark.parametrize("quota", [{}, {f"n{n}": n for n in range(17)}, {"A": 1}, {"": 1}, {"x" * 65: 1}, {"a": -1}, {"a": 2**53}])
def test_bounds(quota):
    for make in (lambda: issued(quota=quota), lambda: delegate_token(CLERK, issued(), subject=TEMP.did, quota=quota)):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            make()
    assert quota_of(issued(quota={"a" * 64: 2**53 - 1})) == {"a" * 64: 2**53 - 1}


@pytest.mark.parametrize("quota", [None, "a", 5, [("a", 5)], {"a": None}, {"a": "5"}, {"a": 5.0}, {"a": True}, {1: 5}])
def test_no_limit_is_lost_by_mistake(quota):
    with pytest.raises(TypeError):
        issued(quota=quota)
    with pytest.raises(TypeError):
        delegate_token(CLERK, issued(), subject=TEMP.did, quota=quota)
