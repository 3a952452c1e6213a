"""Those who wait for messages, and go."""

import asyncio

import pytest

from private_me import Agent, MessageBus, XBindError


async def send(asker: Agent, *payloads) -> None:
    for payload in payloads:
        await asker.send("teller", payload)


def watched(teller: Agent, waiting: asyncio.Task, monkeypatch) -> None:
    """Cancels the reader in the very moment in which it is told of messages."""
    inbox = teller._member.inbox
    arrived = inbox.arrived

    def cancel() -> None:
        monkeypatch.undo()
        arrived()
        waiting.cancel()

    monkeypatch.setattr(inbox, "arrived", cancel)


async def test_a_reader_who_is_cancelled_when_messages_come_loses_none(asker, teller, monkeypatch):
    waiting = asyncio.create_task(teller.receive(wait=None))
    await asyncio.sleep(0)
    watched(teller, waiting, monkeypatch)
    await send(asker, 1, 2)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [each.payload for each in await teller.receive()] == [1, 2]


async def test_nor_does_one_who_iterates(asker, teller, monkeypatch):
    async def first():
        async for message in teller.messages():
            return message

    waiting = asyncio.create_task(first())
    await asyncio.sleep(0)
    watched(teller, waiting, monkeypatch)
    await send(asker, 1)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [each.payload for each in await teller.receive()] == [1]


async def test_what_a_cancelled_reader_leaves_the_next_one_gets(asker, teller, monkeypatch):
    waiting = [asyncio.create_task(teller.receive(max=1, wait=None)) for _ in range(3)]
    await asyncio.sleep(0)
    watched(teller, waiting[0], monkeypatch)
    await send(asker, 1, 2, 3)
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    read = await asyncio.wait_for(asyncio.gather(*waiting[1:]), 20)
    assert [each.payload for [each] in read] == [1, 2]
    assert [each.payload for each in await teller.receive()] == [3]


async def test_readers_are_served_in_the_order_in_which_they_came(asker, teller):
    waiting = [asyncio.create_task(teller.receive(max=1, wait=20)) for _ in range(3)]
    await asyncio.sleep(0)
    await send(asker, 0, 1, 2)
    assert [[each.payload for each in read] for read in await asyncio.gather(*waiting)] == [[0], [1], [2]]


async def test_a_reader_who_is_woken_when_its_agent_closes_is_told_so(asker, teller):
    waiting = asyncio.create_task(teller.receive(wait=None))
    await asyncio.sleep(0)
    teller._member.inbox.arrived()
    await teller.close()
    with pytest.raises(XBindError, match="this agent is closed"):
        await waiting


def test_a_reader_in_a_loop_that_stands_still_holds_up_nobody():
    bus = MessageBus()
    asker, teller = Agent("asker", bus=bus), Agent("teller", bus=bus)
    still = asyncio.new_event_loop()
    waiting = still.create_task(teller.receive(wait=None))
    still.run_until_complete(asyncio.sleep(0))

    async def read():
        reading = asyncio.create_task(teller.receive(wait=20))
        await asyncio.sleep(0)
        await asker.send("teller", 1)
        return await reading

    assert [each.payload for each in asyncio.run(read())] == [1]
    waiting.cancel()
    still.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    still.close()
    asyncio.run(asker.close())
    asyncio.run(teller.close())
