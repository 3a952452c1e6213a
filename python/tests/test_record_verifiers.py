"""What verifiers decide, and what is taken back, without an agent: on record before it holds. The names are those of
__test__/record-verifiers.spec.ts where it is the same promise."""

import base64
import hashlib

import pytest
from logs import SIGNER, code_of, outcomes

from private_me import (
    Identity,
    KeyHistory,
    MessageVerifier,
    RequestVerifier,
    RevocationList,
    RevocationSubject,
    SealedMessage,
    XBindError,
    open_audit_log,
    seal,
    sign_request,
    sign_rotation,
)

BOSS, CLERK, TEMP = Identity(), Identity(), Identity()
NOW = 1_800_000_000
URL = "https://billing.example/pay?secret=1"
SYNCS = pytest.mark.parametrize("sync", ["always", "batch", "none"])
NOTHING = (None, False, 0, "", float("nan"), object(), "audit.jsonl")


def sealed(by: Identity) -> SealedMessage:
    return seal(by, "call", BOSS.did, b"1", method="pay")


def request(by: Identity = CLERK, url: str = URL) -> tuple[str, str, list[tuple[str, str]], bytes]:
    headers = [("Host", "billing.example"), ("Content-Type", "application/json")]
    signed = sign_request(by, "POST", url, headers=headers, body=b"{}")
    return "POST", url.removeprefix("https://billing.example"), [*headers, *signed], b"{}"


@SYNCS
async def test_a_verifier_of_messages(path, sync):
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    verifier = MessageVerifier(BOSS.did, audit=log, allow=[CLERK.did])
    call, stranger = sealed(CLERK), sealed(TEMP)
    opened = verifier.open(call.jws, call.body)
    assert code_of(lambda: verifier.open(call.jws, call.body)) == "REPLAYED"
    assert code_of(lambda: verifier.open(stranger.jws, stranger.body)) == "NOT_ALLOWED"
    assert code_of(lambda: verifier.open("x", call.body)) == "MALFORMED_MESSAGE"
    assert await outcomes(log) == [
        "message accepted",
        "message refused REPLAYED",
        "message refused NOT_ALLOWED",
        "message refused MALFORMED_MESSAGE",
    ]
    first, second, third, last = await log.query()
    digest = base64.urlsafe_b64encode(hashlib.sha256(call.jws.encode()).digest()).rstrip(b"=").decode()
    assert (first.by, first.sender, first.method, first.message_id) == (BOSS.did, CLERK.did, "pay", opened.id)
    assert (first.digest, second.digest, second.sender) == (digest, digest, CLERK.did)
    assert (third.sender, last.sender, bool(last.note)) == (None, None, True)  # who is not allowed is not verified
    await log.close()
    late = sealed(CLERK)
    for _ in range(2):  # nothing of it is remembered
        assert code_of(lambda: verifier.open(late.jws, late.body)) == "AUDIT_FAILED"


@SYNCS
async def test_a_verifier_of_http_requests(path, sync):
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    options = {"allow": [CLERK.did], "audience": BOSS.did, "dangerously_accept_replay_after_restart": True}
    verifier = RequestVerifier(["billing.example"], audit=log, **options)
    good = request()
    verified = verifier.verify(*good)
    assert code_of(lambda: verifier.verify(*good)) == "REPLAYED"
    with pytest.raises(XBindError, match="NOT_ALLOWED") as caught:
        verifier.verify(*request(TEMP))
    refused = caught.value.message
    assert code_of(lambda: verifier.verify("GET", "/x?secret", [("Host", "billing.example")])) != "ok"
    told = await outcomes(log)
    assert told[:3] == ["request accepted", "request refused REPLAYED", "request refused NOT_ALLOWED"] and len(told) == 4
    first, second, third, last = await log.query()
    assert (first.by, first.sender, first.method, first.message_id) == (BOSS.did, CLERK.did, "POST", verified.nonce)
    assert (first.note, third.note, last.sender) == ("/pay", f"/pay: {refused}", None)
    assert second.note == "/pay: a request with this nonce was accepted before"
    assert b"secret" not in path.read_bytes()
    await log.close()
    late = request()
    for _ in range(2):
        assert code_of(lambda: verifier.verify(*late)) == "AUDIT_FAILED"


