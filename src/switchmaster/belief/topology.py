"""
What we believe, as immutable values; and what each Sentinel says, as the views they are made from.

A `View` is one Sentinel's account of one master; events and snapshots are folded into it as they come, with no
judgement. `MasterState` and `Topology` are what a reader gets. Who is believed is `decide`'s matter.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..model import LIMITS, Address, Grade, RunId, SentinelName, Wall
from ..wire.events import InstanceEvent, Kind
from ..wire.facts import LinkState, MasterSnapshot
from ..wire.refusal import Refusal
from .decisions import Switch
from .failover import Failover

__all__ = [
    "Electorate",
    "Health",
    "MasterState",
    "Obstacle",
    "Opinion",
    "ReplicaState",
    "SentinelState",
    "Topology",
    "View",
]


class Health(enum.StrEnum):
    """How a master stands, in one word."""

    OK = "ok"
    SUSPECTED = "suspected"
    """At least one Sentinel says SDOWN."""
    DOWN = "down"
    """Sentinels agree: ODOWN."""
    FAILING_OVER = "failing-over"
    """A failover is under way, and its promotion is not known and believed yet."""
    UNKNOWN = "unknown"
    """No Sentinel that we hear monitors it, or none has said where it is."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica of a master, as the Sentinels see it."""

    address: Address
    down_by: tuple[SentinelName, ...]
    """The Sentinels that say SDOWN."""
    link_up: bool | None
    """Whether its replication link is up; None where no Sentinel was asked."""
    offset: int | None
    priority: int | None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one Sentinel says of a master's address."""

    sentinel: SentinelName
    address: Address
    epoch: int | None
    live: bool
    """Whether we hear this Sentinel now."""
    agrees: bool
    others: int | None = None
    """How many other Sentinels it knows (``num-other-sentinels``); None where it was not asked."""


class Obstacle(enum.StrEnum):
    """Why the Sentinels could not fail a master over now."""

    QUORUM_TOO_HIGH = "quorum-too-high"
    """The quorum is larger than the number of Sentinels."""
    TOO_FEW = "too-few"
    """Fewer Sentinels answer each other than an election needs: a majority of all, and the quorum."""
    TILT = "tilt"
    """Enough answer, but so many are in TILT that none may lead, or too few may agree that the master is down."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """
    The Sentinels that count for one master, and whether they could fail it over now.

    By the word of the Sentinel that sees most of the others, as SENTINEL CKQUORUM would answer
    (sentinelIsQuorumReachable()), less those that can't vote on this master. It says nothing of replicas.
    """

    known: int
    """Sentinels that are known to count, whether they answer or not."""
    counted: int | None = None
    """How many that one Sentinel counts; this and what follows is None where no Sentinel that is heard has answered."""
    answering: int | None = None
    """Those of them that answer it and can vote on this master, itself included."""
    needed: int | None = None
    """How many an election needs."""
    obstacle: Obstacle | None = None
    """What prevents a failover; None where nothing does, or where it is not known."""
    unaware: tuple[SentinelName, ...] = ()
    """Sentinels that are heard and do not monitor this master."""
    absent: tuple[SentinelName, ...] = ()
    """Sentinels that are counted, and answer neither that one nor us: down, or gone and remembered."""

    @property
    def possible(self) -> bool | None:
        """Whether the Sentinels could fail it over; None where it is not known."""
        return None if self.needed is None else self.obstacle is None


@dataclass(frozen=True, slots=True)
class SentinelState:
    """One Sentinel and our link to it."""

    name: SentinelName
    run_id: RunId | None
    version: str
    state: LinkState
    reason: str
    """Why there is no connection; empty where there is one."""
    seed: bool
    """Whether the user named it; the others were discovered."""
    tilt: bool
    """It does not trust its own clock: for 30 s it starts no failover."""
    answered: bool = False
    """It has answered about all its masters since the start, or may not be asked."""
    refusal: Refusal | None = None
    """Whether it answers and refuses us: the password, or all that we ask; None otherwise."""
    can_ask: bool = True
    """False while it is heard and refuses our questions: that it names no master says nothing."""
    tilt_since: Wall = None
    """Since when it is in TILT, in seconds since 1970; None outside of it, and where that is not known."""
    simulates_failures: bool = False
    """SENTINEL SIMULATE-FAILURE was left on: it crashes in its next failover."""
    also: tuple[SentinelName, ...] = ()
    """Other names of the same Sentinel, which are not dialled meanwhile."""
    shares_id_with: tuple[SentinelName, ...] = ()
    """Other Sentinels that have the same id: their configuration was copied, and they do not see each other."""
    scripts_waiting: int = 0
    """Its notification and reconfiguration scripts that wait to be run."""


@dataclass(frozen=True, slots=True)
class MasterState:
    """What we believe of one master."""

    name: str
    address: Address | None
    epoch: int | None
    incarnation: int
    """Counts how often its epochs began anew (REMOVE and MONITOR); 0 at first."""
    grade: Grade
    health: Health
    down_by: tuple[SentinelName, ...]
    quorum: int | None
    replicas: tuple[ReplicaState, ...]
    opinions: tuple[Opinion, ...]
    failover: Failover | None
    """The failover under way."""
    switch: Switch | None
    """The last switch, with all the witnesses that have come since."""
    listed: frozenset[Address] = frozenset()
    """The nodes that more than half of the Sentinels that we hear list as this master or its replicas: those alone are
    given a password."""
    imminent: Address | None = None
    """The replica that has just ended our connection, as its promotion does, or says that it is a master, while that
    is not decided: within milliseconds it is the master, or it was something else."""
    electorate: Electorate = Electorate(1)
    """The Sentinels that count for it, and whether they could fail it over."""
    beside: tuple[Failover, ...] = ()
    """The other failovers of it that are open, oldest first: what one Sentinel makes up hides no true one."""
    led_by: tuple[SentinelName, ...] = ()
    """The Sentinels that answer that they lead a failover of it, its beginning heard or not."""

    @property
    def failing_over(self) -> bool:
        """Whether a failover is under way: a Sentinel tries or leads one. A suspicion is none."""
        return bool(self.led_by) or (self.failover is not None and self.failover.attempted)

    @property
    def disagreeing(self) -> tuple[Opinion, ...]:
        """The Sentinels that we hear and that give another address."""
        return tuple(opinion for opinion in self.opinions if opinion.live and not opinion.agrees)


@dataclass(frozen=True, slots=True)
class Topology:
    """What we believe of one deployment at one moment."""

    deployment: str
    masters: Mapping[str, MasterState]
    sentinels: Mapping[SentinelName, SentinelState]
    version: int
    """Rises with every change."""


@dataclass(slots=True)
class ReplicaView:
    """One Sentinel's account of one replica."""

    down: bool = False
    link_up: bool | None = None
    offset: int | None = None
    priority: int | None = None
    run_id: str = ""
    """Of its process; empty where it is not known."""


