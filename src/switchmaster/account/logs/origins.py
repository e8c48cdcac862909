"""
Which process wrote each line: the Sentinels and the data nodes behind the files.

The entries of each file go in; `Origin` values come out, each with its entries in order. Lines are of one process if
file, wrapper and pid agree; a process that begins after another of the same file and wrapper has ended is its restart.
Files are of one process if they hold the same Sentinel id, or differ only in a rotation's number. A Sentinel is
recognised by its own id: from ``Sentinel ID is``, or from its vote for itself when it tries a failover. Others name its
address; if none does, the file or the wrapper names it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ...wire.events import InstanceEvent, Kind
from ...wire.grammar import parse_event
from .log_reader import LogEntry
from .messages import LoggedEvent, RemarkKind

__all__ = ["LogFile", "Origin", "origins_of"]

_ROTATED: Final = re.compile(r"(?:[.-]\d{8})?(?:\.(?:log|txt|out)(?:[.-]\d{1,10})?)?(?:\.gz)?\Z")
_NODE_REMARKS: Final = frozenset(
    {
        *(RemarkKind.PROMOTED, RemarkKind.DEMOTED, RemarkKind.MASTER_LOST, RemarkKind.REPLICA_LOST),
        *(RemarkKind.FULL_SYNC, RemarkKind.PARTIAL_SYNC, RemarkKind.SYNC_DONE, RemarkKind.SYNC_STARTED),
        *(RemarkKind.LOADED, RemarkKind.SAVE_FAILED, RemarkKind.SYNC_FAILED),
    }
)
_SENTINEL_REMARKS: Final = frozenset(
    {RemarkKind.VOTED, RemarkKind.POSTPONED, RemarkKind.REQUESTED, RemarkKind.IDENTITY, RemarkKind.NOT_SAVED}
)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file's entries."""

    name: str
    """As it was given, such as a path."""
    entries: Sequence[LogEntry]
    called: str | None = None
    """The name that the user gives to its origin."""

    @property
    def stem(self) -> str:
        """The file's name without folders, extension and a rotation's number."""
        base = self.name.rpartition("/")[2]
        return _ROTATED.sub("", base, count=1) or base


@dataclass(slots=True)
class Origin:
    """One Sentinel or data node, across all its restarts."""

    name: str = ""
    sentinel: bool = True
    """False for a data node, and for the kernel of its host."""
    run_id: str | None = None
    """A Sentinel's own id; since Redis 3.2 it survives restarts."""
    port: int | None = None
    pieces: list[tuple[LogFile, list[LogEntry]]] = field(default_factory=list)
    """Its entries by file, each in the file's order; the files in the order of their first lines."""

    @property
    def entries(self) -> Iterator[LogEntry]:
        """All its entries."""
        return (entry for _, entries in self.pieces for entry in entries)


@dataclass(slots=True)
class _Process:
    file: LogFile
    source: str | None
    pid: int | None
    entries: list[LogEntry] = field(default_factory=list)
    run_id: str | None = None
    port: int | None = None
    sentinel: bool | None = None


def origins_of(files: Sequence[LogFile]) -> list[Origin]:
    """
    Find the processes that wrote the entries of some files.

    Args:
        files: each once.

    Returns:
        The origins, in the order in which they appear; every entry is in exactly one of them.
    """
    origins: list[Origin] = []
    by_id: dict[str, Origin] = {}
    by_place: dict[tuple[str, str | None, bool], Origin] = {}
    for file in files:
        for group in _groups(file):
            first = group[0]
            run_id = next((each.run_id for each in group if each.run_id), None)
            place = (file.stem, first.source, first.sentinel is not False)
            known = by_id.get(run_id or "") or by_place.get(place)
            # One file of several Sentinels: of one file, only a common id makes two groups one.
            if (
                known is None
                or (known.run_id not in (None, run_id) and run_id)
                or (any(file is each for each, _ in known.pieces) and not (run_id and known.run_id == run_id))
            ):
                known = Origin(sentinel=first.sentinel is not False)
                origins.append(known)
            known.run_id = known.run_id or run_id
            known.port = next((each.port for each in group if each.port), known.port)
            known.pieces.append((file, [entry for each in group for entry in each.entries]))
            by_place.setdefault(place, known)
            if run_id:
                by_id.setdefault(run_id, known)
    _name(origins)
    return origins


