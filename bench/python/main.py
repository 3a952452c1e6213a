"""What a call costs in Python, beside what one would write by hand: python bench/python/main.py [--quick]

Needs the package and, for its neighbours, PyNaCl and cryptography. All of them do the same work: a call with a small JSON payload
is signed and verified, its answer too, and neither is taken twice.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from peers import PEERS, Peer

PAYLOAD = {"task": "write-summary", "topic": "AI trends"}


async def one(peer: Peer, calls: int) -> float:
    """Microseconds of one call after the other, the median."""
    times: list[float] = []
    for _ in range(calls):
        began = time.perf_counter()
        await peer.call(PAYLOAD)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


async def crowd(peer: Peer, calls: int, at_once: int) -> float:
    """Calls in a second, so many in flight."""
    began = time.perf_counter()
    for _ in range(0, calls, at_once):
        await asyncio.gather(*(peer.call(PAYLOAD) for _ in range(at_once)))
    return calls / (time.perf_counter() - began)


async def measured(make: Callable[[], Awaitable[Peer]], rounds: int, calls: int) -> tuple[list[float], list[float]]:
    peer = await make()
    await crowd(peer, 500, 500)
    singles, crowds = [], []
    for _ in range(rounds):
        gc.collect()
        singles.append(await one(peer, calls))
        crowds.append(await crowd(peer, calls * 4, 500))
    await peer.close()
    return singles, crowds


def cold_import() -> float:
    """Milliseconds until an agent has been made, in a process of its own, less those of an empty one."""
    programs = ("import asyncio, json, logging", "import asyncio, json, logging; from private_me import Agent; Agent()")
    times: list[list[float]] = [[], []]
    for _ in range(7):
        for at, program in enumerate(programs):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            times[at].append(time.perf_counter() - began)
    return (statistics.median(times[1]) - statistics.median(times[0])) * 1e3


def memory_per_agent(agents: int) -> float:
    """KiB of resident memory for one more agent that waits; agents beyond the first have it all."""
    program = (
        "import sys; from private_me import Agent, MessageBus; bus = MessageBus(); kept = [Agent(bus=bus)]\n"
        "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4\n"
        f"before = rss(); kept += [Agent(bus=bus) for _ in range({agents})]; print((rss() - before) / {agents})"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a tenth of the calls")
    quick = arguments.parse_args().quick
    rounds, calls = (2, 500) if quick else (5, 4000)
    found: dict[str, tuple[float, float]] = {}
    # By turns, so that a machine that is busy for a while is so for all.
    results: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in PEERS}
    for _ in range(rounds):
        for name, (needs, make) in PEERS.items():
            if needs is None or importlib.util.find_spec(needs) is not None:
                singles, crowds = asyncio.run(measured(make, 1, calls))
                results[name][0].extend(singles)
                results[name][1].extend(crowds)
    print(f"{'':24}{'one call, µs':>14}{'500 in flight, /s':>20}")
    for name, (singles, crowds) in results.items():
        if singles:
            found[name] = (statistics.median(singles), statistics.median(crowds))
            print(f"{name:24}{found[name][0]:14.0f}{found[name][1]:20.0f}")
    own = found["private_me"]
    for name, (single, crowded) in found.items():
        if name != "private_me":
            print(f"beside {name:17}{own[0] / single:13.2f}x{own[1] / crowded:19.2f}x")
    print(f"cold import and first agent, ms {cold_import():13.1f}")
    if sys.platform == "linux":
        print(f"memory of one more agent, KiB {memory_per_agent(2000):15.1f}")


if __name__ == "__main__":
    main()
