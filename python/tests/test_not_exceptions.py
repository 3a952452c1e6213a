"""Code of an owner's that raises what is no Exception: its call is answered, and its place is given free."""

import asyncio
import logging

import pytest

from private_me import (
    Agent, ApprovalPolicy, HandlerError, Identity, RequestVerifier, TokenVerifier, XBindError, issue_token, sign_request,
)  # fmt: skip


@pytest.fixture(autouse=True)
async def _told_to_the_loop():
    """As it should be: the event loop says it, and goes on."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)


class Odd:
    """A value that cannot be read."""

    def __init__(self, error=asyncio.CancelledError):
        self.error = error

    def model_dump(self, mode):
        raise self.error


class Source:
    """Knows nothing, and counts how often it is asked."""

    def __init__(self, error):
        self.asked = 0
        self.error = error

    async def is_revoked(self, _):
        self.asked += 1
        await asyncio.sleep(0)
        raise self.error


def cancelled(*_):
    raise asyncio.CancelledError


def exits(*_):
    raise GeneratorExit


class Sink(logging.Handler):
    """A log that cannot be written."""

    def emit(self, record):
        raise asyncio.CancelledError


async def code(awaited) -> str:
    with pytest.raises(XBindError) as raised:
        await awaited
    return raised.value.code


async def odd_later(_):
    await asyncio.sleep(0)
    return Odd()


async def cannot_say(_):
    await asyncio.sleep(0)
    raise HandlerError("NO", "no", Odd())


def odd_progress(call):
    raise HandlerError("NO", "no", Odd())


@pytest.mark.parametrize("raises", [cancelled, exits])
@pytest.mark.parametrize("option", ["allow", "when"])
async def test_a_predicate(asker, bus, raises, option):
    async with Agent("one", bus=bus, concurrency=1) as one:
        options = {"allow": raises} if option == "allow" else {"approval": ApprovalPolicy(asker.did, when=raises)}
        one.handle(lambda call: "in", **options)
        for _ in range(3):
            assert await code(asker.call("one", timeout=20)) == "HANDLER_FAILED"
        assert one._member.port.handled._running == {}
        one.handle(lambda call: "in")
        assert await asker.call("one", timeout=20) == "in"


@pytest.mark.parametrize("handler", [lambda call: Odd(), odd_later, cannot_say, odd_progress])
async def test_an_answer(asker, bus, handler):
    async with Agent("one", bus=bus, concurrency=1, handler=handler) as one:
        for _ in range(3):
            assert await code(asker.call("one", timeout=20)) == "HANDLER_FAILED"
        one.handle(lambda call: "in")
        assert await asker.call("one", timeout=20) == "in"


async def test_a_log(asker, bus):
    log, sink = logging.getLogger("private_me"), Sink()
    level = log.level
    log.setLevel(logging.DEBUG)
    async with Agent("one", bus=bus, concurrency=1, handler=lambda call: "in", verbose=True):
        log.addHandler(sink)
        try:
            for _ in range(3):
                assert await code(asker.call("one", timeout=20)) == "HANDLER_FAILED"
        finally:
            log.removeHandler(sink)
            log.setLevel(level)
        assert await asker.call("one", timeout=20) == "in"


@pytest.mark.parametrize("raises", [cancelled, exits])
@pytest.mark.parametrize("told", [False, True])
async def test_an_identity_provider(bus, teller, raises, told):
    identity, fails = Identity(), []
    log, sink = logging.getLogger("private_me"), Sink()

    class Provider:
        def get_did(self):
            return identity.did

        def sign(self, data):
            return raises() if fails else identity.dangerously_sign(data)

    teller.handle(lambda call: "in")
    async with Agent("one", bus=bus, identity=Provider()) as one:
        assert await one.call("teller") == "in"
        fails.append(True)
        if told:
            log.addHandler(sink)
        try:
            assert await code(one.call("teller", timeout=20)) == "SIGN_FAILED"
        finally:
            log.removeHandler(sink)
        fails.clear()
        assert await one.call("teller") == "in"


@pytest.mark.parametrize("error", [asyncio.CancelledError, GeneratorExit, RuntimeError])
async def test_a_revocation_source_is_asked_once(asker, bus, error):
    owner, source = Identity(), Source(error)
    async with Agent("one", bus=bus, concurrency=1) as one:
        token = issue_token(owner, subject=asker.did, audience=one.did, scopes=["x"])
        one.handle(lambda call: "in", trust=[owner.did], revocations=source)
        assert await code(asker.call("one", token=token, timeout=20)) == "REVOCATION_UNKNOWN"
        assert source.asked <= 3  # the link, its issuer and its subject
        one.handle(lambda call: "in")
        assert await asker.call("one", timeout=20) == "in"


async def test_a_verifier_takes_a_cancelled_source_for_one_that_does_not_know():
    owner, audience, source = Identity(), Identity().did, Source(asyncio.CancelledError)
    token = issue_token(owner, subject=Identity().did, audience=audience, scopes=["x"])
    verifier = TokenVerifier(audience, trust=[owner.did], revocations=source)
    assert await code(verifier.verify_async(token)) == "REVOCATION_UNKNOWN"

    signed = sign_request(owner, "GET", "https://a.example/")
    headers = [("host", "a.example"), *signed]
    requests = RequestVerifier(["a.example"], revocations=source, dangerously_accept_replay_after_restart=True)
    assert await code(requests.verify_async("GET", "/", headers)) == "REVOCATION_UNKNOWN"


async def test_whoever_is_cancelled_while_a_source_takes_its_time_is_cancelled():
    class Slow:
        async def is_revoked(self, _):
            await asyncio.sleep(60)

    owner, audience = Identity(), Identity().did
    token = issue_token(owner, subject=Identity().did, audience=audience, scopes=["x"])
    verifying = asyncio.create_task(TokenVerifier(audience, trust=[owner.did], revocations=Slow()).verify_async(token))
    await asyncio.sleep(0.01)
    verifying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await verifying
