"""What all tests need."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from private_me import Agent, MessageBus


@pytest.fixture
def bus() -> MessageBus:
    return MessageBus()


@pytest_asyncio.fixture
async def asker(bus: MessageBus) -> AsyncIterator[Agent]:
    async with Agent("asker", bus=bus) as agent:
        yield agent


@pytest_asyncio.fixture
async def teller(bus: MessageBus) -> AsyncIterator[Agent]:
    async with Agent("teller", bus=bus) as agent:
        yield agent