@dataclass(slots=True)
class View:
    """One Sentinel's account of one master. `address` to `since` are moved by `decide` alone."""

    sentinel: SentinelName
    live: bool = True
    address: Address | None = None
    epoch: int | None = None
    incarnation: int = 0
    index: int = 0
    """How many of the belief's transitions this Sentinel has made."""
    fresh: bool = False
    """It was told to monitor this master anew (``+monitor``), so a lower epoch is no sign of staleness."""
    since: float = 0.0
    """Since when it says so, in monotonic seconds."""
    run_id: str = ""
    """Of the process that it takes for the master; empty where it is not known."""
    called: Address | None = None
    """Its own name for the node that is believed, where that differs: then `address` is ours."""
    promotes: tuple[Address, Address] | None = None
    """Its own name for the node that it last selected, promoted or followed, and ours."""
    answered_at: float | None = None
    """When it last answered with its address, in monotonic seconds; None where it has not, or may not be asked."""
    sdown: bool = False
    odown: bool = False
    leads: str | None = None
    """The state of the failover that it leads (``failover-state``), as answered; None where it leads none."""
    others: int | None = None
    """num-other-sentinels."""
    quorum: int | None = None
    failover_timeout: float | None = None
    """Seconds."""
    down_after: float | None = None
    """Seconds without a valid answer after which this Sentinel suspects the master (``down-after-milliseconds``)."""
    replicas: dict[Address, ReplicaView] = field(default_factory=dict)
    nodes: set[Address] = field(default_factory=set)
    """The master and the replicas that it has listed in its last answer or since, those of before a switch included."""
    lists_all: bool = False
    """It has answered with all of them: SENTINEL REPLICAS is not refused, and has as many rows as it counts replicas
    (those with ``replica-announced no`` are counted, not listed, and may be promoted all the same)."""
    sentinels: dict[RunId, Address] = field(default_factory=dict)
    """The other Sentinels that it knows."""
    lists: bool = False
    """It has answered which others it knows."""
    silent: set[RunId] = field(default_factory=set)
    """Those of them that do not answer it (SDOWN)."""
    usable: int | None = None
    """Sentinels that answer, itself included, by SENTINEL CKQUORUM; None where `silent` tells it."""

    def snapshot(self, fact: MasterSnapshot) -> None:
        """Take all that an answer says, but for the address and the epoch."""
        reply = fact.reply
        self.sdown, self.odown = "s_down" in reply.flags, "o_down" in reply.flags
        self.leads = reply.failover_state or None if "failover_in_progress" in reply.flags else None
        self.others, self.quorum = reply.num_other_sentinels, reply.quorum
        self.failover_timeout = reply.failover_timeout_ms / 1000
        self.down_after = reply.down_after_ms / 1000
        self.nodes.add(fact.address)
        if fact.replicas is not None:
            self.nodes = {fact.address, *(row.address for row in fact.replicas[: LIMITS.replicas])}
            self.lists_all = len(fact.replicas[: LIMITS.replicas]) >= reply.num_replicas
            self.replicas = {
                row.address: ReplicaView(
                    "s_down" in row.flags, row.master_link_up, row.offset, row.priority, row.run_id
                )
                for row in fact.replicas[: LIMITS.replicas]
                if row.address != fact.address
            }
        if fact.sentinels is not None:
            self.lists = True
            rows = [row for row in fact.sentinels[: LIMITS.sentinels] if row.run_id]
            self.sentinels = {row.run_id: row.address for row in rows}
            self.silent = {row.run_id for row in rows if "s_down" in row.flags}
        self.usable = fact.usable

    def fold(self, event: InstanceEvent) -> None:
        """Take what an event says of the instances: who is up, who is down, who is new."""
        instance, channel = event.instance, event.channel
        if instance.kind is Kind.MASTER:
            # A leader speaks of the old master until its own +switch-master.
            if instance.address == self.address:
                self._fold_master(channel)
        elif instance.kind is Kind.REPLICA:
            self._fold_replica(channel, instance.address)
        else:
            self._fold_sentinel(channel, RunId(instance.name), instance.address)

    def _fold_master(self, channel: str) -> None:
        if channel == "+sdown":
            self.sdown = True
        elif channel == "-sdown":
            self.sdown = self.odown = False
        elif channel in ("+odown", "-odown"):
            self.odown = channel == "+odown"
        elif channel == "+failover-end" or channel.startswith("-failover-abort"):
            self.leads = None
        elif channel == "+reset-master":
            self.sdown, self.odown, self.leads = False, False, None
            self.replicas.clear()
            self.sentinels.clear()
            self.silent.clear()

    def _fold_sentinel(self, channel: str, run_id: RunId, address: Address) -> None:
        if channel == "+sentinel" and self.others is not None and run_id not in self.sentinels:
            self.others += 1
        if channel in ("+sentinel", "-sdown"):
            self.silent.discard(run_id)
            if len(self.sentinels) < LIMITS.sentinels:
                self.sentinels[run_id] = address
        elif channel == "+sdown" and run_id in self.sentinels:
            self.silent.add(run_id)

    def _fold_replica(self, channel: str, address: Address) -> None:
        if channel == "+slave" and len(self.replicas) < LIMITS.replicas:
            self.replicas[address] = ReplicaView()
            if len(self.nodes) <= LIMITS.replicas:
                self.nodes.add(address)
        elif (replica := self.replicas.get(address)) is not None:
            if channel in ("+sdown", "-sdown"):
                replica.down = channel == "+sdown"
            elif channel == "+slave-reconf-done":
                replica.link_up = True

    def moved(self, to: Address) -> None:
        """Forget what belonged to the old master: ``+switch-master`` is followed by ``+slave`` for each replica."""
        promoted = self.replicas.get(to)
        self.run_id, self.called = "" if promoted is None else promoted.run_id, None
        self.sdown, self.odown, self.leads = False, False, None
        self.replicas.clear()


def merge_replicas(views: Iterable[View], master: Address | None) -> tuple[ReplicaState, ...]:
    """
    Put together what the Sentinels say of the replicas.

    Args:
        views: those Sentinels whose address is the one believed.
        master: that address, which is no replica.

    Returns:
        One row a replica, in order of address.
    """
    rows: dict[Address, list[tuple[SentinelName, ReplicaView]]] = {}
    for view in views:
        for address, replica in view.replicas.items():
            if address != master:
                rows.setdefault(address, []).append((view.sentinel, replica))
    return tuple(
        ReplicaState(
            address,
            tuple(sorted(name for name, replica in seen if replica.down)),
            next((r.link_up for _, r in seen if r.link_up is not None), None),
            max((r.offset for _, r in seen if r.offset is not None), default=None),
            next((r.priority for _, r in seen if r.priority is not None), None),
        )
        for address, seen in sorted(rows.items())
    )
