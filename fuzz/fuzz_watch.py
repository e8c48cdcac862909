"""With any facts in any order, a Watch never goes back in epoch, is never due in the past, and comes to rest."""

from __future__ import annotations

import zlib
from typing import Final

import drive  # first: it says where the tests are
from recorded.answers import RecordedSentinels, snapshot
from seeds import said_by
from switchmaster.account.transcript import Said
from switchmaster.belief.decisions import Ask, Connect, Disconnect, StartProbe, StopProbe, Switch
from switchmaster.belief.watch import Watch
from switchmaster.model import LIMITS, Address, Grade, Moment, RunId, SentinelName
from switchmaster.render import event_line
from switchmaster.wire.facts import Fact, LinkChange, LinkState, MasterSnapshot, Probe, SnapshotEnd
from switchmaster.wire.grammar import parse_event

SENTINELS: Final = tuple(SentinelName(f"127.0.0.1:{port}") for port in (27011, 27012, 27013))
LINES: Final = 600
"""Lines of an input that are used."""
REST: Final = 60
"""Ticks after which no wait is open: the longest wait is 600 s."""


def check(data: bytes) -> None:
    """Take lines: an event, an answer, a probe, a link's change, or time that passes; see `fact_of`."""
    way = zlib.crc32(data)
    probing, asking, policy = bool(way & 1), bool(way & 2), list(Grade)[way % 3]
    watched = Watched(Watch(SENTINELS, policy=policy, probing=probing, asking=asking))
    for line in data.split(b"\n")[:LINES]:
        word, _, rest = line.decode("utf-8", "surrogateescape").partition(" ")
        if word == "T":
            watched.pass_time(min(len(rest), 400) / 4)
        elif (told := fact_of(word, rest)) is not None:
            watched.observe(*told)
    watched.rest()


def fact_of(word: str, rest: str) -> tuple[SentinelName | None, Fact] | None:
    """
    Read one line: a letter and the Sentinel's number, then what it says.

    ``E0 CHANNEL PAYLOAD``, ``A0 NAME HOST PORT EPOCH FLAGS``, ``Z0 NAME``, ``L0 STATE RUN-ID``, ``P ROLE HOST PORT``.
    """
    sentinel = SENTINELS[ord(word[1]) % len(SENTINELS)] if len(word) > 1 else SENTINELS[0]
    words = rest.split(" ")
    match word[:1], words:
        case "E", [channel, *payload]:
            return sentinel, parse_event(channel, " ".join(payload))
        case "A", [name, host, port, epoch, flags]:
            return sentinel, answer(name, Address(host, number(port, 65535)), number(epoch, 2**63), flags.split(","))
        case "Z", names:
            return sentinel, SnapshotEnd(tuple(filter(None, names)))
        case "L", [state, run_id] if state in list(LinkState):
            return sentinel, LinkChange(LinkState(state), run_id=RunId(run_id) if run_id else None)
        case "P", [role, host, port]:
            known = role if role in ("master", "slave") else None
            return None, Probe(Address(host, number(port, 65535)), known, "" if known else "it was refused")
    return None


def number(text: str, most: int) -> int:
    """Return a number from any text; it may be negative, as in a reply."""
    try:
        return max(-most, min(most, int(text[:20])))
    except ValueError:
        return 0


def answer(name: str, address: Address, epoch: int, flags: list[str]) -> MasterSnapshot:
    """Return a recorded answer with these fields; a flag ``sentinel=RUN-ID=PORT`` adds a known Sentinel."""
    known = [flag.split("=") for flag in flags if flag.count("=") == 2]
    sentinels = [(RunId(run_id), Address("127.0.0.1", number(port, 65535))) for _, run_id, port in known]
    replicas = [Address(address.host, (address.port + step) % 65536) for step in (1, 2)]
    return snapshot(address, epoch, name=name, flags=flags, replicas=replicas, sentinels=sentinels)


