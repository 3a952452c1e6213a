"""How far a call is."""

from __future__ import annotations

from typing import TypedDict


class Progress(TypedDict, total=False):
    """How far a call is, as the agent that works on it says."""

    progress: float
    """How much is done."""
    total: float
    """Of how much."""
    message: str
    """In words: at most some 4000 bytes."""


def told(progress: float | None, total: float | None, message: str | None) -> Progress:
    """What is not there is left out."""
    word = Progress()
    if progress is not None:
        word["progress"] = progress
    if total is not None:
        word["total"] = total
    if message is not None:
        word["message"] = message
    return word
