"""Logs at the hands of others: what is given up, threads, forks, the end of the interpreter; and decisions that no agent makes."""

import asyncio
import gc
import os
import textwrap
import threading
from pathlib import Path

import pytest
from logs import SIGNER, code, code_of, outcomes
from test_lifetime import run

from private_me import (
    Agent,
    AuditLog,
    CallToApprove,
    Identity,
    MessageBus,
    RevocationList,
    TokenVerifier,
    XBindError,
    approve_call,
    delegate_token,
    issue_token,
    open_audit_log,
    sign_rotation,
    verify_audit,
)


async def test_a_query_that_is_given_up_and_a_block_that_raises_leave_the_log_whole(path):
    with pytest.raises(ZeroDivisionError):
        async with open_audit_log(path, signer=SIGNER) as log:
            for number in range(1000):
                log.append("tick", "accepted", note=str(number))
            asked = [asyncio.create_task(log.query()) for _ in range(10)]
            await asyncio.sleep(0)
            for each in asked[::2]:
                each.cancel()
            await log.flush()
            assert {len(found) for found in await asyncio.gather(*asked[1::2])} <= set(range(1001))
            raise ZeroDivisionError
    assert verify_audit(path).records == 1000


async def test_a_log_that_nobody_waited_for_or_kept_is_open_no_more(path):
    for turns in range(4):
        opening = asyncio.create_task(_open(path))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    await asyncio.sleep(0.2)
    log = await _opened(path)
    assert log.append("x", "accepted")
    await log.flush()
    del log
    gc.collect()
    log = await _opened(path)
    assert log.records == 1
    await log.close()


async def _open(path: Path) -> AuditLog:
    return await open_audit_log(path, signer=SIGNER)


async def _opened(path: Path) -> AuditLog:
    """It closes in its own time."""
    for _ in range(500):
        try:
            return await _open(path)
        except XBindError as error:
            assert error.code == "AUDIT_FAILED"
            await asyncio.sleep(0.02)
    raise AssertionError("it is open for good")


