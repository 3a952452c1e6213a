"""HTTP requests that prove who sends them."""

import pytest

from private_me import Identity, RequestVerifier, TokenVerifier, XBindError, issue_token, sign_request


def signed(identity, *, url="https://api.example/orders?x=1", body=b"{}", **options):
    headers = [("Host", "api.example"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    return [*headers, *sign_request(identity, "POST", url, headers=headers, body=body, **options)]


def verifier(**options):
    return RequestVerifier(["api.example"], dangerously_accept_replay_after_restart=True, **options)


def test_a_request_proves_who_sends_it_once():
    identity = Identity()
    own, headers = verifier(), signed(identity)
    request = own.verify("POST", "/orders?x=1", headers, b"{}")
    assert (request.sender, request.body, request.token) == (identity.did, b"{}", None)
    with pytest.raises(XBindError, match="REPLAYED"):
        own.verify("POST", "/orders?x=1", headers, b"{}")


@pytest.mark.parametrize(
    "changed",
    [{"method": "PUT"}, {"target": "/orders?x=2"}, {"body": b"[]"}, {"authority": "other.example"}],
)
def test_what_was_changed_is_refused(changed):
    request = {"method": "POST", "target": "/orders?x=1", "headers": signed(Identity()), "body": b"{}", **changed}
    with pytest.raises(XBindError):
        verifier().verify(**request)


def test_a_token_travels_with_it():
    owner, identity = Identity(), Identity()
    token = issue_token(owner, subject=identity.did, audience="https://api.example", scopes=["orders.write"])
    request = verifier().verify("POST", "/orders?x=1", signed(identity, token=token), b"{}")
    assert request.token is not None
    claims = TokenVerifier("https://api.example", trust=[owner.did]).verify(request.token, presenter=request.sender)
    assert claims.scopes == ("orders.write",)


def test_a_new_verifier_takes_nothing_that_is_older():
    headers = signed(Identity(), now=1_800_000_000)
    with pytest.raises(XBindError):
        RequestVerifier(["api.example"], now=lambda: 1_800_000_010).verify("POST", "/orders?x=1", headers, b"{}")
    with pytest.raises(XBindError, match="NOT_ALLOWED"):
        verifier(allow=[Identity().did]).verify("POST", "/orders?x=1", signed(Identity()), b"{}")


def test_what_is_no_request_is_told():
    identity = Identity()
    for url in ("orders", "/orders", "ftp://x/", "https://user:secret@api.example/", "https://"):
        with pytest.raises(ValueError):
            sign_request(identity, "GET", url)
    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        sign_request(identity, "GET", "https://api.example/", ttl=301)
    with pytest.raises((TypeError, ValueError)):
        sign_request(identity, "GET", "https://api.example/", headers=["x"])
    with pytest.raises(TypeError):
        RequestVerifier("api.example")
