"""
Logs and transcripts, put into the journal: once, however often they are imported.

An import is an observer of its own, whose id is a digest of what was read: the same events make the same observer, and
its observations replace themselves. Observations of one failover, imported or made by daemons, are merged into one
record by the journal's own rules. An import says nothing about the present: it moves no master's last known place, and
adds to the stream only the records that it creates or completes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from ..account.record import Observation
from ..account.transcript import Said
from .engine import connect, make_engine
from .entries import Entry, SwitchSeen
from .migrate import upgrade
from .store import Store, Written

__all__ = ["import_entries", "observer_of"]

ENTRIES_PER_IMPORT_COMMIT: Final = 500
"""Entries of one transaction."""


def observer_of(said: Iterable[Said], deployment: str) -> str:
    """
    Return the id under which events are imported.

    Args:
        said: with times.
        deployment: the deployment that they belong to.
    """
    digest = hashlib.sha256(deployment.encode("utf-8", "surrogatepass"))
    for one in said:
        line = f"{one.time}\0{one.sentinel}\0{one.channel}\0{one.payload}\n"
        digest.update(line.encode("utf-8", "surrogatepass"))
    return f"import-{digest.hexdigest()[:40]}"


def import_entries(url: str, entries: Sequence[Entry], *, observer: str, name: str, now: float) -> list[Written]:
    """
    Put the failovers and switches of a recording into the journal.

    Args:
        url: of the journal; it is created if it does not exist.
        entries: as `replayed` makes them; only observations and switches are written.
        observer: as `observer_of` gives it.
        name: the name that people know this source by.
        now: seconds since 1970.

    Returns:
        What is new in the journal.

    Raises:
        UsageError: the URL is wrong.
        JournalUnavailable: the database can't be reached, or refuses the entries.
    """
    wanted = _last_observations(entries)
    store = Store(observer, name, past=True)
    engine = make_engine(url, writing=True)
    written: list[Written] = []
    try:
        with connect(engine, url) as connection:
            upgrade(connection)
        for start in range(0, max(len(wanted), 1), ENTRIES_PER_IMPORT_COMMIT):
            with connect(engine, url) as connection:
                store.begin(connection, now)
                written += store.apply(connection, wanted[start : start + ENTRIES_PER_IMPORT_COMMIT])
                store.end(connection, now)
            store.commit()
    finally:
        engine.dispose()
    return written


def _last_observations(entries: Sequence[Entry]) -> list[Entry]:
    """Return the last observation of each failover and every switch, in order."""
    last = {(e.master, e.number): index for index, e in enumerate(entries) if isinstance(e, Observation)}
    return [
        entry
        for index, entry in enumerate(entries)
        if isinstance(entry, SwitchSeen)
        or (isinstance(entry, Observation) and last[entry.master, entry.number] == index)
    ]
