"""
Several observers' parts of a failover, merged into the one record that readers get.

Rules, all of them in this file:

1. Two observations are of one failover (`same_failover`) if their epochs are equal and their new addresses do not
   contradict. If one has no epoch, they are one if they left the same master, overlap in time, and neither selected a
   replica long after the other had promoted one.
2. In a merged record (`merged`) the most complete observation leads: a stage keeps the time that it has there, because
   clocks differ, and gets the Sentinels of all. What the leading one has not seen is taken from the others. An observer
   that saw the switch is believed over one that gave up; one that saw the promotion given up, over one that heard of
   nothing after it.
3. An outage counts from the master's last answer if an observer knows ``down_after``, else from the suspicion.
   Durations are measured by one observer's monotonic clock. If no single observer saw both ends, they are taken from
   the wall clock and named in ``estimated``.

Pure: values in, values out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Final, TypeVar

from ..account.record import (
    Announcement,
    FailoverRecord,
    Observation,
    Promotion,
    RemarkRecord,
    ReplicaRecord,
    StageRecord,
)
from ..model import Address, Stage, Wall
from ..wire.events import Progress, progress_of

__all__ = ["OPEN", "OVERLAP", "merged", "same_failover"]

T = TypeVar("T")

OVERLAP: Final = 5.0
"""Seconds by which the clocks of two observers, and the moments at which they receive events, may differ."""

OPEN: Final = 200.0
"""Seconds for which an attempt whose end was not seen may still be the one that events are about: the belief's own
limit for an attempt without news (`belief.attempts.SILENCE`)."""

_RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}

# A suspicion is none of the former: Sentinels that have not heard of the new master suspect the old one afterwards.
_CHOOSING: Final = (Stage.ELECTING, Stage.ELECTED, Stage.SELECTED, Stage.PROMOTING)
_CHOSEN: Final = (Stage.PROMOTED, Stage.SWITCHED, Stage.SETTLED)

_SPANS: Final = {
    "detection": (Stage.SUSPECTED, Stage.AGREED_DOWN),
    "election": (Stage.ELECTING, Stage.ELECTED),
    "promotion": (Stage.SELECTED, Stage.PROMOTED),
    "announcement": (Stage.PROMOTED, Stage.SWITCHED),
    "outage": (Stage.SUSPECTED, Stage.PROMOTED),
}


# Which observations are of one failover -----------------------------------------------------------


def same_failover(a: Observation | FailoverRecord, b: Observation | FailoverRecord) -> bool:
    """Whether two parts of one master's history, by different observers, are of one attempt."""
    if a.incarnation != b.incarnation or not _agree(a.new, b.new):
        return False
    if a.epoch is not None and b.epoch is not None:
        return a.epoch == b.epoch
    return _agree(a.old, b.old) and _overlap(a, b) and _in_turn(a, b) and _in_turn(b, a)


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _overlap(a: Observation | FailoverRecord, b: Observation | FailoverRecord) -> bool:
    return _begin(a) <= _end(b) and _begin(b) <= _end(a)


def _in_turn(a: Observation | FailoverRecord, b: Observation | FailoverRecord) -> bool:
    """Whether the one did not select a replica long after the other had promoted one."""
    return max(a.times(*_CHOOSING), default=0.0) <= min(b.times(*_CHOSEN), default=inf) + OVERLAP


def _begin(part: Observation | FailoverRecord) -> float:
    return part.started if part.earliest is None else part.earliest


def _end(part: Observation | FailoverRecord) -> float:
    return part.heard + (OVERLAP if part.closed else OPEN)


# One record ---------------------------------------------------------------------------------------


