"""
Several log files as one stream of events and one list of remarks, on one clock.

Zones come from wrappers that know them, else from the user; years from lines and messages that name them, else from the
latest moment. Clocks that contradict the order of an election are moved (`clocks`). Lines with equal times keep the
order of their file; between files they are ordered as a failover's stages can happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ...model import Stage
from ...wire.events import EVENTS, Form, InstanceEvent, NewEpoch, SwitchedMaster, Voted
from ...wire.grammar import parse_event
from ..transcript import Said
from .clocks import Offset, Sighted, offsets
from .cuts import complete_cuts
from .log_reader import LogEntry
from .messages import LoggedEvent, Remark, RemarkKind, Unreadable
from .origins import LogFile, Origin, origins_of
from .stamps import Zone, place, read_stamp, utc, zone_between

__all__ = ["Logs", "Noted", "merge_logs"]

_STAGES: Final = {stage: float(number) for number, stage in enumerate(Stage)}
_LAST: Final = float(len(_STAGES))
_RANKS: Final = {
    # A vote is given after it was requested.
    spec.channel: _STAGES[stage] + (0.5 if spec.form is Form.VOTE else 0.0)
    for spec in EVENTS
    if (stage := spec.stage or spec.during) is not None
}
"""The order in which events of one failover can happen, for events with equal times."""
_LEFT: Final = 1_000
"""Unreadable events whose place and reason are kept."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A remark, with its origin and its moment."""

    origin: str
    sentinel: bool
    """Whether a Sentinel made it; False for a data node, and for the kernel of its host."""
    time: float
    """Seconds since 1970, on the common clock."""
    remark: Remark
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Logs:
    """What some log files say, put together."""

    said: tuple[Said, ...]
    """Every event, in order, with its time on the common clock."""
    noted: tuple[Noted, ...]
    """Every remark, by time."""
    sentinels: tuple[str, ...]
    nodes: tuple[str, ...]
    run_ids: Mapping[str, str]
    """The names of the Sentinels whose own run id is known, by that id."""
    offsets: Mapping[str, Offset]
    """How far the clock of each Sentinel was ahead of the first one's."""
    unreadable: tuple[tuple[str, int, str], ...]
    """File, line and reason of each event that could not be read."""
    zoned: bool
    """Whether every time had a zone, from its line or its wrapper; if not, the user's zone was used."""
    resolution: float
    """Seconds between two times that the log with the coarsest times can distinguish."""


@dataclass(slots=True)
class _Placed:
    """One origin with the moment of each of its entries."""

    origin: Origin
    rows: list[tuple[float, LogFile, LogEntry]]


def merge_logs(files: Sequence[LogFile], *, latest: float, zone: Zone = utc) -> Logs:
    """
    Put the entries of some files together.

    Args:
        files: as `LogReader` read them.
        latest: seconds since 1970: nothing was written later. It determines the year if no line does.
        zone: of times whose zone neither line nor wrapper names.

    Returns:
        All that they say.
    """
    files = complete_cuts(files)
    origins = origins_of(files)
    placed = [_place(origin, latest, zone) for origin in origins]
    ids = _run_ids(placed)
    sighted = [each for one in placed if one.origin.sentinel for each in _sightings(one, ids)]
    apart = offsets([one.origin.name for one in placed if one.origin.sentinel], sighted)
    for one in placed:
        offset = apart.get(one.origin.name)
        if offset is not None and offset.seconds:
            one.rows = [(moment - offset.seconds, file, entry) for moment, file, entry in one.rows]
    stamps = [entry.stamp for one in placed for entry in one.origin.entries]
    return Logs(
        said=tuple(_events(placed)),
        noted=tuple(sorted(_remarks(placed), key=lambda noted: noted.time)),
        sentinels=tuple(one.origin.name for one in placed if one.origin.sentinel),
        nodes=tuple(one.origin.name for one in placed if not one.origin.sentinel),
        run_ids=ids,
        offsets=apart,
        unreadable=tuple(_unreadable(files)),
        zoned=all(stamp.zone for stamp in stamps) or all(_zone(one.origin) is not None for one in placed),
        resolution=max((stamp.resolution for stamp in stamps), default=0.001),
    )


# Time ---------------------------------------------------------------------------------------------


def _place(origin: Origin, latest: float, zone: Zone) -> _Placed:
    ahead = _zone(origin)
    known: Zone = zone if ahead is None else lambda local: ahead
    rows: list[tuple[float, LogFile, LogEntry]] = []
    for file, entries in origin.pieces:
        stamps = [entry.stamp for entry in entries]
        moments = place(stamps, latest=latest, anchors=_anchors(entries), zone=known)
        rows += [(moment, file, entry) for moment, entry in zip(moments, entries, strict=True)]
    if len(origin.pieces) > 1:
        # Rotated files may be given in any order; each is in order by itself.
        firsts = {id(file): moment for moment, file, _ in reversed(rows)}
        rows.sort(key=lambda row: firsts[id(row[1])])
    return _Placed(origin, rows)


