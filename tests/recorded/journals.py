"""Recordings replayed through the ledger into a journal, as a daemon would have kept them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import event

from switchmaster.account.transcript import Said
from switchmaster.journal.engine import connect, make_engine
from switchmaster.journal.entries import Entry
from switchmaster.journal.migrate import upgrade
from switchmaster.journal.reader import Reader
from switchmaster.journal.replayed import replay_into_entries
from switchmaster.journal.store import Store


def entries_of(said: Iterable[Said], events: bool = False, sightings: bool = True) -> list[Entry]:
    """Return what the ledger makes of a recording, in order."""
    return replay_into_entries(said, events=events, sightings=sightings).entries


class RecordedJournal:
    """A journal in a folder, and its writer's side."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or f"sqlite:///{folder}/journal.db"
        self.engine = make_engine(self.url, writing=True)
        if self.engine.dialect.name == "sqlite":
            # No test cuts the power, and syncing takes most of the time.
            event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self.reader = Reader(self.url)
        with connect(self.engine, self.url) as connection:
            upgrade(connection)

    def write(self, store: Store, entries: Iterable[Entry], at_once: int = 1_000_000) -> None:
        """Write entries, `at_once` in each transaction."""
        rest = list(entries)
        while rest:
            part, rest = rest[:at_once], rest[at_once:]
            with connect(self.engine, self.url) as connection:
                store.begin(connection, 0.0)
                store.apply(connection, part)
            store.commit()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        self.reader.close()
