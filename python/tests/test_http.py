"""Agents that are called by URL."""

import asyncio
import contextlib
import dataclasses
import gc
import json
import warnings
from typing import Any

import pytest
import pytest_asyncio

from private_me import (
    Agent,
    ApprovalPolicy,
    CallToApprove,
    Identity,
    IncomingCall,
    Located,
    MessageBus,
    XBindError,
    approve_call,
    listen,
    serve_agents,
)
from private_me._address import recipient_in


@pytest_asyncio.fixture
async def far():
    """An agent on a bus of its own, and where it is."""
    bus = MessageBus()
    async with Agent("far", bus=bus) as agent, listen(serve_agents([agent], path="/agents")) as server:
        yield agent, f"{server.url}/agents"


async def test_an_agent_is_called_by_url_and_by_did_at_a_url(asker, far):
    agent, url = far
    agent.handle(lambda call: [call.sender, call.payload])
    assert await asker.call(url, {"x": 1}) == [asker.did, {"x": 1}]
    assert await asker.call(Located(agent.did, url), 2) == [asker.did, 2]
    with pytest.raises(XBindError, match="AGENT_NOT_FOUND|AGENT_CLOSED"):
        await asker.call(Located(Identity().did, url), 3)


async def test_bytes_streams_progress_and_errors_cross(asker, far):
    agent, url = far

    @agent.method
    async def count(to: int):
        for number in range(to):
            yield number

    @agent.method
    async def slow(call: IncomingCall[None]) -> str:
        call.progress(1, 2, "half")
        await asyncio.sleep(0.05)
        return "done"

    agent.handle(lambda call: call.payload)
    assert await asker.call(url, b"\x00\xff") == b"\x00\xff"
    assert [part async for part in asker.stream(url, 200, method="count")] == list(range(200))
    words: list[Any] = []
    assert await asker.call(url, method="slow", on_progress=words.append) == "done"
    assert words == [{"progress": 1, "total": 2, "message": "half"}]
    with pytest.raises(XBindError, match="INVALID_INPUT"):
        await asker.call(url, "x", method="count")
    assert (await asker.describe(url)).did == agent.did
    assert (await asker.send(url, "letter")).to == agent.did


async def test_a_card_names_addresses_and_the_session_that_an_approval_brought_along_is_for(asker, far, bus):
    agent, url = far
    operator = Identity()
    agent.handle(lambda call: call.payload, approval=ApprovalPolicy(operator.did))
    card = await asker.describe(Located(agent.did, url))
    assert card.did == agent.did and card.session is not None
    assert (await agent.describe()).session is None
    body = json.dumps({"x": 1}, separators=(",", ":")).encode()
    approved = CallToApprove(asker.did, agent.did, body, session=card.session)
    assert await asker.call(Located(agent.did, url), {"x": 1}, approval=approve_call(operator, approved)) == {"x": 1}
    urls = ["http://localhost:1/agents", "https://agents.example/writer"]
    async with Agent("writer", bus=bus, addresses=urls) as writer:
        card = await asker.describe("writer")
        assert card.addresses == tuple(urls)
        urls.clear()
        assert len((await writer.describe()).addresses) == 2
    for wrong in ("https://agents.example", b"x", 5, [None], [b"x"], [5], False, 0, float("nan")):
        with pytest.raises(TypeError):
            Agent(bus=bus, addresses=wrong)
    for wrong in (["agents.example"], [""], ["https://a.example/" + "x" * 5000]):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            Agent(bus=bus, addresses=wrong)
    with pytest.raises(ValueError):
        Agent(bus=bus, addresses=["https://a.example/\ud800"])
    assert [each.name for each in bus.agents()] == ["asker"]


async def test_what_stands_for_a_did_is_one_and_of_the_addresses_of_a_card_https_is_taken(asker, far):
    agent, url = far
    agent.handle(lambda call: call.payload)
    for wrong in ("far", "", url, f"{agent.did}#x", "did:key:z"):
        with pytest.raises(XBindError, match="INVALID_DID"):
            await asker.call(Located(wrong, url), 1)
    card = await asker.describe(url)
    assert recipient_in(dataclasses.replace(card, addresses=())) == agent.did
    both = dataclasses.replace(card, addresses=("http://localhost:1/agents", "https://agents.example/writer"))
    assert recipient_in(both) == f"~https://agents.example/writer#{agent.did}"
    for wrong in (dataclasses.replace(card, did="far"), dataclasses.replace(card, did="far", addresses=())):
        with pytest.raises(XBindError, match="INVALID_DID"):
            await asker.call(wrong, 1)


async def test_many_calls_at_once_over_http(asker, far):
    agent, url = far
    agent.handle(lambda call: call.payload)
    assert await asyncio.gather(*(asker.call(url, number) for number in range(500))) == list(range(500))
    assert len(await asker.call(url, "x" * 900_000)) == 900_000


