"""A process with an agent on a bus over NATS: who it is comes on standard output, and each call that a handler begins with."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

from private_me import Agent, IncomingCall
from private_me.nats import connect


def say(**line: Any) -> None:
    print(json.dumps(line), flush=True)


async def main(servers: str, name: str, namespace: str) -> None:
    async with connect(servers.split(","), namespace=namespace) as bus:
        agent = Agent(name, bus=bus, inbox_messages=4, concurrency=4)

        def echo(call: IncomingCall[Any]) -> Any:
            say(handled=len(call.payload) if isinstance(call.payload, bytes) else call.payload)
            size = len(call.payload) if isinstance(call.payload, bytes) else call.payload
            return {"echo": size, "from": call.sender, "pid": os.getpid()}

        agent.handle(echo)

        @agent.method
        async def hang(payload: str, call: IncomingCall[str]) -> None:
            say(handled=payload)
            call.progress(1, total=2, message="hanging")
            try:
                await asyncio.Event().wait()
            finally:
                say(aborted=payload)

        @agent.method
        async def count(payload: dict[str, int]) -> AsyncIterator[int]:
            try:
                for number in range(payload["parts"]):
                    yield number
            finally:
                say(ended=payload["parts"])

        @agent.method
        async def back(to: str) -> Any:
            return await agent.call(to, "from the other side")

        say(did=agent.did, pid=os.getpid())
        word = await asyncio.to_thread(sys.stdin.readline)
        if word.startswith("close"):
            await agent.close()
            await asyncio.Event().wait()
    say(drained=bus.status)


asyncio.run(main(*sys.argv[1:]))
