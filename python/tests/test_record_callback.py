"""Logs whose lines a callback takes: the same lines as in a file, and what it does not take is not done. The names are those of
__test__/record-callback.spec.ts where it is the same promise."""

import asyncio
import json
import textwrap
import threading

import pytest
from brokers import until
from logs import SIGNER, code
from test_lifetime import run

from private_me import (
    Agent,
    AuditBatch,
    AuditLog,
    Identity,
    MessageBus,
    RevocationList,
    XBindError,
    open_audit_log,
    verify_audit,
)


class Keeping:
    """Takes each batch."""

    def __init__(self) -> None:
        self.batches: list[AuditBatch] = []

    def __call__(self, batch: AuditBatch) -> None:
        self.batches.append(batch)

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.batches)

    @property
    def last(self) -> str | None:
        return self.text.splitlines()[-1] if self.batches else None


@pytest.mark.parametrize("sync", ["always", "batch", "none"])
@pytest.mark.parametrize("waits", [False, True])
async def test_what_it_is_given_is_what_a_file_would_hold_and_goes_on(path, sync, waits):
    keeping = Keeping()

    async def later(batch: AuditBatch) -> None:
        await asyncio.sleep(0)
        await asyncio.to_thread(keeping, batch)

    for rounds in range(1, 4):
        async with open_audit_log(later if waits else keeping, signer=SIGNER, sync=sync, last_line=keeping.last) as log:
            bus = MessageBus(audit=log)
            caller, echo = Agent(bus=bus), Agent(bus=bus, handler=lambda call: call.payload)
            assert await asyncio.gather(*(caller.call(echo.did, n) for n in range(50))) == list(range(50))
            bus.close()
            head = await log.close()
        assert keeping.batches[-1].head == head
        path.write_text(keeping.text)
        assert verify_audit(path, did=SIGNER.did, head=head).records == rounds * 104
    following = 0
    for batch in keeping.batches:
        assert batch.seq == following
        following += batch.text.count("\n")


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Awaited:
    """What cannot be awaited, though it says so."""

    def __await__(self):
        raise RuntimeError("no")


async def _raising() -> None:
    await asyncio.sleep(0)
    raise RuntimeError("the database is gone")


def _raises(error: BaseException):
    def sink() -> None:
        raise error

    return sink


@pytest.mark.parametrize(
    "refuse",
    [
        _raises(RuntimeError("the database is gone")),
        _raises(Hostile()),
        _raises(RuntimeError()),
        _raises(ValueError("\ud800" * 900)),
        _raising,
        Awaited,
        lambda: asyncio.wait_for(asyncio.Event().wait(), 0.01),
    ],
)
async def test_what_it_does_not_take_is_not_done(path, bus, refuse):
    keeping, refuses, begun = Keeping(), False, []
    log = await open_audit_log(lambda batch: refuse() if refuses else keeping(batch), signer=SIGNER, sync="always")
    caller, writer = Agent(bus=bus), Agent(bus=bus, audit=log, handler=lambda call: begun.append(call.payload))
    await caller.call(writer.did, 1)
    await log.flush()
    refuses = True
    with pytest.raises(XBindError) as caught:
        await caller.call(writer.did, 2)
    assert (caught.value.code, caught.value.handled) == ("AUDIT_FAILED", "no")
    assert await code(log.flush()) == "AUDIT_FAILED"
    refuses = False
    await log.flush()
    await caller.call(writer.did, 3)
    assert begun == [1, 3]
    bus.close()
    await log.close()
    path.write_text(keeping.text)
    verify_audit(path, did=SIGNER.did)
    assert len({each.seq for each in keeping.batches}) == len(keeping.batches)


async def test_it_says_why_to_whoever_asks_the_log():
    with pytest.raises(XBindError, match="the database is gone") as caught:
        await open_audit_log(_raises_batch, signer=SIGNER)
    assert caught.value.code == "AUDIT_FAILED"


def _raises_batch(batch: AuditBatch) -> None:
    raise RuntimeError("the database is gone")


async def test_it_never_says_anything_that_counts_as_no_and_it_gets_nothing_more_before_it_does():
    stuck, asked, rest = False, 0, asyncio.Event()

    async def slow(batch: AuditBatch) -> None:
        nonlocal asked
        asked += 1
        if stuck:
            await rest.wait()

    log = await open_audit_log(slow, signer=SIGNER, sync="always", timeout=0.05)
    stuck = True
    assert log.append("x", "accepted")
    assert await code(log.flush()) == "AUDIT_FAILED"
    assert await code(log.flush()) == "AUDIT_FAILED"
    assert asked == 2  # one batch at a time
    stuck = False
    rest.set()
    while await code(log.flush()) != "ok":
        await asyncio.sleep(0.01)
    await log.close()


async def test_it_may_use_the_log_itself_but_one_that_waits_for_it_is_not_waited_for():
    keeping, opened, waits = Keeping(), list[AuditLog](), False

    async def sink(batch: AuditBatch) -> None:
        keeping(batch)
        if opened:
            log = opened[0]
            log.append("inside", "accepted")
            if waits:
                await log.flush()
            else:
                opened.clear()

    log = await open_audit_log(sink, signer=SIGNER, timeout=0.1)
    opened.append(log)
    log.append("x", "accepted")
    await log.flush()
    opened.append(log)
    waits = True
    assert await code(log.flush()) == "AUDIT_FAILED"
    opened.clear()
    await asyncio.sleep(0)
    while await code(log.flush()) != "ok":
        await asyncio.sleep(0.02)
    await log.close()
    assert keeping.text.count('"event":"inside"') >= 2