async def test_what_could_not_be_recorded_may_come_again_as_it_is():
    """What is synchronous cannot wait for a callback: its log can be written when it looks, and not when it records."""
    batches = []
    log = await open_audit_log(batches.append, signer=SIGNER, sync="always")
    messages = MessageVerifier(BOSS.did, audit=log)
    requests = RequestVerifier(["billing.example"], audit=log, dangerously_accept_replay_after_restart=True)
    call, good = sealed(CLERK), request()
    for _ in range(2):
        assert code_of(lambda: messages.open(call.jws, call.body)) == "AUDIT_FAILED"
        assert code_of(lambda: requests.verify(*good)) == "AUDIT_FAILED"
    lax = MessageVerifier(BOSS.did, audit=log, dangerously_continue_unrecorded=True)
    assert lax.open(call.jws, call.body).sender == CLERK.did
    assert code_of(lambda: lax.open(call.jws, call.body)) == "REPLAYED"
    await log.close()


async def test_a_function_of_the_program_that_raises_has_refused_and_is_on_record(path):
    def broken(*_):
        raise ZeroDivisionError

    call, asked = sealed(CLERK), seal(BOSS, "call", CLERK.did, b"1")
    opened = MessageVerifier(CLERK.did).open(asked.jws, asked.body)
    answer = seal(CLERK, "result", BOSS.did, b"1", in_reply_to=opened)
    async with open_audit_log(path, signer=SIGNER) as log:
        with pytest.raises(ZeroDivisionError):
            MessageVerifier(BOSS.did, now=broken, audit=log).open(call.jws, call.body)
        with pytest.raises(ZeroDivisionError):
            MessageVerifier(BOSS.did, pending=broken, audit=log).open(answer.jws, answer.body)
        options = {"now": broken, "audit": log, "dangerously_accept_replay_after_restart": True}
        with pytest.raises(ZeroDivisionError):
            RequestVerifier(["billing.example"], **options).verify(*request())
        assert await outcomes(log) == ["message refused INTERNAL"] * 2 + ["request refused INTERNAL"]


@pytest.mark.parametrize(
    ("target", "noted"),
    [
        ("https://billing.example?token=s3cret/tail", None),
        ("HTTPS://user:s3cret@billing.example/a", "/a"),
        ("//public/admin/a#s3cret", "//public/admin/a"),
        ("/a://b/c?s3cret", "/a://b/c"),
        ("https:user:s3cret@billing.example/", None),
        ("/p?s3cret\n", "/p"),
        ("/" + "p" * 254, "/" + "p" * 254),
        ("/" + "p" * 8000, "/" + "p" * 254 + "…"),
        ("/p" + "\U0001f600" * 900, "/p" + "\U0001f600" * 63 + "…"),
    ],
)
async def test_a_request_is_on_record_with_nothing_but_its_path(path, target, noted):
    async with open_audit_log(path, signer=SIGNER) as log:
        verifier = RequestVerifier(["billing.example"], audit=log)
        with pytest.raises(XBindError) as caught:
            verifier.verify("GET", target, [("Host", "billing.example")])
        await log.flush()
        [refused] = await log.query()
        assert refused.note == (f"{noted}: {caught.value.message}" if noted else caught.value.message)
        assert "s3cret" not in str(refused)


