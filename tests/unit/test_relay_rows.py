"""Which relays of other daemons a shared journal gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from switchmaster.journal.engine import connect, make_engine
from switchmaster.journal.entries import Alive, RelayPlace
from switchmaster.journal.migrate import upgrade
from switchmaster.journal.relay_rows import GONE_SECONDS
from switchmaster.journal.retention import Retention, prune
from switchmaster.journal.schema import relays
from switchmaster.journal.store import Store
from switchmaster.model import Address

A, B, C = (Address("10.0.0.1", port) for port in (1, 2, 3))
T = 1_700_000_000.0
Found = dict[str, tuple[Address, ...]] | None


class Runs:
    """Runs of daemons on one journal."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = make_engine(url, writing=True)
        self.stores: dict[str, Store] = {}
        with connect(self.engine, url) as connection:
            upgrade(connection)

    def alive(self, name: str, at: float, *places: tuple[str, Address]) -> Found:
        """Record that a run is alive and where its relays are; return what it reads of the others."""
        with connect(self.engine, self.url) as connection:
            store = self.stores.setdefault(name, Store(name * 32, name))
            store.begin(connection, T + at)
            own = tuple(RelayPlace(deployment, address) for deployment, address in places)
            store.apply(connection, [Alive(T + at, (), own)])
        return store.relays()

    def end(self, name: str, at: float) -> None:
        with connect(self.engine, self.url) as connection:
            self.stores[name].end(connection, T + at)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    runs = Runs(f"sqlite:///{tmp_path}/journal.db")
    yield runs
    runs.engine.dispose()


def test_each_reads_those_of_the_others_by_deployment(runs: Runs) -> None:
    assert runs.alive("1", 0, ("kv", A), ("other", B)) == {}
    assert runs.alive("2", 1, ("kv", C)) == {"kv": (A,), "other": (B,)}
    assert runs.alive("3", 1) == {"kv": (A, C), "other": (B,)}
    assert runs.alive("1", 2, ("kv", A), ("other", B)) == {"kv": (C,)}
    assert runs.stores["1"].relays() is None, "it is read once for each sign of life"


def test_one_that_moves_or_stops_is_recorded(runs: Runs) -> None:
    runs.alive("1", 0, ("kv", A), ("other", A))
    runs.alive("1", 1, ("kv", B))
    assert runs.alive("2", 1) == {"kv": (B,)}
    runs.alive("1", 2)
    assert runs.alive("2", 2) == {}


def test_a_run_that_ended_or_was_killed_is_left_out(runs: Runs) -> None:
    runs.alive("1", 0, ("kv", A))
    runs.alive("2", 0, ("kv", B))
    runs.end("1", 1)
    assert runs.alive("3", 1) == {"kv": (B,)}
    assert runs.alive("3", GONE_SECONDS) == {"kv": (B,)}
    assert runs.alive("3", GONE_SECONDS + 1) == {}
    assert runs.alive("2", GONE_SECONDS + 2, ("kv", B)) == {}
    assert runs.alive("3", GONE_SECONDS + 2) == {"kv": (B,)}, "it was only late"


def test_retention_takes_the_relays_with_their_run(runs: Runs) -> None:
    runs.alive("1", 0, ("kv", A))
    runs.end("1", 1)
    with connect(runs.engine, runs.url) as connection:
        prune(connection, Retention(10.0, 10.0), T + 100)
        assert connection.execute(select(relays)).all() == []
