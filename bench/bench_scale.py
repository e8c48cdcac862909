"""
Ten thousand masters under three Sentinels in one Watch: memory, and 1,000 failovers at the same moment.

Facts go in as from the Watcher, in turns (observe, decisions, deadline); probes and questions are answered. A turn is
at worst one message, at best a read of 64 KiB. Each size runs in a process of its own; half the size shows the growth.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby

from captured_streams import Message, many_masters
from figures import Figure, median, report
from switchmaster.belief.decisions import Ask, StartProbe, Switch
from switchmaster.belief.watch import Watch
from switchmaster.model import Address, Moment, RunId, SentinelName
from switchmaster.wire.facts import Fact, LinkChange, LinkState, MasterSnapshot, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event
from switchmaster.wire.replies import parse_master, parse_replicas, parse_sentinels

MASTERS = 10_000
FAILOVERS = 1_000
REPEATS = 2
A_READ = 600
"""Messages in 64 KiB."""
MEMORY_GOAL = 200
SECONDS_GOAL = 1.0
ROLE_KNOWN = ("+promoted-slave", "+switch-master")


def words(fields: dict[str, object]) -> dict[bytes, bytes]:
    return {key.encode(): str(value).encode() for key, value in fields.items()}


def shard(number: int) -> tuple[str, str]:
    return f"shard-{number:05}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def snapshot(number: int, port: int, epoch: int, others: list[tuple[str, str]]) -> MasterSnapshot:
    """Return what a Sentinel answers, through the parsers, so that texts are shared only as they are in production."""
    name, host = shard(number)
    master = parse_master(
        words(
            {
                "name": name, "ip": host, "port": port, "flags": "master", "config-epoch": epoch, "num-slaves": 2,
                "num-other-sentinels": 2, "quorum": 2, "failover-timeout": 5000, "parallel-syncs": 1,
                "down-after-milliseconds": 500, "role-reported": "master", "runid": f"{number:040x}",
            }
        )
    )  # fmt: skip
    replicas = parse_replicas(
        [
            words(
                {
                    "name": f"{host}:{one}", "ip": host, "port": one, "flags": "slave", "master-link-status": "ok",
                    "master-host": host, "master-port": port, "slave-priority": 100, "slave-repl-offset": number,
                    "runid": f"{number:039x}{one % 10}",
                }
            )
            for one in (29001, 29002, 29003)
            if one != port
        ]
    )  # fmt: skip
    rows = [
        words({"name": run_id, "ip": at.partition(":")[0], "port": at.partition(":")[2], "runid": run_id,
               "flags": "sentinel"})
        for at, run_id in others
    ]  # fmt: skip
    sentinels = parse_sentinels(rows)
    assert isinstance(replicas, tuple)
    assert isinstance(sentinels, tuple)
    return MasterSnapshot(name, Address(host, port), epoch, master, replicas, sentinels)


def resident() -> float:
    """Return this process's resident memory in MB."""
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Deployment:
    """A Watch whose probes and questions are answered at once."""

    def __init__(self, masters: int, sentinels: list[str]) -> None:
        self.masters = masters
        self.sentinels = [(name, f"{number:040x}") for number, name in enumerate(sentinels, 1)]
        self.watch = Watch([SentinelName(name) for name in sentinels])
        self.switched: dict[str, Switch] = {}
        self.wanted: dict[str, list[Address]] = {}
        self.moved: set[tuple[str, str]] = set()
        self.facts: deque[tuple[SentinelName | None, Fact]] = deque()
        self.now = 100.0
        self.posing = 0.0
        """Seconds spent on making the Sentinels' answers, which are not our time."""

    def begin(self) -> None:
        for name, run_id in self.sentinels:
            link, others = SentinelName(name), [other for other in self.sentinels if other[0] != name]
            moment = Moment(self.now, self.now)
            self.watch.observe(link, LinkChange(LinkState.LIVE, run_id=RunId(run_id)), moment)
            for number in range(self.masters):
                self.watch.observe(link, snapshot(number, 29001, 0, others), moment)
            self.watch.observe(link, SnapshotEnd(tuple(shard(n)[0] for n in range(self.masters))), moment)
            self.watch.decisions()

    def read(self, messages: Sequence[Message]) -> None:
        """Take the messages of one read of a socket: one turn for all of them, and one for each answer."""
        for message in messages:
            self.hear(message)
        self.turn()
        while self.facts:
            source, fact = self.facts.popleft()
            self.watch.observe(source, fact, Moment(self.now, self.now))
            self.turn()

    def hear(self, message: Message) -> None:
        self.now += 1e-5
        event = parse_event(message.channel.encode(), message.payload.encode())
        self.watch.observe(SentinelName(message.sentinel), event, Moment(self.now, self.now))
        if message.channel in ROLE_KNOWN:
            words = message.payload.split(" ")
            master = words[0] if message.channel == "+switch-master" else words[-3]
            if message.channel == "+switch-master":
                self.moved.add((message.sentinel, master))
            self.facts.extend((None, Probe(node, "master")) for node in self.wanted.pop(master, ()))

    def turn(self) -> None:
        for decision in self.watch.decisions():
            match decision:
                case Switch(master=master):
                    assert master not in self.switched, decision
                    self.switched[master] = decision
                case StartProbe(node, master):
                    self.wanted.setdefault(master, []).append(node)
                case Ask(sentinel, names):
                    self.facts.extend((sentinel, self.answer(sentinel, name)) for name in names)
        _ = self.watch.deadline

    def answer(self, sentinel: str, name: str) -> MasterSnapshot:
        began = time.perf_counter()
        number, moved = int(name.removeprefix("shard-")), (sentinel, name) in self.moved
        node = self.switched[name].new.port if moved and name in self.switched else 29001
        others = [s for s in self.sentinels if s[0] != sentinel]
        answer = snapshot(number, node, number + 1 if moved else 0, others)
        self.posing += time.perf_counter() - began
        return answer