async def test_a_log_is_written_by_several_threads_and_loops(path):
    async with open_audit_log(path, signer=SIGNER, sync="always") as log:

        def write(name: str) -> None:
            async def main() -> None:
                bus = MessageBus(audit=log)
                Agent(name, bus=bus, handler=lambda call: call.payload)
                caller = Agent(bus=bus)
                for number in range(20):
                    assert await caller.call(name, number) == number
                    assert log.append("tick", "accepted", note=name)
                await log.flush()
                bus.close()

            asyncio.run(main())

        threads = [threading.Thread(target=write, args=(f"writer{number}",)) for number in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            await asyncio.to_thread(each.join)
        found = await outcomes(log)
        assert (found.count("call answered"), found.count("tick accepted")) == (60, 60)
    verify_audit(path, did=SIGNER.did)


@pytest.mark.parametrize("how", ["pass", "os._exit(0)", "os.fork() or os._exit(0); os.wait()"])
def test_the_interpreter_ends_with_a_log_open(path, how):
    if "fork" in how and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    program = f"""
        import asyncio, os, warnings
        warnings.simplefilter("ignore")
        from private_me import Agent, Identity, MessageBus, open_audit_log
        async def main():
            log = await open_audit_log({str(path)!r}, signer=Identity.from_seed(bytes(32)), sync="always")
            bus = MessageBus(audit=log)
            Agent("b", bus=bus, handler=lambda call: call.payload)
            agent = Agent("a", bus=bus)
            for number in range(20): assert await agent.call("b", number) == number
            asyncio.create_task(agent.call("b", 0)); asyncio.create_task(log.query())
            await asyncio.sleep(0)
            {how}
        asyncio.run(main())
    """
    run(textwrap.dedent(program))
    # Each call was on the disk before it began.
    assert path.read_text().count('"accepted"') >= 20


AUDIENCE = "https://billing.example"


@pytest.mark.parametrize("sync", ["always", "batch"])
async def test_a_verifier_of_tokens_puts_on_record_what_it_decides_or_lets_nothing_through(path, sync):
    boss, clerk = Identity(), Identity()
    token = issue_token(boss, subject=clerk.did, audience=AUDIENCE, scopes=["pay"])
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    verifier = TokenVerifier(AUDIENCE, trust=[boss.did], audit=log)
    assert verifier.verify(token, presenter=clerk.did).subject == clerk.did
    assert (await verifier.verify_async(token)).subject == clerk.did
    assert code_of(lambda: verifier.verify(token, scopes=["admin"])) == "SCOPE_DENIED"
    assert await code(verifier.verify_async(token, scopes=["admin"])) == "SCOPE_DENIED"

    def broken() -> float:
        raise ZeroDivisionError("secret")

    with pytest.raises(ZeroDivisionError):
        TokenVerifier(clerk.did, trust=[boss.did], audit=log, now=broken).verify(token)
    accepted, refused = ["token accepted"] * 2, ["token refused SCOPE_DENIED"] * 2
    assert await outcomes(log) == [*accepted, *refused, "token refused INTERNAL"]
    first, *_, last = await log.query()
    assert (first.sender, first.to, first.chain, first.by) == (clerk.did, clerk.did, (boss.did, clerk.did), SIGNER.did)
    assert (last.by, "secret" in str(last.note)) == (clerk.did, False)
    await log.close()
    assert code_of(lambda: verifier.verify(token)) == "AUDIT_FAILED"
    assert await code(verifier.verify_async(token)) == "AUDIT_FAILED"
    assert code_of(lambda: verifier.verify(token, scopes=["admin"])) == "SCOPE_DENIED"
    open_one = TokenVerifier(AUDIENCE, trust=[boss.did], audit=log, dangerously_continue_unrecorded=True)
    assert open_one.verify(token).id == (await open_one.verify_async(token)).id


@pytest.mark.parametrize("sync", ["always", "batch"])
async def test_what_is_signed_without_an_agent_is_on_record_or_nobody_gets_it(path, sync):
    boss, clerk, temp = Identity(), Identity(), Identity()
    log = await open_audit_log(path, signer=SIGNER, sync=sync)

    def sign(**where) -> None:
        token = issue_token(boss, subject=clerk.did, audience=AUDIENCE, scopes=["pay"], **where)
        delegate_token(clerk, token, subject=temp.did, **where)
        approve_call(boss, CallToApprove(temp.did, clerk.did, b"1"), **where)
        sign_rotation(boss, clerk, **where)

    sign(audit=log)
    await log.flush()
    found = await log.query()
    assert [(each.event, each.by, each.to) for each in found] == [
        ("token.issued", boss.did, clerk.did),
        ("token.delegated", clerk.did, temp.did),
        ("approval.signed", boss.did, temp.did),
        ("rotation.signed", boss.did, clerk.did),
    ]
    await log.close()
    token = issue_token(boss, subject=clerk.did, audience=AUDIENCE, scopes=["pay"])
    for ask in (
        lambda: issue_token(boss, subject=clerk.did, audience=AUDIENCE, scopes=["pay"], audit=log),
        lambda: delegate_token(clerk, token, subject=temp.did, audit=log),
        lambda: approve_call(boss, CallToApprove(temp.did, clerk.did, b"1"), audit=log),
        lambda: sign_rotation(boss, clerk, audit=log),
    ):
        assert code_of(ask) == "AUDIT_FAILED"
    sign(audit=log, dangerously_continue_unrecorded=True)
    for wrong in (None, False, 0, "", "audit.jsonl"):
        with pytest.raises(TypeError):
            sign(audit=wrong)
        with pytest.raises(TypeError):
            TokenVerifier(AUDIENCE, trust=[boss.did], audit=wrong)


async def test_what_was_verified_and_does_not_hold_any_more_when_its_record_is_there_is_refused(path):
    boss, clerk, revoked = Identity(), Identity(), RevocationList()
    token = issue_token(boss, subject=clerk.did, audience=AUDIENCE, scopes=["pay"], ttl=60, now=1_800_000_000)
    async with open_audit_log(path, signer=SIGNER, sync="always") as log:
        times = iter([1_800_000_000] * 2 + [1_800_000_200] * 2)
        late = TokenVerifier(AUDIENCE, trust=[boss.did], audit=log, now=lambda: next(times))
        assert code_of(lambda: late.verify(token)) == "TOKEN_EXPIRED"
        verifier = TokenVerifier(AUDIENCE, trust=[boss.did], revocations=revoked, audit=log, now=lambda: 1_800_000_000)
        verifying = asyncio.create_task(code(verifier.verify_async(token)))
        await asyncio.sleep(0)
        revoked.revoke_did(clerk.did)
        assert await verifying == "REVOKED"
        assert (await outcomes(log))[:2] == ["token accepted", "token refused TOKEN_EXPIRED"]
