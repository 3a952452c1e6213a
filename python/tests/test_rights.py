"""Identities, tokens, delegation, revocation, approvals, receipts."""

import asyncio
import json
import pickle
from types import SimpleNamespace

import pytest

from private_me import (
    Agent,
    ApprovalPolicy,
    CallToApprove,
    HandlerError,
    Identity,
    IncomingCall,
    KeyHistory,
    MessageVerifier,
    OnBehalfOf,
    RevocationList,
    RevocationSubject,
    TokenVerifier,
    XBindError,
    approvals,
    approve_call,
    autogen_xbind,
    covers,
    delegate_token,
    issue_token,
    seal,
    sign_rotation,
    verify_approval,
    verify_receipt,
    verify_signature,
)


async def test_an_identity_outlives_its_process(bus, tmp_path):
    researcher = autogen_xbind.AutoGenxBindAgent(name="researcher", agent_options={"bus": bus})
    exported = await researcher.export_identity()
    assert exported["ok"]
    path = tmp_path / "researcher.key"
    path.write_bytes(exported["value"])
    await researcher.close()
    imported = await autogen_xbind.AutoGenxBindAgent.from_identity(path.read_bytes(), agent_options={"bus": bus})
    assert imported["ok"]
    assert imported["value"].get_did() == researcher.get_did()
    await imported["value"].close()
    wrong = await autogen_xbind.AutoGenxBindAgent.from_identity(b"no key")
    assert not wrong["ok"] and wrong["error"].code == "IMPORT_FAILED"


async def test_a_passphrase_encrypts(bus):
    async with Agent(bus=bus) as agent:
        exported = await agent.export_identity(passphrase="correct horse")
        did = agent.did
    for passphrase, code in (("wrong", "WRONG_PASSPHRASE"), (None, None)):
        with pytest.raises((XBindError, TypeError)) as caught:
            await Agent.from_identity(exported, bus=bus, passphrase=passphrase)
        assert getattr(caught.value, "code", None) == code
    with pytest.raises(XBindError):
        await Agent.from_identity(exported, bus=bus)
    restored = await Agent.from_identity(exported, bus=bus, passphrase="correct horse")
    assert restored.did == did
    await restored.close()
    with pytest.raises(TypeError):
        await restored.export_identity(passphrase=None)
    assert Identity.from_pkcs8(exported, "correct horse").did == did


def test_identities_as_pem_and_jwk():
    identity = Identity()
    pem = identity.to_pkcs8(format="pem")
    assert pem.startswith("-----BEGIN PRIVATE KEY-----")
    assert Identity.from_pkcs8(pem).did == identity.did == Identity.from_pkcs8(pem.encode()).did
    assert Identity.from_pkcs8(identity.to_pkcs8(passphrase="x", format="pem"), "x").did == identity.did
    assert identity.to_jwk()["crv"] == "Ed25519"
    assert identity.to_did_document()["id"] == identity.did
    with pytest.raises(TypeError):
        identity.to_pkcs8(passphrase=None)
    with pytest.raises(ValueError):
        identity.to_pkcs8(format="jwk")


def test_cryptography_reads_our_keys_and_we_read_its():
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization

    identity = Identity()
    key = serialization.load_der_private_key(identity.to_pkcs8(), None)
    signature = key.sign(b"data")
    assert verify_signature(identity.did, b"data", signature) and identity.sign(b"data") == signature
    theirs = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    assert Identity.from_pkcs8(theirs, "secret").public_key


def test_a_destroyed_identity_signs_no_more():
    with Identity() as identity:
        assert identity.sign(b"x")
    with pytest.raises(XBindError, match="SIGN_FAILED"):
        identity.sign(b"x")
    with pytest.raises(XBindError, match="EXPORT_FAILED"):
        identity.to_pkcs8()
    assert identity.did.startswith("did:key:")


def test_an_identity_signs_no_statement_by_accident():
    identity = Identity()
    with pytest.raises(XBindError, match="SIGN_FAILED"):
        identity.sign(b"xbind-batch-v1")
    assert identity.dangerously_sign(b"xbind-batch-v1")


