"""The files of vectors/, which all languages run."""

import base64
import json
from pathlib import Path
from typing import Any

from shared import FOLDER, cases, code_of, expected, vectors

from private_me import (
    CallReceipt,
    CallToApprove,
    Identity,
    MessageVerifier,
    RevocationList,
    StatusList,
    TokenVerifier,
    TrustedIssuer,
    XBindError,
    _native,
    did_to_public_key,
    public_key_to_did,
    seal,
    verify_approval,
    verify_card,
    verify_receipt,
    verify_rotation,
    verify_signature,
)
from private_me._check import UNSET
from private_me._messages import SealedMessage, VerifiedMessage

MESSAGES = {name: {case["name"]: case for case in vectors(name)["cases"]} for name in ("message-v1", "message-batch")}


def body_of(case: dict[str, Any]) -> bytes:
    return bytes.fromhex(case["bodyHex"]) if "bodyHex" in case else case.get("bodyUtf8", "").encode()


def open_message(file: str, case: dict[str, Any]) -> VerifiedMessage:
    held = vectors(file) if file not in OPENED else OPENED[file]
    OPENED[file] = held
    current = case

    def pending(id: str) -> Any:
        call = current.get("pending")
        return SealedMessage(call["jws"], b"", None, id) if call and call["jti"] == id else None

    def running(id: str, sender: str) -> Any:
        call = current.get("running")
        return SealedMessage(call["jws"], b"", None, id) if call and (call["jti"], call["from"]) == (id, sender) else None

    revoked = RevocationList()
    for did in case.get("revoked", []):
        revoked.revoke_did(did)
    verifier = MessageVerifier(
        held["self"],
        now=lambda: current.get("now", held["now"]),
        clock_skew=case.get("clockSkewSeconds"),
        max_lifetime=case.get("maxLifetimeSeconds"),
        max_body_bytes=case.get("maxBodyBytes"),
        max_tracked_messages=case.get("maxTrackedMessages"),
        session=case.get("session", UNSET),
        pending=pending,
        running=running,
        allow=case.get("allow", UNSET),
        revocations=revoked if "revoked" in case else (),
    )
    before, after = [], case.get("after")
    while after is not None:
        before.insert(0, MESSAGES[file][after])
        after = before[0].get("after")
    for current in before:
        code_of(lambda: verifier.open(current["jws"], body_of(current), current.get("token")))
    current = case
    return verifier.open(case["jws"], body_of(case), case.get("token"))


OPENED: dict[str, Any] = {}


@cases("message-v1")
def test_a_message_gets_its_verdict(case):
    beyond = max(case.get("clockSkewSeconds", 0), case.get("maxLifetimeSeconds", 0)) > 300
    assert code_of(lambda: open_message("message-v1", case)) == ("INVALID_CONFIG" if beyond else expected(case))


@cases("message-batch")
def test_a_message_of_a_batch_gets_its_verdict(case):
    beyond = max(case.get("clockSkewSeconds", 0), case.get("maxLifetimeSeconds", 0)) > 300
    assert code_of(lambda: open_message("message-batch", case)) == ("INVALID_CONFIG" if beyond else expected(case))


