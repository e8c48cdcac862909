"""
Commands per second through the drop-in's pool and redis-py's own Sentinel pool: the same lab, in turn, in one run.

Each figure is the median ratio of pairs of rounds. The order alternates from pair to pair, so that a drift of the
machine's speed cancels out. A second client of redis-py beside its first shows how much of a ratio is noise.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import redis.asyncio.sentinel
import redis.sentinel

import switchmaster.redis
import switchmaster.redis.asyncio
from figures import Figure, median, report
from switchmaster.lab import Lab

PAIRS = 21
GOAL = 0.97
COMMANDS = 4_000
THREADS, TASKS, PIPELINE = 8, 50, 100


def gets(client: Any) -> int:
    for _ in range(COMMANDS):
        client.get("key")
    return COMMANDS


def sets(client: Any) -> int:
    for _ in range(COMMANDS):
        client.set("key", "value")
    return COMMANDS


def pipelines(client: Any) -> int:
    for _ in range(COMMANDS // PIPELINE):
        pipe = client.pipeline()
        for _ in range(PIPELINE):
            pipe.get("key")
        pipe.execute()
    return COMMANDS


def in_threads(client: Any) -> int:
    def some() -> None:
        for _ in range(COMMANDS // THREADS):
            client.get("key")

    threads = [threading.Thread(target=some) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return COMMANDS


async def gets_in_loop(client: Any) -> int:
    for _ in range(COMMANDS):
        await client.get("key")
    return COMMANDS


async def in_tasks(client: Any) -> int:
    async def some() -> None:
        for _ in range(COMMANDS // TASKS):
            await client.get("key")

    await asyncio.gather(*(some() for _ in range(TASKS)))
    return COMMANDS


def compared(what: str, ours: list[float], theirs: list[float]) -> Figure:
    ratio = median([our / their for our, their in zip(ours, theirs, strict=True)])
    return Figure(
        what,
        f"{median(ours):,.0f} commands/s",
        f"redis-py's own {median(theirs):,.0f} commands/s",
        f"{ratio:.2f}",
        f">= {GOAL}",
    )


def rate(work: Callable[[Any], int], client: Any) -> float:
    began = time.perf_counter()
    return work(client) / (time.perf_counter() - began)


async def rate_in_loop(work: Callable[[Any], Awaitable[int]], client: Any) -> float:
    began = time.perf_counter()
    return await work(client) / (time.perf_counter() - began)


def paired(work: Callable[[Any], int], one: Any, other: Any) -> list[tuple[float, float]]:
    """Return the rates of both, pair by pair; the first pair is a warm-up."""
    found = []
    for number in range(PAIRS + 1):
        if number % 2:
            second, first = rate(work, other), rate(work, one)
        else:
            first, second = rate(work, one), rate(work, other)
        found.append((first, second))
    return found[1:]


async def paired_in_loop(work: Callable[[Any], Awaitable[int]], one: Any, other: Any) -> list[tuple[float, float]]:
    """Return the rates of both as `paired` does."""
    found = []
    for number in range(PAIRS + 1):
        if number % 2:
            second, first = await rate_in_loop(work, other), await rate_in_loop(work, one)
        else:
            first, second = await rate_in_loop(work, one), await rate_in_loop(work, other)
        found.append((first, second))
    return found[1:]


def with_threads(addresses: list[tuple[str, int]]) -> list[Figure]:
    sentinel = switchmaster.redis.Sentinel(addresses)
    ours, theirs = sentinel.master_for("mymaster"), redis.sentinel.Sentinel(addresses).master_for("mymaster")
    found = []
    works = {"GET": gets, "SET": sets, f"pipelines of {PIPELINE}": pipelines, f"GET in {THREADS} threads": in_threads}
    for what, work in works.items():
        pairs = paired(work, ours, theirs)
        found.append(compared(what, [pair[0] for pair in pairs], [pair[1] for pair in pairs]))
    again = redis.sentinel.Sentinel(addresses).master_for("mymaster")
    pairs = paired(gets, again, theirs)
    noise = compared("GET, redis-py's own beside itself", [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    found.append(replace(noise, goal="1: what is off is noise"))
    again.close()
    began = time.perf_counter()
    for _ in range(COMMANDS):
        sentinel.master_for("mymaster")
    spent = (time.perf_counter() - began) / COMMANDS
    plain = redis.sentinel.Sentinel(addresses)
    began = time.perf_counter()
    for _ in range(COMMANDS // 10):
        plain.master_for("mymaster")
    other = (time.perf_counter() - began) / (COMMANDS // 10)
    found.append(
        Figure("master_for again", f"{spent * 1e6:.1f} us", f"redis-py {other * 1e6:.1f} us", f"{spent / other:.3f}")
    )
    for each in (ours, theirs, sentinel):
        each.close()
    return found


async def with_tasks(addresses: list[tuple[str, int]]) -> list[Figure]:
    sentinel = switchmaster.redis.asyncio.Sentinel(addresses)
    ours, theirs = sentinel.master_for("mymaster"), redis.asyncio.sentinel.Sentinel(addresses).master_for("mymaster")
    found = []
    for what, work in {"GET, asyncio": gets_in_loop, f"GET in {TASKS} tasks": in_tasks}.items():
        pairs = await paired_in_loop(work, ours, theirs)
        found.append(compared(what, [pair[0] for pair in pairs], [pair[1] for pair in pairs]))
    for each in (ours, theirs, sentinel):
        await each.aclose()
    return found


def measure() -> list[Figure]:
    with Lab() as lab:
        addresses = lab.sentinel_addresses
        return [*with_threads(addresses), *asyncio.run(with_tasks(addresses))]


if __name__ == "__main__":
    report(measure)
