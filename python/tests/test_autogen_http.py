"""AutoGen runtimes over HTTP, and whoever stands between them."""

import asyncio
import contextlib
from dataclasses import dataclass

import pytest

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import AgentId, MessageContext, RoutedAgent, TopicId, message_handler, type_subscription  # noqa: E402

from private_me import Located, MessageBus, XBindError, listen, serve_agents  # noqa: E402
from private_me.autogen import Undeliverable, XBindRuntime  # noqa: E402


@dataclass
class Pay:
    amount: int


@type_subscription("orders")
class Cashier(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("pays")
        self.paid: list[tuple[int, AgentId | None]] = []

    @message_handler
    async def pay(self, message: Pay, ctx: MessageContext) -> str:
        self.paid.append((message.amount, ctx.sender))
        return "paid"


class Taped(serve_agents):
    """Keeps what comes in."""

    def __init__(self, bus: MessageBus) -> None:
        super().__init__(bus, path="/agents")
        self.tape: list[bytes] = []

    async def __call__(self, scope, receive, send) -> None:
        async def taped():
            event = await receive()
            self.tape.append(event.get("body", b""))
            return event

        await super().__call__(scope, taped, send)


async def post(url: str, body: bytes) -> bytes:
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /agents HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/vnd.xbind.messages\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    answer = b""
    try:  # what is repeated gets no answer
        while piece := await asyncio.wait_for(reader.read(1 << 16), 0.5):
            answer += piece
    except (asyncio.TimeoutError, OSError):
        pass
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer


async def test_what_was_sent_counts_once_and_for_its_runtime_alone():
    near, far, other = MessageBus(), MessageBus(), MessageBus()
    async with (
        XBindRuntime(bus=near) as sender,
        XBindRuntime(bus=far) as shop,
        XBindRuntime(bus=other) as rival,
        listen(app := Taped(far)) as server,
        listen(serve_agents(other, path="/agents")) as elsewhere,
    ):
        for runtime in (sender, shop, rival):
            await Cashier.register(runtime, "cashier", Cashier)
        place = Located(shop.did, f"{server.url}/agents")
        till, me = await sender.find(place, "cashier"), await sender.get("cashier")
        sender.connect(place, topics=["orders"])
        assert await sender.send_message(Pay(7), till, sender=me) == "paid"
        await sender.publish_message(Pay(8), TopicId("orders", "default"), sender=me)
        await shop.stop_when_idle()
        shop.start()
        cashier = await shop.try_get_underlying_agent_instance(AgentId("cashier", "default"), Cashier)
        assert cashier.paid == [(7, me), (8, me)]

        pieces = [each for each in app.tape if each]
        assert len(pieces) >= 3
        for url in (server.url, elsewhere.url):
            forged = [*pieces, b"".join(pieces), *(each.replace(b"7", b"9") for each in pieces)]
            for answer in await asyncio.gather(*(post(url, piece) for piece in forged)):
                assert answer.startswith(b"HTTP/1.1 200") and b'"paid"' not in answer
        await shop.stop_when_idle()
        await rival.stop_when_idle()
        assert len(cashier.paid) == 2
        theirs = await rival.try_get_underlying_agent_instance(AgentId("cashier", "default"), Cashier)
        assert theirs.paid == []


async def test_a_runtime_at_a_url_is_who_it_says():
    near, far = MessageBus(), MessageBus()
    async with XBindRuntime(bus=near, timeout=5) as sender, XBindRuntime(bus=far) as shop, listen(serve_agents(far)) as server:
        await Cashier.register(shop, "cashier", Cashier)
        with pytest.raises(XBindError):
            await sender.find(Located(sender.did, server.url), "cashier")
        till = await sender.find(Located(shop.did, server.url), "cashier")
        sender.connect(Located(shop.did, server.url), topics=["orders"])
        await server.close()
        with pytest.raises(XBindError):
            await sender.send_message(Pay(1), till)
        with pytest.raises(Undeliverable):
            await sender.publish_message(Pay(1), TopicId("orders", "s"))
