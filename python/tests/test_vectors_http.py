"""The files of vectors/ that are of HTTP requests and of logs."""

import base64
import json
from typing import Any

import pytest
from shared import cases, code_of, expected, vectors

from private_me import AuditHead, XBindError, _native, verify_audit, verify_signature
from private_me._check import UNSET

HTTP = vectors("http")
REQUESTS = {case["name"]: case for case in HTTP["cases"]}


def head_of(request: dict[str, Any]) -> str:
    members = {name: request[name] for name in ("method", "scheme", "target")}
    fields = [each for pair in request["headers"] for each in pair]
    return json.dumps({**members, "authority": request.get("authority"), "fields": fields})


def http_verdict(verifier: Any, case: dict[str, Any]) -> Any:
    request, now = case["request"], case.get("now", HTTP["now"])
    body = request.get("bodyUtf8", "").encode()
    if "response" in case:
        response = case["response"]
        policy = json.dumps({"from": case.get("from"), "clockSkew": 5, "maxAge": 300, "maxBody": 1 << 20})
        fields = [each for pair in response["headers"] for each in pair]
        head = json.dumps({"status": response["status"], "fields": fields})
        return json.loads(_native.verify_response(policy, head, response.get("bodyUtf8", "").encode(), head_of(request), now))
    authentic, says = _native.authenticate_request(verifier, head_of(request), now)
    _native.accept_request(verifier, authentic, body, now)
    approval = case.get("policy", {}).get("approval")
    if approval is not None:
        by = [approval["by"]] if isinstance(approval["by"], str) else approval["by"]
        _native.approve_request(verifier, authentic, body, by, HTTP["approval"]["recipient"], now)
    return json.loads(says)


@cases("http")
def test_an_http_request_gets_its_verdict(case):
    policy, bounds = case.get("policy", {}), {"clockSkewSeconds": 5, "maxAgeSeconds": 300}
    core = {
        "profile": case.get("profile", "xbind"),
        "authorities": policy.get("authorities", HTTP["authorities"]),
        "clockSkew": policy.get("clockSkewSeconds", bounds["clockSkewSeconds"]),
        "maxAge": policy.get("maxAgeSeconds", bounds["maxAgeSeconds"]),
        "maxBody": policy.get("maxBodyBytes", 1 << 20),
        "maxTracked": policy.get("maxTrackedRequests", 1_000_000),
        "allow": policy.get("allow"),
        "keys": policy.get("keys", []),
    }
    verifier = _native.new_request_verifier(json.dumps(core), policy.get("startedAt"))
    if "after" in case:
        code_of(lambda: http_verdict(verifier, REQUESTS[case["after"]]))
    if expected(case) != "ok":
        assert code_of(lambda: http_verdict(verifier, case)) == case["code"]
    else:
        told = http_verdict(verifier, case)
        is_ = case.get("is", {})
        assert {name: told[name] for name in is_} == is_


def test_the_example_of_rfc_9421_verifies():
    example = HTTP["rfc9421"]
    assert verify_signature(example["key"], example["base"].encode(), base64.b64decode(example["signature"]))


@cases("audit")
def test_a_log_gets_its_verdict(case, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(case["text"], newline="")
    head = AuditHead(case["head"]["seq"], case["head"]["digest"]) if "head" in case else UNSET
    did = vectors("audit")["did"]
    assert code_of(lambda: verify_audit(path, did=did, head=head)) == expected(case)
    if expected(case) == "ok":
        verified = verify_audit(path, did=did, head=head)
        assert verified.head.seq == case["text"].count("\n") - 1 and verified.records <= verified.head.seq
    else:
        with pytest.raises(XBindError, match=f"line {case['line']}: "):
            verify_audit(path, did=did, head=head)
