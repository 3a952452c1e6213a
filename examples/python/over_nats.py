"""Agents in Python and in Node.js on one bus, over NATS. Run it: python examples/python/over_nats.py"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from private_me import Agent, XBindError
from private_me.nats import connect

HERE = Path(__file__).parent


@contextlib.asynccontextmanager
async def nats_server() -> AsyncIterator[str]:
    """One of its own, on a free port."""
    server = os.environ.get("NATS_SERVER") or shutil.which("nats-server")
    if server is None:
        script = HERE.parents[1] / "scripts" / "nats-server.mjs"
        server = subprocess.run(["node", script], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        where = ["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", folder]
        arguments = [*where, "--jetstream", "--store_dir", f"{folder}/store"]
        process = await asyncio.create_subprocess_exec(server, *arguments, stderr=asyncio.subprocess.DEVNULL)
        try:
            while not (files := list(Path(folder).glob("*.ports"))) or not files[0].read_text():
                await asyncio.sleep(0.02)
            yield json.loads(files[0].read_text())["nats"][0]
        finally:
            process.kill()
            await process.wait()


async def main() -> None:
    async with nats_server() as servers, connect(servers) as bus:
        pipe = asyncio.subprocess.PIPE
        node = await asyncio.create_subprocess_exec("node", HERE / "nats_writer.mjs", servers, stdin=pipe)
        assert node.stdin is not None

        async with Agent("librarian", bus=bus) as librarian:

            @librarian.method
            async def look_up(topic: str) -> str:
                return f"all that is known of {topic}"

            @librarian.method
            async def pages(topic: str) -> AsyncIterator[int]:
                for page in range(1, 4):
                    yield page

            await bus.named(librarian)
            while "writer" not in [each.name for each in bus.agents()]:
                await asyncio.sleep(0.02)  # processes start at their own pace
            print("on the bus        ", *sorted(str(each.name) for each in bus.agents()))

            summary = await librarian.call("writer", "keys", method="summarise")
            assert summary == "all that is known of keys (1, 2, 3)", summary
            print("there and back    ", summary)

            letters = [letter async for letter in librarian.stream("writer", "DID", method="spell")]
            assert letters == ["D", "I", "D"]
            print("in parts          ", *letters)

            node.stdin.close()
            assert await node.wait() == 0
            try:
                await librarian.call("writer", "keys", method="summarise")
            except XBindError as error:
                print("the writer is gone", error.code)
                assert error.code == "AGENT_NOT_FOUND"
    print("All as expected.")


asyncio.run(main())
