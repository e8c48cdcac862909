"""
Why a failover did not happen, after the fact: from the records and events that the journal keeps.

Each record of the period becomes one `PastFinding`: how far it came, and what stopped it there. What could explain that
and lies outside the record (TILT, an attempt shortly before) is looked for among the events and the earlier records.
Nothing is guessed: what was not recorded is named as unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..account.record import FailoverRecord
from ..model import Address, Stage
from .cooldown import attempt_of, took_part

__all__ = ["PastFinding", "PastReason", "TiltSpan", "Watched", "findings", "tilt_spans"]

DEFAULT_WAIT: Final = 360.0
"""Seconds between two attempts with the default failover-timeout of 180 s."""


class PastReason(enum.StrEnum):
    """How far a suspicion or an attempt came."""

    COMPLETED = "completed"
    """It did happen."""
    MISSED = "missed"
    """It did happen, while no daemon was connected."""
    IN_PROGRESS = "in-progress"
    NOT_AGREED = "not-agreed"
    """Sentinels suspected the master (``+sdown``), and never as many as the quorum at once (no ``+odown``)."""
    NOT_TRIED = "not-tried"
    """The quorum agreed (``+odown``), and no Sentinel began an attempt."""
    NOT_ELECTED = "not-elected"
    """``-failover-abort-not-elected``: no Sentinel got enough votes in time."""
    NO_GOOD_REPLICA = "no-good-replica"
    """``-failover-abort-no-good-slave``: none passed the rules of sentinelSelectSlave()."""
    REPLICA_TIMEOUT = "replica-timeout"
    """``-failover-abort-slave-timeout``: the chosen replica was not promoted within failover-timeout."""
    MASTER_TIMEOUT = "master-timeout"
    """``-failover-abort-master-timeout``: in a coordinated failover the old master did not hand over in time."""
    GIVEN_UP = "given-up"
    """Aborted otherwise: a reset, or nothing more was heard."""
    NOT_SUSPECTED = "not-suspected"
    """The daemon watched, and no Sentinel suspected the master."""
    NOT_WATCHED = "not-watched"
    """No daemon watched during the period, so nothing is known."""


_ABORTS: Final[Mapping[str, PastReason]] = {
    "-failover-abort-not-elected": PastReason.NOT_ELECTED,
    "-failover-abort-no-good-slave": PastReason.NO_GOOD_REPLICA,
    "-failover-abort-slave-timeout": PastReason.REPLICA_TIMEOUT,
    "-failover-abort-master-timeout": PastReason.MASTER_TIMEOUT,
}


class TiltSpan(NamedTuple):
    """When a Sentinel was in TILT, in seconds since 1970."""

    sentinel: str
    begun: float
    ended: float | None
    """None if its end was not recorded."""


class Watched(NamedTuple):
    """When a daemon was there to listen, in seconds since 1970."""

    begun: float
    ended: float
    """When it was last known to be alive, if it has not ended."""


@dataclass(frozen=True, slots=True)
class PastFinding:
    """What became of one suspicion or attempt."""

    reason: PastReason
    time: float | None = None
    """When it began, in seconds since 1970; None if it is about the whole period."""
    id: str | None = None
    """The failover's id in the journal."""
    suspected_by: tuple[str, ...] = ()
    """The Sentinels that said SDOWN."""
    agreeing: int | None = None
    """How many agreed at most; None if no ``+odown`` was recorded."""
    quorum: int | None = None
    lasted: float | None = None
    """Seconds until the master answered again, as far as that was recorded."""
    candidates: tuple[str, ...] = ()
    """The Sentinels that tried to lead."""
    votes: Mapping[str, tuple[str, ...]] | None = None
    """Of an election: by the run id that was voted for, the Sentinels that did so. None if there was none."""
    tilt: tuple[TiltSpan, ...] = ()
    """The Sentinels that were in TILT during it."""
    attempt_before: float | None = None
    """When an attempt began that kept those that took part from beginning this one, in seconds since 1970."""
    waited_for: tuple[str, ...] = ()
    """The Sentinels that took part in that attempt, as far as they are known."""
    new: Address | None = None
    """Of a completed one: the new master."""
    ongoing: bool = False
    """Whether more is expected of it: the master was still down, or the attempt under way, at the last news."""


def findings(
    records: Sequence[FailoverRecord],
    before: Sequence[FailoverRecord],
    tilts: Sequence[TiltSpan],
    watched: Sequence[Watched],
    period: tuple[float, float],
    failover_timeout: float | None = None,
) -> list[PastFinding]:
    """
    Say what became of every suspicion and attempt of a period.

    Args:
        records: those that began in the period, of one master.
        before: those that began earlier. The last of them counts too, if the master did not answer again since.
        tilts: see `tilt_spans`.
        watched: when a daemon listened.
        period: from and until, in seconds since 1970.
        failover_timeout: seconds; None if it is not known, for the default.

    Returns:
        Findings by time; one without a time if there is no record.
    """
    ordered = sorted([*_going_on(before, period[0]), *records], key=lambda one: (one.started, not one.attempted))
    wait = DEFAULT_WAIT if failover_timeout is None else 2 * failover_timeout
    if ordered:
        every = [*before, *records]
        return [_finding(one, [other for other in every if other is not one], tilts, wait) for one in ordered]
    overlapping = tuple(span for span in tilts if _overlaps(span, *period))
    seen = any(one.begun <= period[1] and one.ended >= period[0] for one in watched)
    return [PastFinding(PastReason.NOT_SUSPECTED if seen else PastReason.NOT_WATCHED, tilt=overlapping)]


