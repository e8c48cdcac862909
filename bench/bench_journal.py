"""
The journal with a million events and ten thousand failovers in it: how fast they go in, how fast history comes out.

Entries go through the Writer as a daemon puts them (each failover in 12 stages), into SQLite that syncs every commit.
Questions are those of `history`, `show` and the API, each over a random place, by a Reader that knows nothing of it.
SWITCHMASTER_BENCH_EVENTS takes another number than a million.
"""

from __future__ import annotations

import math
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator

from figures import Figure, percentile, report
from switchmaster.core.model import Address
from switchmaster.journal import FailoverFilter, Reader, open_reader
from switchmaster.journal.accounts import Account
from switchmaster.journal.entries import Entry, Seen
from switchmaster.journal.writer import Writer
from switchmaster.lines import iso

EVENTS = int(os.environ.get("SWITCHMASTER_BENCH_EVENTS", "1000000"))
FAILOVERS = EVENTS // 100
MASTERS = 1_000
STAGES = (
    *("suspected", "agreed-down", "electing", "elected", "selected", "promoting"),
    *("promoted", "switched", "reconfiguring", "reconfiguring", "reconfiguring", "settled"),
)
BEGIN = 1_700_000_000.0
ROOM = MASTERS // 2
"""Entries that wait at most: no two stages of one failover wait together, and would be written as one."""
ASKED = 300


def events() -> Iterator[Entry]:
    for number in range(EVENTS):
        time, name = BEGIN + number, f"shard-{number % MASTERS:05}"
        payload = f"slave 10.0.0.{number % 250}:6379 10.0.0.{number % 250} 6379 @ {name} 10.0.0.1 6379"
        line = {
            **{"type": "event", "time": iso(time), "sentinel": "10.0.0.9:26379", "channel": "+slave"},
            **{"payload": payload, "master": name, "deployment": "default", "kind": "slave"},
        }
        yield Seen(time, line)


def failovers() -> Iterator[Entry]:
    """Yield the stages of as many failovers at once as there are masters, then of the next."""
    for first in range(0, FAILOVERS, MASTERS):
        for place in range(len(STAGES)):
            for number in range(first, min(first + MASTERS, FAILOVERS)):
                yield account(number, place)


def account(number: int, reached: int) -> Account:
    stages: list[dict[str, object]] = []
    begin = BEGIN + number * 100
    for place, stage in enumerate(STAGES[: reached + 1]):
        said = {"stage": stage, "time": iso(begin + place * 0.2), "sentinel": "10.0.0.9:26379", "by": stage}
        replica = {"host": "10.0.0.3", "port": 6379}
        stages.append({**said, "elapsed": place * 0.2, **({"replica": replica} if stage == "reconfiguring" else {})})
    return Account(
        deployment="default",
        master=f"shard-{number % MASTERS:05}",
        number=number // MASTERS + 1,
        incarnation=0,
        old=Address("10.0.0.1", 6379),
        new=Address("10.0.0.2", 6379) if reached >= STAGES.index("selected") else None,
        epoch=number + 1 if reached >= STAGES.index("electing") else None,
        kind="automatic",
        outcome="completed" if reached >= STAGES.index("promoted") else "in-progress",
        attempted=reached >= STAGES.index("electing"),
        closed=reached == len(STAGES) - 1,
        missed=False,
        started=begin,
        heard=begin + reached * 0.2,
        line={"stages": stages, "leader": "10.0.0.9:26379", "durations": {"total": reached * 0.2}},
    )


def put_all(writer: Writer, made: Iterator[Entry]) -> float:
    """Return entries a second, from the first to the last commit."""
    begun, before = time.perf_counter(), writer.counters.written
    for entry in made:
        while writer.waiting >= ROOM:
            time.sleep(0.001)
        writer.put(entry)
    while writer.waiting or writer.busy:
        time.sleep(0.001)
    return (writer.counters.written - before) / (time.perf_counter() - begun)


def asked(reader: Reader) -> dict[str, list[float]]:
    chance = random.Random(1)
    ids = [line["id"] for line in reader.failovers(FailoverFilter(), limit=1000).items]

    def moment() -> float:
        return BEGIN + chance.random() * FAILOVERS * 100

    questions: dict[str, Callable[[], object]] = {
        "history, the newest 50": lambda: reader.failovers(FailoverFilter(), limit=50),
        "history of one master": lambda: reader.failovers(
            FailoverFilter(deployment="default", master=f"shard-{chance.randrange(MASTERS):05}"), limit=50
        ),
        "history, 50 before a moment": lambda: reader.failovers(FailoverFilter(until=moment()), limit=50),
        "show": lambda: reader.failover(chance.choice(ids)),
        "the stream, 100 from a place": lambda: reader.entries(after=chance.randrange(EVENTS), limit=100),
    }
    found: dict[str, list[float]] = {}
    for name, question in questions.items():
        question()
        for _ in range(ASKED):
            begun = time.perf_counter()
            question()
            found.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
    return found


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.db"
        writer = Writer(url, "bench", "bench")
        writer.tidy_every = math.inf  # what is old would be removed
        writer.open()
        of_events = put_all(writer, events())
        of_accounts = put_all(writer, failovers())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        writer.close()
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)) / 1e6
        reader = open_reader(url)
        assert reader.last_entry() >= EVENTS + FAILOVERS
        latencies = asked(reader)
        reader.close()
    return [
        Figure(f"{EVENTS:,} events", f"{of_events:,.0f} a second"),
        Figure(f"{FAILOVERS:,} failovers of 12 stages", f"{of_accounts / 12:,.0f} a second"),
        *(
            Figure(name, f"p50 {percentile(times, 0.5):.2f} ms, p99 {percentile(times, 0.99):.2f} ms")
            for name, times in latencies.items()
        ),
        Figure("memory of the process that writes", f"{memory:.0f} MB"),
        Figure("on the disk", f"{size:.0f} MB"),
    ]


if __name__ == "__main__":
    report(measure)
