"""AutoGen agents in two processes, over HTTP: each knows by signatures who speaks. Run it: python examples/python/autogen_processes.py"""

import asyncio
import json
import sys
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    TopicId,
    message_handler,
    try_get_known_serializers_for_type,
    type_subscription,
)

from private_me import Located, MessageBus, XBindError, listen, serve_agents
from private_me.autogen import XBindRuntime


@dataclass
class Pay:
    amount: int


@dataclass
class Receipt:
    text: str


class Cashier(RoutedAgent):
    """Pays when its boss says so: the key of a sender is its DID."""

    def __init__(self, boss: str) -> None:
        super().__init__("pays")
        self.boss = boss

    @message_handler
    async def pay(self, message: Pay, ctx: MessageContext) -> Receipt:
        if ctx.sender is None or ctx.sender.key != self.boss:
            return Receipt("refused")
        await self.publish_message(Receipt(f"{message.amount} left the house"), TopicId("ledger", "today"))
        return Receipt(f"paid {message.amount}")


@type_subscription("ledger")
class Ledger(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("keeps the books")
        self.lines: list[tuple[str, str]] = []

    @message_handler
    async def note(self, message: Receipt, ctx: MessageContext) -> None:
        assert ctx.sender is not None
        self.lines.append((ctx.sender.key, message.text))


class Boss(RoutedAgent):
    @message_handler
    async def hear(self, message: Receipt, ctx: MessageContext) -> None:
        """Only sends."""


async def cashier(boss: str, place: Located) -> None:
    """The other process."""
    bus = MessageBus()
    async with XBindRuntime(bus=bus) as runtime, listen(serve_agents(bus, path="/agents")) as server:
        await Cashier.register(runtime, "cashier", lambda: Cashier(boss))
        runtime.connect(place, topics=["ledger"])
        print(json.dumps({"did": runtime.did, "url": f"{server.url}/agents"}), flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until the parent is done


async def main() -> None:
    bus = MessageBus()
    async with XBindRuntime(bus=bus) as runtime, listen(serve_agents(bus, path="/agents")) as server:
        runtime.add_message_serializer(try_get_known_serializers_for_type(Receipt))
        await Ledger.register(runtime, "ledger", Ledger)
        await Boss.register(runtime, "boss", lambda: Boss("says so"))
        await Boss.register(runtime, "liar", lambda: Boss("says anything"))
        boss = await runtime.get("boss")

        command = [sys.executable, __file__, boss.key, runtime.did, f"{server.url}/agents"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert process.stdout is not None and process.stdin is not None
        there = Located(**json.loads(await process.stdout.readline()))
        till = await runtime.find(there, "cashier")

        paid = await runtime.send_message(Pay(7), till, sender=boss)
        print("the boss           ", paid.text)
        refused = await runtime.send_message(Pay(7), till, sender=await runtime.get("liar"))
        print("a liar             ", refused.text)
        try:
            await runtime.send_message(Pay(7), till, sender=AgentId("boss", till.key))
        except XBindError as error:
            print("a forged sender    ", error.code)
            assert error.code == "NOT_ALLOWED"

        await runtime.stop_when_idle()
        books = await runtime.try_get_underlying_agent_instance(AgentId("ledger", "today"), Ledger)
        assert (paid.text, refused.text, books.lines) == ("paid 7", "refused", [(till.key, "7 left the house")])
        print("in the books       ", *[text for _, text in books.lines])

        process.stdin.close()
        assert await process.wait() == 0
    print("All as expected.")


if len(sys.argv) > 1:
    asyncio.run(cashier(sys.argv[1], Located(sys.argv[2], sys.argv[3])))
else:
    asyncio.run(main())