def _going_on(before: Sequence[FailoverRecord], since: float) -> list[FailoverRecord]:
    """Return the last record from before the period, if the master was still down when the period began."""
    last = max((one for one in before if one.started < since), key=lambda one: one.started, default=None)
    if last is None or last.missed or last.outcome == "completed":
        return []
    if not last.attempted:
        return [] if last.closed and last.heard < since else [last]
    returned = None if last.returned is None else last.returned.time
    return [] if returned is not None and returned < since else [last]


def tilt_spans(events: Iterable[tuple[float, str, str]]) -> list[TiltSpan]:
    """
    Return when Sentinels were in TILT.

    Args:
        events: time, Sentinel and channel of each event, in any order; others than ``+tilt`` and ``-tilt`` are ignored.
    """
    open_since: dict[str, float] = {}
    spans = []
    for time, sentinel, channel in sorted(events):
        if channel == "+tilt":
            open_since.setdefault(sentinel, time)
        elif channel == "-tilt" and sentinel in open_since:
            spans.append(TiltSpan(sentinel, open_since.pop(sentinel), time))
    spans += [TiltSpan(sentinel, begun, None) for sentinel, begun in open_since.items()]
    return sorted(spans, key=lambda span: (span.begun, span.sentinel))


def _finding(
    record: FailoverRecord, others: Sequence[FailoverRecord], tilts: Sequence[TiltSpan], wait: float
) -> PastFinding:
    reason = _reason(record)
    last = max([record.started, *(entry.time for entry in record.stages if entry.time is not None)])
    suspected = [entry for entry in record.stages if entry.stage is Stage.SUSPECTED]
    by = {name for entry in suspected for name in (entry.sentinel, *entry.also) if name}
    earlier = _attempt_before(record, others, wait) if reason is PastReason.NOT_TRIED else None
    returned = record.returned.time if record.returned is not None else None
    return PastFinding(
        reason,
        record.started,
        record.id,
        tuple(sorted(by)),
        agreeing=None if record.agreement is None else record.agreement.agreeing,
        quorum=None if record.agreement is None else record.agreement.quorum,
        lasted=_lasted(record, returned),
        candidates=record.candidates,
        votes=_tally(record) if record.attempted and record.kind in ("automatic", "coordinated", None) else None,
        tilt=tuple(span for span in tilts if _overlaps(span, record.started, last)),
        attempt_before=None if earlier is None else attempt_of(earlier),
        waited_for=() if earlier is None else tuple(sorted(took_part(earlier))),
        new=record.new if record.outcome == "completed" else None,
        ongoing=not record.closed,
    )


def _reason(record: FailoverRecord) -> PastReason:
    if record.missed:
        return PastReason.MISSED
    if record.outcome == "completed":
        return PastReason.COMPLETED
    if not record.attempted:
        agreed = record.agreement is not None or record.times(Stage.AGREED_DOWN)
        return PastReason.NOT_TRIED if agreed else PastReason.NOT_AGREED
    if record.outcome == "in-progress":
        return PastReason.IN_PROGRESS
    channels = [entry.by for entry in record.stages if entry.stage is Stage.ABORTED]
    return next((_ABORTS[channel] for channel in channels if channel in _ABORTS), PastReason.GIVEN_UP)


def _attempt_before(record: FailoverRecord, others: Sequence[FailoverRecord], wait: float) -> FailoverRecord | None:
    """Return the last attempt that made a Sentinel wait; a completed one makes none wait."""
    # After an attempt that was given up the suspicion goes on, in a record that began with the same +sdown.
    tried = [one for one in others if one.attempted and not one.missed and attempt_of(one) <= record.heard]
    last = max(tried, key=attempt_of, default=None)
    if last is None or last.outcome != "aborted" or record.started > attempt_of(last) + wait:
        return None
    return last


def _tally(record: FailoverRecord) -> dict[str, tuple[str, ...]]:
    by: dict[str, list[str]] = {}
    for vote in record.votes:
        by.setdefault(vote.run_id, []).append(vote.sentinel)
    return {run_id: tuple(sorted(set(voters))) for run_id, voters in sorted(by.items())}


def _lasted(record: FailoverRecord, returned: float | None) -> float | None:
    if record.outcome == "completed":
        return None
    if returned is not None:
        return max(0.0, returned - record.started)
    return max(0.0, record.heard - record.started) if record.closed and not record.attempted else None


def _overlaps(span: TiltSpan, begun: float, ended: float) -> bool:
    return span.begun <= ended and (span.ended is None or span.ended >= begun)
