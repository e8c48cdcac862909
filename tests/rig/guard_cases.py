"""A dead master with its witnesses, and everything that a guard looks at; for tests of the guard's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recorded.answers import MASTER, REPLICA
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.topology import Electorate, Health, MasterState, ReplicaState, SentinelState
from switchmaster.guard.case import Case
from switchmaster.guard.evidence import Dialled, Sample, SentinelWord
from switchmaster.guard.master_guard import MasterGuard
from switchmaster.guard.node_info import NodeInfo
from switchmaster.guard.orders import Collect, Order
from switchmaster.guard.policy import Arming, Policy
from switchmaster.model import Address, Cause, Grade, Moment, SentinelName, Via
from switchmaster.wire.facts import LinkState
from switchmaster.wire.replies import ReplicaReply

A, B, C, D = (Address("10.0.1.1", 6379), *(Address(f"10.0.1.{number}", 6379) for number in (2, 3, 4)))
"""The master, its two replicas, and a stranger."""
SENTINELS = [SentinelName(f"10.0.0.{number}:26379") for number in (1, 2, 3)]
ARMED = Policy(arming=Arming.ARMED)


def seen(address: Address, **changed: Any) -> ReplicaReply:
    """Return a replica as a Sentinel lists it."""
    return replace(REPLICA, name=str(address), address=address, master=A, **changed)


def word(name: SentinelName, **changed: Any) -> SentinelWord:
    """Return the word of a Sentinel that has lost the master."""
    fields = {"address": A, "flags": frozenset({"master", "disconnected"}), "down_after_ms": 30_000}
    master = replace(MASTER, **{**fields, "last_ok_ping_ms": 100, **changed.pop("master", {})})
    replicas = changed.pop("replicas", (seen(B, offset=20), seen(C, offset=10)))
    host = Address.parse(name).host
    return replace(SentinelWord(name, host, master, replicas, leads=False), **changed)


def node_info(address: Address, following: Address | None, **changed: Any) -> NodeInfo:
    """Return the report of a replica, or of a master if it follows none; all is well with it."""
    info = NodeInfo(
        node=address,
        run_id=f"{address.host:a>40}",
        role="slave" if following else "master",
        process_id=42,
        port=address.port,
        keys=20_000,
        offset=1_000,
        following=following,
        link_up=True if following else None,
        lags={},
        appends=True,
        snapshots=True,
        loading=False,
        stopping=False,
    )
    return replace(info, **changed)


def node(address: Address, **changed: Any) -> NodeInfo:
    """Return the report of the master while it lived, or of a replica that has lost it."""
    own = {"lags": {B: 0.0, C: 1.0}} if address == A else {"link_up": False}
    return replace(node_info(address, None if address == A else A), **{**own, **changed})


def sample(**changed: Any) -> Sample:
    """Return what all witnesses say of a master that died."""
    whole = Sample(
        master=A,
        at=100.0,
        dialled=Dialled.REFUSED,
        sentinels=tuple(word(name) for name in SENTINELS),
        replicas=(node(B), node(C)),
    )
    return replace(whole, **changed)


def state(**changed: Any) -> MasterState:
    """Return what is believed: all agree on the master."""
    believed = MasterState(
        name="mymaster",
        address=A,
        epoch=0,
        incarnation=0,
        grade=Grade.AGREED,
        health=Health.OK,
        down_by=(),
        quorum=2,
        replicas=tuple(ReplicaState(each, (), True, 0, 100) for each in (B, C)),
        opinions=(),
        failover=None,
        switch=None,
        listed=frozenset({A, B, C}),
        electorate=Electorate(3, counted=3, answering=3, needed=2),
    )
    return replace(believed, **changed)


def sentinel(name: SentinelName, **changed: Any) -> SentinelState:
    """Return a Sentinel that is heard."""
    return replace(SentinelState(name, None, "redis 7.0.15", LinkState.LIVE, "", True, False), **changed)


def case(**changed: Any) -> Case:
    """Return the case of a master that died, with a sample that proves it, and nothing that speaks against an order."""
    whole = Case(
        policy=ARMED,
        state=state(),
        sentinels={name: sentinel(name) for name in SENTINELS},
        reports={each: node(each, link_up=None if each == A else True) for each in (A, B, C)},
        now=100.0,
        sample=sample(),
    )
    return replace(whole, **changed)


def switch(new: Address = B) -> Switch:
    """Return a switch to another master."""
    return Switch("default", "mymaster", A, new, 1, 0, Grade.PROMOTED, Cause.FAILOVER, Via.ROLE, (), "", 0.0, None)


class Guarded:
    """A guard of one master, its time, and everything that it wanted."""

    def __init__(self, policy: Policy = ARMED, **reports: Any) -> None:
        self.now = 100.0
        self.guard = MasterGuard("default", "mymaster", policy)
        self.wanted: list[object] = []
        for address in (A, B, C):
            self.report(node(address, link_up=None if address == A else True, **reports))

    @property
    def moment(self) -> Moment:
        return Moment(self.now, 1_700_000_000.0 + self.now)

    def case(self, **changed: Any) -> Case:
        """Return the case now."""
        guard = self.guard
        fields = {"policy": guard.policy, "reports": dict(guard.reports), "failed_over_at": guard.failed_over_at}
        return case(**{**fields, "now": self.now, "sample": None, **changed})

    def report(self, info: NodeInfo, **changed: Any) -> None:
        self.guard.reported(info, self.case(**changed), self.moment)
        self.wanted += self.guard.decisions()

    def lose(self, address: Address = A, **changed: Any) -> None:
        self.guard.lost(address, self.case(**changed), self.moment)
        self.wanted += self.guard.decisions()

    def sample(self, collected: Sample | None = None, after: float = 0.01, **changed: Any) -> None:
        """Give it what was collected, the death of the master if nothing else, so many seconds after it was asked."""
        self.now += after
        collected = replace(sample() if collected is None else collected, at=self.now)
        self.guard.sampled(self.case(**{"sample": collected, **changed}), self.moment)
        self.wanted += self.guard.decisions()

    def switch(self, new: Address = B) -> None:
        self.guard.switched(switch(new), self.moment)
        self.wanted += self.guard.decisions()

    def answer(self, refusal: str = "") -> None:
        self.guard.ordered(refusal, self.moment)
        self.wanted += self.guard.decisions()

    def wait(self, seconds: float) -> None:
        """Let time pass, with a tick whenever one is due."""
        until = self.now + seconds
        while (due := self.guard.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.guard.tick(self.moment)
            self.wanted += self.guard.decisions()
            assert self.guard.deadline is None or self.guard.deadline > self.now
        self.now = until

    def die(self) -> None:
        """Lose the master, and prove its death twice."""
        self.lose()
        self.sample()
        self.wait(0.25)
        self.sample()

    @property
    def collects(self) -> int:
        return sum(isinstance(each, Collect) for each in self.wanted)

    @property
    def orders(self) -> list[Order]:
        return [each for each in self.wanted if isinstance(each, Order)]

    @property
    def notices(self) -> list[str]:
        return [each.kind.value for each in self.wanted if isinstance(each, Notice)]

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.wanted if isinstance(each, Notice)]
