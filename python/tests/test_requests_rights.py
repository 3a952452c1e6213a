"""What a verifier of HTTP requests asks of their tokens and senders, approvals of requests, and responses."""

import asyncio
import itertools

import pytest
from logs import SIGNER, code, code_of, outcomes
from private_me import (
    Agent,
    HttpRequest,
    Identity,
    MessageBus,
    RequestVerifier,
    RevocationList,
    XBindError,
    approve_request,
    delegate_token,
    issue_token,
    open_audit_log,
    sign_request,
    sign_response,
    verify_response,
)

OWNER, CLERK, TEMP, APPROVER = (Identity() for _ in range(4))
URL = "https://api.example/orders?x=1"
NOTHING = (None, False, 0, float("nan"), object())


def request(by: Identity = CLERK, **options) -> tuple[str, str, list[tuple[str, str]], bytes]:
    headers = [("Host", "api.example"), ("Content-Type", "application/json")]
    return "POST", "/orders?x=1", [*headers, *sign_request(by, "POST", URL, headers=headers, body=b"{}", **options)], b"{}"


def verifier(**options) -> RequestVerifier:
    return RequestVerifier(["api.example"], dangerously_accept_replay_after_restart=True, **options)


def token(**options) -> str:
    granted = {"subject": CLERK.did, "audience": "https://api.example", "scopes": ["orders.write", "orders.read"], **options}
    return issue_token(OWNER, **granted)


@pytest.fixture(params=["verify", "verify_async"])
def ask(request):
    """Asks a verifier in either way."""

    async def asked(own: RequestVerifier, *given, **options):
        said = getattr(own, request.param)(*given, **options)
        return await said if request.param == "verify_async" else said

    return asked


async def test_a_token_brings_its_limits(ask):
    own = verifier(trust=[OWNER.did])
    assert (await ask(own, *request(token=token()))).quota is None
    assert (await ask(own, *request(token=token(quota={"calls": 9})))).quota == {"calls": 9}
    part = delegate_token(CLERK, token(quota={"calls": 9}), subject=TEMP.did, quota={"calls": 2})
    assert (await ask(own, *request(TEMP, token=part))).quota == {"calls": 2}


async def test_a_token_has_to_grant_what_is_needed_to_who_sends_it(ask):
    own = verifier(trust=[OWNER.did], scopes=["orders.read"])
    good = request(token=token())
    verified = await ask(own, *good, scopes=["orders.write"])
    assert (verified.sender, verified.chain) == (
        CLERK.did,
        (OWNER.did, CLERK.did) if len(verified.chain) == 2 else verified.chain,
    )
    assert set(verified.scopes) == {"orders.write", "orders.read"}
    assert await code(ask(own, *good)) == "REPLAYED"
    assert await code(ask(own, *request())) == "SCOPE_DENIED"  # it presents none
    assert await code(ask(own, *request(token=token()), scopes=["orders.delete"])) == "SCOPE_DENIED"
    assert await code(ask(own, *request(TEMP, token=token()))) != "ok"  # another's
    assert await code(ask(own, *request(token=token(audience="https://other.example")))) == "WRONG_AUDIENCE"
    stranger = issue_token(TEMP, subject=CLERK.did, audience="https://api.example", scopes=["orders.read"])
    assert await code(ask(own, *request(token=stranger))) == "UNTRUSTED_ISSUER"
    handed = delegate_token(CLERK, token(), subject=TEMP.did, scopes=["orders.read"])
    assert TEMP.did in (await ask(own, *request(TEMP, token=handed))).chain
    assert await code(ask(verifier(), *request(), scopes=["orders.read"])) == "SCOPE_DENIED"  # nobody is trusted


async def test_what_is_refused_for_its_rights_is_not_taken_into_the_replay_window(ask):
    own, good = verifier(trust=[OWNER.did]), request(token=token())
    assert await code(ask(own, *good, scopes=["orders.delete"])) == "SCOPE_DENIED"
    assert (await ask(own, *good, scopes=["orders.read"])).sender == CLERK.did


