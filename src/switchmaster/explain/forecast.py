"""
Whether the Sentinels would fail a master over if it died now: for each Sentinel, what happens if it leads.

The leader decides by its own view, so each Sentinel's is judged apart: whether it could agree with a quorum, be elected
by a majority, may begin an attempt, and which replica it would choose. Sources: sentinelStartFailoverIfNeeded(),
sentinelIsQuorumReachable(), sentinelGetLeader() and sentinelSelectSlave() in sentinel.c (Redis 6.2 to Valkey 9.1).

Two things CKQUORUM does not know: a Sentinel in TILT agrees to nothing and leads nothing (it still votes), and one that
does not monitor the master can't vote on it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..guard.promotable import PromotionCandidate, judged
from ..model import Address, RunId, SentinelName
from .viewpoint import Viewpoint

__all__ = ["Forecast", "Hindrance", "LeaderForecast", "Likelihood", "forecast"]


class Hindrance(enum.StrEnum):
    """Why a Sentinel could not lead a failover to its end."""

    SILENT = "silent"
    """It gives us no answer: what it would do is not known."""
    UNAWARE = "unaware"
    """It does not monitor this master."""
    RUNNING = "failover-running"
    """It leads or tries a failover of this master already."""
    TILT = "tilt"
    """It is in TILT."""
    QUORUM_TOO_HIGH = "quorum-too-high"
    """Its quorum is larger than the number of Sentinels that it knows."""
    NO_QUORUM = "no-quorum"
    """Fewer Sentinels than the quorum could agree with it that the master is down."""
    NO_MAJORITY = "no-majority"
    """Fewer Sentinels than it needs could vote for it."""
    COOLING_DOWN = "cooling-down"
    """It must wait for 2 x failover-timeout after its last attempt, or its last vote for another Sentinel."""
    NO_REPLICA = "no-replica"
    """It knows no replica: ``-failover-abort-no-good-slave``."""
    NO_GOOD_REPLICA = "no-good-replica"
    """None of its replicas passes sentinelSelectSlave(): ``-failover-abort-no-good-slave``."""
    WOULD_CRASH = "simulates-failure"
    """SENTINEL SIMULATE-FAILURE was left on: it exits when it is elected or has promoted."""


AFTER_ELECTION = frozenset({Hindrance.NO_REPLICA, Hindrance.NO_GOOD_REPLICA, Hindrance.WOULD_CRASH})
"""What stops a Sentinel only once it leads, so that it costs the others their attempt too."""


class Likelihood(enum.StrEnum):
    """Whether a failover would be completed."""

    YES = "yes"
    DEPENDS = "depends"
    """On which Sentinel is elected: some would complete it, and others would abort it."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class LeaderForecast:
    """What happens if one Sentinel leads."""

    sentinel: SentinelName
    hindrances: tuple[Hindrance, ...]
    reason: str = ""
    """In words, why it gave no answer."""
    candidates: tuple[PromotionCandidate, ...] = ()
    """Every replica that it lists, in the order in which it would choose."""
    hidden: int = 0
    """Replicas that it knows and does not list (``replica-announced no``): they may be chosen all the same."""
    known: int = 0
    """Sentinels that count for it, itself included."""
    usable: int = 0
    """Those that are not SDOWN for it, itself included, as in CKQUORUM's answer."""
    agreeing: int = 0
    """Those of them that could agree that the master is down."""
    voting: int = 0
    """Those of them that could vote on this master."""
    quorum: int = 0
    needed: int = 0
    """Votes that it needs: a majority of `known`, and no fewer than `quorum`."""
    ckquorum: str | None = None
    """Its answer to CKQUORUM; None if it refuses that, or was not asked."""
    cooling_seconds: float = 0.0
    """Seconds until it may begin an attempt; 0 if it may now."""
    flags: frozenset[str] = frozenset()
    """The master's flags as it sees them: ``s_down``, ``o_down``, ``failover_in_progress`` …"""
    state: str | None = None
    """Of the failover that it runs: ``wait_start``, ``select_slave`` …; None if it runs none."""
    tilt_since: int | None = None
    """For how many seconds it has been in TILT; None outside TILT, and if it does not tell."""

    @property
    def winner(self) -> Address | None:
        """The replica that it would promote; None if there is none."""
        first = self.candidates[0] if self.candidates else None
        return first.replica.address if first is not None and first.fits else None

    @property
    def electable(self) -> bool:
        """Whether it could be elected."""
        return not set(self.hindrances) - AFTER_ELECTION

    @property
    def succeeds(self) -> bool:
        """Whether it would complete a failover."""
        return not self.hindrances


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the Sentinels of one master would do."""

    name: str
    address: Address | None
    """The master, as most of the Sentinels with the highest config epoch give it; None if none does."""
    leaders: tuple[LeaderForecast, ...]
    """One for each Sentinel, by name."""
    addresses: Mapping[SentinelName, Address] = field(default_factory=dict)
    """The address that each Sentinel gives."""
    unknown_attempt: int | None = None
    """
    An epoch above the config epoch in which Sentinels voted on this master: an attempt that did not end in a switch.

    When it was is not told by Sentinel; for 2 x failover-timeout after it those that took part begin no other one.
    """

    @property
    def likelihood(self) -> Likelihood:
        """Whether a failover would be completed."""
        good = any(leader.succeeds for leader in self.leaders)
        bad = any(leader.electable and not leader.succeeds for leader in self.leaders)
        if not good:
            return Likelihood.NO
        return Likelihood.DEPENDS if bad else Likelihood.YES

    @property
    def winners(self) -> tuple[Address, ...]:
        """The replicas that may be promoted, the one that most of the possible leaders choose first."""
        chosen = [each.winner for each in self.leaders if each.succeeds and each.winner is not None]
        return tuple(sorted(set(chosen), key=lambda each: (-chosen.count(each), each)))

    @property
    def earliest_seconds(self) -> float:
        """Seconds until the first Sentinel may begin an attempt, as far as it waits only for that."""
        waits = [each.cooling_seconds for each in self.leaders if not set(each.hindrances) - {Hindrance.COOLING_DOWN}]
        return min(waits, default=0.0)


def forecast(
    name: str,
    views: Sequence[Viewpoint],
    *,
    cooling: Mapping[SentinelName, float] | None = None,
    dies_now: bool = True,
) -> Forecast:
    """
    Say what each Sentinel would do if the master died now.

    Args:
        name: the master's.
        views: what each Sentinel answered about it.
        cooling: seconds that a Sentinel must wait before it may begin an attempt, as far as that is known.
        dies_now: see `guard.promotable.judged`.

    Returns:
        The forecast; with a failover under way it is that of the next one.
    """
    tilted = frozenset(view.run_id for view in views if view.tilt and view.run_id is not None)
    unaware = frozenset(
        view.run_id for view in views if view.answers and view.master is None and view.run_id is not None
    )
    ordered = sorted(views, key=lambda view: view.sentinel)
    leaders = tuple(
        _leader(view, tilted, unaware, (cooling or {}).get(view.sentinel, 0.0), dies_now) for view in ordered
    )
    addresses = {view.sentinel: view.gives for view in ordered if view.gives is not None}
    newest = max((view.master.config_epoch for view in views if view.master is not None), default=0)
    given = [v.gives for v in ordered if v.gives and v.master is not None and v.master.config_epoch == newest]
    most = max(given, key=given.count) if given else None
    return Forecast(name, most, leaders, addresses, _unknown_attempt(views))


def _leader(
    view: Viewpoint, tilted: frozenset[RunId], unaware: frozenset[RunId], cooling: float, dies_now: bool
) -> LeaderForecast:
    master = view.master
    if master is None:
        why = Hindrance.UNAWARE if view.answers else Hindrance.SILENT
        return LeaderForecast(view.sentinel, (why,), view.reason)
    alive = [other for other in view.others if not other.flags & {"s_down", "o_down"}]
    usable = view.quorum.usable if view.quorum is not None else len(alive) + 1
    known = max(master.num_other_sentinels, len(view.others)) + 1
    lost = sum(other.run_id in unaware for other in alive)
    in_tilt = sum(other.run_id in tilted - unaware for other in alive)
    candidates = tuple(judged(master, view.replicas, dies_now=dies_now))
    made = LeaderForecast(
        view.sentinel,
        (),
        candidates=candidates,
        hidden=max(0, master.num_replicas - len(view.replicas)),
        known=known,
        usable=usable,
        agreeing=usable - lost - in_tilt,
        voting=usable - lost,
        quorum=master.quorum,
        needed=max(known // 2 + 1, master.quorum),
        ckquorum=None if view.quorum is None else view.quorum.message or None,
        cooling_seconds=cooling,
        flags=master.flags,
        state=master.failover_state,
        tilt_since=view.tilt_since,
    )
    return _with_hindrances(made, view)


def _with_hindrances(made: LeaderForecast, view: Viewpoint) -> LeaderForecast:
    assert view.master is not None
    running = "failover_in_progress" in view.master.flags
    found = (
        (Hindrance.RUNNING, running),
        (Hindrance.TILT, view.tilt),
        (Hindrance.QUORUM_TOO_HIGH, made.quorum > made.known),
        (Hindrance.NO_QUORUM, made.agreeing < made.quorum <= made.known),
        (Hindrance.NO_MAJORITY, made.voting < made.needed and made.quorum <= made.known),
        (Hindrance.COOLING_DOWN, made.cooling_seconds > 0 and not running),
        (Hindrance.NO_REPLICA, not made.candidates and not made.hidden),
        (Hindrance.NO_GOOD_REPLICA, bool(made.candidates) and made.winner is None and not made.hidden),
        (Hindrance.WOULD_CRASH, view.simulates_failures),
    )
    return replace(made, hindrances=tuple(hindrance for hindrance, holds in found if holds))


def _unknown_attempt(views: Sequence[Viewpoint]) -> int | None:
    config_epoch = max((view.master.config_epoch for view in views if view.master is not None), default=0)
    voted = (other.voted_leader_epoch or 0 for view in views for other in view.others)
    highest = max(voted, default=0)
    return highest if highest > config_epoch else None