@SYNCS
async def test_revocations_are_on_record_or_not_done(path, sync):
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    revoked = RevocationList(max_entries=2, audit=log)
    assert revoked.reinstate(CLERK.did) is False  # nothing was done
    revoked.revoke_token("one")
    revoked.revoke_did(CLERK.did)
    assert code_of(lambda: revoked.revoke_token("full")) == "INVALID_CONFIG"
    assert code_of(lambda: revoked.revoke_did("nobody")) == "INVALID_DID"
    assert revoked.reinstate(CLERK.did) is True
    assert await outcomes(log) == ["token.revoked accepted", "did.revoked accepted", "did.reinstated accepted"]
    first, second, third = await log.query()
    assert (first.by, first.token, second.to, third.to) == (SIGNER.did, "one", CLERK.did, CLERK.did)
    other = RevocationList(audit=log)
    other.revoke_did(TEMP.did)
    await log.close()
    assert code_of(lambda: other.revoke_did(CLERK.did)) == "AUDIT_FAILED"
    assert code_of(lambda: other.revoke_token("two")) == "AUDIT_FAILED"
    assert code_of(lambda: other.reinstate(TEMP.did)) == "AUDIT_FAILED"
    assert not other.is_revoked(RevocationSubject(NOW, did=CLERK.did))
    assert other.is_revoked(RevocationSubject(NOW, did=TEMP.did)) and len(other) == 1
    lax = RevocationList(audit=log, dangerously_continue_unrecorded=True)
    lax.revoke_token("one")
    assert len(lax) == 1


@SYNCS
async def test_verdicts_about_keys_are_on_record_or_not_done(path, sync):
    log = await open_audit_log(path, signer=SIGNER, sync=sync)
    history = KeyHistory(BOSS.did, audit=log)
    statement = sign_rotation(BOSS, CLERK, active_from=NOW + 60, now=NOW)
    assert history.prepare(statement, now=NOW).new == CLERK.did
    assert code_of(lambda: history.prepare("x", now=NOW)) == "INVALID_TOKEN"
    assert history.activate(CLERK.did, since=NOW) is True
    assert history.activate(CLERK.did, since=NOW) is False  # no change, and no record
    assert history.taint(CLERK.did, since=NOW + 30) is True
    assert history.revoke(TEMP.did) is False
    assert history.revoke(CLERK.did) is True
    assert await outcomes(log) == [
        "key.prepared accepted",
        "key.prepared refused INVALID_TOKEN",
        "key.activated accepted",
        "key.tainted accepted",
        "key.revoked accepted",
    ]
    found = await log.query()
    assert {(each.sender, each.to) for each in found if each.outcome == "accepted"} == {(BOSS.did, CLERK.did)}
    await log.close()
    assert code_of(lambda: history.revoke(BOSS.did)) == "AUDIT_FAILED"
    assert code_of(lambda: history.taint(BOSS.did)) == "AUDIT_FAILED"
    assert code_of(lambda: history.activate(BOSS.did, since=0)) == "AUDIT_FAILED"
    assert history.state(BOSS.did) in ("active", "retiring", "retired")
    fresh = KeyHistory(BOSS.did, audit=log)
    assert code_of(lambda: fresh.prepare(statement, now=NOW)) == "AUDIT_FAILED"
    assert fresh.state(CLERK.did) is None


async def test_options_are_refused_that_are_none(path):
    makers = (
        lambda **options: MessageVerifier(BOSS.did, **options),
        lambda **options: RequestVerifier(["x"], **options),
        lambda **options: KeyHistory(BOSS.did, **options),
        lambda **options: RevocationList(**options),
    )
    async with open_audit_log(path, signer=SIGNER) as log:
        for make in makers:
            for wrong in NOTHING:
                with pytest.raises(TypeError):
                    make(audit=wrong)
            for wrong in (None, 0, 1, "", "no", float("nan")):
                with pytest.raises(TypeError):
                    make(audit=log, dangerously_continue_unrecorded=wrong)
            for unrecorded in (True, False):
                assert code_of(lambda: make(dangerously_continue_unrecorded=unrecorded)) == "INVALID_CONFIG"  # noqa: B023
            make(audit=log, dangerously_continue_unrecorded=False)