def merged(observations: Sequence[tuple[str, Observation]], id: str | None = None) -> FailoverRecord:
    """
    Merge what several observers know of one attempt.

    Args:
        observations: each with its observer's name; at least one.
        id: the record's, if it has one.

    Returns:
        One record, without comments.
    """
    if len(observations) == 1:
        return _alone(*observations[0], id)
    ordered = sorted(observations, key=_fullness)
    parts = [part for _, part in ordered]
    first, watched = parts[0], [part for part in parts if not part.missed]
    outcome = _outcome(parts)
    stages = _stages(parts, outcome)
    announcements = _announcements(parts)
    remarks = _union(part.remarks or () for part in parts)
    down_after = _first(part.down_after for part in parts)
    durations, estimated = _durations(stages, announcements, down_after, parts)
    return FailoverRecord(
        id=id,
        deployment=first.deployment,
        master=first.master,
        incarnation=first.incarnation,
        old=_first(part.old for part in parts),
        new=_first(part.new for part in parts),
        epoch=_first(part.epoch for part in parts),
        kind=_first(part.kind for part in parts),
        outcome=outcome,
        attempted=any(part.attempted for part in parts),
        closed=any(part.closed for part in parts),
        missed=not watched,
        started=min(part.started for part in watched or [first]),
        heard=max(part.heard for part in parts),
        stages=stages,
        leader=_first(part.leader for part in parts),
        candidates=tuple(_union(part.candidates for part in parts)),
        reason=_first(part.reason for part in parts) if outcome == "aborted" else None,
        agreement=_first(part.agreement for part in parts),
        announcements=tuple(announcements),
        promotion=_promotion(parts),
        returned=_first(part.returned for part in parts),
        votes=tuple(_union(part.votes for part in parts)),
        away=_first(part.away for part in parts) if not watched else None,
        down_after=down_after,
        durations=durations,
        estimated=tuple(estimated),
        replicas=tuple(_replicas(stages)),
        remarks=tuple(sorted(remarks, key=_moment)),
        observers=tuple(_union([name] for name, _ in ordered)),
    )


def _alone(name: str, part: Observation, id: str | None) -> FailoverRecord:
    """Return the record of one observer's observation: most are, and there are a dozen for each failover."""
    stages = _told(part.stages, part.outcome)
    durations, estimated = _durations(stages, part.announcements, part.down_after, [part])
    return FailoverRecord(
        id=id,
        deployment=part.deployment,
        master=part.master,
        incarnation=part.incarnation,
        old=part.old,
        new=part.new,
        epoch=part.epoch,
        kind=part.kind,
        outcome=part.outcome,
        attempted=part.attempted,
        closed=part.closed,
        missed=part.missed,
        started=part.started,
        heard=part.heard,
        stages=stages,
        leader=part.leader,
        candidates=part.candidates,
        reason=part.reason if part.outcome == "aborted" else None,
        agreement=part.agreement,
        announcements=tuple(_announcements([part])) if part.announcements else (),
        promotion=part.promotion,
        returned=part.returned,
        votes=part.votes,
        away=part.away if part.missed else None,
        down_after=part.down_after,
        durations=durations,
        estimated=tuple(estimated),
        replicas=tuple(_replicas(stages)),
        remarks=tuple(sorted(part.remarks, key=_moment)) if part.remarks else (),
        observers=(name,),
    )


def _fullness(observed: tuple[str, Observation]) -> tuple[bool, int, float, str]:
    name, part = observed
    return part.missed, -len(part.stages), part.started, name


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value is not None), None)


def _union(lists: Iterable[Iterable[T]]) -> list[T]:
    found: list[T] = []
    for items in lists:
        found += [item for item in items if item not in found]
    return found


def _moment(one: StageRecord | Announcement | RemarkRecord) -> float:
    return -inf if one.time is None else one.time


def _gave_back(part: Observation) -> bool:
    """Whether a promotion was seen to be given up: nothing else aborts a failover after it."""
    return part.outcome == "aborted" and bool(part.times(Stage.PROMOTED))


def _outcome(parts: Sequence[Observation]) -> str:
    outcomes = {part.outcome for part in parts}
    stages = {entry.stage for part in parts for entry in part.stages}
    if Stage.SWITCHED not in stages and any(_gave_back(part) for part in parts):
        # An observer that heard of nothing after the promotion takes it for the end. Had it lasted, a Sentinel would
        # have announced it.
        return "aborted"
    # An observer that gave up did so for lack of news; one that saw the switch has seen it.
    return next(outcome for outcome in ("completed", "aborted", "in-progress") if outcome in outcomes)


# Stages, and what follows from them ---------------------------------------------------------------


def _numbered(stages: Sequence[StageRecord]) -> Iterator[tuple[tuple[object, ...], StageRecord]]:
    """Yield each stage with what it is recognised by; a replica may be told several times."""
    times = Counter[tuple[object, ...]]()
    for entry in stages:
        times[entry.key] += 1
        yield (*entry.key, times[entry.key]), entry


def _stages(parts: Sequence[Observation], outcome: str) -> tuple[StageRecord, ...]:
    found: dict[tuple[object, ...], StageRecord] = {}
    for part in parts:
        for key, entry in _numbered(part.stages):
            known = found.get(key)
            found[key] = entry if known is None else _one_stage(known, entry)
    return _told(tuple(found.values()), outcome)


