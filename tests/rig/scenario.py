"""A Watch of three Sentinels fed with what they say, and everything that it decides; for tests of the belief."""

from __future__ import annotations

from collections.abc import Iterable

from recorded.answers import snapshot
from switchmaster.belief.decisions import Notice, NoticeKind, Switch
from switchmaster.belief.watch import Watch
from switchmaster.model import Address, Grade, Moment, RunId, SentinelName
from switchmaster.wire.facts import Fact, LinkChange, LinkState, SnapshotEnd
from switchmaster.wire.grammar import parse_event

S1, S2, S3 = SENTINELS = [SentinelName(f"127.0.0.1:2701{number}") for number in (1, 2, 3)]
A, B, C = (Address("127.0.0.1", 27000 + number) for number in (1, 2, 3))
IDS = {name: RunId(f"{number:040x}") for number, name in enumerate(SENTINELS)}

AT_A = "mymaster 127.0.0.1 27001"


class Scenario:
    """A Watch and everything that it decided."""

    def __init__(self, policy: Grade = Grade.PROMOTED, probing: bool = True, started: bool = True) -> None:
        self.watch = Watch(SENTINELS, policy=policy, probing=probing)
        self.now = 100.0
        self.decisions: list[object] = []
        if started:
            for name in SENTINELS:
                self.up(name, A, 0)
            self.now += 1.0  # everything from now on is later than these answers

    def tell(self, source: SentinelName | None, *facts: Fact) -> None:
        for fact in facts:
            self.watch.observe(source, fact, Moment(self.now, self.now))
            self.decisions += self.watch.decisions()

    def up(self, name: SentinelName, address: Address, epoch: int, run_id: RunId | None = None) -> None:
        self.tell(name, LinkChange(LinkState.LIVE, run_id=run_id or IDS[name], version="redis 7.0.15"))
        self.tell(name, snapshot(address, epoch, replicas=[n for n in (A, B, C) if n != address]))
        self.tell(name, SnapshotEnd(("mymaster",)))

    def down(self, name: SentinelName) -> None:
        self.tell(name, LinkChange(LinkState.DOWN, "it was refused"))

    def say(self, name: SentinelName, *lines: str) -> None:
        for line in lines:
            channel, _, payload = line.partition(" ")
            self.tell(name, parse_event(channel, payload))

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (due := self.watch.deadline) is not None and due <= until:
            self.now = max(due, self.now)
            self.watch.tick(Moment(self.now, self.now))
            self.decisions += self.watch.decisions()
            assert self.watch.deadline is None or self.watch.deadline > self.now
        self.now = until

    def of(self, kind: type[object]) -> list[object]:
        return [decision for decision in self.decisions if isinstance(decision, kind)]

    @property
    def switches(self) -> list[Switch]:
        return [decision for decision in self.decisions if isinstance(decision, Switch)]

    @property
    def notices(self) -> list[NoticeKind]:
        return [decision.kind for decision in self.decisions if isinstance(decision, Notice)]

    def fail_over(self, leader: SentinelName = S1, epoch: int = 1, old: Address = A, new: Address = B) -> None:
        """Feed what a leader publishes until it has told the replica to become the master."""
        replica = f"slave {new} {new.host} {new.port} @ mymaster 127.0.0.1 {old.port}"
        self.say(leader, f"+sdown master mymaster 127.0.0.1 {old.port}")
        self.say(leader, f"+odown master mymaster 127.0.0.1 {old.port} #quorum 2/2", f"+new-epoch {epoch}")
        self.say(leader, f"+try-failover master mymaster 127.0.0.1 {old.port}")
        self.say(leader, f"+elected-leader master mymaster 127.0.0.1 {old.port}", f"+selected-slave {replica}")
        self.say(leader, f"+failover-state-wait-promotion {replica}")

    def promote(self, leader: SentinelName = S1, old: Address = A, new: Address = B) -> None:
        self.say(leader, f"+promoted-slave slave {new} {new.host} {new.port} @ mymaster 127.0.0.1 {old.port}")

    def switch(self, name: SentinelName, old: Address = A, new: Address = B) -> None:
        self.say(name, f"+switch-master mymaster 127.0.0.1 {old.port} {new.host} {new.port}")

    def monitor(self, names: Iterable[SentinelName], old: Address, new: Address) -> None:
        for name in names:
            self.say(name, f"-monitor master mymaster 127.0.0.1 {old.port}")
            self.say(name, f"+monitor master mymaster 127.0.0.1 {new.port} quorum 2")
            self.tell(name, snapshot(new, 0, replicas=[]))
