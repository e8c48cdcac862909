"""
What a failover costs frameworks: with our classes, and with redis-py's own.

The same program goes through the same crashes and planned failovers of a real deployment twice, side by side: with our
classes and with redis-py's. tests/rig/framework_program.py has the frameworks that take no class, so that ours are
installed (`switchmaster.redis.install()`), tests/rig/framework_given.py those that take a client, a pool or a class.

For each framework: the longest time without a success, from before the failover until every node follows the new
master; the operations that failed meanwhile; the acknowledged writes that are not there afterwards, by asking the
framework itself. For frameworks of tasks and messages a success is what arrives at the worker or the receiver, and what
is lost was acknowledged to the sender and did not arrive within ten seconds, or with arq before its mark of an
interrupted job has expired; some arrive twice. arq and redis-om are measured where they are installed:
docs/how-to/arq.md and redis-om.md say how.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from rig.conditions import eventually
from rig.framework_process import PROGRAMS, FrameworkProcess
from switchmaster.lab import Lab

KINDS = ("crash", "planned")
MODES = ("ours", "stock")
DOWN_AFTER_MS = 1000
PAUSE = 0.04
"""Seconds between two operations of one framework."""
LIMIT = 45.0
"""Seconds after which a framework that does not go on is left as it is; its gap says so."""
LOST_AFTER = 10.0
"""Seconds after which a task that was sent counts as lost."""
ARQ_MARK = 15.0
"""Seconds for which arq marks a job as in progress, and for which nobody runs it if its worker was interrupted: the
program's ``job_timeout`` of 5 s, and 10 s that arq adds."""
TASKS = ("Dramatiq", "Huey", "RQ", "arq", "channels", "channels pubsub", "taskiq")


class Cost(NamedTuple):
    """What one failover cost one framework."""

    gap: float
    failed: int
    lost: int | None
    """None where nothing can be lost."""
    twice: int


Found = dict[tuple[str, str, str], list[Cost]]
"""By mode, kind and framework, the costs of each round."""


class Measured:
    """One program, of which it is known what it had before a failover, and which tasks are given up."""

    def __init__(self, program: FrameworkProcess) -> None:
        self.program = program
        self._given_up: dict[str, set[int]] = {}
        self._before: dict[str, Any] = {}

    def begin(self) -> None:
        self.program.wait_until_all_go_on(LIMIT, required=False)
        self.program.lost()  # what was written before is not asked for
        self._before = self.program.tell()

    def costs(self) -> dict[str, Cost]:
        """Return what each framework paid since the beginning."""
        after = self.program.wait_until_all_go_on(LIMIT, required=False)
        missing = self.program.wait_for_tasks(LOST_AFTER)
        if missing.get("arq"):
            later = self.program.wait_for_tasks(ARQ_MARK, without=missing.keys() - {"arq"})
            missing["arq"] &= later["arq"]
        now, lost = self.program.tell(), self.program.lost()
        costs = {}
        for name, use in after.items():
            before = self._before.get(name, {"failures": 0})
            gone = missing[name] - self._given_up.setdefault(name, set())
            self._given_up[name] |= gone
            twice = now[name].get("twice", 0) - before.get("twice", 0)
            costs[name] = Cost(
                use["gap"], use["failures"] - before["failures"], len(gone) if name in TASKS else lost[name], twice
            )
        return costs


def go_through(name: str, rounds: int, found: Found) -> None:
    """Go through crashes and planned failovers with one program of each mode."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(Lab(binary="redis-7.0", replicas=2, down_after_ms=DOWN_AFTER_MS))
        programs = [Measured(FrameworkProcess(name, mode, lab, folder / mode, stack, PAUSE)) for mode in MODES]
        for number in range(rounds * len(KINDS)):
            kind = KINDS[number % len(KINDS)]
            for each in programs:
                each.begin()
            old = lab.master()
            lab.crash(old) if kind == "crash" else lab.failover()
            eventually(lambda old=old: all(each is not old for each in lab.masters()), LIMIT)
            time.sleep(3.0)  # nobody asks the servers anything meanwhile
            for server in lab.servers:
                if not server.alive:
                    lab.restart(server)
            lab.wait_until_settled()  # the old master is a replica then: who stayed on it has noticed
            for each in programs:
                for framework, cost in each.costs().items():
                    found.setdefault((each.program.mode, kind, framework), []).append(cost)
            told = {key[::2]: tuple(costs[-1]) for key, costs in found.items() if key[1] == kind}
            print(f"{kind}, {lab.master().name}: {told}", file=sys.stderr)


def cells(found: Found, kind: str, name: str, tasks: bool) -> list[str]:
    """Return one framework's cells of one kind of failover: median of the gaps, and means of the rest."""
    sides = [found.get((mode, kind, name)) for mode in MODES]
    gaps = ["-" if side is None else f"{statistics.median(cost.gap for cost in side):.2f}" for side in sides]
    said = [f"{' / '.join(gaps)} s"]
    for column in ("failed", "lost", "twice") if tasks else ("failed", "lost"):
        values = [None if side is None else [getattr(cost, column) for cost in side] for side in sides]
        means = ["-" if each is None or None in each else f"{statistics.fmean(each):.3g}" for each in values]
        said.append(" / ".join(means))
    return said


def tables(found: Found, rounds: int, given: bool) -> list[dict[str, Any]]:
    """Return a table of the frameworks that write, and one of those that carry something to a worker."""
    names = sorted({name for _, _, name in found}, key=str.lower)
    what = "take our client, pool or class" if given else "take none, after `switchmaster.redis.install()`"
    made = []
    for tasks in (False, True):
        columns = ("gap", "failed", "lost", "twice") if tasks else ("gap", "failed", "lost")
        made.append(
            {
                "title": f"{'tasks and messages of ' if tasks else ''}frameworks that {what}: ours / stock",
                "setting": f"Redis 7.0, three Sentinels, down-after {DOWN_AFTER_MS} ms, both at once through {rounds} "
                "of each kind of failover; longest time without a success (median); operations that failed, "
                f"{'tasks' if tasks else 'acknowledged writes'} lost{' and run twice' if tasks else ''} (mean)",
                "columns": ["framework", *(f"{kind}: {each}" for kind in KINDS for each in columns)],
                "rows": [
                    [name, *(cell for kind in KINDS for cell in cells(found, kind, name, tasks))]
                    for name in names
                    if (name in TASKS) is tasks
                ],
            }
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="crashes and planned failovers, each (3)")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS), help="which (both)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    options = parser.parse_args()
    made = []
    for name in options.programs:
        found: Found = {}
        go_through(name, options.rounds, found)
        made += tables(found, options.rounds, name == "framework_given.py")
    if options.json:
        print(json.dumps(made))
        return
    for table in made:
        print(f"\n{table['title']}\n\n{table['setting']}\n")
        for each in [table["columns"], ["---"] * len(table["columns"]), *table["rows"]]:
            print("| " + " | ".join(each) + " |")


if __name__ == "__main__":
    main()
