"""The migrations make the tables that the code describes, and upgrade any database in one step."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from switchmaster.errors import JournalUnavailable, UsageError
from switchmaster.journal.engine import connect, make_engine, shown
from switchmaster.journal.migrate import is_current, upgrade
from switchmaster.journal.reader import open_reader
from switchmaster.journal.schema import METADATA, entries
from switchmaster.journal.stored_names import plain, stored


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


def test_migrations_make_the_tables_of_the_code(url: str) -> None:
    engine = make_engine(url, writing=True)
    with connect(engine, url) as connection:
        assert not is_current(connection)
        upgrade(connection)
        upgrade(connection)
        assert is_current(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_interrupted_migration_leaves_nothing(url: str) -> None:
    engine = make_engine(url, writing=True)
    with engine.connect() as connection:
        upgrade(connection)
        connection.rollback()
        assert not connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'failovers'")).all()
    engine.dispose()


def test_journal_of_the_first_version_keeps_its_rows(url: str) -> None:
    engine = make_engine(url, writing=True)
    told = {"time": 1.0, "type": "event", "master": "m", "observer": "0" * 32, "line": "{}"}
    with connect(engine, url) as connection:
        upgrade(connection, "0001")
        assert not is_current(connection)
        connection.execute(insert(entries).values(told))
    with connect(engine, url) as connection:
        upgrade(connection)
        assert is_current(connection)
        assert [row.master for row in connection.execute(select(entries))] == ["m"]
    engine.dispose()


def test_journal_of_a_later_version_is_refused(url: str) -> None:
    engine = make_engine(url, writing=True)
    with connect(engine, url) as connection:
        upgrade(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match="later version"), connect(engine, url) as connection:
        upgrade(connection)
    engine.dispose()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("journal.db", "is not valid"),
        ("mysql://h/d", "can't be kept in 'mysql'"),
        ("sqlite://", "names no file"),
        ("postgresql://u:hunter2@h:port/d", "is not valid"),
    ],
)
def test_wrong_url_is_reported_without_its_password(wrong: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make_engine(wrong, writing=True)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in shown("postgresql://u:hunter2@h/d")


def test_reading_creates_no_journal(tmp_path: Path) -> None:
    reader = open_reader(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(JournalUnavailable, match="no such file"):
        reader.last_entry()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mymaster", "", '"quoted"', "nul\0", "\udcff\udc80", "日本", "a'b;--"])
def test_any_name_passes_through_a_column(name: str) -> None:
    kept = stored(name)
    kept.encode()
    assert "\0" not in kept
    assert plain(kept) == name