def _zone(origin: Origin) -> int | None:
    """Return the zone that most lines agree on with a wrapper that knows it; None if no wrapper does."""
    votes: Counter[int] = Counter()
    for entry in origin.entries:
        if entry.outer is not None and not entry.stamp.zone:
            ahead = zone_between(entry.stamp, entry.outer.seconds)
            if ahead is not None:
                votes[ahead] += 1
    return votes.most_common(1)[0][0] if votes else None


def _anchors(entries: Sequence[LogEntry]) -> dict[int, int]:
    """Return the years that wrappers and messages name, by the index of the entry."""
    found = {}
    for index, entry in enumerate(entries):
        if entry.stamp.year:
            continue
        named = entry.outer
        if isinstance(entry.said, Remark) and entry.said.until is not None:
            named = read_stamp(entry.said.until)
        if named is not None and named.year:
            found[index] = int(1970 + named.seconds // 31_556_952)
    return found


# Names ---------------------------------------------------------------------------------------


def _run_ids(placed: Iterable[_Placed]) -> dict[str, str]:
    return {one.origin.run_id: one.origin.name for one in placed if one.origin.sentinel and one.origin.run_id}


def _sightings(one: _Placed, ids: Mapping[str, str]) -> Iterator[Sighted]:
    name, own = one.origin.name, one.origin.run_id
    epoch: int | None = None
    for moment, _, entry in one.rows:
        resolution, said = entry.stamp.resolution, entry.said
        if isinstance(said, Remark):
            if said.kind is RemarkKind.VOTED:
                voter = ids.get(said.run_id or "")
                yield Sighted(name, moment, "counted", (said.candidate, said.epoch), voter, resolution)
            continue
        if not isinstance(said, LoggedEvent):
            continue
        event = parse_event(said.channel, said.payload)
        if isinstance(event, NewEpoch):
            epoch = event.epoch
        elif isinstance(event, Voted):
            what = "asked" if event.run_id == own else "voted"
            yield Sighted(name, moment, what, (event.run_id, event.epoch), None, resolution)
        elif isinstance(event, SwitchedMaster) and epoch is not None:
            yield Sighted(name, moment, "learned", (event.name, event.new, epoch), None, resolution)
        elif isinstance(event, InstanceEvent) and said.channel == "+promoted-slave" and epoch is not None:
            key = (event.instance.master, event.instance.address, epoch)
            yield Sighted(name, moment, "promoted", key, None, resolution)


# Order --------------------------------------------------------------------------------------------


def _events(placed: Iterable[_Placed]) -> Iterator[Said]:
    """Yield all events by time; those with equal times in an order that a failover can have."""
    by_time: dict[float, list[list[Said]]] = {}
    for one in placed:
        at = 0.0
        mine: dict[float, list[Said]] = {}
        for moment, _, entry in one.rows:
            if isinstance(entry.said, LoggedEvent):
                # Within one origin the order of the lines is the order of events, even if its clock was set back.
                at = max(at, moment)
                said = Said(one.origin.name, at, entry.said.channel, entry.said.payload, entry.line)
                mine.setdefault(at, []).append(said)
        for moment, events in mine.items():
            by_time.setdefault(moment, []).append(events)
    for moment in sorted(by_time):
        yield from _in_turn(by_time[moment])


def _in_turn(of_origins: list[list[Said]]) -> Iterator[Said]:
    """Yield what several origins logged at one time, the earlier stage first; each origin's own order stays."""
    waiting = [list(reversed(events)) for events in of_origins]
    while waiting:
        first = min(waiting, key=lambda events: _RANKS.get(events[-1].channel, _LAST))
        yield first.pop()
        if not first:
            waiting.remove(first)


def _remarks(placed: Iterable[_Placed]) -> Iterator[Noted]:
    for one in placed:
        for moment, file, entry in one.rows:
            if isinstance(entry.said, Remark):
                yield Noted(one.origin.name, one.origin.sentinel, moment, entry.said, file.name, entry.line)


def _unreadable(files: Iterable[LogFile]) -> Iterator[tuple[str, int, str]]:
    kept = 0
    for file in files:
        for entry in file.entries:
            if isinstance(entry.said, Unreadable) and kept < _LEFT:
                kept += 1
                yield file.name, entry.line, f"{entry.said.channel}: {entry.said.reason}"
