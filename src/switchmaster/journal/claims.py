"""
Which daemon watches which deployments, where several share them: what one look at the claims makes one daemon do.

Each daemon offers the deployments of its file. Every deployment is to be watched by as many daemons as are wanted, or
by all that offer it if those are fewer. Pure: the claims and the time come in, what to claim and to give up goes out.

- A daemon counts while its lease runs. One that is leaving is given nothing, and what it has goes to others.
- What too few daemons watch goes to the least loaded one that offers it. The load is counted in masters.
- A move from the most to the least loaded daemon must bring them closer to each other, and their difference must be
  more than `TOLERANCE` of the mean. So each move lowers the sum of the squared loads, and moving ends.
- Overlap, never a gap: a daemon gives a deployment up only when enough others know its masters (`ClaimState.READY`).
- A daemon that can't hear a deployment (`ClaimState.DEAF`) keeps trying, and does not count: another one takes it too.
- What a daemon keeps for itself (`Claim.kept`) counts, and is neither moved nor given up.

All daemons look under one lock, so each decides from what the one before has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Claim", "ClaimState", "Moves", "Sharer", "decide_claims", "watchers_of"]

TOLERANCE: Final = 0.1
"""The share of the mean load by which two daemons may differ before a deployment moves."""
MOVES_AT_ONCE: Final = 100
"""Deployments that one look moves from daemons that live: a new one is not given thousands at once."""


class ClaimState(StrEnum):
    """How a daemon stands to a deployment that it offers."""

    FREE = "free"
    """It does not watch it."""
    STARTING = "starting"
    """It watches it, and does not know its masters yet."""
    READY = "ready"
    """It watches it and knows its masters."""
    DEAF = "deaf"
    """It watches it, but has not reached enough of its Sentinels for a while."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one daemon says of one deployment of its file."""

    state: ClaimState = ClaimState.FREE
    kept: bool = False
    """It must watch it whatever the others do: its relay, proxy or own actions need it."""
    masters: int = 0
    """The masters that it has last seen in it; 0 if it never watched it."""

    @property
    def held(self) -> bool:
        """Whether the daemon watches the deployment."""
        return self.state is not ClaimState.FREE


@dataclass(frozen=True, slots=True)
class Sharer:
    """One daemon."""

    id: str
    """Its run's."""
    name: str
    """The name that people know it by."""
    renewed: float
    """When it last said that it is alive, in seconds of the database's clock."""
    lease: float
    """Seconds for which that counts."""
    daemons: int
    """How many daemons are to watch each deployment, by its file."""
    leaving: bool
    """It is about to end."""
    claims: Mapping[str, Claim]
    """By the deployment: all that it offers."""

    def alive(self, now: float) -> bool:
        """Return whether its lease runs at a time of the database's clock, which may have been set back meanwhile."""
        return abs(now - self.renewed) < self.lease


@dataclass(frozen=True, slots=True)
class Moves:
    """What one daemon does after a look."""

    claim: tuple[str, ...] = ()
    """Deployments to watch from now on."""
    release: tuple[str, ...] = ()
    """Deployments to watch no longer."""


def decide_claims(sharers: Iterable[Sharer], me: str, now: float, taking: bool = True) -> Moves:
    """
    Return what a daemon claims and gives up.

    Args:
        sharers: all daemons, this one included; those whose lease has ended are ignored.
        me: this daemon's id.
        now: seconds of the database's clock.
        taking: whether it may claim what it does not have.
    """
    plan = _Plan([one for one in sharers if one.alive(now)])
    own = plan.living[me].claims
    plan.drop_excess()
    plan.fill()
    plan.balance()
    planned = {name for name, watching in plan.watching.items() if me in watching}
    held = {name for name, claim in own.items() if claim.held}
    claim = sorted(planned - held) if taking else []
    return Moves(tuple(claim), tuple(name for name in sorted(held - planned) if plan.is_covered(name, without=me)))


def watchers_of(sharers: Iterable[Sharer], deployment: str) -> list[tuple[Sharer, Claim]]:
    """Return the daemons that watch a deployment, by name, each with its claim."""
    found = [(one, claim) for one in sharers if (claim := one.claims.get(deployment)) is not None and claim.held]
    return sorted(found, key=lambda pair: (pair[0].name, pair[0].id))


