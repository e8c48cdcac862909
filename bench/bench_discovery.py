"""
How long it takes to know the master: three healthy Sentinels, and one of three silent (SIGSTOP).

`Watcher.start` compared with redis-py's ``Sentinel.discover_master``, both with their defaults. redis-py's search with
a silent Sentinel first in its list runs in a process of its own, and is killed after 70 s.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence

from figures import Figure, median, report
from switchmaster import Watcher
from switchmaster.lab import Lab

REPEATS = 21
BOUND = 70.0
GOAL = 1.2
SEARCH = """
import sys, time
from redis.sentinel import Sentinel
addresses = [(a.rpartition(":")[0], int(a.rpartition(":")[2])) for a in sys.argv[1:]]
began = time.perf_counter()
Sentinel(addresses).discover_master("mymaster")
print(time.perf_counter() - began)
"""


async def started(addresses: Sequence[tuple[str, int]]) -> float:
    watcher = Watcher(addresses)
    began = time.perf_counter()
    await watcher.start()
    spent = time.perf_counter() - began
    watcher.master("mymaster")
    await watcher.close()
    return spent


async def several(addresses: Sequence[tuple[str, int]]) -> list[float]:
    return [await started(addresses) for _ in range(REPEATS)]


def search(addresses: Sequence[tuple[str, int]]) -> subprocess.Popen[str]:
    words = [f"{host}:{port}" for host, port in addresses]
    return subprocess.Popen([sys.executable, "-c", SEARCH, *words], stdout=subprocess.PIPE, text=True)


def seconds(searching: subprocess.Popen[str]) -> float | None:
    """Return the seconds it took; None if it was killed at the limit."""
    try:
        return float(searching.communicate(timeout=BOUND)[0])
    except subprocess.TimeoutExpired:
        searching.kill()
        searching.communicate()
        return None


def shown(spent: float | None) -> str:
    if spent is None:
        return f"more than {BOUND:.0f} s"
    return f"{spent * 1e3:.2f} ms" if spent < 1 else f"{spent:.1f} s"


def measure() -> list[Figure]:
    with Lab() as lab:
        addresses = lab.sentinel_addresses
        asyncio.run(started(addresses))
        healthy = asyncio.run(several(addresses))
        other = [seconds(search(addresses)) for _ in range(5)]
        lab.hang(lab.sentinels[0])
        searching = search(addresses)
        silent = asyncio.run(several(addresses))
        other_silent = seconds(searching)
        lab.resume(lab.sentinels[0])
    base = median([spent for spent in other if spent is not None])
    beside = None if other_silent is None else other_silent / base
    again = f"redis-py: {beside:,.0f}" if beside is not None else "redis-py: not within the bound"
    ratio = median(silent) / median(healthy)
    return [
        Figure("discovery, 3 healthy Sentinels", shown(median(healthy)), f"redis-py: {shown(base)}"),
        Figure("discovery, the first of 3 Sentinels silent", shown(median(silent)), f"redis-py: {shown(other_silent)}"),
        Figure("silent / healthy", f"{ratio:.2f}", again, f"{ratio:.2f}", f"<= {GOAL:g}"),
    ]


if __name__ == "__main__":
    report(measure)
