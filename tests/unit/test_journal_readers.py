"""
The two ways to ask an SQLite journal about failovers, by SQLAlchemy and by sqlite3: the same answers and errors.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from switchmaster.account.transcript import Said
from switchmaster.errors import JournalUnavailable, UsageError
from switchmaster.journal.failover_queries import FailoverFilter
from switchmaster.journal.failover_reader import FailoverReader
from switchmaster.journal.reader import Reader, open_reader
from switchmaster.journal.sqlite_reader import SqliteReader, plain_sqlite_file
from switchmaster.journal.store import Store

HOSTILE = "\"m%_/'; DROP TABLE failovers;--\udcff"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RecordedJournal]:
    kept = RecordedJournal(tmp_path)
    kept.write(Store("run", "one"), entries_of(said_in(["redis-7.0.15-main"])))
    kept.write(Store("run", "two"), entries_of([renamed(one) for one in said_in(["redis-6.2.14-main"])]))
    for id in kept.reader.ids("", 9)[:2]:
        kept.reader.acknowledge(id, "Ann", "100 %_known/")
    yield kept
    kept.close()


def renamed(said: Said) -> Said:
    return replace(said, payload=said.payload.replace("mymaster", HOSTILE))


@pytest.fixture
def fast(journal: RecordedJournal) -> Iterator[SqliteReader]:
    file = plain_sqlite_file(journal.url)
    assert file is not None
    reader = SqliteReader(journal.url, file)
    yield reader
    reader.close()


QUESTIONS: list[dict[str, Any]] = [
    {},
    {"suspicions": True},
    {"deployment": "default"},
    {"master": "mymaster"},
    {"master": HOSTILE},
    {"outcome": "completed", "kind": "manual"},
    {"since": 1.0, "until": 9e9},
    {"until": 1.0},
    {"missed": False},
    {"missed": True},
    {"acknowledged": True},
    {"acknowledged": False, "suspicions": True},
    *({"text": text} for text in ("MASTER", "known", "%_", "100 %", "/", HOSTILE, "drop table", "deployment", "ann")),
    {"text": "127.0.0.1:1", "suspicions": True},
    {"text": "2026"},
]


@pytest.mark.parametrize("wanted", QUESTIONS, ids=str)
def test_both_find_the_same_failovers_page_by_page(
    journal: RecordedJournal, fast: SqliteReader, wanted: dict[str, Any]
) -> None:
    def pages(reader: FailoverReader) -> list[Any]:
        found, cursor = [], None
        while True:
            page = reader.failovers(FailoverFilter(**wanted), cursor, 2)
            found.append(page)
            if page.next is None:
                return found
            cursor = page.next

    assert pages(fast) == pages(journal.reader)


def test_the_questions_of_this_file_find_some_failovers_and_not_others(fast: SqliteReader) -> None:
    counts = [len(fast.failovers(FailoverFilter(**wanted), limit=1000).items) for wanted in QUESTIONS]
    everything = max(counts)
    assert everything > 2
    assert {0, 2, everything} <= set(counts)
    by_text = {wanted["text"]: count for wanted, count in zip(QUESTIONS, counts, strict=True) if "text" in wanted}
    assert by_text["known"] == by_text["100 %"] == by_text["ann"] == 2
    assert by_text[HOSTILE] > 0
    assert by_text["drop table"] > 0
    assert by_text["deployment"] == 0  # a key of every line


def test_both_give_the_same_failover_with_its_comments_and_switches(
    journal: RecordedJournal, fast: SqliteReader
) -> None:
    ids = journal.reader.ids("", 1000)
    assert fast.ids("", 1000) == ids
    assert fast.ids(ids[0][:9], 3) == journal.reader.ids(ids[0][:9], 3) != []
    assert fast.ids("%", 3) == fast.ids(ids[0].lower(), 3) == []
    for id in ids:
        line = fast.failover(id)
        assert line is not None
        assert line == journal.reader.failover(id)
        streamed = [one for _, one in journal.reader.entries(types=("switch",), failover=id)]
        assert fast.switches_of(id) == journal.reader.switches_of(id) == streamed
    assert [len((fast.failover(id) or {})["comments"]) for id in ids[:3]] == [1, 1, 0]
    assert fast.failover("none") is journal.reader.failover("none") is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda reader: reader.failovers(FailoverFilter(), "no cursor"),
        lambda reader: reader.failovers(FailoverFilter(), limit=0),
        lambda reader: reader.failovers(FailoverFilter(), limit=1001),
    ],
)
def test_both_refuse_the_same(
    journal: RecordedJournal, fast: SqliteReader, ask: Callable[[FailoverReader], object]
) -> None:
    said = []
    for reader in (fast, journal.reader):
        with pytest.raises(UsageError) as caught:
            ask(reader)
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("content", [None, b"no database at all" * 99, b""], ids=["missing", "text", "empty"])
def test_both_say_the_same_of_a_file_that_is_no_journal(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "journal.db"
    if content is not None:
        file.write_bytes(content)
    url, said = f"sqlite:///{file}", []
    readers: list[Reader | SqliteReader] = [open_reader(url), SqliteReader(url, file)]
    for reader in readers:
        with pytest.raises(JournalUnavailable) as caught:
            reader.failovers(FailoverFilter())
        said.append(str(caught.value))
        reader.close()
    assert said[0] == said[1]
    assert file.exists() is (content is not None)


def test_a_question_leaves_no_transaction_open(journal: RecordedJournal, fast: SqliteReader) -> None:
    fast.failovers(FailoverFilter())
    file = plain_sqlite_file(journal.url)
    assert file is not None
    other = sqlite3.connect(file, timeout=0)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    fast.close()
    assert fast.failovers(FailoverFilter()).items  # it opens the file again


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://127.0.0.1/journal",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite+pysqlite:///journal.db",
        "sqlite:///journal.db?mode=ro",
        "sqlite:///a%20b.db",
        "journal.db",
    ],
)
def test_what_is_not_plainly_a_file_is_left_to_sqlalchemy(url: str) -> None:
    assert plain_sqlite_file(url) is None


def test_a_plain_url_names_its_file() -> None:
    assert plain_sqlite_file("sqlite:////var/lib/switchmaster/journal.db") == Path("/var/lib/switchmaster/journal.db")
    assert plain_sqlite_file("sqlite:///journal.db") == Path("journal.db")
