"""The journal in a PostgreSQL of our own: daemons that start together, take turns, and one that hangs with the lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from rig.conditions import eventually
from rig.postgres import Postgres, running_postgres
from switchmaster.journal import FailoverFilter, engine, open_reader
from switchmaster.journal.entries import Seen
from switchmaster.journal.retention import Retention, prune, size
from switchmaster.journal.store import Store
from switchmaster.journal.writer import Writer

pytestmark = pytest.mark.live

HOSTILE = "m\0\x1b'; DROP TABLE failovers;--\udcff"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("pg")) as cluster:
        yield cluster


@pytest.fixture
def url(postgres: Postgres) -> str:
    """Yield an empty database."""
    made = engine.make_engine(postgres.url, writing=False)
    with made.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        connection.commit()
    made.dispose()
    return postgres.url


def test_daemons_that_start_together_make_the_tables_once_and_take_turns(url: str) -> None:
    writers = [Writer(url, f"run{number}", "one") for number in range(4)]
    threads = [threading.Thread(target=writer.open) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(300):
        for writer in writers:
            writer.put(Seen(1.0, {"type": "notice", "number": number}))
    assert [writer.close() for writer in writers] == [0] * 4
    assert sum(writer.counters.failures for writer in writers) == 0
    reader = open_reader(url)
    seen: list[int] = []
    while part := reader.entries(after=seen[-1] if seen else 0, limit=1000):
        seen += [id for id, _ in part]
    assert seen == sorted(set(seen))
    assert len(seen) == 1200
    reader.close()


def test_hung_daemon_with_the_lock_does_not_block_others_for_ever(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(url, "run", "one")
    writer.open()
    hung = engine.make_engine(url, writing=True)
    with hung.begin():
        writer.put(Seen(1.0, {"type": "notice", "number": 1}))
        eventually(lambda: writer.trouble, 30)
        assert "is it hung?" in str(writer.trouble)
    hung.dispose()
    eventually(lambda: writer.counters.written == 1, 30)
    assert writer.close() == 0


def test_two_daemons_keep_each_failover_once_whatever_its_name(url: str, tmp_path: Path) -> None:
    said = [replace(one, payload=one.payload.replace("mymaster", HOSTILE)) for one in said_in(["redis-7.0.15-main"])]
    kept = RecordedJournal(tmp_path, url)
    streams = [(Store(f"run{number}", f"d{number}"), list(entries_of(said, events=True))) for number in range(2)]
    while any(entries for _, entries in streams):
        for store, entries in streams:
            kept.write(store, entries[:40])
            del entries[:40]
    found = kept.reader.failovers(FailoverFilter(master=HOSTILE)).items
    assert [line["epoch"] for line in found] == [4, 3, 2, 1]
    assert {line["master"] for line in found} == {HOSTILE}
    assert all(sorted(line["observers"]) == ["d0", "d1"] for line in found)
    assert [line["epoch"] for line in kept.reader.switches().items] == [4, 3, 2, 1]
    with engine.connect(kept.engine, url) as connection:
        assert size(connection) > 0
        assert prune(connection, Retention(seconds=1, events_seconds=1), 4e9) > 0
    assert kept.reader.failovers(FailoverFilter()).items == []
    kept.close()


def test_lines_of_one_transaction_are_in_order_whatever_stands_in_them(url: str) -> None:
    writer = Writer(url, "run", "one")
    writer.open()
    named = [None, HOSTILE, '{"a",NULL}', "\\", "NULL", ""]
    lines = [{"type": "notice", "number": number, "master": named[number % 6]} for number in range(600)]
    writer.put(*(Seen(number / 10 if number % 2 else number // 10, line) for number, line in enumerate(lines)))
    assert writer.close() == 0
    assert (writer.counters.written, writer.counters.failures) == (600, 0)
    reader = open_reader(url)
    assert [line for _, line in reader.entries(limit=1000, types=("notice",))] == [
        line | {"run": "run"} for line in lines
    ]
    reader.close()
