"""Waiting for what other threads do; in a forked child there are none."""

from __future__ import annotations

import os
from typing import Any

from . import _native

_FORKED = (
    "private_me does not go on in a forked child, whose agents are still the parent's:"
    " start children with multiprocessing's `spawn`, or make agents after the fork alone"
)
_began = False
_forked = False


def begin() -> None:
    """Threads of the native side run from now on: no child of this process has them."""
    global _began
    _began = True


def is_forked() -> bool:
    return _forked


def check_fork() -> None:
    """In a forked child nothing of the parent's goes on, and to ask for it may wait for ever."""
    if _forked:
        raise RuntimeError(_FORKED)


async def wait_for(soon: _native.Soon) -> Any:
    """What takes its time, once another thread has done it. Raises what came of it."""
    from ._port import current  # which knows of all that waits

    return await current().wait_for(soon)


def _after_fork() -> None:
    global _forked
    _forked = _began


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