def _told(stages: tuple[StageRecord, ...], outcome: str) -> tuple[StageRecord, ...]:
    """Return the stages that lead to an outcome, in order; nearly always they are given so."""
    highest, last = -1, None
    for entry in stages:
        rank = _RANK[entry.stage]
        if rank < highest or (rank == highest and last is not None and _moment(entry) < _moment(last)):
            break
        highest, last = rank, entry
    else:
        if outcome != "completed" or last is None or last.stage is not Stage.ABORTED:
            return stages
    left = (entry for entry in stages if entry.stage is not Stage.ABORTED or outcome != "completed")
    return tuple(sorted(left, key=lambda entry: (_RANK[entry.stage], _moment(entry))))


def _one_stage(known: StageRecord, other: StageRecord) -> StageRecord:
    said = _union([[known.sentinel], known.also, [other.sentinel], other.also])
    if None in said and known.sentinel is not None and known.stage is Stage.PROMOTED:
        # The node's own answer is the better news, and another observer has it.
        return _one_stage(other, known)
    also = tuple(name for name in said if name is not None and name != known.sentinel)
    added = [
        *(["replica"] if known.replica is None or "replica" in known.added else []),
        *(["also"] if also and (not known.also or "also" in known.added) else []),
    ]
    return known._replace(replica=known.replica or other.replica, also=also, added=tuple(added))


def _promotion(parts: Sequence[Observation]) -> Promotion | None:
    known = [part.promotion for part in parts if part.promotion is not None]
    if not known:
        return None
    return Promotion(_earliest(one.node for one in known), _earliest(one.sentinel for one in known))


def _earliest(times: Iterable[Wall]) -> Wall:
    return min((time for time in times if time is not None), default=None)


def _announcements(parts: Sequence[Observation]) -> list[Announcement]:
    found: dict[str, Announcement] = {}
    for part in parts:
        for said in part.announcements:
            found.setdefault(said.sentinel, said)
    return sorted(found.values(), key=_moment)


def _replicas(stages: Sequence[StageRecord]) -> list[ReplicaRecord]:
    """Return when each other replica was told to follow, and when it did."""
    found: dict[Address, ReplicaRecord] = {}
    for entry in stages:
        if entry.stage is not Stage.RECONFIGURING or entry.replica is None:
            continue
        row = found.get(entry.replica) or ReplicaRecord(entry.replica, None, None, None, 0)
        match progress_of(entry.by):
            case Progress.TOLD:
                row = row._replace(told=row.told or entry.time)
            case Progress.SEEN:
                row = row._replace(seen=row.seen or entry.time)
            case Progress.FOLLOWS:
                row = row._replace(follows=row.follows or entry.time)
            case Progress.OVERDUE:
                row = row._replace(again=row.again + 1)
        found[entry.replica] = row
    return list(found.values())


def _durations(
    stages: Sequence[StageRecord],
    announcements: Sequence[Announcement],
    down_after: float | None,
    parts: Sequence[Observation],
) -> tuple[dict[str, float], list[str]]:
    """Return how long what took, and what of it is estimated."""
    durations = dict(parts[0].durations) if len(parts) == 1 else _measured(stages, down_after, parts)
    estimated = []
    if "total" not in durations:
        times = [entry.time for entry in stages if entry.time is not None]
        if times and len(times) == len(stages):
            durations["total"] = round(max(times) - min(times), 6)
            estimated.append("total")
    missing = [span for span in _SPANS.items() if span[0] not in durations]
    moments = {entry.stage: entry.time for entry in reversed(stages)} if missing else {}
    for name, (start, end) in missing:
        begun, done = moments.get(start), moments.get(end)
        if begun is not None and done is not None:
            silent = down_after or 0.0 if name == "outage" else 0.0
            durations[name] = round(max(0.0, done - begun) + silent, 6)
            estimated.append(name)
    said = [one.time for one in announcements if one.time is not None]
    if len(said) > 1 and "spread" not in durations:
        durations["spread"] = round(max(said) - min(said), 6)
        estimated.append("spread")
    return durations, estimated


def _measured(
    stages: Sequence[StageRecord], down_after: float | None, parts: Sequence[Observation]
) -> dict[str, float]:
    """Return what several observers have measured."""
    durations: dict[str, float] = {}
    ordered = sorted(stages, key=_moment)
    ends = {entry.key for entry in (*ordered[:1], *ordered[-1:])}
    for part in parts:
        saw_both = ends <= {entry.key for entry in part.stages}
        for name, seconds in part.durations.items():
            if name == "outage" and part.down_after != down_after:
                continue  # it does not count from the same moment
            if name != "total":
                durations.setdefault(name, seconds)
            elif saw_both:
                durations[name] = max(seconds, durations.get(name, 0.0))
    return durations
