"""
The journal with a million events and ten thousand failovers: how fast it is written, and how fast history is read.

Entries go through the Writer as a daemon's do (each failover in 12 stages, and its switch), into SQLite that syncs
every commit. Each query is about a random place: by a fresh Reader, over HTTP of a daemon in a process of its own,
and by `switchmaster history` as a whole process. SWITCHMASTER_BENCH_EVENTS sets another number of events.
"""

from __future__ import annotations

import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

from daemon_process import Client, asked_at_once, serving
from figures import Figure, Table, median, percentile, report
from switchmaster.account.record import Observation, StageRecord, SwitchRecord
from switchmaster.journal import FailoverFilter, Reader, open_reader
from switchmaster.journal.entries import Entry, Seen, SwitchSeen
from switchmaster.journal.writer import Writer
from switchmaster.model import Address, Stage
from switchmaster.render import iso, seconds_of

EVENTS = int(os.environ.get("SWITCHMASTER_BENCH_EVENTS", "1000000"))
FAILOVERS = EVENTS // 100
MASTERS = 1_000
STAGES = (
    *("suspected", "agreed-down", "electing", "elected", "selected", "promoting"),
    *("promoted", "switched", "reconfiguring", "reconfiguring", "reconfiguring", "settled"),
)
BEGIN = 1_700_000_000.0
ROOM = MASTERS // 2
"""Entries that wait at most: two stages of one failover that wait together would be written as one."""
ASKED = 300
AT_ONCE = 8
"""Clients, each with its own connection."""
RUNS = 15
"""Runs of a whole process."""


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
    """Yield the stages of as many failovers at once as there are masters, then of the next; each with its switch."""
    for first in range(0, FAILOVERS, MASTERS):
        numbers = range(first, min(first + MASTERS, FAILOVERS))
        for place, stage in enumerate(STAGES):
            for number in numbers:
                yield account(number, place)
                if stage == "promoted":
                    yield switch(number)


def account(number: int, reached: int) -> Observation:
    begin = BEGIN + number * 100
    stages = tuple(
        StageRecord(
            Stage(stage),
            round(begin + place * 0.2, 6),
            "10.0.0.9:26379",
            stage,
            Address("10.0.0.3", 6379) if stage == "reconfiguring" else None,
            elapsed=place * 0.2,
        )
        for place, stage in enumerate(STAGES[: reached + 1])
    )
    return Observation(
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
        stages=stages,
        leader="10.0.0.9:26379",
        durations={"total": reached * 0.2},
    )


def switch(number: int) -> SwitchSeen:
    old, new = Address("10.0.0.1", 6379), Address("10.0.0.2", 6379)
    time, name = BEGIN + number * 100 + STAGES.index("promoted") * 0.2, f"shard-{number % MASTERS:05}"
    record = SwitchRecord(
        time=time,
        deployment="default",
        master=name,
        old=old,
        new=new,
        epoch=number + 1,
        grade="promoted",
        cause="failover",
        witnesses=("10.0.0.9:26379",),
        why=f"{new} answers ROLE master, and 10.0.0.9:26379 had named it in +selected-slave",
        via="probe",
        incarnation=0,
    )
    return SwitchSeen(time, record)


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


