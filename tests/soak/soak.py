"""
Hundreds of failovers of a lab, with a Watcher and clients that go through all of them: nothing must be left behind.

``make soak FAILOVERS=300``, or ``SECONDS=900`` for as many as fit. After each round, once everything has settled, it
measures memory, descriptors, threads, tasks and objects; at the end none may have grown (`growth`), or it exits with 1
and says what grew. ``--leak KIND`` leaks one thing of that kind in each round, to prove that leaks are found.
``--trace`` shows where memory was allocated in the second half and kept; it judges nothing, since tracing takes memory
itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import threading
import time
import tracemalloc
from array import array
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from load import Load
from rig.conditions import eventually
from rig.growth import Measure, thirds
from switchmaster.errors import LabError
from switchmaster.lab import Lab, LabServer, find_binary
from switchmaster.model import LIMITS
from switchmaster.wire import grammar

MASTERS = ("first", "second")
CRASH_EVERY, SENTINEL_EVERY = 8, 20
"""A master is killed every so many rounds, and a Sentinel every so many."""
ROUNDS = 2 * LIMITS.transitions + 2
"""The fewest rounds: so many switches of each master are remembered, and the memory must be full before half of
them."""
LIMIT = 60.0
"""Seconds for a failover: a split vote is followed by a pause of twice the failover timeout."""

MEASURES = (
    Measure("RSS in KB", 2048, "since malloc keeps pieces of what was freed", each=2),
    Measure("blocks", 500, "since 4,096 tries are remembered, and clients reconnect at their own time", each=12),
    Measure("descriptors", 1, "since a connection may be under way"),
    Measure("threads", 0, "since nothing starts one"),
    Measure("tasks", 1, "since a probe may be under way"),
    Measure("our objects", 40, "since the last switches and failovers of each master are kept", each=0.2),
)
"""
``blocks`` are Python's own allocations. A round of two failovers leaves some seven, until all tries that a Watch
remembers are there; a master's state with its last failover, kept for ever at each round, is more than seventy.
"""


class Samples:
    """The measurements after each round, in as little memory as possible."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.taken = {measure.name: array("d") for measure in MEASURES}
        self.classes: dict[str, array[float]] = {}

    def take(self) -> None:
        # The cache is bounded, but still fills with epochs after hundreds of failovers.
        grammar.forget_events()
        gc.collect()
        blocks = sys.getallocatedblocks()
        ours = Counter(
            type(one).__name__ for one in gc.get_objects() if type(one).__module__.startswith("switchmaster")
        )
        found = (
            rss(),
            blocks,
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            self.load.tasks(),
            ours.total(),
        )
        for measure, value in zip(MEASURES, found, strict=True):
            self.taken[measure.name].append(value)
        for name in self.classes.keys() | ours.keys():
            self.classes.setdefault(name, array("d", [0] * (len(self) - 1))).append(ours[name])

    def __len__(self) -> int:
        return len(self.taken[MEASURES[0].name])

    def faults(self) -> list[str]:
        """Return what has grown, with the classes that grew most."""
        found = [fault for measure in MEASURES if (fault := measure.fault(self.taken[measure.name]))]
        grown = {name: thirds(counts)[2] - thirds(counts)[1] for name, counts in self.classes.items() if len(self) > 2}
        most = [f"{name} by {rise:g}" for name, rise in sorted(grown.items(), key=lambda one: -one[1])[:5] if rise > 0]
        return found + ([f"classes that grew: {', '.join(most)}"] if found and most else [])

    def table(self) -> str:
        rows = [f"{'':14}{'first':>10}{'1st third':>12}{'2nd third':>12}{'3rd third':>12}{'last':>10}{'most':>10}"]
        for name, values in self.taken.items():
            cells = [values[0], *thirds(values), values[-1], max(values)]
            widths = (10, 12, 12, 12, 10, 10)
            rows.append(f"{name:14}" + "".join(f"{cell:>{width}g}" for cell, width in zip(cells, widths, strict=True)))
        return "\n".join(rows)


