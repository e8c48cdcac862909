"""
What a failover costs Celery: with our transport and result backend, and with Celery's own ``sentinel://``.

For each pool two workers, ours and stock, each with a sender of tasks, go through the same crashes and planned
failovers of a real deployment, side by side, two pools at a time (tests/rig/celery_app.py and celery_process.py). A
task appends its number to a file.

Measured for each: the longest time without a finished task, from before the failover until every node follows the new
master and the worker goes on; the sendings that failed; the tasks that ran twice; the tasks that were lost. A task is
lost if its sending was acknowledged and it has not run ten seconds after the last of those that were still to come.
What comes back later counts as lost: kombu gives a task that was fetched and not acknowledged to another worker after
an hour (``visibility_timeout``).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench_frameworks import DOWN_AFTER_MS, KINDS, LIMIT, LOST_AFTER, Cost, Found, cells
from figures import Table
from rig.celery_process import CONCURRENCY, CeleryProcesses
from rig.conditions import eventually
from switchmaster.lab import Lab

POOLS = ("prefork", "threads", "gevent", "solo")
AT_ONCE = 2
CLIENTS = {"ours": "transport", "stock": "stock"}
PAUSE = 0.04
SLOW_PAUSE = 0.1
"""For gevent: some ten tasks a second are what it executes beside other work, with any client."""
STEADY = 2.0
"""Seconds that all work undisturbed before a failover."""


class Measured:
    """One worker and its sender, of which it is known what was lost and run twice before a failover."""

    def __init__(self, processes: CeleryProcesses, pool: str) -> None:
        self._processes, self._pool = processes, pool
        self._given_up: set[int] = set()
        self._failed = self._twice = 0
        self._began = 0.0

    def begin(self) -> None:
        """Wait until it works, and note how it is."""
        self.go_on()
        self._settle()
        self._failed, self._twice, self._began = self._failures(), self._doubles(), time.time()

    def go_on(self) -> None:
        """Wait for a task after this moment; one that does not come says so by its gap."""
        now = time.time()
        with suppress(AssertionError):
            eventually(lambda: self._processes.last_run(self._pool) > now, LIMIT, 0.1)

    def gap(self) -> float:
        """Return the longest time without a task since the beginning."""
        return self._processes.longest_gap(self._pool, self._began)

    def cost(self, gap: float) -> Cost:
        """Return what it paid since the beginning, with its gap."""
        lost = self._settle()
        return Cost(gap, self._failures() - self._failed, len(lost), self._doubles() - self._twice)

    def _settle(self) -> set[int]:
        """Give up, and return, the tasks that are missing now when no more of them come."""
        left = self._processes.missing(self._pool) - self._given_up
        newest = time.monotonic()
        while left and time.monotonic() - newest < LOST_AFTER:
            time.sleep(0.2)
            if came := left - self._processes.missing(self._pool):
                left, newest = left - came, time.monotonic()
        self._given_up |= left
        return left

    def _failures(self) -> int:
        return len(self._processes.said("failed", self._pool))

    def _doubles(self) -> int:
        runs = Counter(number for number, _ in self._processes.runs(self._pool))
        return sum(count - 1 for count in runs.values())


def go_through(pools: Sequence[str], rounds: int, found: Found, folder: Path) -> None:
    """Go through crashes and planned failovers with one worker of each mode and pool."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(binary="redis-7.0", replicas=2, down_after_ms=DOWN_AFTER_MS))
        running = {
            (mode, pool): CeleryProcesses(lab, folder / mode / pool, clients, [pool], pause_of(pool), stack)
            for pool in pools
            for mode, clients in CLIENTS.items()
        }
        for processes in running.values():
            processes.wait_until_begun()
        workers = {(mode, pool): Measured(processes, pool) for (mode, pool), processes in running.items()}
        for number in range(rounds * len(KINDS)):
            kind = KINDS[number % len(KINDS)]
            for each in workers.values():
                each.begin()
            time.sleep(STEADY)
            began = time.time()
            fail_over(lab, kind)
            for each in workers.values():
                each.go_on()
            gaps = {key: each.gap() for key, each in workers.items()}  # before time is spent on what is lost
            for (mode, pool), each in workers.items():
                found.setdefault((mode, kind, pool), []).append(each.cost(gaps[mode, pool]))
            told = {key: tuple(found[key[0], kind, key[1]][-1]) for key in workers}
            print(f"{began:.1f} {kind}, {lab.master().name}: {told}", file=sys.stderr, flush=True)


def pause_of(pool: str) -> float:
    return SLOW_PAUSE if pool == "gevent" else PAUSE


def fail_over(lab: Lab, kind: str) -> None:
    """Fail over, and wait until every node follows the new master."""
    old = lab.master()
    lab.crash(old) if kind == "crash" else lab.failover()
    eventually(lambda: all(each is not old for each in lab.masters()), LIMIT)
    time.sleep(3.0)  # nobody asks the servers anything meanwhile
    for server in lab.servers:
        if not server.alive:
            lab.restart(server)
    lab.wait_until_settled()  # the old master is a replica then: who stayed on it has noticed


def table(found: Found, rounds: int, pools: Sequence[str]) -> Table:
    columns = ("gap", "failed", "lost", "twice")
    return Table(
        "Celery: `switchmaster.celery` / Celery's own `sentinel://`",
        f"Redis 7.0, three Sentinels, down-after {DOWN_AFTER_MS} ms; a worker of each with {CONCURRENCY} processes, "
        f"threads or greenlets, and a task every {PAUSE * 1000:.0f} ms (gevent: {SLOW_PAUSE * 1000:.0f} ms); both, and "
        f"{AT_ONCE} pools, at once through {rounds} of each kind of failover; longest time without a finished task "
        "(median); sendings that failed, tasks lost and run twice (mean)",
        ["pool", *(f"{kind}: {each}" for kind in KINDS for each in columns)],
        [[pool, *(cell for kind in KINDS for cell in cells(found, kind, pool, True))] for pool in pools],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="crashes and planned failovers, each (3)")
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS), help="which (all)")
    parser.add_argument("--keep", type=Path, help="a folder for what the processes say, which stays")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    options = parser.parse_args()
    found: Found = {}
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, len(options.pools), AT_ONCE):
            go_through(options.pools[first : first + AT_ONCE], options.rounds, found, options.keep or Path(folder))
    made = table(found, options.rounds, options.pools)
    said: list[dict[str, Any]] = [asdict(made)]
    print(json.dumps(said) if options.json else made)


if __name__ == "__main__":
    main()
