"""
What we believe, as the immutable values that a reader gets: `MasterState` for one master, `Topology` for all.

`master_state` makes them. Plain data: nothing here decides or counts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Address, Grade, RunId, SentinelName, Wall
from ..wire.facts import LinkState
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
    "Whereabouts",
]


class Health(enum.StrEnum):
    """The state of a master, in one word."""

    OK = "ok"
    SUSPECTED = "suspected"
    """At least one Sentinel says SDOWN."""
    DOWN = "down"
    """Sentinels agree: ODOWN."""
    FAILING_OVER = "failing-over"
    """A failover is under way, and its promotion is not believed yet."""
    UNKNOWN = "unknown"
    """No Sentinel that is heard monitors it, or none has named its address."""


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica of a master, as the Sentinels see it."""

    address: Address
    down_by: tuple[SentinelName, ...]
    """The Sentinels that say SDOWN."""
    link_up: bool | None
    """Whether its replication link is up; None if no Sentinel was asked."""
    offset: int | None
    priority: int | None


@dataclass(frozen=True, slots=True)
class Opinion:
    """The address that one Sentinel gives for a master."""

    sentinel: SentinelName
    address: Address
    epoch: int | None
    live: bool
    """Whether this Sentinel is heard now."""
    agrees: bool
    others: int | None = None
    """How many other Sentinels it knows (``num-other-sentinels``); None if it was not asked."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a master is believed to be: the part of a `MasterState` that costs next to nothing to make."""

    address: Address | None
    epoch: int | None
    incarnation: int
    grade: Grade
    switch: Switch | None
    """The last one."""


class Obstacle(enum.StrEnum):
    """Why the Sentinels can't fail a master over now."""

    QUORUM_TOO_HIGH = "quorum-too-high"
    """The quorum is larger than the number of Sentinels."""
    TOO_FEW = "too-few"
    """Fewer Sentinels answer each other than an election needs: a majority of all, and the quorum."""
    TILT = "tilt"
    """Enough answer, but so many are in TILT that none can lead, or too few can agree that the master is down."""


@dataclass(frozen=True, slots=True)
class Electorate:
    """
    The Sentinels that count for one master, and whether they could fail it over now.

    Taken from the Sentinel that sees most of the others, as SENTINEL CKQUORUM would answer
    (sentinelIsQuorumReachable()), without those that can't vote on this master. Replicas play no part.
    """

    known: int
    """How many Sentinels count, whether they answer or not."""
    counted: int | None = None
    """How many that Sentinel counts; None, like the next two, if no Sentinel that is heard has answered."""
    answering: int | None = None
    """How many of them answer it and can vote on this master, itself included."""
    needed: int | None = None
    """How many an election needs."""
    obstacle: Obstacle | None = None
    """What prevents a failover; None if nothing does, or if it is not known."""
    unaware: tuple[SentinelName, ...] = ()
    """Sentinels that are heard and do not monitor this master."""
    absent: tuple[SentinelName, ...] = ()
    """Sentinels that are counted, and answer neither that one nor us: down, or gone and still listed."""

    @property
    def possible(self) -> bool | None:
        """Whether the Sentinels could fail it over; None if it is not known."""
        return None if self.needed is None else self.obstacle is None


@dataclass(frozen=True, slots=True)
class SentinelState:
    """One Sentinel and our link to it."""

    name: SentinelName
    run_id: RunId | None
    version: str
    state: LinkState
    reason: str
    """Why there is no connection; empty while there is one."""
    seed: bool
    """Whether the user named it; the others were discovered."""
    tilt: bool
    """It does not trust its own clock, and starts no failover for 30 s."""
    answered: bool = False
    """It has answered about all its masters since the start, or can't be asked."""
    refusal: Refusal | None = None
    """What it refuses, the password or all questions; None if it refuses neither."""
    can_ask: bool = True
    """False while it is heard and refuses our questions; that it names no master then means nothing."""
    tilt_since: Wall = None
    """Since when it is in TILT, in seconds since 1970; None outside TILT, and if that is not known."""
    simulates_failures: bool = False
    """SENTINEL SIMULATE-FAILURE was left on: it crashes in its next failover."""
    also: tuple[SentinelName, ...] = ()
    """Other names of the same Sentinel, which are not dialled."""
    shares_id_with: tuple[SentinelName, ...] = ()
    """Other Sentinels that have the same id: their configuration was copied, and they do not see each other."""
    scripts_waiting: int = 0
    """How many of its notification and reconfiguration scripts wait to be run."""


@dataclass(frozen=True, slots=True)
class MasterState:
    """What we believe of one master."""

    name: str
    address: Address | None
    epoch: int | None
    incarnation: int
    """How often its epochs began again (REMOVE and MONITOR); 0 at first."""
    grade: Grade
    health: Health
    down_by: tuple[SentinelName, ...]
    quorum: int | None
    replicas: tuple[ReplicaState, ...]
    opinions: tuple[Opinion, ...]
    failover: Failover | None
    """The failover under way."""
    switch: Switch | None
    """The last switch, with the witnesses that have come since."""
    listed: frozenset[Address] = frozenset()
    """The nodes that more than half of the Sentinels that are heard list as this master or its replicas: only these get
    a password."""
    imminent: Address | None = None
    """The replica that has just ended our connection, as its promotion does, or says that it is a master, while that is
    not decided yet: within milliseconds it is the master, or the cause was another."""
    electorate: Electorate = Electorate(1)
    """The Sentinels that count for it, and whether they could fail it over."""
    beside: tuple[Failover, ...] = ()
    """The other open failovers, oldest first, so that one that a Sentinel makes up does not hide a true one."""
    led_by: tuple[SentinelName, ...] = ()
    """The Sentinels that answer that they lead a failover of it, whether its beginning was heard or not."""

    @property
    def failing_over(self) -> bool:
        """Whether a failover is under way: a Sentinel tries or leads one. A suspicion does not count."""
        return bool(self.led_by) or (self.failover is not None and self.failover.attempted)

    @property
    def disagreeing(self) -> tuple[Opinion, ...]:
        """The Sentinels that are heard and give another address."""
        return tuple(opinion for opinion in self.opinions if opinion.live and not opinion.agrees)


@dataclass(frozen=True, slots=True)
class Topology:
    """What we believe of one deployment at one moment."""

    deployment: str
    masters: Mapping[str, MasterState]
    sentinels: Mapping[SentinelName, SentinelState]
    version: int
    """Rises with every change."""