async def test_a_callback_whose_task_is_cancelled_has_not_taken_it():
    keeping, tasks = Keeping(), list[asyncio.Task]()

    async def sink(batch: AuditBatch) -> None:
        if len(tasks) < 1 and keeping.batches:
            task = asyncio.current_task()
            assert task
            tasks.append(task)
            task.cancel()
        await asyncio.sleep(0)
        keeping(batch)

    log = await open_audit_log(sink, signer=SIGNER)
    log.append("x", "accepted")
    assert await code(log.flush()) in ("AUDIT_FAILED", "ok")
    await log.flush()
    await log.close()
    assert tasks and keeping.text.count('"event":"x"') == 1


async def test_what_is_left_is_taken_though_nobody_waits_for_the_end_any_more(path):
    keeping, rest = Keeping(), asyncio.Event()

    async def slow(batch: AuditBatch) -> None:
        if keeping.batches:
            await rest.wait()
        keeping(batch)

    log = await open_audit_log(slow, signer=SIGNER)
    log.append("x", "accepted")
    closing = asyncio.create_task(log.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    rest.set()
    await until(lambda: '"event":"x"' in keeping.text)
    path.write_text(keeping.text)
    assert verify_audit(path, did=SIGNER.did).records == 1
    await log.close()


def test_the_log_goes_on_in_the_event_loop_that_waits_for_it_when_its_own_is_over(path):
    keeping = Keeping()

    async def begin() -> AuditLog:
        log = await open_audit_log(keeping, signer=SIGNER)
        await log.flush()
        return log

    async def go_on(log: AuditLog) -> None:
        await log.flush()
        log.append("later", "accepted")
        await log.close()

    log = asyncio.run(begin())
    assert log.append("between", "accepted")
    asyncio.run(go_on(log))
    path.write_text(keeping.text)
    assert verify_audit(path, did=SIGNER.did).records == 2


async def test_other_threads_write_while_the_loop_of_the_callback_turns(path):
    keeping = Keeping()
    async with open_audit_log(keeping, signer=SIGNER) as log:

        def write() -> None:
            for number in range(200):
                assert log.append("tick", "accepted", note=str(number))

        threads = [threading.Thread(target=write) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            await asyncio.to_thread(each.join)
    path.write_text(keeping.text)
    assert verify_audit(path).records == 800


async def test_options_are_refused_that_are_none(path):
    for wrong in (None, False, 0, float("nan"), object(), [], {}):
        with pytest.raises(TypeError):
            open_audit_log(wrong, signer=SIGNER)
    keeping = Keeping()
    for wrong in ({"last_line": 1}, {"last_line": b"x"}, {"timeout": "1"}, {"timeout": True}, {"sync": None}, {"signer": None}):
        with pytest.raises(TypeError):
            open_audit_log(keeping, **{"signer": SIGNER, **wrong})
    for wrong in ({"timeout": 0}, {"timeout": float("nan")}, {"timeout": 601}, {"max_file_bytes": 4096}, {"first": 0}):
        with pytest.raises(XBindError) as caught:
            open_audit_log(keeping, signer=SIGNER, **wrong)
        assert caught.value.code == "INVALID_CONFIG"
    for wrong in ({"last_line": "x"}, {"timeout": 1}):
        with pytest.raises(XBindError) as caught:
            open_audit_log(path, signer=SIGNER, **wrong)
        assert caught.value.code == "INVALID_CONFIG"
    for last in ("", "x", '{"seq":0}'):
        assert await code(open_audit_log(keeping, signer=SIGNER, last_line=last)) == "INVALID_AUDIT"
    gone = Identity()
    gone.destroy()
    assert await code(open_audit_log(keeping, signer=gone)) == "SIGN_FAILED"
    log = await open_audit_log(keeping, signer=SIGNER)
    assert await code(log.query()) == "INVALID_CONFIG"
    await log.close()
    assert await code(log.flush()) == "AUDIT_FAILED"


async def test_what_goes_on_in_any_case_is_on_record_behind_it():
    keeping = Keeping()
    log = await open_audit_log(keeping, signer=SIGNER, sync="always")
    with pytest.raises(XBindError, match="AUDIT_FAILED"):
        RevocationList(audit=log).revoke_token("strict")
    RevocationList(audit=log, dangerously_continue_unrecorded=True).revoke_token("lax")
    await log.close()
    lines = [json.loads(line) for line in keeping.text.splitlines()]
    assert [line["token"] for line in lines if line["event"] == "token.revoked"] == ["lax"]


@pytest.mark.parametrize("how", ["pass", "os._exit(0)"])
def test_a_log_keeps_no_process_alive_though_its_callback_never_says_anything_again(how):
    program = f"""
        import asyncio, os
        from private_me import Identity, open_audit_log
        async def main():
            stuck = False
            def sink(batch): return asyncio.Event().wait() if stuck else None
            log = await open_audit_log(sink, signer=Identity(), timeout=600)
            stuck = True
            log.append("x", "accepted")
            await asyncio.sleep(0.05)
            {how}
        asyncio.run(main())
    """
    run(textwrap.dedent(program))