class _Plan:
    """
    The assignment that the daemons move towards.

    Args:
        living: the daemons whose lease runs.
    """

    def __init__(self, living: Iterable[Sharer]) -> None:
        self.living = {one.id: one for one in sorted(living, key=lambda one: one.id)}
        staying = {id: one for id, one in self.living.items() if not one.leaving}
        self._wanted = max((one.daemons for one in self.living.values()), default=1)
        self._weights: dict[str, int] = {}
        self._offered: dict[str, dict[str, Claim]] = {}
        """By the deployment, and the id of each daemon that stays: its claim."""
        for id, one in self.living.items():
            for name, claim in one.claims.items():
                self._weights[name] = max(self._weights.get(name, 1), 1 + claim.masters)
                offers = self._offered.setdefault(name, {})
                if id in staying:
                    offers[id] = claim
        # The heaviest first: what remains evens out.
        self._order = sorted(self._offered, key=lambda name: (-self._weights[name], name))
        self.watching = {name: {id for id, claim in self._offered[name].items() if claim.held} for name in self._order}
        """By the deployment: the ids of the daemons that are to watch it. Each of them stays and offers it."""
        self._loads = dict.fromkeys(staying, 0)
        for name, watching in self.watching.items():
            for id in watching:
                self._loads[id] += self._weights[name]

    def _counted(self, name: str) -> list[str]:
        """Return the planned watchers of a deployment that are not deaf to it."""
        offers = self._offered[name]
        return [id for id in sorted(self.watching[name]) if offers[id].state is not ClaimState.DEAF]

    def _put(self, name: str, id: str) -> None:
        self.watching[name].add(id)
        self._loads[id] += self._weights[name]

    def _take(self, name: str, id: str) -> None:
        self.watching[name].remove(id)
        self._loads[id] -= self._weights[name]

    def drop_excess(self) -> None:
        """Leave each deployment to as many daemons as are wanted; the most loaded ones give it up."""
        for name in self._order:
            counted = self._counted(name)
            free = [id for id in counted if not self._offered[name][id].kept]
            for _ in range(min(len(counted) - self._wanted, len(free))):
                most = max(free, key=lambda id: (self._loads[id], id))
                free.remove(most)
                self._take(name, most)

    def fill(self) -> None:
        """Give what too few daemons watch to the least loaded ones that offer it."""
        for name in self._order:
            missing = self._wanted - len(self._counted(name))
            others = [id for id in self._offered[name] if id not in self.watching[name]]
            for _ in range(min(missing, len(others))):
                least = min(others, key=lambda id: (self._loads[id], id))
                others.remove(least)
                self._put(name, least)

    def balance(self) -> None:
        """Move deployments from the more to the less loaded daemons, while that brings them closer."""
        mean = sum(self._loads.values()) / max(1, len(self._loads))
        for _ in range(MOVES_AT_ONCE):
            by_load = sorted(self._loads, key=lambda id: (self._loads[id], id))
            pairs = sorted(
                (self._loads[least] - self._loads[most], least, most)
                for at, least in enumerate(by_load)
                for most in by_load[at + 1 :]
                if self._loads[most] - self._loads[least] > max(1, TOLERANCE * mean)
            )
            if not any(self._move(most, least) for _, least, most in pairs):
                return

    def _move(self, most: str, least: str) -> bool:
        """Move what evens out two daemons best; return whether there is anything."""
        difference = self._loads[most] - self._loads[least]
        movable = [
            name
            for name in self._order
            if self._weights[name] < difference
            and most in self.watching[name]
            and least not in self.watching[name]
            and least in self._offered[name]
            and not self._offered[name][most].kept
            and self._offered[name][most].state is not ClaimState.DEAF
        ]
        if not movable:
            return False
        best = min(movable, key=lambda name: (abs(2 * self._weights[name] - difference), name))
        self._take(best, most)
        self._put(best, least)
        return True

    def is_covered(self, name: str, without: str) -> bool:
        """Return whether enough other daemons know a deployment's masters, or no other one offers it."""
        others = [claim for id, claim in self._offered[name].items() if id != without]
        ready = sum(claim.state is ClaimState.READY for claim in others)
        return ready >= min(self._wanted, len(others))
