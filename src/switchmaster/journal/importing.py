"""
What happened before a daemon was there, put into the journal from logs and transcripts: once, however often.

An import is an observer of its own, whose id is a digest of what was read: the same events make the same observer,
and its accounts replace themselves. Accounts of one failover, imported or heard by daemons, meet in one record by the
journal's own rules. An import tells nothing of the present: it moves no master's place, and is no event of the stream
but for the records that it adds or completes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from ..account.record import Observation
from ..account.transcript import Said
from .engine import connect, make_engine
from .entries import Entry, SwitchSeen
from .migrate import upgrade
from .store import Store, Written

__all__ = ["import_entries", "observer_of"]

ENTRIES_PER_COMMIT = 500
"""Entries of one transaction."""


def observer_of(said: Iterable[Said], deployment: str) -> str:
    """
    Return the id under which events are imported.

    Args:
        said: with times.
        deployment: whose they are.
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
        url: of the journal; it is made where it is not there.
        entries: as `replayed` makes them; all but accounts that ended and switches are left out.
        observer: as `observer_of` gives it.
        name: what people know this source by.
        now: seconds since 1970.

    Returns:
        What is new in the journal.

    Raises:
        UsageError: the URL is wrong.
        JournalUnavailable: the database can't be reached, or will not take it.
    """
    wanted = _last_accounts(entries)
    store = Store(observer, name, past=True)
    engine = make_engine(url, writing=True)
    written: list[Written] = []
    try:
        with connect(engine, url) as connection:
            upgrade(connection)
        for start in range(0, max(len(wanted), 1), ENTRIES_PER_COMMIT):
            with connect(engine, url) as connection:
                store.begin(connection, now)
                written += store.apply(connection, wanted[start : start + ENTRIES_PER_COMMIT])
                store.end(connection, now)
            store.commit()
    finally:
        engine.dispose()
    return written


def _last_accounts(entries: Sequence[Entry]) -> list[Entry]:
    """Return the last account of each failover and every switch, in their order."""
    last = {(e.master, e.number): index for index, e in enumerate(entries) if isinstance(e, Observation)}
    return [
        entry
        for index, entry in enumerate(entries)
        if isinstance(entry, SwitchSeen)
        or (isinstance(entry, Observation) and last[entry.master, entry.number] == index)
    ]
