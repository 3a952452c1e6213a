"""Status lists that are fetched; the names are those of __test__/rights-status-source.spec.ts where it is the same promise."""

import asyncio
from typing import Any

import pytest
from fetched import (
    AGENT,
    AUDIENCE,
    ISSUER,
    NOW,
    OPERATOR,
    URI,
    WORKER,
    Net,
    code_now,
    code_of,
    published,
    token,
)

from private_me import (
    FetchLimits,
    RevocationSubject,
    StatusEvidence,
    StatusListSource,
    StatusRef,
    TokenVerifier,
    TrustedIssuer,
    XBindError,
    delegate_token,
    issue_token,
)


class TestStatusLists:
    def verifier(self, net: Any, clock: list[int] | None = None, **options: Any) -> TokenVerifier:
        def now() -> int:
            return clock[0] if clock else NOW

        source = options.pop("source", None) or StatusListSource(fetch=net, now=now, **options)
        return TokenVerifier(AUDIENCE, trust=[OPERATOR.did], revocations=source, now=now)

    async def test_accepts_and_refuses_by_the_list_that_the_token_names(self):
        net = Net(published(3, 99))
        verifier = self.verifier(net)
        verdicts = await asyncio.gather(*(code_of(verifier.verify_async(token(n))) for n in (2, 3, 4, 99, 98)))
        assert verdicts == ["ok", "REVOKED", "ok", "REVOKED", "ok"]
        assert net.hits == [(URI, FetchLimits(2 << 20, 5, "application/statuslist+jwt", "stranger"))]
        assert verifier.verify(token(2)).revocation == "fresh"
        assert code_now(lambda: verifier.verify(token(3))) == "REVOKED"

    async def test_needs_the_list_without_one_nothing_is_accepted_and_nothing_asked_without_io(self):
        net = Net(published())
        with pytest.raises(XBindError) as caught:
            self.verifier(net).verify(token())
        assert (caught.value.code, caught.value.retryable) == ("REVOCATION_UNKNOWN", True)
        assert caught.value.message == "the token's status list is not at hand"
        assert "the evidence is absent" in str(caught.value.hint)
        assert net.hits == []
        alone = TokenVerifier(AUDIENCE, trust=[OPERATOR.did], now=lambda: NOW)
        assert await code_of(alone.verify_async(token())) == "REVOCATION_UNKNOWN"

    @pytest.mark.parametrize(
        ("document", "evidence"),
        [
            (lambda: published(by=WORKER), "unreadable"),
            (lambda: published(uri=f"{URI}0"), "unreadable"),
            (token, "unreadable"),
            (lambda: published(now=NOW - 5000, lifetime=60), "stale"),
            (lambda: published(now=NOW + 31), "stale"),
            (lambda: "", "unreadable"),
            (lambda: RuntimeError("secret"), "absent"),
        ],
    )
    async def test_what_is_no_list_is_no_evidence(self, document, evidence):
        with pytest.raises(XBindError) as caught:
            await self.verifier(Net(document())).verify_async(token())
        assert caught.value.code == "REVOCATION_UNKNOWN"
        hint = str(caught.value.hint)
        assert hint.startswith("the evidence is ") and "secret" not in hint

    async def test_asks_again_when_the_copy_is_five_minutes_old_and_learns_what_was_revoked_meanwhile(self):
        net, clock = Net(published()), [NOW]
        verifier = self.verifier(net, clock)
        assert await code_of(verifier.verify_async(token(5))) == "ok"
        net.document = published(5, now=NOW + 100)
        clock[0] = NOW + 299
        assert await code_of(verifier.verify_async(token(5))) == "ok"
        clock[0] = NOW + 301
        assert await code_of(verifier.verify_async(token(5))) == "REVOKED"
        assert len(net.hits) == 2

    async def test_origins_bind_tokens_and_a_link_is_asked_for_only_where_its_origin_is_listed(self):
        net = Net(published())
        elsewhere = self.verifier(net, origins=["https://other.example"])
        assert await code_of(elsewhere.verify_async(token())) == "REVOCATION_UNKNOWN"
        assert net.hits == []
        listed = self.verifier(net, origins=["https://status.example"])
        assert await code_of(listed.verify_async(token())) == "ok"
        assert net.hits[0][1].named == "listed"
        link = delegate_token(
            AGENT, issue_token(OPERATOR, subject=AGENT.did, audience=AUDIENCE, scopes=["a.*"], now=NOW), subject=WORKER.did,
            scopes=["a.b"], status=StatusRef(1, f"{URI}/of-the-link"), now=NOW,
        )  # fmt: skip
        assert await code_of(self.verifier(net).verify_async(link)) == "REVOCATION_UNKNOWN"
        assert len(net.hits) == 1

    async def test_lists_that_are_put_in_by_hand_answer_offline(self):
        source = StatusListSource(offline=True, now=lambda: NOW)
        verifier = self.verifier(None, source=source)
        place = StatusRef(3, URI)
        assert source.status_of(OPERATOR.did, place) == StatusEvidence("absent", None)
        assert code_now(lambda: source.is_revoked(RevocationSubject(NOW, "x", issuer=OPERATOR.did, status=place))) == (
            "REVOCATION_UNKNOWN"
        )
        source.put(published(3))
        assert source.status_of(OPERATOR.did, place) == StatusEvidence("fresh", 1)
        assert source.is_revoked(RevocationSubject(NOW, "x", issuer=OPERATOR.did, status=place)) is True
        assert source.is_revoked(RevocationSubject(NOW, did=AGENT.did)) is False
        assert code_now(lambda: verifier.verify(token(3))) == "REVOKED"
        assert verifier.verify(token(4)).revocation == "fresh"
        assert code_now(lambda: source.put(published(now=NOW - 100))) == "TOKEN_EXPIRED"
        for wrong in ("", "a.b.c", "..", "e30.e30.", "\0", token()):
            assert code_now(lambda wrong=wrong: source.put(wrong)) == "INVALID_TOKEN", wrong

    async def test_a_subclass_that_answers_for_itself_is_asked_besides(self):
        class Stricter(StatusListSource):
            def is_revoked(self, subject: RevocationSubject, /) -> bool:
                return subject.did == AGENT.did

        class Same(StatusListSource):
            """Nothing is its own."""

        for kind, code in ((Same, "ok"), (Stricter, "REVOKED")):
            source = kind(fetch=Net(published()), now=lambda: NOW)
            assert await code_of(self.verifier(None, source=source).verify_async(token())) == code
        assigned = StatusListSource(fetch=Net(published()), now=lambda: NOW)
        verifier = self.verifier(None, source=assigned)
        assigned.is_revoked = lambda subject, /: True  # type: ignore[method-assign]
        assert await code_of(verifier.verify_async(token())) == "REVOKED"

    def test_an_event_loop_that_ends_in_the_middle_takes_nothing_with_it(self):
        clock, client = [NOW], [Net(published())]

        async def never(url: str, limits: FetchLimits) -> str:
            await asyncio.Event().wait()
            return ""

        verifier = self.verifier(lambda url, limits: client[0](url, limits), clock)
        working, client[0] = client[0], never

        async def begin(turns: int) -> None:
            asyncio.create_task(verifier.verify_async(token()))
            for _ in range(turns):
                await asyncio.sleep(0)

        for turns in range(6):
            clock[0] += 31
            asyncio.run(begin(turns))
        client[0] = working
        clock[0] += 31
        assert asyncio.run(verifier.verify_async(token())).revocation == "fresh"

    async def test_the_verifier_may_be_used_by_its_own_client_and_by_its_own_clock(self):
        net = Net(published())
        held: list[TokenVerifier] = []

        async def fetch(url: str, limits: FetchLimits) -> Any:
            assert await code_of(asyncio.wait_for(_refused(held[0]), 1)) == "REVOCATION_UNKNOWN"
            return await net(url, limits)

        async def _refused(verifier: TokenVerifier) -> None:
            verifier.verify(token())

        held.append(self.verifier(fetch))
        assert await code_of(held[0].verify_async(token())) == "ok"

        def broken() -> float:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await TokenVerifier(AUDIENCE, trust=[OPERATOR.did], now=broken).verify_async(token())

    def test_every_option_is_what_it_is_said_to_be(self):
        numbers = {"max_age": 0, "refresh": 86_401, "max_lists": 0, "max_bytes": 1}
        for name, beyond in numbers.items():
            for wrong in (False, "", 1.5, float("nan"), b"1"):
                with pytest.raises(TypeError):
                    StatusListSource(**{name: wrong})
            assert code_now(lambda name=name, beyond=beyond: StatusListSource(**{name: beyond})) == "INVALID_CONFIG"
        assert code_now(lambda: StatusListSource(refresh=29, offline=True)) == "INVALID_CONFIG"
        for name in ("origins", "fetch", "now", "offline"):
            for wrong in (None, 0, "x" if name != "now" else ""):
                with pytest.raises(TypeError):
                    StatusListSource(**{name: wrong})
        with pytest.raises(TypeError):
            StatusListSource(origin=["https://status.example"])
        origins = (
            "",
            "status.example",
            "http://status.example",
            "https://status.example/a",
            "https://status.example?",
            "https://a#b",
            "https://a/?b",
        )
        for origin in origins:
            assert code_now(lambda origin=origin: StatusListSource(origins=[origin])) == "INVALID_CONFIG", origin
        StatusListSource(origins=["https://status.example", "https://status.example:8443/", "https://[2606:4700::1111]"])
        source = StatusListSource()
        for wrong in (None, 0, b"x"):
            with pytest.raises(TypeError):
                source.put(wrong)
            with pytest.raises(TypeError):
                source.put(published(), wrong)
        with pytest.raises(TypeError):
            source.put(published(), TrustedIssuer(ISSUER, f"{ISSUER}/jwks.json"))
        for told in (None, "x", float("nan"), -1, True):
            with pytest.raises(TypeError):
                StatusListSource(now=lambda told=told: told).status_of(OPERATOR.did, StatusRef(1, URI))
