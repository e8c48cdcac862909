"""
Incidents from files: the decisions of the core replayed, with what only logs say.

`replay`, `why` and `import` print or store the result.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..account.annotations import Annotations, remark_record
from ..account.logs import Noted
from ..account.record import FailoverRecord
from ..account.replay import Chapter, chapters_of
from ..account.timeline import Incident
from ..account.transcript import Said
from ..journal.entries import Entry
from ..journal.replayed import replay_into_entries
from .sources import Material

__all__ = ["ReplayedFiles", "counted", "replay_material"]

EVENTS_MARGIN_SECONDS = 1.0
"""Seconds before and after a failover in which events belong to it."""


@dataclass(frozen=True, slots=True)
class ReplayedFiles:
    """What the files contain, decided again."""

    chapters: Sequence[Chapter]
    remarks: Mapping[tuple[str, int], Sequence[Noted]]
    """What only logs say, by master and number of the failover that it belongs to."""
    rest: Sequence[Noted]
    """What only logs say, outside any failover."""
    entries: Sequence[Entry]
    """The journal's entries for it."""
    incidents: Sequence[Incident]
    """Every attempted failover, by time."""
    timed: bool
    """Whether the files contain times."""
    run_ids: Mapping[str, str]
    """Names of Sentinels by run id, as far as the logs contain it."""


def replay_material(material: Material, deployment: str) -> ReplayedFiles:
    """
    Replay the decisions of the core on what the files contain.

    Args:
        material: the files as read.
        deployment: the name that lines and entries carry.

    Returns:
        The decisions, and what only logs say.
    """
    annotations = None if material.logs is None else Annotations(material.logs)
    if annotations is None:
        replayed = replay_into_entries(material.said, deployment)
    else:
        replayed = replay_into_entries(material.said, deployment, annotate=annotations.annotate)
    told = chapters_of(replayed.decisions)
    remarks: Mapping[tuple[str, int], Sequence[Noted]] = {}
    rest: Sequence[Noted] = ()
    if annotations is not None:
        remarks, rest = annotations.assign(one.failover for one in told if one.failover is not None)
    incidents = []
    times = [said.time or 0.0 for said in material.said]
    for record, switches in replayed.failovers("replay"):
        own = tuple(remark_record(noted) for noted in remarks.get((record.master, record.number or 0), ()))
        record = replace(record, remarks=own)
        incidents.append(Incident(record, switches, _events_of(record, material.said, times)))
    timed = any(said.time is not None for said in material.said) or bool(rest)
    run_ids = {} if material.logs is None else material.logs.run_ids
    return ReplayedFiles(told, remarks, rest, replayed.entries, incidents, timed, run_ids)


def counted(number: int, word: str) -> str:
    """Return a count with its noun, such as ``2 switches``."""
    plural = f"{word}es" if word.endswith("ch") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _events_of(record: FailoverRecord, said: Sequence[Said], times: Sequence[float]) -> list[Said]:
    """Return the events around a failover that name its master or no master."""
    moments = [entry.time for entry in record.stages if entry.time is not None]
    if not moments:
        return []
    first, last = (
        bisect_left(times, min(moments) - EVENTS_MARGIN_SECONDS),
        bisect_right(times, max(moments) + EVENTS_MARGIN_SECONDS),
    )
    name = record.master
    return [one for one in said[first:last] if name in one.payload.split(" ") or one.payload.count(" ") <= 1]