async def test_a_handler_elsewhere_is_cancelled(asker, far):
    agent, url = far
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def slow(call: IncomingCall[Any]) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    agent.handle(slow)
    task = asyncio.create_task(asker.call(url))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_a_server_that_goes_ends_its_calls(asker):
    begun = asyncio.Event()

    async def slow(call: IncomingCall[Any]) -> None:
        begun.set()
        await asyncio.sleep(60)

    agent = Agent("gone", bus=MessageBus(), handler=slow)
    async with listen(serve_agents([agent])) as server:
        call = asyncio.create_task(asker.call(f"{server.url}/"))
        await begun.wait()
        url = server.url
    with pytest.raises(XBindError) as caught:
        await asyncio.wait_for(call, 30)
    assert (caught.value.code, caught.value.handled) == ("AGENT_CLOSED", "unknown")
    with pytest.raises(XBindError, match="AGENT_NOT_FOUND"):
        await asker.call(f"{url}/")
    await agent.close()


async def test_connections_that_come_while_a_server_closes_are_ended():
    agent = Agent("closing", bus=MessageBus())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for pauses in range(8):
            async with listen(serve_agents([agent])) as server:
                coming = [asyncio.create_task(asyncio.open_connection("127.0.0.1", server.port)) for _ in range(20)]
                for _ in range(pauses):
                    await asyncio.sleep(0)
            for each in await asyncio.gather(*coming, return_exceptions=True):
                if isinstance(each, BaseException):
                    continue
                reader, writer = each
                with contextlib.suppress(OSError):
                    assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
        gc.collect()
    assert [str(each.message) for each in warned] == []
    await agent.close()


async def test_more_than_a_server_takes_at_once_is_sent_in_smaller_requests(asker):
    bus = MessageBus()
    async with Agent("small", bus=bus, handler=lambda call: len(call.payload)) as agent:
        app = serve_agents([agent], max_body_bytes=8192)
        async with listen(app) as server:
            sizes = [1000 + n for n in range(60)]
            assert await asyncio.gather(*(asker.call(server.url, "x" * n) for n in sizes)) == sizes
            with pytest.raises(XBindError, match="PAYLOAD_TOO_LARGE"):
                await asker.call(server.url, "x" * 9000)
    for least in (0, 1, 8191):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            serve_agents(bus, max_body_bytes=least)


async def test_who_was_stopped_or_closed_is_not_listed():
    bus = MessageBus()
    agents = [Agent(name, bus=bus) for name in ("here", "stopped", "closed")]
    async with listen(serve_agents(agents)) as some, listen(serve_agents(bus)) as all_of_them:
        bus.stop(agents[1].did)
        await agents[2].close()
        for server in (some, all_of_them):
            answer = await raw(server.url, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert json.loads(answer.split(b"\r\n\r\n")[1]) == {"agents": [agents[0].did]}
    await agents[0].close()


async def test_what_is_no_address_is_told(asker):
    for wrong in ("ftp://x.example/", "http://x.example/", "https://user@x.example/"):
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            await asker.call(wrong)


async def raw(url: str, text: bytes) -> bytes:
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(65536), 10)
    writer.close()
    await writer.wait_closed()
    return answer


POST = b"POST /agents HTTP/1.1\r\nhost: x\r\ncontent-type: application/vnd.xbind.messages\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /agents HTTP/1.1\r\nhost: x\r\n\r\n", b"200"),
        (b"GET /other HTTP/1.1\r\nhost: x\r\n\r\n", b"404"),
        (b"PUT /agents HTTP/1.1\r\nhost: x\r\n\r\n", b"405"),
        (b"POST /agents HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", b"415"),
        (POST + b"transfer-encoding: chunked\r\n\r\n", b"411"),
        (POST + b"content-length: 1\r\ncontent-length: 1\r\n\r\n", b"400"),
        (POST + b"content-length: +1\r\n\r\n", b"400"),
        (POST + b"content-length: 1, 1\r\n\r\n", b"400"),
        (POST + b" folded: 1\r\n\r\n", b"400"),
        (POST + b"na me: 1\r\n\r\n", b"400"),
        (POST + b"name : 1\r\n\r\n", b"400"),
        (POST + b"host: y\r\n\r\n", b"400"),
        (b"GET /agents HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /agents HTTP/1.0\r\nhost: x\r\n\r\n", b"400"),
        (b"GET http://x/agents HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET /agents HTTP/1.1\nhost: x\n\r\n\r\n", b"400"),
        (b"x: " + b"y" * 20_000, b""),
    ],
)
async def test_the_small_server_refuses_what_its_clients_do_not_send(far, request_, status):
    answer = await raw(far[1], request_)
    assert answer.split(b" ")[1:2] == ([status] if status else [])
    agent = far[0]
    if status == b"200":
        assert agent.did.encode() in answer


async def test_a_request_that_holds_no_messages_ends_its_connection(far):
    answer = await raw(far[1], POST + b"content-length: 10\r\n\r\n" + b"x" * 10)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200")
    assert not answer.endswith(b"0\r\n\r\n")


async def test_what_cannot_be_mounted_is_told(bus, asker):
    for wrong in ("x", [1], [asker, "x"], None):
        with pytest.raises(TypeError):
            serve_agents(wrong)
    with pytest.raises(ValueError):
        serve_agents([])
    with pytest.raises(ValueError):
        serve_agents(bus, path="agents")
    with pytest.raises(TypeError):
        serve_agents(bus, pth="/")
    async with Agent(bus=MessageBus()) as other:
        with pytest.raises(XBindError, match="INVALID_CONFIG"):
            serve_agents([asker, other])
