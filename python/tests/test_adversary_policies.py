"""What somebody does with policies, options and references who means harm, or does not know what he does."""

import asyncio
import gc
import logging
import sys
import weakref
from typing import Any

import pytest

from private_me import (
    Agent,
    ApprovalPolicy,
    CallToApprove,
    Identity,
    IncomingCall,
    MessageVerifier,
    RequestVerifier,
    RevocationList,
    TokenVerifier,
    XBindError,
    delegate_token,
    issue_token,
    verify_approval,
    verify_audit,
    verify_card,
)


async def test_a_policy_is_what_it_was_when_it_was_given(bus, asker, teller):
    allowed = [asker.did]
    teller.handle(lambda call: "in", allow=allowed)
    async with Agent("other", bus=bus) as other:
        allowed.append(other.did)
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await other.call("teller")
    for wrong in ([], ["no did"], [""], "x", 5, [b"x"]):
        with pytest.raises((TypeError, XBindError)):
            teller.handle(print, allow=wrong)
            if wrong == []:
                raise TypeError("an empty list lets nobody in, and says so by itself")
    teller.handle(lambda call: "in", allow=[])
    with pytest.raises(XBindError, match="NOT_ALLOWED"):
        await asker.call("teller")


async def test_a_policy_that_is_no_policy_is_told(teller):
    identity = Identity()
    for wrong in (
        {"scopes": ["x"]},
        {"trust": []},
        {"trust": "x"},
        {"trust": [1]},
        {"trust": [identity.did], "scopes": "x.y"},
        {"trust": [identity.did], "scopes": ["not a scope"]},
        {"trust": [identity.did], "revocations": 1},
        {"approval": ApprovalPolicy(by=[])},
        {"approval": ApprovalPolicy(by="no did")},
        {"approval": ApprovalPolicy(by=identity.did, timeout=0)},
        {"approval": ApprovalPolicy(by=identity.did, when=1)},
        {"approval": {"by": identity.did}},
    ):
        with pytest.raises((TypeError, XBindError)):
            teller.handle(print, **wrong)


def test_none_is_no_value_of_an_option_without_which_less_is_asked():
    a, b = Identity(), Identity()
    token = issue_token(a, subject=b.did, audience="x", scopes=["s"])
    tried = [
        lambda: TokenVerifier("x", trust=None),
        lambda: TokenVerifier("x", trust=[a.did], revocations=None),
        lambda: TokenVerifier("x", trust=[a.did]).verify(token, presenter=None),
        lambda: TokenVerifier("x", trust=[a.did]).verify(token, scopes=None),
        lambda: delegate_token(b, token, subject=a.did, scopes=None),
        lambda: delegate_token(b, token, subject=a.did, audience=None),
        lambda: issue_token(a, subject=b.did, audience=None, scopes=[]),
        lambda: issue_token(a, subject=b.did, audience="x", scopes=None),
        lambda: MessageVerifier(a.did, allow=None),
        lambda: MessageVerifier(a.did, session=None),
        lambda: MessageVerifier(a.did, revocations=None),
        lambda: RequestVerifier(["x"], allow=None),
        lambda: RequestVerifier(["x"], approvers=None),
        lambda: verify_card("x", did=None),
        lambda: verify_audit("x", did=None),
        lambda: verify_audit("x", head=None),
        lambda: verify_approval("x", CallToApprove(a.did, b.did, b""), None),
        lambda: a.to_pkcs8(passphrase=None),
        lambda: Identity.from_pkcs8(b"", None),
    ]
    for each in tried:
        with pytest.raises(TypeError):
            each()
    for misspelt in (
        lambda: TokenVerifier("x", trust=[a.did], revocation=[]),
        lambda: issue_token(a, subject=b.did, audience="x", scope=[]),
        lambda: MessageVerifier(a.did, alow=[]),
        lambda: ApprovalPolicy(by=a.did, wehn=print),
        lambda: RevocationList(maxEntries=1),
    ):
        with pytest.raises(TypeError):
            misspelt()


async def test_predicates_that_change_things_change_nothing_of_this_call(asker, teller):
    def when(call: Any) -> bool:
        call.payload["amount"] = 0
        return False

    teller.handle(lambda call: call.payload, approval=ApprovalPolicy(by=Identity().did, when=when))
    assert await asker.call("teller", {"amount": 5}) == {"amount": 5}


async def test_cycles_through_handlers_are_collected(bus):
    kept: list[weakref.ref[Any]] = []
    for _ in range(20):
        agent = Agent(bus=bus)
        other = Agent(bus=bus)
        agent.handle(lambda call, agent=agent, other=other: (agent, other))
        kept.append(weakref.ref(agent))
        await agent.close()
        await other.close()
    del agent, other
    await asyncio.sleep(0)
    gc.collect()
    assert not any(each() for each in kept)


async def test_secrets_show_nowhere(bus, caplog):
    seed = bytes(range(32))
    with caplog.at_level(logging.DEBUG):
        identity = Identity.from_seed(seed)
        async with Agent("secret", bus=bus, identity=identity, verbose=True) as agent:
            token = issue_token(identity, subject=agent.did, audience="x", scopes=[])
            with pytest.raises(XBindError) as caught:
                await agent.call("nobody", {"password": "hunter2"}, token=token)
            shown = [
                repr(agent),
                str(agent),
                repr(identity),
                repr(caught.value),
                str(caught.value),
                caplog.text,
                repr(agent._member),
            ]
    for each in shown:
        assert "hunter2" not in each and token not in each and seed.hex() not in each and repr(seed) not in each
    for wrong in (b"\x30\x2e" + seed, seed + b"x"):
        with pytest.raises(XBindError) as refused:
            Identity.from_pkcs8(wrong)
        assert seed.hex() not in str(refused.value) and repr(seed) not in repr(refused.value)


async def test_the_options_of_a_subclass_count(bus):
    class Own(Agent):
        __slots__ = ("extra",)

        def __init__(self) -> None:
            super().__init__("own", bus=bus)
            self.extra = 1

    async with Own() as own:
        assert own.name == "own" and own.extra == 1


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts references")
async def test_calls_leave_nothing_behind(asker, teller):
    async def answer(call: IncomingCall[Any]) -> Any:
        return call.payload

    teller.handle(answer)

    async def round() -> None:
        await asyncio.gather(*(asker.call("teller", {"n": [number]}) for number in range(500)))
        assert [part async for part in asker.stream("teller", 1)] == []
        with pytest.raises(XBindError):
            await asker.call("nobody")

    for _ in range(3):
        await round()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(10):
        await round()
    gc.collect()
    assert len(gc.get_objects()) - before < 200
    port = asker._member.port
    assert not port.calls._pending and not port.calls._heard and not port.handled._running
