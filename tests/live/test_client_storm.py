"""
Storms of alarms and cancellations over a client of a real server: no command gets the answer of another.

``SWITCHMASTER_STORM=60`` makes each of them last 60 s.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rig.client_lab import end
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from switchmaster.redis import Sentinel
from switchmaster.redis.asyncio import Sentinel as AsyncSentinel

pytestmark = [
    pytest.mark.live,
    # An alarm may come between a socket and its connection.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
SECONDS = float(os.environ.get("SWITCHMASTER_STORM", "3"))


class Alarm(Exception):
    """Like Celery's soft time limit."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=1) as lab:
        yield lab


def commands(client: Any, number: int) -> list[tuple[object, object]]:
    """Run single commands and pipelines; return pairs of the answer and the expected answer."""
    told = [(client.echo(f"single-{number}"), f"single-{number}".encode())]
    for transaction in (False, True):
        wanted = [f"{transaction}-{number}-{part}".encode() for part in range(10)]
        with client.pipeline(transaction=transaction) as pipe:
            for each in wanted:
                pipe.echo(each)
            told.append((pipe.execute(), wanted))
    return told


def test_alarms(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # An alarm may hit a finalizer. What pytest keeps of that holds the frames, and so the connection in them.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    client = Sentinel(lab.sentinel_addresses, socket_timeout=5.0).master_for("mymaster")
    client.ping()
    chance, alarms, wrong, number = random.Random(5), 0, [], 0
    armed = False

    def ring(*_: object) -> None:
        if armed:
            raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            number += 1
            told: list[tuple[object, object]] = []
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.004))
                told = commands(client, number)
                armed = False
            except Alarm:
                alarms += 1
            finally:
                armed = False  # an assignment: nothing interrupts it
                signal.setitimer(signal.ITIMER_REAL, 0)
            wrong += [pair for pair in (*told, *commands(client, -number)) if pair[0] != pair[1]]
    finally:
        signal.signal(signal.SIGALRM, before)
    print(f"{alarms} alarms, {len(wrong)} wrong answers")
    assert wrong == []
    assert alarms > 20
    pool = client.connection_pool
    pool._forget_lost(gc.collect)
    assert len(pool._in_use_connections) == 0
    end(client)
    gc.collect()


def test_cancellations(lab: Lab) -> None:
    async def some(client: Any, number: int) -> None:
        async with client.pipeline(transaction=number % 2 == 0) as pipe:
            for part in range(5):
                pipe.echo(f"{number}-{part}")
            await pipe.execute()

    async def main() -> None:
        client = AsyncSentinel(lab.sentinel_addresses, socket_timeout=5.0).master_for("mymaster")
        await client.ping()
        chance, number, until = random.Random(5), 0, time.monotonic() + SECONDS
        while time.monotonic() < until:
            number += 1
            tasks = [asyncio.create_task(some(client, 10 * number + each)) for each in range(4)]
            await asyncio.sleep(chance.uniform(0.0, 0.003))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            assert await client.echo(f"after-{number}") == f"after-{number}".encode()
        print(f"{4 * number} cancellations, no wrong answer")
        assert len(client.connection_pool._in_use_connections) == 0
        client.connection_pool.shared_out = False
        await client.aclose()
        await client.connection_pool.sentinel_manager.aclose()

    asyncio.run(main())
