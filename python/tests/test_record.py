"""Logs of what was decided: on record before it is done, and nobody edits them unseen. The names are those of
__test__/record-*.spec.ts where it is the same promise."""

import asyncio
import base64
import hashlib
import json
import time
from pathlib import Path

import pytest
from logs import SIGNER, code, code_of, outcomes

from private_me import (
    Agent,
    AuditHead,
    AuditLog,
    CallToApprove,
    HandlerError,
    Identity,
    MessageBus,
    XBindError,
    approve_call,
    open_audit_log,
    verify_audit,
    verify_witness,
    witness_head,
)


@pytest.mark.parametrize("sync", ["always", "batch", "none"])
async def test_calls_that_are_let_in_refused_answered_and_failed_are_on_record_without_what_they_say(path, bus, sync):
    caller, stranger = Agent("caller", bus=bus), Agent(bus=bus)
    async with open_audit_log(path, signer=SIGNER, sync=sync) as log:
        writer = Agent("writer", bus=bus, audit=log)

        def handler(call):
            if call.payload == "secret no":
                raise HandlerError("NO", "secret reason")
            return "secret answer"

        writer.handle(handler, allow=[caller.did])
        assert await caller.call("writer", "secret") == "secret answer"
        assert await code(caller.call("writer", "secret no")) == "HANDLER_FAILED"
        assert await code(stranger.call("writer", "secret")) == "NOT_ALLOWED"
        writer.handle(None)
        await caller.send("writer", "secret")
        await writer.close()
        assert await outcomes(log) == [
            "agent.joined accepted",
            "call accepted",
            "call answered",
            "call accepted",
            "call failed HANDLER_FAILED",
            "call refused NOT_ALLOWED",
            "message accepted",
            "agent.left accepted",
        ]
        first = (await log.query())[1]
        assert (first.by, first.sender) == (writer.did, caller.did)
        assert len(await log.query(agent=stranger.did)) == 1
    assert "secret" not in path.read_text()
    verified = verify_audit(path, did=SIGNER.did, first=0)
    assert (verified.records, verified.did, verified.first) == (8, SIGNER.did, 0)


@pytest.mark.parametrize("sync", ["always", "batch", "none"])
async def test_many_calls_at_once_are_answered_and_each_is_on_record(path, sync):
    async with open_audit_log(path, signer=SIGNER, sync=sync) as log:
        bus = MessageBus(audit=log)
        caller = Agent("caller", bus=bus)
        Agent("echo", bus=bus, concurrency=7, handler=lambda call: call.payload)
        assert await asyncio.gather(*(caller.call("echo", number) for number in range(300))) == list(range(300))
        found = await outcomes(log)
        assert found.count("call accepted") == found.count("call answered") == 300
        bus.close()


async def test_a_record_has_the_token_that_a_call_presents_and_on_whose_behalf_it_was(path, bus):
    boss, clerk = Agent(bus=bus), Agent(bus=bus)
    async with open_audit_log(path, signer=SIGNER, sync="always") as log:
        safe = Agent("safe", bus=bus, audit=log)

        @safe.method("open", trust=[boss.did], scopes=["open"])
        async def unlock(payload: int) -> str:
            return "open"

        token = boss.grant(subject=clerk.did, audience=safe.did, scopes=["open"])
        claims = token.split(".")[1]
        jti = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
        answer, receipt = await clerk.call_with_receipt("safe", 1, method="open", token=token)
        assert answer == "open"
        assert await code(clerk.call("safe", 1, method="open")) == "SCOPE_DENIED"
        await log.flush()
        record = (await log.query(token=jti))[0]
        assert (record.method, record.token, record.chain) == ("open", jti, (boss.did, clerk.did))
        digest = base64.urlsafe_b64encode(hashlib.sha256(receipt.call.encode()).digest()).rstrip(b"=").decode()
        assert record.digest == digest
        await safe.close()