def test_the_known_answer_opens():
    answer = vectors("message-v1-known-answer")
    request, response, now = answer["request"], answer["response"], answer["now"]
    a = Identity.from_seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    b = Identity.from_seed(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert (a.did, b.did) == (answer["A"]["did"], answer["B"]["did"])
    for each in (request, response):
        signature = base64.urlsafe_b64decode(each["jws"].split(".")[2] + "==")
        assert verify_signature(json.loads(each["claimsJson"])["iss"], each["signingInput"].encode(), signature)
    opened = MessageVerifier(b.did, now=lambda: now).open(request["jws"], request["bodyUtf8"].encode())
    assert (opened.op, opened.sender, opened.to, opened.issued_at, opened.expires_at) == ("call", a.did, b.did, now, now + 30)
    verifier = MessageVerifier(a.did, now=lambda: now, pending=lambda id: SealedMessage(request["jws"], b"", None, id))
    result = verifier.open(response["jws"], response["bodyUtf8"].encode())
    assert (result.op, result.sender, result.in_reply_to) == ("result", b.did, opened.id)
    sealed = seal(a, "call", b.did, request["bodyUtf8"].encode(), now=now)
    claims = json.loads(base64.urlsafe_b64decode(sealed.jws.split(".")[1] + "=="))
    assert {**claims, "jti": opened.id} == json.loads(request["claimsJson"])


def verify_token(name: str, case: dict[str, Any]) -> Any:
    held = vectors(name)
    revoked = RevocationList()
    for entry in case.get("revoked", []):
        if "id" in entry:
            revoked.revoke_token(entry["id"])
        if "did" in entry:
            until = entry.get("issuedUntil")
            revoked.revoke_did(entry["did"], issued_until=until if until is not None and until < 2**53 else None)
    trust = [each if isinstance(each, str) else TrustedIssuer(each["issuer"], each["jwks"]) for each in held["trust"]]
    verifier = TokenVerifier(
        held["audience"],
        trust=trust,
        now=lambda: case.get("now", held["now"]),
        revocations=revoked,
        clock_skew=case.get("clockSkewSeconds"),
        max_lifetime=case.get("maxLifetimeSeconds"),
    )
    return verifier.verify(case["token"], scopes=case.get("scopes", ()), presenter=case.get("presenter", UNSET))


def check_token(name: str, case: dict[str, Any]) -> None:
    assert code_of(lambda: verify_token(name, case)) == expected(case)
    if "is" in case and case["expect"] == "accept":
        claims = verify_token(name, case)
        names = {"issuedAt": "issued_at", "expiresAt": "expires_at", "onBehalfOf": "on_behalf_of"}
        for member, value in case["is"].items():
            said = getattr(claims, names.get(member, member))
            if member == "onBehalfOf":
                said = vars(said)
            assert (list(said) if isinstance(said, tuple) else dict(said) if member in ("claims", "quota") else said) == value


@cases("token-v1")
def test_a_token_gets_its_verdict(case):
    check_token("token-v1", case)


@cases("token-delegation")
def test_a_delegation_gets_its_verdict(case):
    check_token("token-delegation", case)


@cases("token-rotation")
def test_a_rotation_gets_its_verdict(case):
    assert code_of(lambda: verify_rotation(case["token"])) == expected(case)
    if "rotation" in case:
        rotation, told = verify_rotation(case["token"]), case["rotation"]
        assert [rotation.old, rotation.new, rotation.overlap] == [told["old"], told["new"], told["overlap"]]
        assert [rotation.issued_at, rotation.active_from] == [told["issuedAt"], told["activeFrom"]]


APPROVALS = vectors("token-approval")


@cases("token-approval")
def test_an_approval_gets_its_verdict(case):
    of = {**APPROVALS, **case}
    call = CallToApprove(
        of["caller"], of["recipient"], of["bodyUtf8"].encode(), of.get("method"), of.get("session"), of["contentType"]
    )

    def verdict() -> str:
        try:
            return verify_approval(case["token"], call, APPROVALS["approvers"], now=of["now"]).decision
        except XBindError as error:
            return error.code

    denied = expected(case) in ("NOT_ALLOWED", "APPROVAL_REFUSED")
    assert verdict() == ("approve" if case["expect"] == "accept" else "deny" if denied else case["code"])


CARDS = vectors("cards")


@cases("cards")
def test_a_card_gets_its_verdict(case):
    did = UNSET if case.get("did", "") is None else case.get("did", CARDS["did"])
    now = case.get("now", CARDS["now"])
    assert code_of(lambda: verify_card(case["card"], did=did, now=now)) == expected(case)
    if "is" in case:
        card = verify_card(case["card"], did=did, now=now)
        assert (card.did, card.name, card.expires_at) == (case["is"]["did"], case["is"].get("name"), case["is"]["expiresAt"])
        assert [each.name for each in card.methods] == [each["name"] for each in case["is"]["methods"]]
        for told, is_ in zip(card.methods, case["is"]["methods"]):
            assert (told.description, told.input, told.output) == (is_.get("description"), is_.get("input"), is_.get("output"))
            assert list(told.scopes) == is_["scopes"]


RECEIPTS = vectors("receipts")


@cases("receipts")
def test_a_receipt_gets_its_verdict(case):
    requests = [each.encode() for each in case.get("requests", [])]
    results = [each.encode() for each in case.get("results", [])]

    def verify() -> Any:
        return _native.verify_receipt(case["call"], case["answer"], requests, results, RECEIPTS["caller"], RECEIPTS["agent"])

    assert code_of(verify) == expected(case)
    if expected(case) == "ok" and requests and results:
        shown = CallReceipt(case["call"], case["answer"], requests[0], results[0])
        proven = verify_receipt(shown, caller=RECEIPTS["caller"], agent=RECEIPTS["agent"], request=requests[-1])
        assert proven.method == case.get("shows", {}).get("method")


@cases("did-key")
def test_a_did_gets_its_verdict(case):
    assert code_of(lambda: did_to_public_key(case["did"])) == case.get("code", "ok")
    if "publicKeyHex" in case:
        assert did_to_public_key(case["did"]).hex() == case["publicKeyHex"]


@cases("did-key", of="keys")
def test_a_public_key_gets_its_verdict(case):
    key = bytes.fromhex(case["publicKeyHex"])
    assert code_of(lambda: public_key_to_did(key)) == case.get("code", "ok")
    if "did" in case:
        assert public_key_to_did(key) == case["did"]


def test_the_document_of_a_did_is_derived():
    [document] = vectors("did-key")["documents"]
    assert json.loads(_native.jwk_json(document["did"])) == document["jwk"]
    assert json.loads(_native.did_document_json(document["did"])) == document["didDocument"]


@cases("pkcs8")
def test_a_key_file_gets_its_verdict(case):
    file = case["pem"] if "pem" in case else base64.b64decode(case["derBase64"])
    secret = {"passphrase": case["passphrase"]} if "passphrase" in case else {}
    assert code_of(lambda: Identity.from_pkcs8(file, **secret)) == case.get("code", "ok")
    if "did" in case:
        assert Identity.from_pkcs8(file, **secret).did == case["did"]


@cases("pkcs8", of="exports")
def test_a_key_is_written_as_it_always_was(case):
    identity = Identity.from_seed(bytes.fromhex(case["seedHex"]))
    if "passphrase" in case:
        assert Identity.from_pkcs8(case["pem"], case["passphrase"]).did == identity.did
    else:
        assert identity.to_pkcs8() == base64.b64decode(case["derBase64"])
        assert identity.to_pkcs8(format="pem") == case["pem"]


@cases("presented")
def test_what_a_call_presents_is_one_text(case):
    told = {"token": case.get("token"), "approval": case.get("approval")}
    if case["expect"] == "accept" and any(told.values()):
        assert _native.write_presented(told["token"], told["approval"]) == case["text"]
    if case["expect"] == "reject" and "~" not in case["text"]:
        assert code_of(lambda: _native.write_presented(case["text"], None)) == "INVALID_TOKEN"


@cases("jwk-set")
def test_a_jwk_set_gets_its_verdict(case):
    policy = {"audience": "me", "clockSkew": 0, "maxLifetime": 60, "acceptUnknown": False}
    trust = [{"issuer": "https://login.example", "jwks": case["jwks"]}]
    made = code_of(lambda: _native.new_judge(json.dumps({**policy, "trust": trust}), [], []))
    assert (made == "ok") == (case["expect"] == "accept")


STATUS = vectors("token-status-list")


@cases("token-status-list")
def test_a_status_list_gets_its_verdict(case):
    if case["at"] >= 2**53 or case["index"] >= 2**53:
        return  # a token can name no such place and no such time
    policy = {"maxLists": 10, "maxBytes": 1 << 24, "maxAge": 86_400, "refresh": 300}
    lists = _native.new_status_lists(json.dumps(policy))

    def put(text: str) -> str:
        return code_of(lambda: _native.put_list(lists, text, case["uri"], case["signer"], None, STATUS["now"]))

    if "held" in case:
        assert put(case["held"]) == "ok"
    came = put(case["list"])
    if "code" in case and "held" in case:
        assert came == case["code"]
    place = json.dumps({"index": case["index"], "uri": case.get("asked", case["uri"])})
    status, why = _native.ask_list(lists, case.get("issuer", case["signer"]), place, case["at"])
    if case["evidence"] == "fresh":
        assert status == case["status"]
    elif "code" not in case:
        assert (status, why) == (None, case["evidence"])
    else:
        assert status is None or "held" in case


def test_a_status_list_is_signed_and_read_again():
    issuer, uri = Identity(), "https://status.example/1"
    published = StatusList(1000, bits=2)
    published.set(7, StatusList.INVALID)
    published.set(8, StatusList.SUSPENDED)
    again = StatusList.read(published.sign(issuer, uri=uri), uri=uri, issuer=issuer.did)
    assert [again.get(index) for index in (6, 7, 8, 10**9, -1)] == [0, 1, 2, None, None]
    for index, status in ((10**6, 1), (1, 4)):
        assert code_of(lambda: published.set(index, status)) == "INVALID_CONFIG"


@cases("fetch", of="urls")
def test_an_address_gets_its_verdict(case):
    assert [_native.refuse_url(case["url"], who) for who in ("owner", "stranger")] == [case["owner"], case["stranger"]]


def test_every_file_of_vectors_runs_here():
    text = "".join(each.read_text() for each in Path(__file__).parent.glob("test_vectors*.py"))
    # NATS has no Python face; frames are read in Rust alone, by a bound that is none of Python's.
    files = {each.stem for each in FOLDER.glob("*.json")} - {"nats", "frames"}
    assert [each for each in files if f'"{each}"' not in text] == []