def _groups(file: LogFile) -> list[list[_Process]]:
    """Return the processes of a file, each with its restarts."""
    processes: dict[tuple[str | None, int | None], _Process] = {}
    current: dict[str | None, _Process] = {}
    """The process of each source that wrote last; a child's lines are its own."""
    orphans: dict[str | None, list[LogEntry]] = {}
    for entry in file.entries:
        if entry.role == "child":
            if entry.source in current:
                current[entry.source].entries.append(entry)
            else:
                orphans.setdefault(entry.source, []).append(entry)
            continue
        key = (entry.source, entry.pid)
        process = processes.get(key)
        if process is None:
            # Before it has read its configuration, a server logs as if it were a child process.
            process = processes[key] = _Process(file, *key, entries=orphans.pop(entry.source, []))
        process.entries.append(entry)
        current[entry.source] = process
    for source, entries in orphans.items():
        processes[source, None] = _Process(file, source, None, entries)
    groups: list[list[_Process]] = []
    for process in processes.values():
        _look(process)
        for group in groups:
            last = group[-1]
            ended = last.entries[-1].line < process.entries[0].line
            fits = _agree(last.run_id, process.run_id) and _agree(last.sentinel, process.sentinel)
            if last.source == process.source and fits and ended:
                group.append(process)
                break
        else:
            groups.append([process])
    return groups


def _agree(one: object, other: object) -> bool:
    return one is None or other is None or one == other


def _look(process: _Process) -> None:
    """Find out what a process says about itself."""
    roles = Counter(entry.role for entry in process.entries if entry.role in ("sentinel", "master", "replica"))
    if roles:
        process.sentinel = roles["sentinel"] >= roles["master"] + roles["replica"]
    trying = False
    for entry in process.entries:
        said = entry.said
        if isinstance(said, LoggedEvent):
            process.sentinel = True if process.sentinel is None else process.sentinel
            if trying and said.channel == "+vote-for-leader" and process.run_id is None:
                process.run_id = said.payload.partition(" ")[0]
            trying = said.channel == "+try-failover"
            continue
        kind = getattr(said, "kind", None)
        if kind in _SENTINEL_REMARKS or kind in _NODE_REMARKS:
            process.sentinel = kind in _SENTINEL_REMARKS if process.sentinel is None else process.sentinel
        if kind is RemarkKind.IDENTITY:
            process.run_id = getattr(said, "run_id", None)
        elif kind in (RemarkKind.PORT, RemarkKind.READY):
            process.port = getattr(said, "port", None) or process.port
        elif kind is RemarkKind.OUT_OF_MEMORY and process.sentinel is None:
            process.sentinel = False


# Names --------------------------------------------------------------------------------------------


def _name(origins: Sequence[Origin]) -> None:
    sentinels, nodes = _addresses(origins)
    wanted = [_wanted(origin, sentinels, nodes) for origin in origins]
    given: Counter[str] = Counter(name for name, _ in wanted)
    taken: set[str] = set()
    for origin, (name, fallback) in zip(origins, wanted, strict=True):
        unique = name if given[name] == 1 else fallback
        number = 1
        while unique in taken:
            number += 1
            unique = f"{fallback}#{number}"
        origin.name = unique
        taken.add(unique)


def _wanted(origin: Origin, sentinels: Mapping[str, str], nodes: Mapping[int, str]) -> tuple[str, str]:
    """Return the best name of an origin, and another for the case that two want the same."""
    file, entries = origin.pieces[0]
    source = next((entry.source for entry in entries if entry.source), None)
    fallback = file.called or source or file.stem
    if origin.port is not None and not file.called and source is None:
        fallback = f"{fallback}:{origin.port}"
    if file.called:
        return file.called, fallback
    address = sentinels.get(origin.run_id or "") if origin.sentinel else nodes.get(origin.port or 0)
    return address or source or file.stem, fallback


def _addresses(origins: Iterable[Origin]) -> tuple[dict[str, str], dict[int, str]]:
    """Return the addresses of Sentinels by id, and of data nodes by port if only one node has that port."""
    sentinels: dict[str, str] = {}
    nodes: dict[int, set[str]] = {}
    for origin in origins:
        for entry in origin.entries:
            if not isinstance(entry.said, LoggedEvent):
                continue
            event = parse_event(entry.said.channel, entry.said.payload)
            if not isinstance(event, InstanceEvent):
                continue
            instance = event.instance
            nodes.setdefault(instance.master_address.port, set()).add(str(instance.master_address))
            if instance.kind is Kind.SENTINEL:
                sentinels[instance.name] = str(instance.address)
            else:
                nodes.setdefault(instance.address.port, set()).add(str(instance.address))
    return sentinels, {port: next(iter(found)) for port, found in nodes.items() if len(found) == 1}
