"""What a verifier fetches, and what it never does; the names are those of __test__/rights-*.spec.ts where it is the same promise."""

import asyncio
import gc
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fetched import (
    AGENT,
    AUDIENCE,
    ISSUER,
    NOW,
    OPERATOR,
    SIGNER,
    Net,
    code_now,
    code_of,
    jwk_set,
    jwks_token,
    serving,
    token,
)

from private_me import (
    Agent,
    FetchLimits,
    Identity,
    StatusListSource,
    TokenVerifier,
    TrustedIssuer,
    XBindError,
)


class TestJwkSets:
    def verifier(self, net: Any, url: str = f"{ISSUER}/jwks.json", now: Any = lambda: NOW) -> TokenVerifier:
        return TokenVerifier(AUDIENCE, trust=[TrustedIssuer(ISSUER, url)], fetch=net, now=now)

    async def test_a_token_by_an_issuer_whose_keys_it_gets(self):
        net = Net(jwk_set("one"))
        verifier = self.verifier(net)
        with pytest.raises(XBindError) as caught:
            verifier.verify(jwks_token())
        assert (caught.value.code, "verify_async() asks" in str(caught.value.hint)) == ("UNTRUSTED_ISSUER", True)
        claims = await verifier.verify_async(jwks_token())
        assert (claims.issuer, claims.subject) == (ISSUER, AGENT.did)
        assert verifier.verify(jwks_token()).scopes == ("invoice.*",)
        assert [url for url, _ in net.hits] == [f"{ISSUER}/jwks.json"]
        assert net.hits[0][1] == FetchLimits(65536, 5, "application/jwk-set+json, application/json", "owner")

    async def test_one_request_for_many_tokens_at_once(self):
        net = Net(jwk_set("one"))
        verifier = self.verifier(net)
        await asyncio.gather(*(verifier.verify_async(jwks_token()) for _ in range(20)))
        assert len(net.hits) == 1

    async def test_an_unknown_kid_asks_once_per_30_s_however_many_there_are(self):
        net, clock = Net(jwk_set("one")), [NOW]
        verifier = self.verifier(net, now=lambda: clock[0])
        for kid in ("one", "two", "three"):
            await code_of(verifier.verify_async(jwks_token(kid)))
        assert len(net.hits) == 1
        clock[0] += 31
        net.document = jwk_set("one", "two")
        assert await code_of(verifier.verify_async(jwks_token("two"))) == "ok"
        assert len(net.hits) == 2

    @pytest.mark.parametrize(
        ("document", "why"),
        [
            (RuntimeError("proxy user:secret@host"), "the request failed"),
            (ConnectionRefusedError(111, "secret"), "ECONNREFUSED"),
            (b"\xff", "the answer is not UTF-8"),
            ("\ud800", "the answer is not UTF-8"),
            (b" " * 65537, "the answer is longer than 65536 bytes"),
            (None, "the client gave no bytes"),
            (0, "the client gave no bytes"),
            ({"keys": []}, "the client gave no bytes"),
            ("{}", ""),
            ("", ""),
        ],
    )
    async def test_what_does_not_come_is_said_without_secrets(self, document, why):
        with pytest.raises(XBindError) as caught:
            await self.verifier(Net(document)).verify_async(jwks_token())
        assert (caught.value.code, caught.value.retryable) == ("UNTRUSTED_ISSUER", True)
        assert f"were not fetched: {why}" in caught.value.message and "secret" not in caught.value.message

    async def test_bytes_that_change_afterwards_are_those_that_came(self):
        for kind in (bytearray, memoryview):
            body = bytearray(jwk_set("one").encode())
            verifier = self.verifier(Net(kind(body)))
            verified = asyncio.create_task(verifier.verify_async(jwks_token()))
            await verified
            body[:] = bytes(len(body))
            assert verifier.verify(jwks_token()).issuer == ISSUER

    async def test_a_client_that_never_answers_is_given_up(self, monkeypatch):
        from private_me import _verifier

        monkeypatch.setattr(_verifier, "JWKS", _verifier.JWKS._replace(timeout=0.05))

        async def never(url: str, limits: FetchLimits) -> bytes:
            await asyncio.Event().wait()
            return b""

        with pytest.raises(XBindError, match="no answer within"):
            await self.verifier(never).verify_async(jwks_token())

    async def test_who_gives_up_ends_it_for_nobody_else_and_leaves_nothing_running(self):
        asked, go = asyncio.Event(), asyncio.Event()

        async def slow(url: str, limits: FetchLimits) -> str:
            asked.set()
            await go.wait()
            return jwk_set("one")

        verifier = self.verifier(slow)
        first = asyncio.create_task(verifier.verify_async(jwks_token()))
        await asked.wait()
        second = asyncio.create_task(verifier.verify_async(jwks_token()))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go.set()
        assert (await second).issuer == ISSUER
        with pytest.raises(asyncio.CancelledError):
            await first

    def test_an_event_loop_that_ends_in_the_middle_takes_nothing_with_it(self):
        net, clock = Net(jwk_set("one")), [NOW]

        async def never(url: str, limits: FetchLimits) -> str:
            await asyncio.Event().wait()
            return ""

        client: list[Any] = [never]
        verifier = self.verifier(lambda url, limits: client[0](url, limits), now=lambda: clock[0])

        async def begin(turns: int) -> None:
            task = asyncio.create_task(verifier.verify_async(jwks_token()))
            for _ in range(turns):
                await asyncio.sleep(0)
            del task

        for turns in range(6):
            clock[0] += 31
            asyncio.run(begin(turns))
        loop = asyncio.new_event_loop()
        clock[0] += 31
        task = loop.create_task(verifier.verify_async(jwks_token()))
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        for _ in range(5):
            loop.run_until_complete(asyncio.sleep(0))
        for each in asyncio.all_tasks(loop):
            each._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()  # without ceremony
        del task, loop, each
        gc.collect()
        client[0] = net
        clock[0] += 31
        assert asyncio.run(verifier.verify_async(jwks_token(exp=NOW + 80_000, iat=NOW + 200))).issuer == ISSUER

    def test_several_threads_share_a_request(self):
        net = Net(jwk_set("one"))
        verifier = self.verifier(net)
        told: list[str] = []
        token = jwks_token()
        ready = threading.Barrier(4)

        def thread() -> None:
            ready.wait()
            told.append(asyncio.run(verifier.verify_async(token)).issuer)

        threads = [threading.Thread(target=thread) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert told == [ISSUER] * 4

    async def test_an_agents_methods_trust_by_address(self, bus):
        owner = Identity.from_seed(bytes([50]) * 32)
        server = serving(jwk_set("one"))
        address = f"http://localhost:{server.server_port}/jwks.json"
        import time

        async with Agent("safe", bus=bus) as safe, Agent(bus=bus) as clerk:

            @safe.method("open", trust=[TrustedIssuer(ISSUER, address)], scopes=["open"])
            async def unlock(payload: int) -> str:
                return "open"

            now = int(time.time())
            claims = {"sub": clerk.did, "client_id": clerk.did, "aud": safe.did, "iat": now, "exp": now + 60, "scope": "open"}
            good = jwks_token(**claims)
            answers = await asyncio.gather(*(clerk.call("safe", 1, method="open", token=good) for _ in range(10)))
            assert answers == ["open"] * 10
            assert await code_of(clerk.call("safe", 1, method="open", token=jwks_token("two", **claims))) == "UNTRUSTED_ISSUER"
        server.shutdown()
        server.server_close()
        assert (server.hits, owner.did) == (["/jwks.json"], SIGNER.did)  # type: ignore[attr-defined]

    def test_every_option_is_what_it_is_said_to_be(self):
        for jwks in (None, False, 0, float("nan"), [], b"https://login.example/", object()):
            with pytest.raises(TypeError):
                self.verifier(Net(""), url=jwks)
        wrongs = ("", "http://login.example/", "https://u:p@login.example/", "ftp://x/", "https://LOGIN.example/ x", "https://")
        for jwks in wrongs:
            assert code_now(lambda jwks=jwks: self.verifier(Net(""), url=jwks)) == "INVALID_CONFIG", jwks
        for fetch in (None, False, 0, "", "https://proxy.example"):
            with pytest.raises(TypeError):
                self.verifier(fetch)
        with pytest.raises(TypeError):
            TokenVerifier(AUDIENCE, trust=[OPERATOR.did], fetchh=Net(""))
        twice = [TrustedIssuer(ISSUER, f"{ISSUER}/a"), TrustedIssuer(ISSUER, {"keys": []})]
        assert code_now(lambda: TokenVerifier(AUDIENCE, trust=twice)) == "INVALID_CONFIG"


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    started = serving(jwk_set("one"))
    yield started
    started.shutdown()
    started.server_close()


async def test_on_this_machine_what_the_user_has_named_may_be_plain_http(server):
    url = f"http://localhost:{server.server_port}/jwks.json"
    verifier = TokenVerifier(AUDIENCE, trust=[TrustedIssuer(ISSUER, url)], now=lambda: NOW)
    assert (await verifier.verify_async(jwks_token())).issuer == ISSUER
    assert server.hits == ["/jwks.json"]


async def test_a_status_list_that_names_this_machine_is_not_fetched(server):
    source = StatusListSource(now=lambda: NOW)
    verifier = TokenVerifier(AUDIENCE, trust=[OPERATOR.did], revocations=source, now=lambda: NOW)
    for uri in (f"http://localhost:{server.server_port}/x", f"https://127.0.0.1:{server.server_port}/x", "https://10.0.0.1/x"):
        with pytest.raises(XBindError) as caught:
            await verifier.verify_async(token(uri=uri))
        assert caught.value.code == "REVOCATION_UNKNOWN"
        assert "(the " in str(caught.value.hint), caught.value.hint
    assert server.hits == []