def rss() -> float:
    """Return the resident memory in KB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def play_round(lab: Lab, load: Load, number: int) -> int:
    """Fail each master over, wait until everything has settled, and return how many did."""
    old = {name: lab.master(name) for name in MASTERS}
    crashed = old[MASTERS[number % 2]] if number % CRASH_EVERY == CRASH_EVERY - 1 else None
    for at, name in enumerate(MASTERS):
        if old[name] is crashed:
            lab.crash(crashed)
        else:
            eventually(lambda name=name, at=at: order(lab, name, (number + at) % 3), LIMIT, 0.2, "an accepted failover")
    for name in MASTERS:
        eventually(lambda name=name: moved(lab, load, name, old[name]), LIMIT, 0.1, f"another master of {name}")
    for server in old.values():
        if not server.alive:
            lab.restart(server)
        demote(lab, server)
    if number % SENTINEL_EVERY == SENTINEL_EVERY - 1:
        lab.restart_sentinel(number % 3)
    eventually(lambda: at_peace(lab), LIMIT, 0.1, "peace")
    return len(MASTERS)


def at_peace(lab: Lab) -> bool:
    """Whether all replicas follow, and no Sentinel disagrees; its view of replicas may be older."""
    for name in MASTERS:
        new = lab.master(name)
        if not all(one.follows == new.address and one.linked for one in lab.reports(name) if one.name != new.name):
            return False
        for at in range(len(lab.sentinels)):
            found = lab.sentinel_command(at, "SENTINEL", "MASTER", name)
            if found[found.index("flags") + 1] != "master" or found[found.index("port") + 1] != str(new.port):
                return False
    return True


def order(lab: Lab, name: str, sentinel: int) -> bool:
    """Start a failover; return False if this Sentinel knows no suitable replica yet."""
    try:
        return bool(lab.failover(name, sentinel=sentinel))
    except LabError:
        return False


def moved(lab: Lab, load: Load, name: str, old: LabServer) -> bool:
    """Whether nodes, Sentinels, the Watcher and the clients all have another master."""
    new = lab.master(name)
    if new is old or not load.knows(name, new.address):
        return False
    asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    return all(lab.sentinel_command(at, *asked) == [new.host, str(new.port)] for at in range(len(lab.sentinels)))


def demote(lab: Lab, old: LabServer) -> None:
    """Make an old master a replica, as Sentinel does some 10 s later."""
    assert old.master is not None
    with old.client() as client:
        client.call("REPLICAOF", *lab.master(old.master).address)
        client.call("CONFIG", "REWRITE")


def leak(kind: str, load: Load, kept: list[object]) -> None:
    """Leak one thing, on purpose."""
    if kind == "descriptor":
        kept.append(os.open(os.devnull, os.O_RDONLY))
    elif kind == "thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    elif kind == "task":
        kept.append(asyncio.run_coroutine_threadsafe(asyncio.sleep(10**6), load.loop))
    elif kind == "record":
        # As if the Watcher never forgot: the state of each master, with its last failover.
        assert load._watcher is not None
        kept.append([load._watcher.state(name) for name in MASTERS])
    elif kind == "bytes":
        kept.append(bytearray(os.urandom(100_000)))


def run(options: argparse.Namespace) -> int:
    binary = find_binary(options.binary)
    begun, failovers, kept = time.monotonic(), 0, list[object]()
    with (
        Lab(
            masters=MASTERS,
            replicas=1,
            binary=str(binary.path),
            down_after_ms=options.down_after,
            failover_timeout_ms=5000,
        ) as lab,
        Load(lab.sentinel_addresses, MASTERS) as load,
    ):
        eventually(lambda: all(load.knows(n, lab.master(n).address) for n in MASTERS), LIMIT, what="a beginning")
        samples = Samples(load)
        before: tracemalloc.Snapshot | None = None
        rounds = surplus = 0
        while going_on(options, failovers, time.monotonic() - begun):
            failovers += play_round(lab, load, rounds)
            rounds += 1
            if load.switches - failovers > surplus:
                surplus = load.switches - failovers
                last = "\n  ".join(load.last_told)
                print(f"{load.switches} switches reported of {failovers} failovers:\n  {last}", flush=True)
            if options.leak:
                leak(options.leak, load, kept)
            samples.take()
            if options.trace and before is None and is_half_over(options, failovers, time.monotonic() - begun):
                before = tracemalloc.take_snapshot()
            if rounds % 10 == 0:
                shown = ", ".join(f"{name} {values[-1]:g}" for name, values in samples.taken.items())
                print(f"{failovers} failovers, {time.monotonic() - begun:.0f} s: {shown}", flush=True)
        if before is not None:
            show_trace(before, tracemalloc.take_snapshot())
        told, errors, written, heard = load.switches, dict(load.errors), load.written, load.heard
    print(f"{binary.describe()}: {failovers} failovers in {rounds} rounds, {time.monotonic() - begun:.0f} s")
    print(
        f"the Watcher reported {told} switches and {heard} items in all; {written} writes, errors: {errors or 'none'}"
    )
    print(samples.table())
    faults = [] if options.trace else samples.faults()
    if rounds < ROUNDS:
        faults.append(f"{rounds} rounds prove little: until {ROUNDS} the memory of switches still grows")
    if told < failovers:
        faults.append(f"the Watcher reported {told} switches of {failovers} failovers")
    for fault in faults:
        print(f"NOT FLAT: {fault}")
    return bool(faults)


def going_on(options: argparse.Namespace, failovers: int, elapsed: float) -> bool:
    """Whether another round is wanted."""
    if options.seconds is not None:
        return elapsed < options.seconds
    return failovers < max(options.failovers, ROUNDS * len(MASTERS))


def is_half_over(options: argparse.Namespace, failovers: int, elapsed: float) -> bool:
    """Whether the second half begins."""
    return 2 * elapsed >= options.seconds if options.seconds is not None else 2 * failovers >= options.failovers


def show_trace(before: tracemalloc.Snapshot, after: tracemalloc.Snapshot) -> None:
    for line in after.compare_to(before, "lineno")[:20]:
        print(f"since then: {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failovers", type=int, default=300)
    parser.add_argument("--seconds", type=float, help="instead of a number of failovers")
    parser.add_argument("--binary", default=None, help="which server, as for the lab")
    parser.add_argument("--down-after", type=int, default=1000, help="milliseconds")
    parser.add_argument("--leak", choices=["descriptor", "thread", "task", "record", "bytes"], help="leave some behind")
    parser.add_argument("--trace", action="store_true", help="say where memory was asked for that stayed")
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start()
    sys.exit(run(options))


if __name__ == "__main__":
    main()