def over_http(url: str, folder: Path) -> tuple[Table, list[Figure]]:
    """Query a daemon as its dashboard and scripts do."""
    with serving(url, MASTERS, folder) as daemon:
        before = daemon.resident()
        questions = pages(daemon.port)
        rows = []
        for name, question in questions.items():
            client = Client(daemon.port)
            size = len(client.get(question()))
            client.close()
            alone, _ = asked_at_once(daemon.port, question, 1, ASKED)
            several, rate = asked_at_once(daemon.port, question, AT_ONCE, ASKED // AT_ONCE)
            times = [f"{percentile(took, share):.1f} ms" for took in (alone, several) for share in (0.5, 0.99)]
            rows.append([name, f"{size / 1000:.1f} kB", *times, f"{rate:.0f}"])
        after = daemon.resident()
    answers = len(questions) * (ASKED + ASKED // AT_ONCE * AT_ONCE)
    columns = ["what", "an answer", "p50", "p99", f"p50 of {AT_ONCE} at once", "p99", "answers a second"]
    setting = (
        f"`switchmaster serve` over this journal, watching {MASTERS:,} masters by 3 Sentinels; asked on loopback, over "
        f"kept connections, {ASKED} times by one client and {ASKED} times by {AT_ONCE} at once."
    )
    return Table("the API over HTTP", setting, columns, rows), [
        Figure("memory of the daemon, before it was asked", f"{before:.0f} MB"),
        Figure(f"memory of the daemon, after {answers:,} answers", f"{after:.0f} MB"),
    ]


def pages(port: int) -> dict[str, Callable[[], str]]:
    """Return typical queries, each as a function that returns a path."""
    chance = random.Random(2)
    client = Client(port)
    newest = client.page("/api/v1/failovers?limit=1000")["items"]
    cursors = {name: _cursors(client, name, chance) for name in ("failovers", "events")}
    client.close()

    def of_master() -> dict[str, object]:
        return {"deployment": "default", "master": f"shard-{chance.randrange(MASTERS):05}"}

    def around() -> dict[str, object]:
        """Return the query for events that the page of a failover sends."""
        line = chance.choice(newest)
        until = iso(seconds_of(line["ended"]) + 5)
        return {"type": "event", "master": line["master"], "since": line["time"], "until": until, "limit": 1000}

    return {
        "the newest 50 failovers": lambda: _path("failovers", limit=50),
        "50 failovers in the middle": lambda: _path("failovers", cursor=chance.choice(cursors["failovers"]), limit=50),
        "the failovers of one master": lambda: _path("failovers", **of_master(), limit=50),
        "the newest 50 failovers of a deployment": lambda: _path("failovers", deployment="default", limit=50),
        "the newest 50 that were aborted (none)": lambda: _path("failovers", outcome="aborted", limit=50),
        "one failover": lambda: _path(f"failovers/{chance.choice(newest)['id']}"),
        "its events": lambda: _path("events", deployment="default", **around()),
        "the newest 50 switches": lambda: _path("switches", limit=50),
        "the newest 50 switches of a deployment": lambda: _path("switches", deployment="default", limit=50),
        "the newest 50 lines of the stream": lambda: _path("events", limit=50),
        "50 lines of the stream in the middle": lambda: _path(
            "events", cursor=chance.choice(cursors["events"]), limit=50
        ),
        "the newest 60 lines of one master": lambda: _path("events", **of_master(), limit=60),
        "the lines of a master that has none": lambda: _path("events", deployment="default", master="none", limit=60),
        "one master": lambda: _path(f"masters/shard-{chance.randrange(MASTERS):05}"),
        f"the topology of {MASTERS:,} masters": lambda: _path("topology"),
    }


def _path(base: str, **parameters: object) -> str:
    query = urlencode(parameters)
    return f"/api/v1/{base}?{query}" if query else f"/api/v1/{base}"


def _cursors(client: Client, name: str, chance: random.Random) -> list[str]:
    """Return cursors of pages anywhere in a list."""
    moments = [iso(BEGIN + chance.random() * FAILOVERS * 100) for _ in range(50)]
    found = [client.page(_path(name, until=moment, limit=50))["next"] for moment in moments]
    return [cursor for cursor in found if cursor is not None]


def processes(url: str) -> list[Figure]:
    """Time whole processes, in turn."""
    history = [sys.executable, "-m", "switchmaster", "history", "--journal", url]
    commands = {
        "": [sys.executable, "-c", "pass"],
        "switchmaster history, the newest 50": history,
        "switchmaster history --master": [*history, "--master", "shard-00007"],
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            took[name].append(time.perf_counter() - begun)
    base = median(took.pop(""))
    return [
        Figure(name, f"{median(spent):.2f} s", f"python -c pass: {base * 1000:.0f} ms", f"{median(spent) / base:.1f}")
        for name, spent in took.items()
    ]


def measure() -> list[Figure | Table]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.db"
        writer = Writer(url, "bench", "bench")
        writer.tidy_every = math.inf  # old entries would be removed
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
        whole = processes(url)
        table, of_daemon = over_http(url, Path(folder))
    return [
        Figure(f"{EVENTS:,} events", f"{of_events:,.0f} a second"),
        Figure(f"{FAILOVERS:,} failovers of 12 stages, each with its switch", f"{of_accounts / 13:,.0f} a second"),
        *(
            Figure(name, f"p50 {percentile(times, 0.5):.2f} ms, p99 {percentile(times, 0.99):.2f} ms")
            for name, times in latencies.items()
        ),
        *whole,
        Figure("memory of the process that writes", f"{memory:.0f} MB"),
        *of_daemon,
        Figure("on the disk", f"{size:.0f} MB"),
        table,
    ]


if __name__ == "__main__":
    report(measure)