async def test_whoever_was_revoked_is_refused_with_a_token_or_without(ask):
    revoked = RevocationList()
    for own, good in (
        (verifier(revocations=revoked), lambda: request()),
        (verifier(revocations=[revoked], trust=[OWNER.did]), lambda: request(token=token())),
    ):
        assert (await ask(own, *good())).sender == CLERK.did
        revoked.revoke_did(CLERK.did)
        assert await code(ask(own, *good())) == "REVOKED"
        revoked.reinstate(CLERK.did)
    approved = verifier(revocations=revoked, approvers=[APPROVER.did])
    approval = approve_request(APPROVER, unsigned(), caller=CLERK.did, recipient="https://api.example", body=b"{}")
    revoked.revoke_did(APPROVER.did)
    assert await code(ask(approved, *request(approval=approval))) == "REVOKED"


class Source:
    """Answers what it was told to."""

    def __init__(self, answer) -> None:
        self._answer = answer

    def is_revoked(self, subject):
        return self._answer()


async def _later(answer):
    await asyncio.sleep(0)
    return answer


async def _raising():
    raise RuntimeError("the database is gone")


def _raise():
    raise RuntimeError("the database is gone")


@pytest.mark.parametrize("trust", [False, True])
async def test_a_source_that_needs_time_is_waited_for_and_one_that_does_not_know_refuses(trust):
    more = {"trust": [OWNER.did]} if trust else {}
    good = (lambda: request(token=token())) if trust else request
    for answer in (lambda: None, lambda: 0, lambda: "", _raise, _raising, lambda: _later(None), lambda: float("nan")):
        own = verifier(revocations=Source(answer), **more)
        assert code_of(lambda: own.verify(*good())) == "REVOCATION_UNKNOWN"  # noqa: B023
        assert await code(own.verify_async(*good())) == "REVOCATION_UNKNOWN"
    patient = verifier(revocations=[Source(lambda: _later(False)), RevocationList()], **more)
    assert code_of(lambda: patient.verify(*good())) == "REVOCATION_UNKNOWN"
    assert (await patient.verify_async(*good())).sender == CLERK.did
    assert await code(verifier(revocations=Source(lambda: _later(True)), **more).verify_async(*good())) == "REVOKED"


def unsigned() -> HttpRequest:
    return HttpRequest("POST", URL, [("Host", "api.example"), ("Content-Type", "application/json")])


async def test_an_approval_is_for_one_request_once(ask):
    own = verifier(approvers=[APPROVER.did])
    told = {"caller": CLERK.did, "recipient": "https://api.example", "body": b"{}"}
    assert await code(ask(own, *request())) == "APPROVAL_REQUIRED"
    approval = approve_request(APPROVER, unsigned(), **told)
    assert (await ask(own, *request(approval=approval))).sender == CLERK.did
    assert await code(ask(own, *request(approval=approval))) == "APPROVAL_REQUIRED"  # it was used
    denied = approve_request(APPROVER, unsigned(), **told, decision="deny")
    assert await code(ask(own, *request(approval=denied))) == "APPROVAL_REFUSED"
    async with Agent(bus=MessageBus()) as boss:
        by_agent = approve_request(boss, unsigned(), **told)
        assert (await ask(verifier(approvers=[boss.did]), *request(approval=by_agent))).sender == CLERK.did
    for wrong in ({"caller": APPROVER.did}, {"decision": "maybe"}, {"ttl": 3601}, {"ttl": 0}):
        assert code_of(lambda: approve_request(APPROVER, unsigned(), **{**told, **wrong})) == "INVALID_CONFIG"  # noqa: B023
    assert code_of(lambda: approve_request(APPROVER, unsigned(), **{**told, "caller": "nobody"})) == "INVALID_DID"
    for name in ("caller", "recipient", "body", "decision", "ttl"):
        for wrong in NOTHING:
            if (name, wrong) not in (("ttl", None), ("ttl", 0)):
                with pytest.raises(TypeError):
                    approve_request(APPROVER, unsigned(), **{**told, name: wrong})