@pytest.mark.parametrize("sync", ["always", "batch"])
async def test_tokens_delegations_and_approvals_that_an_agent_signs_are_on_record_or_nobody_gets_them(path, sync):
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    bus = MessageBus(audit=log)
    boss, clerk, temp = Agent(bus=bus), Agent(bus=bus), Identity().did
    token = boss.grant(subject=clerk.did, audience="https://a.example", scopes=["a"])
    clerk.delegate(token, subject=temp, scopes=["a"])
    approve_call(boss, CallToApprove(temp, clerk.did, b"1"))
    await log.flush()
    found = [each for each in await log.query() if not each.event.startswith("agent.")]
    assert [(each.event, each.by, each.to) for each in found] == [
        ("token.issued", boss.did, clerk.did),
        ("token.delegated", clerk.did, temp),
        ("approval.signed", boss.did, temp),
    ]
    assert all(each.token for each in found[:2])
    await log.close()
    assert code_of(lambda: boss.grant(subject=temp, audience="https://a.example", scopes=["a"])) == "AUDIT_FAILED"
    bus.close()


async def test_an_agent_that_is_stopped_is_on_record(path):
    async with open_audit_log(path, signer=SIGNER) as log:
        bus = MessageBus(audit=log)
        bus.stop(Agent(bus=bus).did)
        assert await outcomes(log) == ["agent.joined accepted", "agent.stopped accepted"]
        bus.close()


async def test_a_log_that_takes_nothing_refuses_the_work_and_nothing_begins(path, bus):
    caller, begun = Agent(bus=bus), []
    log = await open_audit_log(path, signer=SIGNER)
    writer = Agent("writer", bus=bus, audit=log, handler=begun.append)
    await log.close()
    with pytest.raises(XBindError) as caught:
        await caller.call("writer", 1)
    assert (caught.value.code, caught.value.retryable, caught.value.handled) == ("AUDIT_FAILED", True, "no")
    writer.handle(None)
    assert await code(caller.send("writer", 1)) == "AUDIT_FAILED"
    assert (await writer.receive(), begun) == ([], [])
    with pytest.raises(XBindError, match="put on record"):
        Agent(bus=bus, audit=log)


async def test_a_log_that_takes_nothing_is_passed_over_where_that_is_asked_for_by_its_name(path):
    log = await open_audit_log(path, signer=SIGNER)
    bus = MessageBus(audit=log, dangerously_continue_unrecorded=True)
    await log.close()
    caller, writer = Agent(bus=bus), Agent(bus=bus, handler=lambda call: 1)
    assert await caller.call(writer.did, 1) == 1
    bus.close()


async def test_work_that_was_begun_ends_with_a_refusal_for_its_answer_cannot_be_recorded(path, bus):
    caller, begun, going = Agent(bus=bus), asyncio.Event(), asyncio.Event()
    log = await open_audit_log(path, signer=SIGNER)

    async def work(call):
        begun.set()
        await going.wait()
        return 1

    Agent("writer", bus=bus, audit=log, handler=work)
    answer = asyncio.create_task(caller.call("writer", 1))
    await begun.wait()
    await log.close()
    going.set()
    with pytest.raises(XBindError) as caught:
        await answer
    assert (caught.value.code, caught.value.handled) == ("AUDIT_FAILED", "yes")


async def test_parts_are_one_answer_on_record(path, bus):
    async with open_audit_log(path, signer=SIGNER) as log:
        caller, writer = Agent(bus=bus), Agent("writer", bus=bus, audit=log)

        @writer.method
        async def count(upto: int):
            for number in range(upto):
                yield number

        assert [part async for part in caller.stream("writer", 5, method="count")] == list(range(5))
        await writer.close()
        found = await outcomes(log)
        assert found[1:-1] == ["call accepted", "call answered"]


HOSTILE = ["__proto__", 'a"b\\c', "line\r\nfeed\u2028\u2029", "\0\1\x7f", "😀", '{"seq":1}', "</script>"]