def test_messages_for_other_transports():
    a, b = Identity(), Identity()
    sealed = seal(a, "call", b.did, b'{"x":1}', method="m", ttl=10)
    verifier = MessageVerifier(b.did)
    opened = verifier.open(sealed.jws, sealed.body)
    assert (opened.sender, opened.body, opened.method, opened.id) == (a.did, b'{"x":1}', "m", sealed.id)
    with pytest.raises(XBindError, match="REPLAYED"):
        verifier.open(sealed.jws, sealed.body)
    with pytest.raises(XBindError, match="MALFORMED_MESSAGE|PAYLOAD|INVALID_SIGNATURE"):
        MessageVerifier(b.did).open(sealed.jws, b'{"x":2}')
    answer = seal(b, "result", a.did, b"1", in_reply_to=opened)
    back = MessageVerifier(a.did, pending=lambda id: sealed if id == sealed.id else None).open(answer.jws, answer.body)
    assert back.in_reply_to == sealed.id
    body = bytearray(b"before")
    changed = seal(a, "send", b.did, body)
    body[:] = b"after!"
    assert changed.body == b"before"


def test_sources_that_do_not_know_refuse_a_message():
    a, b = Identity(), Identity()

    class Source:
        def __init__(self, answer):
            self.answer = answer

        def is_revoked(self, subject):
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    async def later():
        return False

    for answer, code in ((True, "REVOKED"), (None, "REVOCATION_UNKNOWN"), (ValueError(), "REVOCATION_UNKNOWN"), (0, "REVOCATION_UNKNOWN"), (later(), "REVOCATION_UNKNOWN")):  # fmt: skip
        sealed = seal(a, "send", b.did, b"x")
        with pytest.raises(XBindError, match=code):
            MessageVerifier(b.did, revocations=Source(answer)).open(sealed.jws, sealed.body)
    assert MessageVerifier(b.did, revocations=[Source(False)]).open(sealed.jws, sealed.body)


async def test_tokens_and_delegation(bus, asker, teller):
    owner = Identity()
    seen = []

    def handler(call):
        seen.append((call.scopes, call.chain))

    teller.handle(handler, trust=[owner.did], scopes=["invoice.read"])
    token = issue_token(owner, subject=asker.did, audience=teller.did, scopes=["invoice.*"], claims={"a": [1]})
    await asker.call("teller", token=token)
    async with Agent("helper", bus=bus) as helper:
        with pytest.raises(XBindError):
            await helper.call("teller", token=token)
        narrower = asker.delegate(token, subject=helper.did, scopes=["invoice.read"], ttl=60)
        await helper.call("teller", token=narrower)
        with pytest.raises(XBindError, match="INVALID_DELEGATION"):
            asker.delegate(token, subject=helper.did, scopes=["other"])
        claims = TokenVerifier(teller.did, trust=[owner.did]).verify(narrower, scopes=["invoice.read"], presenter=helper.did)
        assert claims.chain == (owner.did, asker.did, helper.did) and claims.claims["a"] == [1]
        assert seen == [(("invoice.*",), (owner.did, asker.did)), (("invoice.read",), (owner.did, asker.did, helper.did))]
        with pytest.raises(TypeError):
            claims.claims["a"] = 2
    granted = teller.grant(subject=asker.did, audience="https://x.example", scopes=[])
    assert TokenVerifier("https://x.example", trust=[teller.did]).verify(granted).issuer == teller.did
    assert covers("invoice.*", "invoice.read") and not covers("invoice.read", "invoice")
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        issue_token(owner, subject=asker.did, audience="x", scopes=[], claims={"a": float("nan")})
    with pytest.raises(TypeError):
        issue_token(owner, subject=asker.did, audience="x", scopes="invoice.read")


async def test_what_is_revoked_counts_no_more(asker, teller):
    owner, revoked = Identity(), RevocationList()
    teller.handle(lambda call: "in", trust=[owner.did], revocations=revoked)
    token = issue_token(owner, subject=asker.did, audience=teller.did, scopes=[])
    assert await asker.call("teller", token=token) == "in"
    revoked.revoke_did(asker.did)
    assert len(revoked) == 1 and revoked.is_revoked(RevocationSubject(0, did=asker.did))
    with pytest.raises(XBindError, match="REVOKED"):
        await asker.call("teller", token=token)
    assert revoked.reinstate(asker.did)
    assert await asker.call("teller", token=token) == "in"
    revoked.revoke_token(TokenVerifier(teller.did, trust=[owner.did]).verify(token).id)
    with pytest.raises(XBindError, match="REVOKED"):
        await asker.call("teller", token=token)
    full = RevocationList(max_entries=1)
    full.revoke_token("a")
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        full.revoke_token("b")


