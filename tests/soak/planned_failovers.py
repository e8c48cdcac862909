"""
Planned failovers in a row, and a rolling restart of a whole lab, under writers: none may fail, nothing may be lost.

``make planned FAILOVERS=50 SERVER=redis-7.0``. Writers in threads and in tasks write through our client all the time;
each failover must be verified on every node, and at the end every acknowledged write must be on the master. It prints
what it measured, which docs/how-to/planned-failover.md tells, and exits with 1 if anything was lost or failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from rig.conditions import eventually
from rig.writers import PAUSE, Log, Writers
from switchmaster import Watcher
from switchmaster.errors import LabError
from switchmaster.lab import Lab, LabServer
from switchmaster.model import Address
from switchmaster.net.planned_failover import PlannedFailover
from switchmaster.net.rolling_restart import RollingRestart
from switchmaster.planned.progress import Conclusion, Ending
from switchmaster.planned.request import FailoverRequest
from switchmaster.redis import Sentinel
from switchmaster.redis.asyncio import Sentinel as AsyncSentinel

NAME = "mymaster"
THREADS, TASKS = 4, 40
LIMIT = 120.0


def main() -> int:
    """Run everything, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failovers", type=int, default=50)
    parser.add_argument("--server", default=None)
    parser.add_argument("--coordinated", action="store_true")
    given = parser.parse_args()
    with Lab(binary=given.server, down_after_ms=5000) as lab, tempfile.TemporaryDirectory() as folder:
        assert lab.binary is not None
        print(f"{lab.binary.describe()}, {THREADS} threads and {TASKS} tasks write")
        hold = {"hold": 5.0} if given.coordinated else {}
        sentinel = Sentinel(lab.sentinel_addresses, socket_timeout=5.0, **hold)
        client = sentinel.master_for(NAME)

        def make_client() -> object:
            return AsyncSentinel(lab.sentinel_addresses, socket_timeout=5.0, **hold).master_for(NAME)

        with Writers(client, THREADS, make_client, TASKS) as writers:
            wait_for_each(writers)
            request = FailoverRequest(NAME, coordinated=given.coordinated, cool_down=0.0, wait_replicas=True)
            wrong = asyncio.run(_moves(lab, request, given.failovers, Path(folder), writers))
            wrong += asyncio.run(_roll(lab, request, Path(folder), writers))
            wait_for_each(writers)
        lost = writers.lost(lambda key: client.lrange(key, 0, -1))
        wrong += len(lost) + len(writers.failed())
        total = sum(len(log.acknowledged) for log in writers.all)
        print(f"{total:,} writes acknowledged, {len(writers.failed())} failed, {len(lost)} lost")
        for line in [*writers.failed()[:10], *map(str, lost[:10])]:
            print(f"  {line}")
        client.close()
    return 1 if wrong else 0


def wait_for_each(writers: Writers) -> None:
    """Wait until every writer has had a write acknowledged from now on."""
    now = time.monotonic()
    eventually(lambda: writers.going_on(now), LIMIT, what="every writer to write")


class Stayer(threading.Thread):
    """Writes to the old master by its address, as a client that follows nothing does, until it is refused."""

    def __init__(self, old: LabServer, key: str) -> None:
        super().__init__(daemon=True)
        self._old, self._key = old, key
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        """Write one number after the other."""
        with contextlib.suppress(LabError), self._old.client(timeout=LIMIT) as client:
            for number in itertools.count():
                client.call("RPUSH", self._key, number)
                self.acknowledged.add(str(number))
                time.sleep(PAUSE)

    def lost(self, new: LabServer) -> int:
        """Return how many acknowledged writes the new master does not have."""
        self.join(LIMIT)
        kept = set(new.call("LRANGE", self._key, 0, -1))
        new.call("DEL", self._key)
        return len(self.acknowledged - kept)


async def _moves(lab: Lab, request: FailoverRequest, count: int, folder: Path, writers: Writers) -> int:
    """Order failovers in a row; return how many were not verified."""
    ends: list[Conclusion] = []
    pauses: list[float] = []
    stayed = stayed_lost = 0
    async with Watcher(lab.sentinel_addresses) as watcher:
        for _ in range(count):
            begun = time.monotonic()
            stayer = Stayer(lab.master(), f"stayer-{len(ends)}")
            stayer.start()
            async with PlannedFailover(watcher, request, folder, lambda said: None, 1.0) as planned:
                ends.append(await planned.carry_out(await planned.plan(wait=LIMIT)))
            pauses.append(_pause(writers.logs, begun))
            stayed_lost += await asyncio.to_thread(stayer.lost, lab.master())
            stayed += len(stayer.acknowledged)
            if ends[-1].ending is not Ending.DONE:
                print(f"  {len(ends)}: {ends[-1].ending}: {ends[-1].reason}")
    done = [each for each in ends if each.ending is Ending.DONE]
    print(f"{len(done)} of {count} planned failovers done and verified")
    _tell("new master known after", [each.promoted_after for each in done])
    _tell("verified after", [each.verified_after for each in done])
    _tell("longest pause of a writer", [*pauses])
    print(f"  clients that stay on the old master: {stayed:,} writes acknowledged, {stayed_lost} lost")
    return count - len(done)


async def _roll(lab: Lab, request: FailoverRequest, folder: Path, writers: Writers) -> int:
    """Restart every node; return 1 unless it is done."""
    begun = time.monotonic()

    async def restart(node: Address) -> str:
        server = next(each for each in lab.nodes(NAME) if each.port == node.port)
        await asyncio.to_thread(lab.restart, server)
        return ""

    async with Watcher(lab.sentinel_addresses) as watcher:
        roll = RollingRestart(watcher, request, restart, folder, lambda said: None, 1.0)
        try:
            conclusion = await roll.carry_out(await roll.plan())
        finally:
            await roll.close()
    took, pause = time.monotonic() - begun, _pause(writers.logs, begun)
    print(f"rolling restart: {conclusion.ending} after {took:.1f} s, longest pause of a writer {pause:.3f} s")
    if conclusion.ending is not Ending.DONE:
        print(f"  {conclusion.reason}")
    return int(conclusion.ending is not Ending.DONE)


def _pause(logs: list[Log], begun: float) -> float:
    now = time.monotonic()
    return max(log.longest_gap(begun, now) for log in logs)


def _tell(what: str, values: list[float | None]) -> None:
    known = sorted(value for value in values if value is not None)
    if known:
        print(f"  {what}: p50 {known[len(known) // 2]:.3f} s, max {known[-1]:.3f} s")


if __name__ == "__main__":
    sys.exit(main())