async def test_records_of_your_own_are_found_again_whatever_they_hold(path):
    async with open_audit_log(path, signer=SIGNER) as log:
        for text in HOSTILE:
            assert log.append("deployed", "accepted", note=text, token=text, code="WHY")
        await log.flush()
        assert [each.note for each in await log.query()] == HOSTILE
        for token in HOSTILE:
            assert len(await log.query(token=token)) == 1
        assert await log.query(token="none") == []
        assert [each.seq for each in await log.query(limit=2, after=3)] == [4, 5]
        assert await log.query(until=1) == []
        assert len(await log.query(since=int(time.time()) - 60)) == len(HOSTILE)
    verify_audit(path, did=SIGNER.did)


async def test_what_is_no_record_is_refused_and_nothing_of_it_is_written(path):
    log = await open_audit_log(path, signer=SIGNER)
    for wrong in (None, 0, b"x", ["x"], float("nan"), False):
        with pytest.raises(TypeError):
            log.append(wrong, "accepted")
        with pytest.raises(TypeError):
            log.append("x", wrong)
        if wrong is not None:
            with pytest.raises(TypeError):
                log.append("x", "accepted", note=wrong)
    for wrong in ({"chain": "x"}, {"chain": [1]}, {"payload": 1}):
        with pytest.raises(TypeError):
            log.append("x", "accepted", **wrong)
    members = [
        {"event": "log.begin"},
        {"event": "Upper"},
        {"event": ""},
        {"event": "x" * 65},
        {"outcome": "done"},
        {"by": "me"},
        {"sender": "did:key:x"},
        {"message_id": "x"},
        {"method": "a b"},
        {"code": "lower"},
        {"note": ""},
        {"note": "x" * 1025},
        {"chain": ["x"] * 17},
    ]
    for member in members:
        with pytest.raises(XBindError):
            log.append(**{"event": "x", "outcome": "accepted", **member})
    for member in ({"note": "\ud800"}, {"token": "a\udc00"}):
        with pytest.raises(ValueError):
            log.append("x", "accepted", **member)
    await log.flush()
    assert await log.query() == []
    await log.close()
    assert log.append("x", "accepted") is False


async def test_a_log_goes_on_where_it_ended_in_as_many_files_as_it_needs(path):
    for turn in range(3):
        async with open_audit_log(path, signer=SIGNER, max_file_bytes=4096) as log:
            assert (log.records, log.lost_bytes, log.lost_to, log.did) == (turn * 40, 0, None, SIGNER.did)
            for number in range(40):
                log.append("tick", "accepted", note="x" * 200)
                if number % 10 == 9:
                    await log.flush()
            assert len(await log.query(limit=1000)) == (turn + 1) * 40
    assert verify_audit(path).records == 120
    assert "log.continued" in Path(f"{path}.1").read_text()


async def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off_and_a_witness_signs_what_it_has_seen(path):
    log = await open_audit_log(path, signer=SIGNER)
    log.append("one", "accepted")
    await log.flush()
    before = path.read_bytes()
    log.append("two", "accepted")
    head = await log.close()
    verify_audit(path, did=SIGNER.did, head=head)
    path.write_bytes(before)
    verify_audit(path, did=SIGNER.did)
    with pytest.raises(XBindError, match="cut off"):
        verify_audit(path, head=head)
    witness = Identity()
    seen = witness_head(witness, head)
    read = verify_witness(seen, witness=witness.did)
    assert (read.did, read.seq, read.digest) == (SIGNER.did, head.seq, head.digest)
    assert code_of(lambda: verify_witness(seen, witness=SIGNER.did)) == "UNTRUSTED_ISSUER"
    assert code_of(lambda: verify_witness(head.jws, witness=SIGNER.did)) == "INVALID_AUDIT"
    assert code_of(lambda: witness_head(witness, head._replace(jws=seen))) == "INVALID_AUDIT"