@pytest.mark.parametrize("takes_time", [False, True])
@pytest.mark.parametrize(("answer", "code"), [(False, None), (True, "REVOKED"), (None, "REVOCATION_UNKNOWN"), (RuntimeError("x"), "REVOCATION_UNKNOWN")])  # fmt: skip
async def test_a_source_of_ones_own_is_asked(asker, teller, takes_time, answer, code):
    owner = Identity()

    class Source:
        def is_revoked(self, subject):
            return self.later() if takes_time else self.now()

        def now(self):
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def later(self):
            await asyncio.sleep(0)
            return self.now()

    teller.handle(lambda call: "in", trust=[owner.did], revocations=Source())
    token = issue_token(owner, subject=asker.did, audience=teller.did, scopes=[])
    verifier = TokenVerifier(teller.did, trust=[owner.did], revocations=[Source()])
    if code is None:
        assert await asker.call("teller", token=token) == "in"
        assert (await verifier.verify_async(token)).revocation == "fresh"
    else:
        with pytest.raises(XBindError, match=code):
            await asker.call("teller", token=token)
        with pytest.raises(XBindError, match=code):
            await verifier.verify_async(token)
    if not takes_time and code is None:
        assert verifier.verify(token)


async def test_somebody_approves_of_each_call(bus, asker, teller):
    asked = []
    async with Agent("operator", bus=bus) as operator:

        def decide(request):
            asked.append((request.agent, request.caller, request.payload, request.method))
            return request.payload["amount"] < 1000

        operator.handle(approvals(operator, decide))
        policy = ApprovalPolicy(by=operator.did, when=lambda call: call.payload["amount"] > 10)
        teller.method("pay", approval=policy)(lambda payload: payload["amount"])
        assert await asker.call("teller", {"amount": 5}, method="pay") == 5
        assert asked == []
        words = []
        assert await asker.call("teller", {"amount": 50}, method="pay", on_progress=words.append) == 50
        assert asked == [(teller.did, asker.did, {"amount": 50}, "pay")]
        assert {"message": "waiting for an approval"} in words
        with pytest.raises(XBindError, match="APPROVAL_REFUSED"):
            await asker.call("teller", {"amount": 5000}, method="pay")
        call = CallToApprove(asker.did, teller.did, b'{"amount":7000}', method="pay")
        own = approve_call(operator, call)
        assert verify_approval(own, call, [operator.did]).decision == "approve"
        assert await asker.call("teller", {"amount": 7000}, method="pay", approval=own) == 7000
        with pytest.raises(XBindError):
            await asker.call("teller", {"amount": 7000}, method="pay", approval=own)
        with pytest.raises(XBindError, match="INVALID_SIGNATURE"):
            verify_approval(own, CallToApprove(asker.did, teller.did, b"{}", method="pay"), [operator.did])


@pytest.mark.parametrize("said", [1, "yes", None])
async def test_what_is_neither_yes_nor_no_is_a_no(bus, asker, teller, said):
    async with Agent("operator", bus=bus) as operator:
        operator.handle(approvals(operator, lambda request: said))
        teller.handle(lambda call: "ran", approval=ApprovalPolicy(by=[operator.did]))
        with pytest.raises(XBindError, match="APPROVAL_REFUSED"):
            await asker.call("teller", 1)
    async with Agent("other", bus=bus) as other:
        teller.handle(lambda call: "ran", allow=lambda sender: said)
        with pytest.raises(XBindError, match="NOT_ALLOWED"):
            await other.call("teller")


