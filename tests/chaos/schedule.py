"""
Which faults happen, and when: drawn from one seed.

Pure: from a seed, a length and the server's abilities to faults, in order of their start. Every fault has a length,
after which it is repaired, and a time to heal. Faults that must not overlap never do (`apart`), and three of five
Sentinels are always healthy. Times are plans: `faults` starts none before its time, and keeps the same ones apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FAILOVERS",
    "IMPAIRED",
    "LIAR",
    "MASTERS",
    "PARTITIONS",
    "SENTINELS",
    "TRAITS",
    "Fault",
    "Kind",
    "Trait",
    "apart",
    "draw",
    "impairs",
]

MASTERS = ("first", "second", "third")
SENTINELS = 5
LIAR = SENTINELS - 1
"""The Sentinel in front of which a liar sits, for the application: it passes on the Sentinel's words and adds invented
ones."""
IMPAIRED = 2
"""Most Sentinels that are down or not heard at once: the others are a majority."""
FIRST = 1.0
"""Seconds before the first fault."""
PAUSE = 0.7
"""Seconds between two draws, on average; most draws find no room."""
BY_HAND = 0.6
"""How often an operator demotes an old master; else Sentinel does, 11 to 20 s later."""
LATE = 0.5
"""How often a leader that dies has seen the promotion."""
HEALED_BY_HAND, HEALED_BY_SENTINEL = 4.0, 18.0


class Kind(StrEnum):
    """Faults, and commands of an operator."""

    CRASH = "crash"
    """A master is killed; it restarts empty once another has been elected."""
    HANG = "hang"
    """A master is stopped, and resumes as a second master once another has been elected."""
    CUT_OFF = "cut off"
    """A master is cut off from all other servers; the application still reaches it."""
    PLANNED = "planned"
    COORDINATED = "coordinated"
    LEADER_DIES = "leader dies"
    """A planned failover whose leader is killed when it waits for the promotion, or has just seen it."""
    REPLICA_CRASHES = "replica crashes"
    REPLICA_HANGS = "replica hangs"
    SENTINEL_KILLED = "Sentinel killed"
    """It comes back with the configuration that it had."""
    SENTINEL_FORGETS = "Sentinel forgets"
    """It comes back with its very first configuration: another run id, no epoch, the first masters."""
    SENTINEL_REINSTALLED = "Sentinel reinstalled"
    """It comes back with an empty configuration, and gets SENTINEL MONITOR again."""
    SENTINEL_HANGS = "Sentinel hangs"
    SENTINEL_CUT_OFF = "Sentinel cut off"
    """It is cut off from all other servers; the application still hears it."""
    LINK_SILENT = "link silent"
    """The link between the application and a Sentinel drops everything silently."""
    LINK_CUT = "link cut"
    """The same, with a reset, and refusals."""
    NODE_SILENT = "node silent"
    """The link between the application and a data node drops everything silently."""
    NODE_CUT = "node cut"
    DEAF = "deaf"
    """All links to Sentinels at once."""


@dataclass(frozen=True, slots=True)
class Trait:
    """How often a fault occurs, how long it lasts, and what it affects."""

    weight: float
    length: tuple[float, float]
    """Seconds, from and to."""
    heal: float
    """Seconds after the repair, as a plan."""
    group: bool = False
    """Whether it affects the nodes of one master."""
    sentinel: bool = False
    """Whether it affects, or is led by, one Sentinel."""
    leaves_two_masters: bool = False
    """Whether an old master may stay a master until it is demoted."""


TRAITS = {
    Kind.CRASH: Trait(4, (3, 6), 4, group=True, leaves_two_masters=True),
    Kind.HANG: Trait(4, (2, 6), 4, group=True, leaves_two_masters=True),
    Kind.CUT_OFF: Trait(4, (2, 6), 4, group=True, leaves_two_masters=True),
    Kind.PLANNED: Trait(5, (2, 3), 4, group=True, sentinel=True, leaves_two_masters=True),
    Kind.COORDINATED: Trait(5, (2, 3), 4, group=True, sentinel=True),
    Kind.LEADER_DIES: Trait(2, (2, 8), 16, group=True, sentinel=True),
    Kind.REPLICA_CRASHES: Trait(1, (0.5, 5), 3, group=True),
    Kind.REPLICA_HANGS: Trait(1, (0.5, 5), 2, group=True),
    Kind.NODE_SILENT: Trait(1, (0.5, 4), 3, group=True),
    Kind.NODE_CUT: Trait(1, (0.5, 4), 3, group=True),
    Kind.SENTINEL_KILLED: Trait(2, (0.5, 8), 5, sentinel=True),
    Kind.SENTINEL_FORGETS: Trait(1, (0.5, 4), 12, sentinel=True),
    Kind.SENTINEL_REINSTALLED: Trait(1, (0.5, 4), 12, sentinel=True),
    # A hang of 2 s or more causes TILT: the Sentinel then does nothing for 30 s.
    Kind.SENTINEL_HANGS: Trait(1, (0.5, 3), 31, sentinel=True),
    # Addresses dialled meanwhile are dialled again after 1, 3, 7, 15 s.
    Kind.SENTINEL_CUT_OFF: Trait(2, (1, 8), 16, sentinel=True),
    Kind.LINK_SILENT: Trait(2, (0.5, 6), 4, sentinel=True),
    Kind.LINK_CUT: Trait(2, (0.5, 6), 4, sentinel=True),
    Kind.DEAF: Trait(1, (1, 6), 4),
}
ORDERED = {Kind.PLANNED, Kind.COORDINATED, Kind.LEADER_DIES}
FAILOVERS = {Kind.CRASH, Kind.HANG, Kind.CUT_OFF, *ORDERED}
"""Faults that lead to another master."""
PARTITIONS = {Kind.CUT_OFF, Kind.SENTINEL_CUT_OFF}
"""Faults that need a network for each server."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault."""

    at: float
    """Seconds after the start; not earlier."""
    kind: Kind
    length: float
    """Seconds until it is repaired, counted from when it has worked (as when another master is there)."""
    heal: float
    master: str | None = None
    sentinel: int | None = None
    by_hand: bool = False
    """Whether an operator demotes the old master."""
    node: int = 0
    """Which node of a group, where it is not the master: 0 or 1, of its replicas in their order."""

    late: bool = False
    """Whether a leader dies when it has seen the promotion: then its configuration has the new epoch, if it returns."""

    @property
    def until(self) -> float:
        """When it should be healed."""
        return self.at + self.length + self.heal

    def describe(self) -> str:
        """Return it as one line."""
        whom = [f"of {self.master}"] if self.master else []
        whom += [f"s{self.sentinel + 1}"] if self.sentinel is not None else []
        how = ", demoted by hand" * self.by_hand + ", late" * self.late
        return f"{' '.join([self.kind, *whom])} for {self.length:.1f} s{how}"


