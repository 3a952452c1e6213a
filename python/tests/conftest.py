"""What all tests need."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from brokers import KINDS, Broker, Member, until

from private_me import Agent, MessageBus
from private_me.nats import NatsBus


@pytest.fixture
def bus() -> MessageBus:
    return MessageBus()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest_asyncio.fixture
async def asker(bus: MessageBus) -> AsyncIterator[Agent]:
    async with Agent("asker", bus=bus) as agent:
        yield agent


@pytest_asyncio.fixture
async def teller(bus: MessageBus) -> AsyncIterator[Agent]:
    async with Agent("teller", bus=bus) as agent:
        yield agent


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    started = Broker()
    yield started
    started.end()


@pytest.fixture
def space(request) -> str:
    return f"space-{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def member(broker: Broker, space: str):
    started: list[Member] = []

    async def start(kind: str = "Python", name: str = "writer", bus: NatsBus | None = None) -> Member:
        started.append(await asyncio.to_thread(KINDS[kind], broker.url, space, name))
        if bus is not None:  # it says who it is before others can know
            await until(lambda: any(each.did == started[-1].did for each in bus.agents()))
        return started[-1]

    yield start
    for each in started:
        each.end()