async def test_one_path_is_one_log_of_one_key_with_one_writer(path, tmp_path):
    log = await open_audit_log(path, signer=SIGNER)
    assert await code(open_audit_log(path, signer=SIGNER)) == "AUDIT_FAILED"
    # Whoever comes before the end is served, whoever comes behind it is told.
    ended = await asyncio.gather(log.close(), log.close(), code(log.flush()), code(log.query()))
    assert ended[2] in ("ok", "AUDIT_FAILED") and ended[3] in ("ok", "AUDIT_FAILED")
    assert await code(log.flush()) == "AUDIT_FAILED"
    assert await code(open_audit_log(path, signer=Identity())) == "INVALID_AUDIT"
    assert await code(open_audit_log(tmp_path, signer=SIGNER)) == "INVALID_CONFIG"
    assert await code(open_audit_log(path / "below", signer=SIGNER)) == "AUDIT_FAILED"
    assert code_of(lambda: verify_audit(tmp_path / "none")) != "ok"
    path.write_text(path.read_text().replace("log.begin", "log.began"))
    assert await code(open_audit_log(path, signer=SIGNER)) == "INVALID_AUDIT"


async def test_options_are_refused_that_are_none(path, bus):
    for wrong in ("", "a\0b", None, 0, b"x"):
        with pytest.raises((TypeError, ValueError)):
            open_audit_log(wrong, signer=SIGNER)
    for wrong in ({}, {"signer": None}, {"signer": SIGNER.did}, {"signer": SIGNER, "synch": "none"}):
        with pytest.raises(TypeError):
            open_audit_log(path, **wrong)
    for wrong in ({"sync": 1}, {"sync": None}, {"max_file_bytes": True}, {"max_file_bytes": float("nan")}, {"first": 1.5}):
        with pytest.raises(TypeError):
            open_audit_log(path, signer=SIGNER, **wrong)
    for wrong in ({"max_file_bytes": 0}, {"first": -1}):
        with pytest.raises(XBindError):
            open_audit_log(path, signer=SIGNER, **wrong)
    assert await code(open_audit_log(path, signer=SIGNER, sync="often")) == "INVALID_CONFIG"
    with pytest.raises(TypeError):
        AuditLog()
    log = await open_audit_log(path, signer=SIGNER)
    for wrong in (None, False, 0, "", {}, "audit.jsonl", AuditLog, print):
        for make in (Agent, MessageBus):
            with pytest.raises(TypeError):
                make(audit=wrong)
    for wrong in (None, 0, 1, "", "yes", float("nan")):
        with pytest.raises(TypeError):
            MessageBus(audit=log, dangerously_continue_unrecorded=wrong)
    with pytest.raises(XBindError, match="given beside it"):
        Agent(bus=bus, dangerously_continue_unrecorded=True)
    for wrong in (None, {}, (1, "x"), False):
        with pytest.raises(TypeError):
            verify_audit("x", head=wrong)
        with pytest.raises(TypeError):
            witness_head(SIGNER, wrong)
    with pytest.raises(TypeError):
        witness_head(SIGNER, AuditHead(1, "x"))
    assert code_of(lambda: verify_audit("x", head=AuditHead(-1, "x"))) == "INVALID_CONFIG"
    for wrong in (
        {"agents": "x"},
        {"token": 1},
        {"token": None},
        {"agent": None},
        {"agent": 0},
        {"since": 1.5},
        {"limit": True},
    ):
        with pytest.raises(TypeError):
            await log.query(**wrong)
    for wrong in ({"limit": 0}, {"limit": 10**9}, {"since": -1}):
        assert await code(log.query(**wrong)) == "INVALID_CONFIG"
    assert await code(log.query(agent="nobody")) == "INVALID_DID"
    await log.close()


async def test_the_log_goes_on_signing_when_its_identity_was_destroyed(path):
    own = Identity()
    async with open_audit_log(path, signer=own) as log:
        own.destroy()
        log.append("x", "accepted")
    verify_audit(path, did=own.did)
    assert await code(open_audit_log(path, signer=own)) == "SIGN_FAILED"