class Watched:
    """A Watch whose invariants are checked after each step."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.now = 100.0
        self.epochs: dict[tuple[str, int], int] = {}
        self.incarnations: dict[str, int] = {}
        self.switches: dict[tuple[str, int], list[Switch]] = {}
        self.probed: set[tuple[Address, str]] = set()
        self.answered_master: set[Address] = set()

    def observe(self, source: SentinelName | None, fact: Fact) -> None:
        if isinstance(fact, Probe) and fact.role == "master":
            self.answered_master.add(fact.node)
        if not isinstance(fact, MasterSnapshot | SnapshotEnd | LinkChange | Probe):
            event_line(str(source), fact, self.now)
        self.watch.observe(source, fact, Moment(self.now, self.now))
        self.check()

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.watch.deadline) is not None and due <= until:
            self.tick(due)
        self.now = until

    def tick(self, due: float) -> None:
        self.now = max(self.now, due)
        self.watch.tick(Moment(self.now, self.now))
        later = self.watch.deadline
        assert later is None or later > self.now, f"due again at {later}, and it is {self.now}"
        self.check()

    def rest(self) -> None:
        """Let all time pass without further facts, and end all records."""
        for _ in range(REST):
            if (due := self.watch.deadline) is None:
                break
            self.tick(due)
        assert self.watch.deadline is None, f"after {REST} ticks of silence it still waits, until {self.watch.deadline}"
        self.watch.finish()
        self.check()
        assert all(state.failover is None for state in self.watch.topology.masters.values())

    def check(self) -> None:
        for decision in self.watch.decisions():
            if isinstance(decision, Switch):
                self.check_switch(decision)
            elif isinstance(decision, StartProbe):
                key = (decision.node, decision.master)
                assert key not in self.probed, f"{key} is asked already"
                self.probed.add(key)
            elif isinstance(decision, StopProbe):
                self.probed.discard((decision.node, decision.master))
            else:
                assert not isinstance(decision, Ask | Connect | Disconnect) or decision.why
        assert self.watch.probing or not self.probed
        topology = self.watch.topology
        assert len(topology.sentinels) <= LIMITS.sentinels + len(SENTINELS)
        for name, state in topology.masters.items():
            before = self.incarnations.get(name, 0)
            assert state.incarnation >= before, f"{name} went back to incarnation {state.incarnation}"
            self.incarnations[name] = state.incarnation
            key = (name, state.incarnation)
            # Before enough have answered, the highest epoch is shown; then the majority's, which may be lower.
            # Decisions stand.
            if state.epoch is not None and (self.watch.established or key in self.switches):
                assert state.epoch >= self.epochs.get(key, state.epoch), f"{key} went back to epoch {state.epoch}"
                self.epochs[key] = state.epoch
        mine = {node for node, _ in self.probed}
        assert len(mine) <= (LIMITS.candidates + 1) * max(1, len(topology.masters))

    def check_switch(self, switch: Switch) -> None:
        before = self.switches.setdefault((switch.master, switch.incarnation), [])
        assert switch.old != switch.new, switch
        if switch.epoch is not None:
            assert all(one.epoch is None or one.epoch < switch.epoch for one in before), (switch, before[-1])
        if switch.grade is Grade.PROMOTED:
            assert switch.new in self.answered_master, f"{switch} though it never said so"
        assert switch.grade >= self.watch.policy or switch.grade is Grade.ANNOUNCED is not self.watch.policy
        before.append(switch)


def seeds() -> list[bytes]:
    """Return recordings as lines, with and without answers of the same Sentinels in between."""
    found = []
    for said in said_by():
        lines, memory = [], RecordedSentinels([Said(s, None, c, p, 1) for s, c, p in said])
        numbers = {name: index for index, name in enumerate(memory.names)}
        lines += [f"L{number} live {memory.run_ids.get(name, '')}" for name, number in numbers.items()]
        for at, (sentinel, channel, payload) in enumerate(said):
            name = SentinelName(sentinel)
            event = memory.hear(Said(sentinel, None, channel, payload, 1))
            lines.append(f"E{numbers[name]} {channel} {payload}")
            lines.append("T " + "x" * (at % 7))
            if channel in ("+promoted-slave", "+switch-master", "+failover-end") and event.master is not None:
                facts = memory.whole(name, float(at))
                lines += [line_of(numbers[name], fact) for fact in facts]
                lines += [f"P master {fact.address.host} {fact.address.port}" for fact in facts[:-1]]
        found.append("\n".join(lines).encode("utf-8", "surrogateescape"))
        found.append("\n".join(line for line in lines if line[0] in "ET").encode("utf-8", "surrogateescape"))
    return found


def line_of(number: int, fact: MasterSnapshot | SnapshotEnd) -> str:
    """Write an answer as a line."""
    if isinstance(fact, SnapshotEnd):
        return f"Z{number} {' '.join(fact.names)}"
    known = [f"sentinel={row.run_id}={row.address.port}" for row in fact.sentinels or ()]
    flags = ",".join([*sorted(fact.reply.flags), *known])
    return f"A{number} {fact.name} {fact.address.host} {fact.address.port} {fact.config_epoch} {flags}"


TARGET = drive.Target(check, seeds, examples=300)

if __name__ == "__main__":
    drive.main(TARGET, "watch")
