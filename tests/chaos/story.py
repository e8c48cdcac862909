"""
One run: a deployment, faults, the application, the observer; then time to settle, and the verdict.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from peers import lying_sentinel
from rig import netns
from rig.child import Child
from rig.client_lab import sockets, watcher_threads
from rig.conditions import eventually
from switchmaster.lab import Lab, ServerBinary

from . import observer, truth
from .application import MEASURES, Following
from .faults import Deed, Faults
from .links import Links
from .losses import Account, Written, account
from .schedule import LIAR, MASTERS, PARTITIONS, SENTINELS, Fault, Kind, draw
from .star_lab import deployed
from .stock_clients import lost_ground, stock_clients
from .stock_writer import Way
from .verdict import Report, Verdict, judge

__all__ = ["Outcome", "tell"]

Where = tuple[str, int]

REPLICAS = 2
FAILOVER_TIMEOUT_MS = 4000
PEACE_LIMIT = 60.0
CALM = 2.0
"""Seconds without faults at both ends, in which nothing must happen."""
SAMPLES = 60
PUPPETS = 10
"""Invented Sentinels that the liar names."""
LATER = 6.0
"""Seconds after all is settled within which the last news arrives; decisions are not reported again."""


@dataclass
class Outcome:
    """The outcome of one run."""

    server: str
    seed: int
    seconds: float
    with_stock: bool = False
    """Whether clients of redis-py itself, on a relay and behind the proxy, take part."""
    begun: float = 0.0
    """Monotonic seconds."""
    deeds: list[Deed] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    stock: dict[Way, list[Written]] = field(default_factory=dict)
    """The same of stock clients."""
    lines: list[tuple[float, str]] = field(default_factory=list)
    """What happened: seconds after the start, and a sentence."""
    verdict: Verdict = field(default_factory=Verdict)
    account: Account = field(default_factory=Account)
    stock_accounts: dict[Way, Account] = field(default_factory=dict)
    """The same of stock clients; what they lose is no finding."""
    samples: Mapping[str, list[float]] = field(default_factory=dict)
    pace: Mapping[str, float] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    """Findings about neither switches nor writes."""
    counters: Mapping[str, float] = field(default_factory=dict)
    lies: int = 0
    """Failovers that the liar among the Sentinels invented; none of them must be followed."""

    def findings(self) -> list[str]:
        """Return the findings."""
        return [*self.verdict.findings(), *self.account.findings(), *self.others]

    def transcript(self) -> str:
        """Return the whole story in order, and how to run it again."""
        head = [*self.findings(), f"again: python -m chaos --seed {self.seed} --seconds {self.seconds:g}"]
        head.append(f"monotonic times begin at {self.begun:.3f}")
        return "\n".join([*head, *(f"{at:8.3f}  {line}" for at, line in sorted(self.lines))])


def tell(binary: ServerBinary, seed: int, seconds: float, with_stock: bool = False) -> Outcome:
    """
    Run one schedule for real.

    Args:
        binary: the server.
        seed: of the schedule.
        seconds: of faults; start, peace and the end come on top.
        with_stock: whether clients of redis-py itself take part, on a relay and behind the proxy.
    """
    outcome = Outcome(binary.describe(), seed, seconds, with_stock)
    options = {
        # Valkey 9.1 keeps old opinions, which may start a second failover where this is short.
        "down_after_ms": 3000 if binary.kind == "valkey" else 1000,
        "failover_timeout_ms": FAILOVER_TIMEOUT_MS,
    }
    before = sockets()
    with (
        tempfile.TemporaryDirectory(prefix="switchmaster-chaos-") as folder,
        deployed(MASTERS, REPLICAS, SENTINELS, binary=str(binary.path), **options) as lab,
        Links({server.name: server.address for server in lab.servers}) as links,
        lied_to(outcome, lab, links),
    ):
        seen = Path(folder, "seen.jsonl")
        try:
            with observed(lab, seen):
                _live_through(outcome, lab, links, Path(folder), draw(seed, seconds, kinds_of(binary)))
        except Exception as error:
            # Whether the rig or the product failed, the story must be shown.
            outcome.others.append("the run broke off: " + "".join(traceback.format_exception(error)))
        _judge(outcome, lab, seen)
    _check_nothing_left(outcome, before)
    return outcome


@contextmanager
def lied_to(outcome: Outcome, lab: Lab, links: Links) -> Iterator[None]:
    """Put a liar in front of one Sentinel, for the application alone, for the length of a block."""
    honest = lab.sentinels[LIAR].address
    plan = {
        "upstream": links.table[honest],
        "puppets": PUPPETS,
        "masters": {name: [node.address for node in lab.nodes(name)] for name in MASTERS},
        "seed": outcome.seed,
    }
    command = [sys.executable, "-P", lying_sentinel.__file__]
    with Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # we asked for pipes
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        host, port = json.loads(process.stdout.readline())
        links.table[honest] = (host, port)
        try:
            yield
        finally:
            process.stdin.close()
            outcome.lies = int(process.stdout.readline())


def kinds_of(binary: ServerBinary) -> list[Kind]:
    """Return the kinds of faults that are possible with a server on this machine."""
    lacking = set[Kind]()
    if binary.kind != "valkey" or binary.version < (9,):
        lacking.add(Kind.COORDINATED)
    if binary.kind == "redis" and binary.version < (7,):
        # Redis 6.2 never forgets a Sentinel that came back with another id: it counts it as down, with a vote.
        lacking |= {Kind.SENTINEL_FORGETS, Kind.SENTINEL_REINSTALLED}
    if netns.lacking():
        lacking |= PARTITIONS
    return [kind for kind in Kind if kind not in lacking]


@contextmanager
def observed(lab: Lab, seen: Path) -> Iterator[None]:
    """Run the observer for the length of a block."""
    plan = {
        "nodes": {node.name: node.address for name in MASTERS for node in lab.nodes(name)},
        "sentinels": {sentinel.name: sentinel.address for sentinel in lab.sentinels},
        "masters": MASTERS,
    }
    process = subprocess.Popen([sys.executable, "-P", observer.__file__, str(seen)], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None  # we asked for a pipe
    try:
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        yield
    finally:
        process.stdin.close()
        assert process.wait(10) == 0, "the observer failed"


def _live_through(outcome: Outcome, lab: Lab, links: Links, folder: Path, schedule: Sequence[Fault]) -> None:
    with Following(lab.sentinel_addresses, MASTERS, links.table, folder) as following:
        eventually(following.hears_all, what="the Watcher to hear every Sentinel")
        outcome.begun = time.monotonic()
        faults = Faults(lab, links, schedule, lambda line: _say(outcome, time.monotonic(), line))
        outcome.deeds = faults.deeds
        with ExitStack() as stack:
            stock = None
            if outcome.with_stock:
                stock = stack.enter_context(stock_clients(lab.sentinel_addresses, MASTERS, links.table, folder))
            time.sleep(CALM)
            with sampled(following, outcome):
                faults.run()
            repaired = _settle_and_check(outcome, lab, following)
        following.stop_writing()
        if stock is not None:
            outcome.stock = stock.written(lab, MASTERS)
            outcome.others += stock.troubles
            for way, written in outcome.stock.items():
                outcome.others += lost_ground(way, written, repaired)
        outcome.counters = {**following.sentinel.watcher.counters, **following.sentinel.counters}
        _write_down(outcome, lab, following)


@contextmanager
def sampled(following: Following, outcome: Outcome) -> Iterator[None]:
    """Take samples for the length of a block."""
    over = threading.Event()
    every = outcome.seconds / SAMPLES

    def take() -> None:
        while not over.wait(every):
            following.sample()

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def _settle_and_check(outcome: Outcome, lab: Lab, following: Following) -> float:
    """Wait until everything has settled, check that the application knows the truth then, and return when that was."""
    try:
        lab.wait_until_settled(PEACE_LIMIT)
        eventually(following.hears_all, PEACE_LIMIT, what="the Watcher to hear every Sentinel again")
        eventually(lambda: _wrong_about(lab, following) == "", LATER, what="the truth")
    except Exception as error:
        outcome.others.append(f"after the repair: {error}; {_wrong_about(lab, following)}")
        _say(outcome, time.monotonic(), "\n".join(_acquaintances(lab)))
    settled = time.monotonic()
    time.sleep(CALM)
    return settled


def _acquaintances(lab: Lab) -> Iterator[str]:
    """Yield which other Sentinels each Sentinel knows for each master: an old run id among them explains a failure."""
    for sentinel in lab.sentinels:
        for name in MASTERS:
            rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in sentinel.call("SENTINEL", "SENTINELS", name)]
            known = ", ".join(f"{row['port']} {row['runid'][:6]} {row['flags']}" for row in rows)
            yield f"{sentinel.name} knows of {name}: {known}"


def _wrong_about(lab: Lab, following: Following) -> str:
    true = {name: lab.master(name).address for name in MASTERS}
    believed = following.believed()
    wrong = [name for name in MASTERS if true[name] != believed[name]]
    return "; ".join(f"{name} is at {true[name]}, and is believed at {believed[name]}" for name in wrong)


def _write_down(outcome: Outcome, lab: Lab, following: Following) -> None:
    outcome.samples = {name: list(values) for name, values in following.samples.items()}
    outcome.others += [fault for measure in MEASURES if (fault := measure.fault(outcome.samples[measure.name]))]
    for at, switch in following.switches:
        _say(outcome, at, f"SWITCH {switch.master} to {switch.new}, epoch {switch.epoch}, {switch.cause}: {switch.why}")
    for at, line in chain(following.notices(), following.stages()):
        _say(outcome, at, line)
    outcome.reports = [
        Report(at, one.master, one.old, one.new, one.epoch, one.incarnation) for at, one in following.switches
    ]
    for ledger in following.ledgers:
        with lab.master(ledger.master).client(5.0) as client:
            kept = [int(item) for item in client.call("LRANGE", ledger.key, 0, -1)]
        entries = list(ledger.entries())
        for entry in entries:
            if entry.error:
                sent = entry.sent - outcome.begun
                _say(outcome, entry.ended, f"{ledger.key} {entry.number}, sent at {sent:.3f}, fails: {entry.error}")
        for index, number in enumerate(kept):
            if index and number <= kept[index - 1]:
                around = kept[max(0, index - 12) : index + 12]
                _say(outcome, entries[number - 1].ended, f"{ledger.key} goes back to {number}: ... {around} ...")
        outcome.written.append(Written(ledger.master, ledger.key, entries, kept))


def _judge(outcome: Outcome, lab: Lab, seen: Path) -> None:
    groups = {name: {node.name: node.address for node in lab.nodes(name)} for name in MASTERS}
    with seen.open(encoding="utf-8") as lines:
        true = truth.read(lines, groups, SENTINELS)
    outcome.pace = true.pace
    for role in true.roles:
        _say(outcome, role.at, f"node {role.node[1]} says {role.role}")
    for held in true.held:
        leads = ", leads a failover" if held.leading else ""
        _say(outcome, held.at, f"{held.sentinel} holds {held.address} of {held.master}, epoch {held.epoch}{leads}")
    for since, until in true.late():
        _say(outcome, since, f"the machine is late: no answer for {until - since:.3f} s")
    outcome.verdict = judge(true, outcome.reports, outcome.deeds)
    outcome.account = account(outcome.written, outcome.verdict, outcome.deeds, true)
    for way, written in outcome.stock.items():
        outcome.stock_accounts[way] = account(written, outcome.verdict, outcome.deeds, true)
    if not outcome.verdict.told:
        outcome.others.append("nothing happened: there was no switch")


def _check_nothing_left(outcome: Outcome, before: set[str]) -> None:
    try:
        eventually(lambda: not watcher_threads(), what="the end of the Watcher's thread")
        eventually(lambda: sockets() <= before, what="the end of every socket")
    except AssertionError as error:
        outcome.others.append(str(error))


def _say(outcome: Outcome, at: float, line: str) -> None:
    outcome.lines.append((at - outcome.begun, line))
