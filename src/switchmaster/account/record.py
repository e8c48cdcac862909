"""
The record of one failover: what one observer knows of it, and what all observers know together.

It is the same record whether a daemon listened, a transcript was replayed or logs were read. An `Observation` is one
observer's part: the journal keeps one for each run of a daemon. A `FailoverRecord` is several of them merged
(`switchmaster.journal.merge`): what the journal lists, and all that is ever reported of a failover. `record_lines`
turns both into JSON and back; `narrate` has the words.

Times are seconds since 1970, to the microsecond, as JSON keeps them. ``elapsed`` counts seconds by one observer's
monotonic clock, from the first stage that the observer saw.

Pure values. The small ones are tuples, because making a class of them costs a seventh of a dataclass, and `history` and
`show` are to start fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..belief.decisions import Switch
from ..belief.failover import StageEntry
from ..model import Address, Stage, Wall

__all__ = [
    "GUARD",
    "Agreement",
    "Announcement",
    "Away",
    "CommentRecord",
    "FailoverRecord",
    "Observation",
    "Promotion",
    "RemarkRecord",
    "ReplicaRecord",
    "Return",
    "StageRecord",
    "SwitchRecord",
    "Vote",
    "by_time",
    "stage_record",
    "switch_record",
    "to_microseconds",
]


GUARD: Final = "guard"
"""The origin of remarks on what a daemon's guard found and did."""


def to_microseconds(time: Wall) -> Wall:
    """Return a time as precise as JSON keeps it."""
    return None if time is None else round(time, 6)


class StageRecord(NamedTuple):
    """One stage of a failover, as it was first reported."""

    stage: Stage
    time: Wall
    sentinel: str | None
    """The Sentinel that reported it first; None if the node itself did."""
    by: str
    """The channel, or ``ROLE``."""
    replica: Address | None = None
    """The replica that is selected, promoted or reconfigured."""
    also: tuple[str, ...] = ()
    """The Sentinels that reported it later."""
    reason: str = ""
    """For `Stage.ABORTED`: why, in words."""
    voted_for: str = ""
    """For ``+vote-for-leader``: the Sentinel that `sentinel` votes for."""
    elapsed: float | None = None
    """None where no observer measured it."""
    added: tuple[str, ...] = ()
    """Which of ``replica`` and ``also`` came from other observers than the one that leads: in JSON they come last."""

    @property
    def key(self) -> tuple[object, ...]:
        """What it is recognised by among the stages of several observers; replicas are reconfigured one by one."""
        return (self.stage, self.by, self.replica) if self.stage is Stage.RECONFIGURING else (self.stage,)


class Announcement(NamedTuple):
    """One Sentinel's ``+switch-master``."""

    sentinel: str
    time: Wall
    elapsed: float | None = None


class Agreement(NamedTuple):
    """How many Sentinels agreed that the master is down, at most (``+odown``)."""

    agreeing: int
    quorum: int
    sentinel: str
    """The Sentinel that reported it."""
    time: Wall
    elapsed: float | None = None


class Promotion(NamedTuple):
    """When the promotion was known, from either side."""

    node: Wall
    """When the node itself answered that it is a master; None if it was not asked."""
    sentinel: Wall
    """When a Sentinel reported it; None if none did."""


class Return(NamedTuple):
    """The old master's return: it answers again, or is made a replica."""

    time: Wall
    sentinel: str
    by: str
    """The channel."""
    elapsed: float | None = None


class Vote(NamedTuple):
    """One Sentinel's vote for a leader."""

    sentinel: str
    run_id: str
    """Of the Sentinel that was voted for."""
    epoch: int | None


class RemarkRecord(NamedTuple):
    """Something that no event says, but a log or the guard."""

    time: Wall
    origin: str
    """The Sentinel or node whose log says it, or `GUARD`."""
    sentinel: bool
    """Whether `origin` is a Sentinel; False for a data node, for the kernel of its host, and for the guard."""
    kind: str
    """As `logs.RemarkKind`; of the guard, as `belief.decisions.NoticeKind`."""
    text: str
    node: Address | None = None
    """The node that it names."""


class Away(NamedTuple):
    """Between which moments and epochs a missed failover happened, and with it perhaps others."""

    after: Wall
    before: Wall
    epochs: tuple[int | None, int | None]


class ReplicaRecord(NamedTuple):
    """What became of another replica."""

    address: Address
    told: Wall
    """When it was told to follow the new master."""
    seen: Wall
    """When it was seen to obey."""
    follows: Wall
    """When it followed."""
    again: int
    """How often it had to be told again."""


class CommentRecord(NamedTuple):
    """What a person said about a failover."""

    time: Wall
    by: str
    text: str
    acknowledges: bool


