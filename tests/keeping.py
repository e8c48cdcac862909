"""Recordings through the core and the ledger into a journal, as a daemon would have kept them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import event

from switchmaster.core.decisions import Notice, Switch
from switchmaster.core.failover import Failover
from switchmaster.core.grammar import parse_event
from switchmaster.core.model import Grade, SentinelName
from switchmaster.core.transcript import Said
from switchmaster.core.watch import Watch
from switchmaster.journal.engine import connect, make_engine
from switchmaster.journal.entries import Entry
from switchmaster.journal.ledger import Ledger
from switchmaster.journal.migrate import upgrade
from switchmaster.journal.reader import Reader
from switchmaster.journal.store import Store


def entries_of(said: Iterable[Said], events: bool = False, sightings: bool = True) -> Iterator[Entry]:
    """Yield what the ledger makes of a recording, in order."""
    watch = Watch(policy=Grade.ANNOUNCED, probing=False, asking=False)
    ledger = Ledger("default", watch.state, events)
    now = 0.0
    for line in said:
        now = max(now, line.time or 0.0)
        watch.tick(now, now)
        said_event = parse_event(line.channel, line.payload)
        yield from ledger.event(SentinelName(line.sentinel), said_event, now, now)
        watch.observe(SentinelName(line.sentinel), said_event, now, now)
        yield from _decided(ledger, watch, now)
        if sightings:
            yield from ledger.sightings(watch.names, now)
    watch.finish()
    yield from _decided(ledger, watch, now)


def _decided(ledger: Ledger, watch: Watch, now: float) -> Iterator[Entry]:
    for decision in watch.decisions():
        match decision:
            case Switch():
                yield from ledger.switch(decision)
            case Failover():
                yield from ledger.failover(decision)
            case Notice():
                yield from ledger.notice(decision)
    yield from ledger.end_turn(now)


class Kept:
    """A journal in a folder, and who writes it."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or f"sqlite:///{folder}/journal.db"
        self.engine = make_engine(self.url, writing=True)
        if self.engine.dialect.name == "sqlite":
            # Nobody pulls the plug in these tests, and syncing is what takes their time.
            event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self.reader = Reader(self.url)
        with connect(self.engine, self.url) as connection:
            upgrade(connection)

    def write(self, store: Store, entries: Iterable[Entry], at_once: int = 1_000_000) -> None:
        """Write entries, so many in each transaction."""
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
