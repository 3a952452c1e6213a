"""A process whose agent has a mailbox on a bus over NATS, and reads what comes: each message on standard output."""

import asyncio
import json
import os
import sys
from typing import Any

from private_me import Agent, Identity, XBindError
from private_me.nats import connect


def say(**line: Any) -> None:
    """At once, so that what was read is known even if the process is killed next."""
    os.write(1, f"{json.dumps(line)}\n".encode())


async def main(servers: str, name: str, seed: str, namespace: str) -> None:
    async with connect(servers.split(","), namespace=namespace) as bus:
        agent = Agent(name, identity=Identity.from_seed(bytes([int(seed)]) * 32), bus=bus)
        while True:
            try:
                await bus.mailbox(agent)
                break
            except XBindError as error:
                if not error.retryable:
                    raise
        say(did=agent.did, pid=os.getpid())
        async for message in agent.messages():
            say(handled=message.payload)


asyncio.run(main(*sys.argv[1:]))
