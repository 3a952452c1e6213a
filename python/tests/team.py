"""AutoGen's agents that several tests ask."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("autogen_core", reason="autogen-core is not installed: pip install './python[autogen]'")

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, message_handler  # noqa: E402
from autogen_core.exceptions import CantHandleException  # noqa: E402
from pydantic import BaseModel  # noqa: E402

from private_me import HandlerError, XBindError  # noqa: E402


@dataclass
class Task:
    topic: str


class Done(BaseModel):
    text: str
    by: str


class Writer(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("writes")
        self.seen: list[tuple[str, AgentId | None]] = []
        self.token: CancellationToken | None = None
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    @message_handler
    async def write(self, message: Task, ctx: MessageContext) -> Done:
        self.seen.append((message.topic, ctx.sender))
        if message.topic == "fails":
            raise ValueError("a secret")
        if message.topic == "tells":
            raise HandlerError("OFF_TOPIC", "ask about something else")
        if message.topic == "cannot":
            raise CantHandleException("not this")
        if message.topic == "slow":
            self.token = ctx.cancellation_token
            self.begun.set()
            await self.let.wait()
        return Done(text=f"about {message.topic}", by=self.id.key)


@dataclass
class Note:
    text: str
    times: int = 1


class Taker(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("takes")
        self.taken: list[Any] = []
        self.senders: list[AgentId | None] = []

    @message_handler
    async def note(self, message: Note, ctx: MessageContext) -> int:
        self.taken.append(message)
        self.senders.append(ctx.sender)
        return message.times


async def code_of(work, kind=XBindError):
    with pytest.raises(kind) as caught:
        await work
    return caught.value.code