def impairs(kind: Kind) -> bool:
    """Whether its Sentinel is down or not heard meanwhile."""
    return TRAITS[kind].sentinel and (kind not in ORDERED or kind is Kind.LEADER_DIES)


def apart(one: Fault, other: Fault) -> bool:
    """Whether these two must not be active at the same time."""
    if one.master is not None and one.master == other.master:
        return True
    if one.sentinel is not None and one.sentinel == other.sentinel:
        return True
    kinds = {one.kind, other.kind}
    # Messages of a Sentinel to a server that is cut off arrive late, after the Sentinel got another run id. Then all
    # hear of the old run id again, and the Sentinel itself takes it for another Sentinel, for ever.
    if kinds & PARTITIONS and kinds & {Kind.SENTINEL_FORGETS, Kind.SENTINEL_REINSTALLED}:
        return True
    # An application that hears no Sentinel can't hold commands in a planned failover.
    return Kind.DEAF in kinds and (len(kinds) == 1 or bool(kinds & ORDERED))


def fits(fault: Fault, others: Iterable[Fault]) -> bool:
    """Whether a fault may run together with these others."""
    there = list(others)
    impaired = sum(impairs(each.kind) for each in there) + impairs(fault.kind)
    return impaired <= IMPAIRED and not any(apart(fault, each) for each in there)


def draw(seed: int, seconds: float, kinds: Sequence[Kind] = tuple(Kind)) -> list[Fault]:
    """
    Draw a schedule.

    Args:
        seed: the same one gives the same schedule.
        seconds: the length; at its end everything is healed.
        kinds: what the server can do.
    """
    chance = random.Random(seed)
    drawn: list[Fault] = []
    counts: Counter[Kind] = Counter()
    at = FIRST
    while at < seconds:
        # A kind that was drawn often becomes less likely, so that a short run has some of every kind.
        weights = [TRAITS[kind].weight / (1 + counts[kind]) ** 2 for kind in kinds]
        fault = _fault(chance, at, chance.choices(kinds, weights)[0])
        meanwhile = [each for each in drawn if each.until > fault.at]
        if fault.until <= seconds and fits(fault, meanwhile):
            drawn.append(fault)
            counts[fault.kind] += 1
        at += chance.expovariate(1 / PAUSE)
    return drawn


def _fault(chance: random.Random, at: float, kind: Kind) -> Fault:
    trait = TRAITS[kind]
    by_hand = trait.leaves_two_masters and chance.random() < BY_HAND
    heal = trait.heal
    if trait.leaves_two_masters:
        heal = HEALED_BY_HAND if by_hand else HEALED_BY_SENTINEL
    return Fault(
        at=round(at, 3),
        kind=kind,
        length=round(chance.uniform(*trait.length), 3),
        heal=heal,
        master=chance.choice(MASTERS) if trait.group else None,
        sentinel=chance.randrange(SENTINELS) if trait.sentinel else None,
        by_hand=by_hand,
        node=chance.randrange(2),
        late=kind is Kind.LEADER_DIES and chance.random() < LATE,
    )
