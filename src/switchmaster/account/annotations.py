"""
Which remarks of the logs belong to which failover, and what they add to its record.

A record is made of events, which Pub/Sub has too. Logs say more: the leader's has an operator's request and the votes;
the old master's, that it handed over; the nodes', when they were promoted, demoted, synchronised, started and stopped.
What belongs to a field of the record goes there; everything also stays a remark.

Pure: a record and remarks go in, a record and its remarks come out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..belief.failover import Failover, FailoverKind, Stage
from ..model import RunId, SentinelName
from .logs import Logs, Noted, RemarkKind
from .record import RemarkRecord, to_microseconds

__all__ = ["Annotations", "remark_record", "remark_words"]

BEFORE: Final = 120.0
"""Seconds before the first stage in which a node's log may show the cause: more than the longest usual down-after."""
AFTER: Final = 60.0
"""Seconds after the last stage in which a remark may still belong to the failover: the old master comes back, replicas
synchronise."""
AT_ONCE: Final = 1.5
"""Seconds between two lines that one command causes, in logs with whole seconds."""

_QUIET: Final = (RemarkKind.IDENTITY, RemarkKind.PORT)
"""Remarks that identify a process, and say nothing about what happened."""

_AFTERMATH: Final = (
    *(RemarkKind.DEMOTED, RemarkKind.SYNC_STARTED, RemarkKind.FULL_SYNC, RemarkKind.PARTIAL_SYNC),
    RemarkKind.SYNC_DONE,
)
"""Remarks on what nodes do once the master is another."""


class Annotations:
    """
    What logs say besides the events.

    Args:
        logs: as `logs.merge_logs` returns them.
    """

    def __init__(self, logs: Logs) -> None:
        self._noted = [noted for noted in logs.noted if noted.remark.kind not in _QUIET]
        self._times = [noted.time for noted in self._noted]
        self._run_ids = logs.run_ids

    def annotate(self, record: Failover) -> Failover:
        """Return the record with what the logs add to its fields: its kind and its votes."""
        begun = _electing(record)
        if begun is None:
            return record
        near = list(self._between(begun - AT_ONCE, begun + AFTER))
        asked = any(
            noted.remark.kind is RemarkKind.REQUESTED
            and noted.remark.master == record.master
            and abs(noted.time - begun) <= AT_ONCE
            for noted in near
        )
        handed = any(noted.remark.kind is RemarkKind.HANDING_OVER for noted in near)
        kind = record.kind
        if asked:
            kind = FailoverKind.COORDINATED if handed else FailoverKind.MANUAL
        votes = [vote for vote in self._votes(record, near) if vote not in record.votes]
        return replace(record, kind=kind, votes=(*record.votes, *votes))

    def assign(self, records: Iterable[Failover]) -> tuple[dict[tuple[str, int], list[Noted]], list[Noted]]:
        """
        Return which remarks belong to which record, and those that belong to none.

        A remark belongs to the record during which it was made, else to the nearest record that it may be about. How
        replicas synchronise is what a failover led to: if one has begun within `AFTER` before, it belongs to that one.

        Args:
            records: that have ended.

        Returns:
            The remarks by the master and the number of the record, each list by time; and the rest, by time.
        """
        spans = [(record, *span) for record in records if (span := _span(record)) is not None]
        found: dict[tuple[str, int], list[Noted]] = {}
        rest = []
        for noted in self._noted:
            fitting = [
                (noted.remark.kind in _AFTERMATH and noted.time < first, _distance(noted.time, first, last), number)
                for number, (record, first, last) in enumerate(spans)
                if _belongs(noted, record, first, last)
            ]
            if fitting:
                record = spans[min(fitting)[-1]][0]
                found.setdefault((record.master, record.number), []).append(noted)
            else:
                rest.append(noted)
        return found, rest

    def _between(self, first: float, last: float) -> Iterator[Noted]:
        for index in range(bisect_left(self._times, first), bisect_right(self._times, last)):
            yield self._noted[index]

    def _votes(self, record: Failover, near: Iterable[Noted]) -> Iterator[tuple[SentinelName, RunId, int]]:
        for noted in near:
            remark = noted.remark
            if remark.kind is not RemarkKind.VOTED or remark.epoch is None or remark.candidate is None:
                continue
            if record.epoch is None or remark.epoch == record.epoch:
                voter = self._run_ids.get(remark.run_id or "", remark.run_id or "")
                yield SentinelName(voter), RunId(remark.candidate), remark.epoch


def _span(record: Failover) -> tuple[float, float] | None:
    times = [entry.time for entry in record.stages if entry.time is not None]
    return (min(times), max(times)) if times else None


def _electing(record: Failover) -> float | None:
    entry = record.entry(Stage.ELECTING) or record.entry(Stage.ELECTED)
    return None if entry is None else entry.time


def _belongs(noted: Noted, record: Failover, first: float, last: float) -> bool:
    remark = noted.remark
    if remark.master is not None and remark.master != record.master:
        return False
    if remark.epoch is not None and record.epoch is not None and remark.epoch != record.epoch:
        return False
    # Before it began, only what happened to nodes can be about it.
    return first - (AT_ONCE if noted.sentinel else BEFORE) <= noted.time <= last + AFTER


def _distance(time: float, first: float, last: float) -> float:
    return max(first - time, time - last, 0.0)


def remark_words(noted: Noted, run_ids: Mapping[str, str]) -> str:
    """
    Return a remark for people: votes with the Sentinels' names, if they are known, all else in the log's own words.

    Args:
        noted: the remark.
        run_ids: the Sentinels' names by their run ids.
    """
    remark = noted.remark
    if remark.kind is RemarkKind.VOTED and remark.run_id and remark.candidate:
        voter, candidate = (run_ids.get(each, each) for each in (remark.run_id, remark.candidate))
        return f"{voter} voted for {candidate} at epoch {remark.epoch}"
    return remark.text


def remark_record(noted: Noted) -> RemarkRecord:
    """Return a remark as it stands in a failover's record."""
    remark, time = noted.remark, to_microseconds(noted.time)
    return RemarkRecord(time, noted.origin, noted.sentinel, str(remark.kind), remark.text, remark.node)
