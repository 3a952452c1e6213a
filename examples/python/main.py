"""An agent in Python and one in Node.js call each other over HTTP. Run it: python examples/python/main.py"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from private_me import Agent, Located, XBindError, listen, serve_agents


async def main() -> None:
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec("node", Path(__file__).with_name("writer.mjs"), stdin=pipe, stdout=pipe)
    assert node.stdout is not None and node.stdin is not None
    writer = Located(**json.loads(await node.stdout.readline()))

    async with Agent("librarian") as librarian, listen(serve_agents([librarian], path="/agents")) as server:

        @librarian.method(allow=[writer.did])
        async def look_up(topic: str) -> str:
            return f"all that is known of {topic}"

        @librarian.method(allow=[writer.did])
        async def pages(topic: str) -> AsyncIterator[int]:
            for page in range(1, 4):
                yield page

        library = {"did": librarian.did, "url": f"{server.url}/agents"}
        summary = await librarian.call(writer, {"topic": "keys", "library": library}, method="summarise")
        assert summary == "all that is known of keys (1, 2, 3)", summary
        print("there and back    ", summary)

        letters = [letter async for letter in librarian.stream(writer, "DID", method="spell")]
        assert letters == ["D", "I", "D"]
        print("in parts          ", *letters)

        pondering = asyncio.Event()
        call = asyncio.create_task(librarian.call(writer, method="ponder", on_progress=lambda word: pondering.set()))
        await pondering.wait()
        call.cancel()
        print("cancelled at work ", await asyncio.gather(call, return_exceptions=True))

        async with Agent("stranger") as stranger:
            try:
                await stranger.call(librarian.did, "keys", method="look_up")
            except XBindError as error:
                assert error.code == "NOT_ALLOWED"
                print("a stranger        ", error.code)

    node.stdin.close()
    assert await node.wait() == 0
    print("All as expected.")


asyncio.run(main())