# Not frozen, but final: a frozen dataclass takes four times as long to make, and each stage brings two new ones.
@dataclass(slots=True, kw_only=True, init=False, repr=False, eq=False)
class _Known:
    """What observations and merged records have in common."""

    deployment: Final[str]
    master: Final[str]
    incarnation: Final[int]
    """The observer's own count in what the ledger makes, the journal's in what the store keeps."""
    old: Final[Address | None]
    new: Final[Address | None]
    epoch: Final[int | None]
    kind: Final[str | None]
    """``automatic``, ``manual`` or ``coordinated``; None if it is not known."""
    outcome: Final[str]
    """``in-progress``, ``completed`` or ``aborted``."""
    attempted: Final[bool]
    """False if the master was only suspected, and no Sentinel tried a failover."""
    closed: Final[bool]
    """Whether nothing more is expected of it."""
    missed: Final[bool]
    """Whether it was found afterwards: none of its events was received."""
    started: Final[float]
    """When the first stage was reported; for a missed one, when it was found."""
    heard: Final[float]
    """The last news of it."""
    stages: Final[tuple[StageRecord, ...]] = ()
    """In the order of `Stage`."""
    leader: Final[str | None] = None
    candidates: Final[tuple[str, ...]] = ()
    """The Sentinels that tried to lead it."""
    reason: Final[str | None] = None
    """Why it was aborted."""
    agreement: Final[Agreement | None] = None
    announcements: Final[tuple[Announcement, ...]] = ()
    promotion: Final[Promotion | None] = None
    returned: Final[Return | None] = None
    votes: Final[tuple[Vote, ...]] = ()
    away: Final[Away | None] = None
    """Of a missed one."""
    down_after: Final[float | None] = None
    """Seconds without an answer before the master was suspected; None if they are not known."""
    durations: Final[Mapping[str, float]] = field(default_factory=dict)
    """Seconds, by the names of `Failover.durations`, and ``spread``, ``reconfiguration`` and ``return``."""

    @property
    def earliest(self) -> float | None:
        """Of a missed one: when the master was last known to be at the old address."""
        return None if self.away is None else self.away.after

    def times(self, *stages: Stage) -> list[float]:
        """Return when these stages were reported, where that is known."""
        return [entry.time for entry in self.stages if entry.stage in stages and entry.time is not None]


@dataclass(slots=True, kw_only=True)
class Observation(_Known):
    """What one observer knows of one attempt, as far as it has come; a newer one replaces it."""

    number: Final[int]
    """
    Counts this observer's observations of this master: with the observer, the observation's identity.

    Positive for an attempt that the belief has a record of, negative for any other.
    """
    remarks: Final[tuple[RemarkRecord, ...] | None] = None
    """None if no logs were read and no guard said anything."""


@dataclass(slots=True, kw_only=True)
class FailoverRecord(_Known):
    """One attempt, as all its observers know it."""

    id: Final[str | None] = None
    """The journal's; None before it has a place there."""
    number: Final[int | None] = None
    """Of the attempt in a recording that is replayed; None in the journal."""
    replicas: Final[tuple[ReplicaRecord, ...]] = ()
    remarks: Final[tuple[RemarkRecord, ...]] = ()
    observers: Final[tuple[str, ...]] = ()
    """The daemons' names, the one with the most complete observation first."""
    estimated: Final[tuple[str, ...]] = ()
    """The durations that were measured by the wall clocks of two observers, as no single one saw both ends."""
    comments: Final[tuple[CommentRecord, ...]] = ()
    acknowledged: Final[Wall] = None
    """When it was first acknowledged."""

    @property
    def guarded(self) -> tuple[RemarkRecord, ...]:
        """What the guards found and did, by time."""
        return tuple(remark for remark in self.remarks if remark.origin == GUARD)


@dataclass(frozen=True, slots=True)
class SwitchRecord:
    """A switch, as it is kept and told."""

    time: Wall
    deployment: str
    master: str
    old: Address | None
    new: Address
    epoch: int | None
    grade: str
    cause: str
    witnesses: tuple[str, ...]
    why: str
    via: str
    """How it became known; ``missed`` if it was found afterwards."""
    incarnation: int
    observers: tuple[str, ...] = ()
    """The daemons that decided it."""


def stage_record(entry: StageEntry, begun: float | None = None) -> StageRecord:
    """
    Return the record of a stage.

    Args:
        entry: the stage.
        begun: monotonic seconds of the attempt's first stage; None to leave ``elapsed`` out.
    """
    return StageRecord(
        stage=entry.stage,
        time=to_microseconds(entry.time),
        sentinel=entry.sentinel,
        by=entry.by,
        replica=entry.replica,
        also=tuple(entry.also),
        reason=entry.reason,
        voted_for=entry.voted_for,
        elapsed=None if begun is None else round(entry.at - begun, 6),
    )


def switch_record(switch: Switch) -> SwitchRecord:
    """Return the record of a switch that was decided."""
    return SwitchRecord(
        time=to_microseconds(switch.time),
        deployment=switch.deployment,
        master=switch.master,
        old=switch.old,
        new=switch.new,
        epoch=switch.epoch,
        grade=str(switch.grade),
        cause=str(switch.cause),
        witnesses=tuple(switch.witnesses),
        why=switch.why,
        via=str(switch.via),
        incarnation=switch.incarnation,
    )


def by_time(stages: Sequence[StageRecord]) -> list[StageRecord]:
    """Return stages in the order in which they were reported; those without a time first."""
    return sorted(stages, key=lambda entry: -1.0 if entry.time is None else entry.time)
