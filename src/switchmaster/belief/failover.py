"""
The record of one failover: its stages in order, each with when it was reached and who said so.

The rules:

1. A stage is reached by a trigger of `TRIGGERS`; `FOLLOWS` says which stage may come after which. Stages may be
   skipped, because events may be missed, but are never taken back.
2. A trigger of a stage that was reached already adds a witness to that stage.
3. An attempt ends `settled` (the leader said ``+failover-end`` and the switch is known) or `aborted`. One that never
   got past suspicion ends when every Sentinel has taken its suspicion back.

`Failover` is the immutable record, `Attempt` the same while it is followed. Which attempt an event belongs to is
decided in `attempts`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..model import LIMITS, Address, FailoverKind, PlainValue, SentinelName, Stage, Wall
from ..wire.events import EVENTS, Progress, progress_of

__all__ = [
    "FOLLOWS",
    "TRIGGERS",
    "Attempt",
    "Failover",
    "FailoverKind",
    "Outcome",
    "Stage",
    "StageEntry",
]


_ORDER: Final = {stage: rank for rank, stage in enumerate(Stage)}

TRIGGERS: Final[dict[str, Stage]] = {"ROLE": Stage.PROMOTED} | {
    spec.channel: spec.stage for spec in EVENTS if spec.stage is not None
}
"""The stage that an event of each channel, or the node's own ROLE, shows."""

_ABORTABLE: Final = (
    Stage.SUSPECTED,
    Stage.AGREED_DOWN,
    Stage.ELECTING,
    Stage.ELECTED,
    Stage.SELECTED,
    Stage.PROMOTING,
)

FOLLOWS: Final[dict[Stage, frozenset[Stage]]] = {
    stage: frozenset(
        later
        for later in Stage
        if _ORDER[later] > _ORDER[stage]
        and (later is not Stage.ABORTED or stage in _ABORTABLE)
        and (later is not Stage.SETTLED or stage in (Stage.SWITCHED, Stage.RECONFIGURING))
    )
    for stage in Stage
    if stage not in (Stage.SETTLED, Stage.ABORTED)
} | {
    # The leader reconfigures the replicas before any Sentinel announces the switch, and goes on after it.
    Stage.RECONFIGURING: frozenset({Stage.SWITCHED, Stage.SETTLED}),
    Stage.SETTLED: frozenset(),
    Stage.ABORTED: frozenset(),
}
"""Which stage may come after which: any later one, but nothing aborts after the promotion, and nothing is
settled before a Sentinel has switched."""

# As globals: reading a member from its class calls a function in Python 3.11.
_RECONFIGURING: Final = Stage.RECONFIGURING
_SETTLED: Final = Stage.SETTLED
_ABORTED: Final = Stage.ABORTED

_AFTER_PROMOTION: Final = (Stage.PROMOTED, Stage.SWITCHED, Stage.RECONFIGURING)
"""Each alone proves the promotion, if the earlier stages were missed: replicas are reconfigured only to follow a new
master."""

_NO_ATTEMPT: Final = (Stage.SUSPECTED, Stage.AGREED_DOWN, Stage.ABORTED)

ABORT_REASONS: Final[Mapping[str, str]] = {spec.channel: spec.abort for spec in EVENTS if spec.abort}
"""Why a failover ended, in words, by the channel that says so."""


class Outcome(enum.StrEnum):
    """The outcome of a failover so far."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    """The master's address changed."""
    ABORTED = "aborted"


_IN_PROGRESS: Final = Outcome.IN_PROGRESS
_COMPLETED: Final = Outcome.COMPLETED


@dataclass(slots=True, unsafe_hash=True, init=False)
class StageEntry(PlainValue):
    """One stage, as it was reached."""

    stage: Final[Stage]
    at: Final[float]
    """Monotonic seconds."""
    time: Final[Wall]
    sentinel: Final[SentinelName | None]
    """The Sentinel that said so first; None if the node itself did."""
    by: Final[str]
    """The channel, or ``ROLE``."""
    replica: Final[Address | None]
    """The replica that this concerns: selected, promoted or reconfigured."""
    also: Final[tuple[SentinelName, ...]]
    """The Sentinels that said so later."""
    reason: Final[str]
    """For `Stage.ABORTED`: why, in words."""
    voted_for: Final[str]
    """For ``+vote-for-leader``: the Sentinel that `sentinel` votes for, by its name, or by its run id if no name is
    known."""

    def __init__(
        self,
        stage: Stage,
        at: float,
        time: Wall,
        sentinel: SentinelName | None,
        by: str,
        replica: Address | None = None,
        also: tuple[SentinelName, ...] = (),
        reason: str = "",
        voted_for: str = "",
    ) -> None:
        self.stage = stage
        self.at = at
        self.time = time
        self.sentinel = sentinel
        self.by = by
        self.replica = replica
        self.also = also
        self.reason = reason
        self.voted_for = voted_for

    def said_also_by(self, sentinel: SentinelName) -> StageEntry:
        """Return this entry with one more Sentinel that said so later."""
        also = (*self.also, sentinel)
        return StageEntry(
            self.stage, self.at, self.time, self.sentinel, self.by, self.replica, also, self.reason, self.voted_for
        )