def reads(messages: Sequence[Message], most: int) -> Iterator[list[Message]]:
    """Cut messages where the Sentinel changes, and after the given number."""
    for _, group in groupby(messages, key=lambda message: message.sentinel):
        part = list(group)
        yield from (part[at : at + most] for at in range(0, len(part), most))


def one(masters: int, failovers: int, most: int) -> dict[str, float]:
    messages = many_masters(failovers)
    before = resident()
    deployment = Deployment(masters, sorted({message.sentinel for message in messages}))
    began = time.perf_counter()
    deployment.begin()
    loaded, memory = time.perf_counter() - began, resident()
    began = time.perf_counter()
    slowest = 0.0
    for part in list(reads(messages, most)):
        start = time.perf_counter()
        deployment.read(part)
        slowest = max(slowest, time.perf_counter() - start)
    spent = time.perf_counter() - began - deployment.posing
    assert len(deployment.switched) == failovers, len(deployment.switched)
    began = time.perf_counter()
    assert len(deployment.watch.topology.masters) == masters
    return {
        "memory": memory, "own": memory - before, "loaded": loaded, "spent": spent, "slowest": slowest,
        "topology": time.perf_counter() - began, "messages": len(messages),
    }  # fmt: skip


def apart(masters: int, failovers: int, most: int = 1) -> dict[str, float]:
    """Run `one` several times, each in its own process, and return the medians."""
    command = [sys.executable, __file__, "one", str(masters), str(failovers), str(most)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(REPEATS)]
    return {key: median([run[key] for run in runs]) for key in runs[0]}


def measure() -> list[Figure]:
    whole, half, fewer = apart(MASTERS, FAILOVERS), apart(MASTERS // 2, FAILOVERS), apart(MASTERS, FAILOVERS // 2)
    burst = apart(MASTERS, FAILOVERS, A_READ)
    name = f"{MASTERS:,} masters x 3 Sentinels"
    return [
        Figure(f"{name}, resident memory of the process", f"{whole['memory']:.0f} MB", goal=f"<= {MEMORY_GOAL} MB"),
        Figure(f"{name}, first snapshots folded", f"{whole['loaded']:.2f} s"),
        Figure("of that growth, and the same with half the masters",
               f"{whole['own']:.0f} MB, {whole['loaded']:.2f} s", f"half: {half['own']:.0f} MB, {half['loaded']:.2f} s",
               f"{whole['own'] / half['own']:.2f}, {whole['loaded'] / half['loaded']:.2f}", "2 is linear"),
        Figure(f"{FAILOVERS:,} failovers decided, all {burst['messages']:,.0f} messages in one instant, 64 KiB reads",
               f"{burst['spent']:.2f} s", goal=f"<= {SECONDS_GOAL:g} s"),
        Figure("the same, each message in a turn of its own", f"{whole['spent']:.2f} s"),
        Figure("the slowest of those turns", f"{whole['slowest'] * 1e3:.1f} ms"),
        Figure("the failovers with half the masters", f"{half['spent']:.2f} s", "",
               f"{whole['spent'] / half['spent']:.2f}", "1 is independent of the others"),
        Figure("half the failovers", f"{fewer['spent']:.2f} s", "", f"{whole['spent'] / fewer['spent']:.2f}",
               "2 is linear"),
        Figure(f"the whole Topology as one value, {name}", f"{whole['topology'] * 1e3:.0f} ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        report(measure)
