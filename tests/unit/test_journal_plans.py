"""
How SQLite answers the queries of lists: by an index in the list's order, so that a page costs no more than its items.

The plan depends on the schema alone, not on the journal's content: ANALYZE never runs there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from rig.api_rig import NOW, B, C, FakeDeployment, FileJournal
from switchmaster.journal import FailoverFilter, Page, Reader

OF = {"deployment": "kvdb", "master": "mymaster1"}
SORTED = "USE TEMP B-TREE FOR ORDER BY"
"""All rows are sorted before the first one is returned."""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    kept = FileJournal(tmp_path)
    told = FakeDeployment()
    told.fail_over()
    told.now += 60
    told.fail_over(old=B, new=C, epoch=2)
    kept.write(told.entries)
    yield kept.reader
    kept.close()


def plan(reader: Reader, question: Callable[[], object], columns: str | None = None) -> list[str]:
    """Return SQLite's plan for the only SELECT of a query, or for the same with these columns."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(reader._engine, "before_cursor_execute", note)
    question()
    event.remove(reader._engine, "before_cursor_execute", note)
    [(statement, parameters)] = asked
    if columns is not None:
        statement = f"SELECT {columns} {statement[statement.index('FROM') :]}"
    with reader._engine.connect() as connection:
        return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "SCAN failovers USING INDEX failovers_started"),
        ({"until": NOW}, "SEARCH failovers USING INDEX failovers_started (started<?)"),
        ({"deployment": "kvdb"}, "SEARCH failovers USING INDEX failovers_deployment (deployment=?)"),
        (OF, "SEARCH failovers USING INDEX failovers_master (deployment=? AND master=?)"),
        (OF | {"outcome": "aborted"}, "SEARCH failovers USING INDEX failovers_master (deployment=? AND master=?)"),
    ],
)
def test_failovers_come_in_order(reader: Reader, wanted: dict[str, Any], found: str) -> None:
    assert plan(reader, lambda: reader.failovers(FailoverFilter(**wanted))) == [found]


@pytest.mark.parametrize(
    "wanted",
    [{"outcome": "aborted"}, {"kind": "manual"}, {"missed": True}, {"acknowledged": False}, {"master": "none"}],
)
@pytest.mark.parametrize("deployment", [None, "kvdb"])
def test_failovers_that_a_list_leaves_out_are_not_read(
    reader: Reader, wanted: dict[str, Any], deployment: str | None
) -> None:
    asked = FailoverFilter(deployment, **wanted)
    [found] = plan(reader, lambda: reader.failovers(asked), columns="failovers.id")
    # Whole rows are found by the same index; other columns are looked up only for matching rows.
    assert "USING COVERING INDEX failovers_" in found


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "SCAN switches USING INDEX switches_time"),
        ({"deployment": "kvdb"}, "SEARCH switches USING INDEX switches_deployment (deployment=?)"),
        (OF, "SEARCH switches USING INDEX switches_master (deployment=? AND master=?)"),
    ],
)
def test_switches_come_in_order(reader: Reader, wanted: dict[str, Any], found: str) -> None:
    assert plan(reader, lambda: reader.switches(**wanted)) == [found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["SCAN entries"]),
        ({"deployment": "kvdb"}, ["SCAN entries"]),
        ({"master": "mymaster1"}, ["SEARCH entries USING INDEX entries_master (master=?)"]),
        (OF, ["SEARCH entries USING INDEX entries_master (master=?)"]),
        (
            OF | {"since": NOW},
            ["SEARCH entries USING INDEX entries_master_time (master=? AND time>?)", SORTED],
        ),
        (
            OF | {"since": NOW, "until": NOW + 9},
            ["SEARCH entries USING INDEX entries_master_time (master=? AND time>? AND time<?)", SORTED],
        ),
    ],
)
def test_lines_of_the_stream_come_in_order_and_only_those_of_a_moment_are_sorted(
    reader: Reader, wanted: dict[str, Any], found: list[str]
) -> None:
    assert plan(reader, lambda: reader.newest_entries(**wanted)) == found


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (
            lambda reader, cursor: reader.failovers(FailoverFilter(suspicions=True), cursor, 1),
            "SEARCH failovers USING INDEX failovers_started (started<?)",
        ),
        (
            lambda reader, cursor: reader.switches(cursor=cursor, limit=1),
            "SEARCH switches USING INDEX switches_time (time<?)",
        ),
        (
            lambda reader, cursor: reader.newest_entries(cursor=cursor, limit=1),
            "SEARCH entries USING INTEGER PRIMARY KEY (rowid<?)",
        ),
        (
            lambda reader, cursor: reader.newest_entries(**OF, cursor=cursor, limit=1),
            "SEARCH entries USING INDEX entries_master (master=? AND id<?)",
        ),
    ],
    ids=["failovers", "switches", "lines", "lines of a master"],
)
def test_page_begins_where_the_one_before_ended(
    reader: Reader, ask: Callable[[Reader, str | None], Page], found: str
) -> None:
    first = ask(reader, None)
    assert first.next is not None
    assert plan(reader, lambda: ask(reader, first.next)) == [found]
