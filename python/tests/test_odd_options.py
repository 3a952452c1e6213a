"""Options that are none, and what comes in that is no number."""

import asyncio
import contextlib
import gc
import ssl

import pytest

from private_me import (
    Agent, CallToApprove, Identity, MessageBus, MessageVerifier, RevocationList, StatusListSource, TokenVerifier, XBindError,
    approve_call, issue_token, listen, open_audit_log, serve_agents, verify_approval, verify_receipt,
)  # fmt: skip
from private_me._json import decode

OWNER, OTHER, HUGE = Identity(), Identity(), 10**5000


@pytest.mark.parametrize("tls", [None, "", 0, False, object()])
def test_a_server_without_tls_is_none_by_mistake(teller_alone, tls):
    with pytest.raises(TypeError, match="tls"):
        listen(serve_agents([teller_alone]), tls=tls)


@pytest.fixture
def teller_alone(bus):
    return Agent("teller", bus=bus)


def test_a_server_says_what_it_cannot_be(teller_alone):
    app = serve_agents([teller_alone])
    for options in ({"port": 1.5}, {"port": "x"}, {"host": None}, {"host": b""}):
        with pytest.raises(TypeError):
            listen(app, **options)
    for port in (-1, 65_536, HUGE):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            listen(app, port=port)
    with pytest.raises(TypeError, match="app must be callable"):
        listen(1)
    listen(app, tls=ssl.create_default_context())
    for ask in (lambda: listen(app).url, lambda: listen(app).port):
        with pytest.raises(RuntimeError, match="does not listen"):
            ask()


@pytest.mark.parametrize("revocations", ["", b"", "x", bytearray(), None, [None]])
def test_revocations_that_are_none_are_refused(teller_alone, revocations):
    with pytest.raises(TypeError, match="revocations"):
        teller_alone.handle(lambda call: "in", trust=[OWNER.did], revocations=revocations)
    with pytest.raises(TypeError, match="revocations"):
        TokenVerifier(OTHER.did, trust=[OWNER.did], revocations=revocations)


@pytest.mark.parametrize("odd", [{}, 1, object(), "x"])
async def test_what_is_of_another_class_is_a_type_error(teller_alone, odd):
    call = CallToApprove(OTHER.did, teller_alone.did, b"{}")
    statement = approve_call(OWNER, call)
    for ask in (
        lambda: issue_token(OWNER, subject=OTHER.did, audience="x", scopes=["a"], status=odd),
        lambda: teller_alone.grant(subject=OTHER.did, audience="x", scopes=["a"], status=odd),
        lambda: StatusListSource().status_of("x", odd),
        lambda: approve_call(OWNER, odd),
        lambda: verify_approval(statement, odd, [OWNER.did]),
        lambda: verify_receipt(odd, caller=OTHER.did, agent=OWNER.did),
        lambda: Agent(bus=MessageBus(), verbose=odd),
    ):
        with pytest.raises(TypeError, match="must be a"):
            ask()


def test_numbers_of_any_length_are_told_in_words(bus):
    for ask in (
        lambda: Agent(bus=bus, concurrency=HUGE),
        lambda: Agent(bus=bus, timeout=HUGE),
        lambda: RevocationList(max_entries=-HUGE),
    ):
        with pytest.raises(XBindError, match="more than 64 bits"):
            ask()
    token = issue_token(OWNER, subject=OTHER.did, audience="x", scopes=["a"])
    for ask in (
        lambda: TokenVerifier("x", trust=[OWNER.did], now=lambda: HUGE).verify(token),
        lambda: MessageVerifier(OTHER.did, now=lambda: HUGE).open("a.b.c", b"", None),
        lambda: StatusListSource(now=lambda: HUGE).put("a.b.c"),
    ):
        with pytest.raises((TypeError, XBindError)):
            ask()


def test_what_is_kept_of_an_option_is_what_was_checked(bus):
    class Number(int):
        def __le__(self, other):
            return True

        __ge__ = __lt__ = __gt__ = __le__

    class Text(str):
        def __str__(self):
            return OTHER.did

    with pytest.raises(XBindError, match="INVALID_CONFIG"):
        Agent(bus=bus, concurrency=Number(-5))
    revoked = RevocationList()
    revoked.revoke_did(OTHER.did)
    assert revoked.reinstate(Text(OWNER.did)) is False
    assert revoked.reinstate(OTHER.did) is True


@pytest.mark.parametrize("body", ["1e999", "-1e999", '{"amount":[1e999]}', "Infinity", "NaN"])
def test_no_number_that_arrives_is_infinite(body):
    with pytest.raises(ValueError):
        decode(body)


def test_numbers_that_arrive_are_what_they_were():
    assert decode("[1e308,-0.0,0.1,1e-400,12345678901234567890]") == [1e308, -0.0, 0.1, 0.0, 12345678901234567890]


async def test_a_payload_that_stands_for_too_much_is_refused_at_once(asker, teller):
    shared: list = [0] * 10
    for _ in range(40):
        shared = [shared] * 10  # 10^41 numbers
    with pytest.raises(XBindError, match="PAYLOAD_TOO_LARGE"):
        await asker.call("teller", shared)
    teller.handle(lambda call: shared)
    with pytest.raises(XBindError, match="REPLY|PAYLOAD_TOO_LARGE|HANDLER_FAILED"):
        await asker.call("teller")
    with pytest.raises(XBindError, match="PAYLOAD_TOO_LARGE"):
        await asker.call("teller", "x" * (1 << 20))


async def test_a_payload_whose_class_raises_is_no_payload(asker):
    class Odd:
        @property
        def __class__(self):
            raise RuntimeError("no class")

    with pytest.raises(XBindError, match="INVALID_PAYLOAD"):
        await asker.call("teller", Odd())


async def test_hints_name_what_is_here(path):
    async with open_audit_log(str(path), signer=OWNER) as log:
        log.append("note", "accepted")
        await log.flush()
        path.write_bytes(path.read_bytes().replace(b"accepted", b"answered"))
        with pytest.raises(XBindError, match="verify_audit says which line"):
            await log.query()
    assert XBindError("INVALID_AUDIT", "x", "openAuditLog mends it").hint == "open_audit_log mends it"


async def test_a_client_who_aborts_leaves_no_exception_behind(teller):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    app = serve_agents([teller])
    scope = {
        "type": "http", "method": "POST", "path": "/", "query_string": b"", "scheme": "http",
        "headers": [(b"host", b"x"), (b"content-type", b"application/vnd.xbind.messages")],
    }  # fmt: skip

    async def receive():
        try:
            await asyncio.sleep(60)
        finally:
            raise BrokenPipeError

    async def send(_):
        await asyncio.sleep(0.01)
        raise ConnectionResetError

    with contextlib.suppress(ConnectionResetError):
        await app(scope, receive, send)
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    assert told == []