async def test_a_predicate_that_raises_lets_nobody_in(asker, teller, caplog):
    def fails(*_):
        raise RuntimeError("a secret")

    async def later(sender):
        return True

    teller.handle(lambda call: "ran", allow=fails)
    with pytest.raises(XBindError, match="HANDLER_FAILED"):
        await asker.call("teller")
    teller.handle(lambda call: "ran", allow=later)
    with pytest.raises(XBindError, match="NOT_ALLOWED"):
        await asker.call("teller")
    teller.handle(lambda call: "ran", approval=ApprovalPolicy(by=asker.did, when=fails))
    with pytest.raises(XBindError):
        await asker.call("teller")


async def test_a_refusal_comes_with_its_receipt(asker, teller):
    def handler(call):
        raise HandlerError("NO", "not today")

    teller.handle(handler)
    with pytest.raises(XBindError) as caught:
        await asker.call_with_receipt("teller", 1)
    receipt = caught.value.receipt
    assert receipt is not None and pickle.loads(pickle.dumps(caught.value)).receipt == receipt
    assert verify_receipt(receipt, caller=asker.did, agent=teller.did).answer == "error"
    with pytest.raises(XBindError) as caught:
        await asker.call_with_receipt("nobody", 1)
    assert caught.value.receipt is None  # nobody has signed anything


async def test_a_receipt_proves_what_was_asked_and_answered(asker, teller):
    teller.handle(lambda call: call.payload)
    value, receipt = await asker.call_with_receipt("teller", {"x": 1})
    assert value == {"x": 1} and json.loads(receipt.request) == {"x": 1}
    proven = verify_receipt(receipt, caller=asker.did, agent=teller.did)
    assert (proven.op, proven.answer, proven.method) == ("call", "result", None)
    with pytest.raises(XBindError, match="WRONG_AUDIENCE|INVALID_SIGNATURE|REPLY_MISMATCH"):
        verify_receipt(receipt, caller=teller.did, agent=asker.did)
    with pytest.raises(XBindError):
        verify_receipt(receipt, caller=asker.did, agent=teller.did, request=b"other")


def test_one_key_follows_another():
    old, new = Identity(), Identity()
    history = KeyHistory(old.did)
    rotation = history.prepare(sign_rotation(old, new, overlap=60))
    assert (rotation.old, rotation.new, rotation.overlap) == (old.did, new.did, 60)
    assert history.current() == new.did and history.may_sign(old.did) and history.state(new.did) == "active"
    assert history.revoke(old.did) and not history.may_sign(old.did)
    assert not (history.revoke(old.did) or history.taint(old.did) or history.activate(old.did, since=0))
    assert history.state("no did") is None and history.name == old.did
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        sign_rotation(old, old)


def test_options_that_are_no_times_are_told():
    identity = Identity()
    for wrong in (-1, 2**53):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            issue_token(identity, subject=identity.did, audience="x", scopes=[], ttl=wrong)
    for wrong in (1.5, "1", True):
        with pytest.raises(TypeError):
            issue_token(identity, subject=identity.did, audience="x", scopes=[], ttl=wrong)
    with pytest.raises(TypeError):
        delegate_token(identity, b"x", subject=identity.did)
    with pytest.raises(TypeError):
        issue_token("identity", subject=identity.did, audience="x", scopes=[])


def test_a_call_says_for_whom_its_caller_acts():
    """What the native side says of a token: scopes and limits, chain, and behind an empty line issuer and subject of a person."""
    call = IncomingCall(SimpleNamespace(id="1", sender="did:key:x", method=None), 0, None)
    assert (call.scopes, call.quota, call.chain, call.on_behalf_of) == ((), None, (), None)
    for rights, scopes, quota, chain, other in [
        ("a b\nx\ny", ("a", "b"), None, ("x", "y"), None),
        ("a b\tn=5 m=0\nx", ("a", "b"), {"n": 5, "m": 0}, ("x",), None),
        ("a\nx\n\nhttps://login.example\nalice", ("a",), None, ("x",), OnBehalfOf("https://login.example", "alice")),
        ("\tn=5\nx\n\ni\ns", (), {"n": 5}, ("x",), OnBehalfOf("i", "s")),
    ]:
        call._rights = rights
        assert (call.scopes, call.quota, call.chain, call.on_behalf_of) == (scopes, quota, chain, other)