@dataclass(slots=True, unsafe_hash=True, init=False)
class Failover(PlainValue):
    """
    The record of one attempt, as far as it has come. Every stage brings a new value.
    """

    deployment: Final[str]
    master: Final[str]
    number: Final[int]
    """Counts the attempts of this master from 1; each has its own number."""
    old: Final[Address | None]
    new: Final[Address | None]
    """The selected replica, from `Stage.SELECTED` on; the same in `Attempt`."""
    epoch: Final[int | None]
    leader: Final[SentinelName | None]
    kind: Final[FailoverKind | None]
    """None if the input does not show it."""
    outcome: Final[Outcome]
    stages: Final[tuple[StageEntry, ...]]
    """In the order of `Stage`; several entries for `Stage.RECONFIGURING`, one for each other stage."""
    candidates: Final[tuple[SentinelName, ...]]
    """The Sentinels that tried to lead it (``+try-failover``)."""
    votes: Final[tuple[tuple[SentinelName, str, int], ...]]
    """``(voter, run id voted for, epoch)`` as heard."""
    closed: Final[bool]
    """True in the last record of this attempt."""
    down_after: Final[float | None]
    """How long the master had given no valid answer when it was first suspected, in seconds: the
    ``down-after-milliseconds`` of the Sentinel that suspected it. None if none suspected it or could be asked."""

    def __init__(
        self,
        deployment: str,
        master: str,
        number: int,
        old: Address | None,
        new: Address | None,
        epoch: int | None,
        leader: SentinelName | None,
        kind: FailoverKind | None,
        outcome: Outcome,
        stages: tuple[StageEntry, ...],
        candidates: tuple[SentinelName, ...] = (),
        votes: tuple[tuple[SentinelName, str, int], ...] = (),
        closed: bool = False,
        down_after: float | None = None,
    ) -> None:
        self.deployment = deployment
        self.master = master
        self.number = number
        self.old = old
        self.new = new
        self.epoch = epoch
        self.leader = leader
        self.kind = kind
        self.outcome = outcome
        self.stages = stages
        self.candidates = candidates
        self.votes = votes
        self.closed = closed
        self.down_after = down_after

    @property
    def attempted(self) -> bool:
        """Whether a Sentinel tried a failover; False while the master is only suspected."""
        return any(entry.stage not in _NO_ATTEMPT for entry in self.stages)

    @property
    def stage(self) -> Stage:
        """The stage it has reached."""
        return self.stages[-1].stage

    @property
    def reason(self) -> str:
        """Why it was aborted; empty otherwise."""
        return self.stages[-1].reason

    def entry(self, stage: Stage) -> StageEntry | None:
        """Return the first entry of a stage, or None."""
        return next((entry for entry in self.stages if entry.stage is stage), None)

    @property
    def following(self) -> frozenset[Address | None]:
        """The replicas that follow the new master, by the leader's word."""
        return frozenset(entry.replica for entry in self.stages if progress_of(entry.by) is Progress.FOLLOWS)

    @property
    def durations(self) -> dict[str, float]:
        """
        Seconds between the stages that were both seen; empty if the input has no time.

        Keys: ``detection`` (suspected to agreed down), ``election`` (electing to elected), ``promotion``
        (selected to promoted), ``announcement`` (promoted to the first ``+switch-master``: what a listener
        of that event alone loses), ``outage`` (how long there was no master: `down_after`, and suspected to promoted;
        where `down_after` is None, from the first suspicion on), ``total`` (first to last stage).
        """
        spans = {
            "detection": (Stage.SUSPECTED, Stage.AGREED_DOWN),
            "election": (Stage.ELECTING, Stage.ELECTED),
            "promotion": (Stage.SELECTED, Stage.PROMOTED),
            "announcement": (Stage.PROMOTED, Stage.SWITCHED),
            "outage": (Stage.SUSPECTED, Stage.PROMOTED),
        }
        pairs = {name: (self.entry(a), self.entry(b)) for name, (a, b) in spans.items()}
        if self.stages:
            pairs["total"] = (self.stages[0], max(self.stages, key=lambda entry: entry.at))
        found = {
            name: round(max(0.0, last.at - first.at), 6)
            for name, (first, last) in pairs.items()
            if first and last and first.time is not None and last.time is not None
        }
        if "outage" in found and self.down_after is not None:
            found["outage"] = round(found["outage"] + self.down_after, 6)
        return found


