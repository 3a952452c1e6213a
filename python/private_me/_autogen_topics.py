"""Who hears of which events in one runtime."""

from __future__ import annotations

import asyncio
from typing import Any

from autogen_core import MessageContext, Subscription

from ._autogen_agents import Agents, Instance, plain
from ._autogen_delivery import Delivery, log, noting
from ._check import name_of
from ._errors import XBindError


class Topics:
    """The subscriptions. Nothing is kept of topics that come by."""

    def __init__(self, agents: Agents, delivery: Delivery) -> None:
        self._agents = agents
        self._delivery = delivery
        self._subscriptions: list[Subscription] = []

    def add(self, subscription: Subscription) -> None:
        if not isinstance(subscription, Subscription):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"subscription must be a Subscription, not {name_of(subscription)}")
        if any(each == subscription for each in self._subscriptions):
            raise ValueError("Subscription already exists")
        self._subscriptions.append(subscription)

    def remove(self, id: str) -> None:
        rest = [each for each in self._subscriptions if each.id != id]
        if len(rest) == len(self._subscriptions):
            raise LookupError("Subscription does not exist")
        self._subscriptions = rest

    def spread(self, message: Any, context: MessageContext, speaker: Instance | None) -> list[asyncio.Task[Any]]:
        """Hands an event to the subscribers here, each once, and not to whoever published it."""
        topic = context.topic_id
        assert topic is not None
        found: dict[str, Instance] = {}
        for subscription in list(self._subscriptions):
            try:
                if subscription.is_match(topic):
                    instance = self._agents.here(plain(subscription.map_to_agent(topic), "a subscriber"))
                    found[instance.agent.did] = instance
            except XBindError as error:  # a stranger chooses topics, and fills no log with stacks
                log.warning("an event of topic %.300r does not reach every subscriber: %s", str(topic), error)
            except Exception as error:
                log.warning("an event of topic %.300r does not reach every subscriber", str(topic), exc_info=error)
        tasks: list[asyncio.Task[Any]] = []
        for instance in found.values():
            if instance is not speaker:
                task = self._delivery.begin(instance, message, context)
                task.add_done_callback(noting(f"the handler of {instance.id!r} for an event"))
                tasks.append(task)
        return tasks
