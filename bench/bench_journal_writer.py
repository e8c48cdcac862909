"""
How many failovers a second the journal's writing thread takes, in SQLite and in PostgreSQL.

Each failover has 12 stages and a switch, and every stage is written on its own. Counted is the thread's own processor
time: what a daemon can't do meanwhile, on whichever disk. By the clock it takes longer, because the thread waits for
the disk or the server, and here shares the interpreter with the thread that puts the entries.
"""

from __future__ import annotations

import gc
import math
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench_journal import FAILOVERS, ROOM, failovers
from figures import Figure, median, report
from switchmaster.journal.writer import Writer
from switchmaster.server.interpreter import COLLECT_AFTER, TAKE_TURNS_SECONDS

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from rig.postgres import running_postgres

RUNS = 5
MADE = 3_000
"""Failovers of a run."""
STAGES_AND_SWITCH = 13
GOAL = ">= 400"


def written(url: str, run: int) -> tuple[float, float]:
    """Write failovers, and return how many a second of the writing thread's processor time, and of the clock."""
    writer = Writer(url, f"bench{run}", "bench")
    writer.tidy_every = math.inf
    writer.open()
    [thread] = (one.ident for one in threading.enumerate() if one.name == "switchmaster journal")
    assert thread is not None
    clock = time.pthread_getcpuclockid(thread)
    made = [entry for entry, _ in zip(failovers(), range(MADE * STAGES_AND_SWITCH), strict=False)]
    gc.collect()
    gc.freeze()
    begun, before = time.perf_counter(), time.clock_gettime(clock)
    at = 0
    while at < len(made) or writer.waiting or writer.busy:
        room = max(0, ROOM - writer.waiting)
        for entry in made[at : at + room]:
            writer.put(entry)
        at += room
        time.sleep(0.001)
    spent, passed = time.clock_gettime(clock) - before, time.perf_counter() - begun
    if writer.close():
        raise RuntimeError("entries are left")
    return MADE / spent, MADE / passed


def figures(name: str, found: list[tuple[float, float]]) -> list[Figure]:
    of_thread, of_clock = ([one[at] for one in found] for at in (0, 1))
    spread = f"{min(of_thread):,.0f} to {max(of_thread):,.0f}"
    return [
        Figure(
            f"{name}: failovers in a second of the writing thread's processor time (median of {RUNS} runs)",
            f"{median(of_thread):,.0f} ({spread})",
            goal=GOAL,
        ),
        Figure(f"{name}: failovers in a second of the clock", f"{median(of_clock):,.0f}"),
    ]


def measure() -> list[Figure]:
    assert FAILOVERS >= MADE
    # As the daemon does; and it freezes what lasts.
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(TAKE_TURNS_SECONDS)
    sqlite = []
    for run in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            sqlite.append(written(f"sqlite:///{folder}/journal.db", run))
    postgres = []
    for run in range(RUNS):
        with tempfile.TemporaryDirectory() as folder, running_postgres(Path(folder)) as cluster:
            postgres.append(written(cluster.url, run))
    return [*figures("SQLite", sqlite), *figures("PostgreSQL", postgres)]


if __name__ == "__main__":
    report(measure)