@dataclass(slots=True)
class Attempt:
    """One attempt while it is followed. It walks the table `FOLLOWS` and returns its record as a value."""

    deployment: str
    master: str
    number: int
    old: Address | None
    new: Address | None = None
    epoch: int | None = None
    leader: SentinelName | None = None
    kind: FailoverKind | None = None
    stages: list[StageEntry] = field(default_factory=list)
    """As they were entered; only `reach` adds to them."""
    entered: dict[Stage, int] = field(default_factory=dict)
    """Where the first entry of each stage is in `stages`."""
    in_order: bool = True
    """Whether `stages` are in the order of `Stage`: the leader may reconfigure before another Sentinel switches."""
    promoted: bool = False
    """Whether the replica is known to be a master, by any news."""
    candidates: dict[SentinelName, int | None] = field(default_factory=dict)
    """The Sentinels that tried to lead it, and at which epoch each; None if that is not known."""
    interrupted: set[SentinelName] = field(default_factory=set)
    """Sentinels that may lead it and were not heard for a while since it began."""
    given_up: set[SentinelName] = field(default_factory=set)
    votes: list[tuple[SentinelName, str, int]] = field(default_factory=list)
    voted_for: set[SentinelName] = field(default_factory=set)
    """The Sentinels that others voted for, as far as their run ids are known."""
    switched_by: set[SentinelName] = field(default_factory=set)
    guessed: bool = False
    """Its new address was taken from a ``+switch-master`` that may belong to another."""
    down_after: float | None = None
    ended: bool = False
    """The leader said ``+failover-end``, and its ``+switch-master`` is still to come."""
    closed: bool = False
    changed: bool = False
    heard: float = 0.0
    """Monotonic seconds of its last event."""

    @property
    def stage(self) -> Stage | None:
        """The stage reached; None before the first."""
        return self.stages[-1].stage if self.stages else None

    @property
    def standing(self) -> set[SentinelName]:
        """The Sentinels that are known to stand in its election."""
        return self.candidates.keys() | self.voted_for

    def candidate_at(self, epoch: int, candidate: SentinelName | None) -> bool:
        """Return whether this Sentinel (None: any) tries to lead it at that epoch."""
        if candidate is not None:
            return self.candidates.get(candidate) == epoch
        return epoch in self.candidates.values()

    def late(self, sentinel: SentinelName) -> bool:
        """Return whether the replica is promoted and this Sentinel has not announced it yet."""
        return self.promoted and sentinel not in self.switched_by

    def reach(self, entry: StageEntry) -> None:
        """Enter a stage, or add a witness to one that was entered already."""
        if entry.at > self.heard:
            self.heard = entry.at
        stage, stages = entry.stage, self.stages
        if self.closed or (stage in self.entered and stage is not _RECONFIGURING):
            self._witness(entry)
        elif not stages or stage in FOLLOWS[(last := stages[-1].stage)] or last is stage:
            self._enter(entry)
        else:
            self._witness(entry)

    def _enter(self, entry: StageEntry) -> None:
        stage, stages = entry.stage, self.stages
        if len(stages) < LIMITS.stages:
            self.in_order = self.in_order and (not stages or _ORDER[stages[-1].stage] <= _ORDER[stage])
            self.entered.setdefault(stage, len(stages))
            self.promoted = self.promoted or stage in _AFTER_PROMOTION
            stages.append(entry)
            self.changed = True
        self.closed = stage is _SETTLED or stage is _ABORTED

    def _witness(self, entry: StageEntry) -> None:
        index = self.entered.get(entry.stage)
        if index is None or entry.stage is _RECONFIGURING or entry.sentinel is None:
            return
        first = self.stages[index]
        known = entry.sentinel == first.sentinel or entry.sentinel in first.also
        if not known and len(first.also) < LIMITS.witnesses:
            self.stages[index] = first.said_also_by(entry.sentinel)
            self.changed = True

    def close(self) -> None:
        """End the record without a further stage."""
        self.closed = self.changed = True

    def record(self) -> Failover:
        """Return the record as a value."""
        return Failover(
            deployment=self.deployment,
            master=self.master,
            number=self.number,
            old=self.old,
            new=self.new,
            epoch=self.epoch,
            leader=self.leader,
            kind=self.kind,
            outcome=self._outcome(),
            stages=tuple(self.stages if self.in_order else sorted(self.stages, key=lambda entry: _ORDER[entry.stage])),
            candidates=tuple(self.candidates),
            votes=tuple(self.votes),
            closed=self.closed,
            down_after=self.down_after,
        )

    def _outcome(self) -> Outcome:
        if self.stages and self.stages[-1].stage is _ABORTED:
            return Outcome.ABORTED
        return _COMPLETED if self.promoted else _IN_PROGRESS