async def test_what_is_decided_is_on_record_and_judged_again_when_the_disk_was_waited_for(path, ask):
    times, answers = itertools.count(1_800_000_000), []  # a second goes by each time that somebody looks
    log = await open_audit_log(path, signer=SIGNER, sync="always")
    trusting = verifier(trust=[OWNER.did], audit=log)
    good = request(token=token())
    verified = await ask(trusting, *good, scopes=["orders.read"])
    assert await code(ask(trusting, *good)) == "REPLAYED"
    own = verifier(revocations=Source(lambda: answers.pop(0)), now=lambda: next(times), audit=log)
    answers[:] = [False, True]  # revoked while the disk was waited for
    assert await code(ask(own, *request(now=1_800_000_000))) == "REVOKED"
    assert answers == []
    assert await outcomes(log) == [
        "request accepted",
        "request refused REPLAYED",
        "request accepted",
        "request refused REVOKED",
    ]
    first = (await log.query())[0]
    assert (first.sender, first.chain, first.message_id) == (CLERK.did, verified.chain, verified.nonce)
    assert first.token is not None
    await log.close()
    late = request(token=token())
    for _ in range(2):  # it may come again as it is
        assert await code(ask(trusting, *late)) == "AUDIT_FAILED"


async def test_an_awaited_verification_that_is_given_up_was_not_let_in_twice():
    own = verifier(revocations=Source(lambda: asyncio.sleep(0.01, False)))
    good = request()
    for turns in range(4):
        task = asyncio.create_task(own.verify_async(*good))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    both = await asyncio.gather(*(own.verify_async(*good) for _ in range(20)), return_exceptions=True)
    assert sorted(getattr(each, "code", "ok") for each in both) == ["REPLAYED"] * 19 + ["ok"]


def test_a_response_is_bound_to_its_request():
    method, _, headers, _ = request()
    asked = HttpRequest(method, URL, headers)
    fields = [("Content-Type", "application/json")]
    answer = [*fields, *sign_response(OWNER, 200, asked, headers=fields, body=b"[]")]
    verified = verify_response(200, answer, bytearray(b"[]"), asked, sender=OWNER.did)
    assert (verified.sender, verified.body) == (OWNER.did, b"[]")
    other = HttpRequest("POST", URL, request()[2])
    assert code_of(lambda: verify_response(200, answer, b"[]", other)) != "ok"
    assert code_of(lambda: verify_response(200, answer, b"[]", asked, sender=CLERK.did)) == "REPLY_MISMATCH"
    assert code_of(lambda: verify_response(201, answer, b"[]", asked)) != "ok"
    assert code_of(lambda: verify_response(200, answer, b"{}", asked)) != "ok"
    assert code_of(lambda: verify_response(200, fields, b"[]", asked)) != "ok"
    assert code_of(lambda: verify_response(200, answer, b"[]", asked, max_body_bytes=1)) == "PAYLOAD_TOO_LARGE"
    assert code_of(lambda: verify_response(200, answer, b"[]", asked, now=4_000_000_000)) == "MESSAGE_EXPIRED"
    assert code_of(lambda: verify_response(200, answer, b"[]", asked, sender="nobody")) == "INVALID_DID"
    for wrong in NOTHING:
        with pytest.raises(TypeError):
            verify_response(200, answer, b"[]", asked, sender=wrong)  # None would take anybody's
        with pytest.raises(TypeError):
            verify_response(200, answer, wrong, asked)
        with pytest.raises(TypeError):
            sign_response(OWNER, 200, asked, body=wrong)
    for wrong in (False, "200", 200.0, float("nan")):
        with pytest.raises(TypeError):
            sign_response(OWNER, wrong, asked)
    for wrong in (0, 99, 1000):
        assert code_of(lambda: sign_response(OWNER, wrong, asked)) == "INVALID_CONFIG"  # noqa: B023
    with pytest.raises(ValueError):
        sign_response(OWNER, 200, HttpRequest("POST", "/orders", []))


def test_options_are_refused_that_are_none():
    for name in ("trust", "scopes", "allow", "approvers"):
        for wrong in (*NOTHING, "x"):
            with pytest.raises(TypeError):
                verifier(**{"trust": [OWNER.did], name: wrong})
    for wrong in NOTHING:
        with pytest.raises((TypeError, AttributeError)):
            verifier(revocations=wrong)
        with pytest.raises(TypeError):
            verifier(trust=[OWNER.did], fetch=wrong)
        with pytest.raises(TypeError):
            verifier(trust=[OWNER.did]).verify(*request(token=token()), scopes=wrong)
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        verifier(scopes=["orders.read"])
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        verifier(trust=[OWNER.did], scopes=["not a scope"])
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        verifier(trust=[])
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        verifier(trust=[OWNER.did]).verify(*request(token=token()), scopes=[""])
