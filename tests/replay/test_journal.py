"""
Golden journals: the rows of each recording, each failover once, whichever daemons watched, interrupted or not.

Each file in `journal/` is named after its recording, opens with what it shows, and after ``----`` has what a reader
gets. `pytest tests/replay --rewrite` writes that part again; then look at the difference.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import NAMES, said_in
from switchmaster.account.record_lines import (
    failover_from_line,
    failover_to_line,
    observation_from_line,
    observation_to_line,
    switch_from_line,
    switch_to_line,
)
from switchmaster.account.replay import replay
from switchmaster.belief.failover import Failover
from switchmaster.journal.engine import connect
from switchmaster.journal.reader import FailoverFilter
from switchmaster.journal.schema import entries as entry_rows
from switchmaster.journal.schema import failovers, masters, observations, switches
from switchmaster.journal.store import Store
from switchmaster.render import Line, seconds_of, to_json

JOURNALS = Path(__file__).parent / "journal"
GOLDEN = sorted(JOURNALS.glob("*.txt"))
SOME = [
    *("redis-7.0.15-crash500-run0", "redis-7.0.15-flipflop-downafter100", "redis-7.0.15-reconf"),
    *("redis-7.0.15-two-masters", "redis-7.0.15-extras", "valkey-9.1.2-coordinated"),
]

WRITTEN = (entry_rows, failovers, masters, observations, switches)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RecordedJournal]:
    journal = RecordedJournal(tmp_path)
    yield journal
    journal.close()


def all_failovers(kept: RecordedJournal, suspicions: bool = False) -> list[Line]:
    """Return all, oldest first, read page by page."""
    found: list[Line] = []
    cursor = None
    while True:
        page = kept.reader.failovers(FailoverFilter(suspicions=suspicions), cursor, limit=3)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found[::-1]


def told_failover(line: Line, start: float) -> Iterator[str]:
    began = (seconds_of(line["time"])) - start
    old, new = (None if line[key] is None else f":{line[key]['port']}" for key in ("old", "new"))
    state = "missed" if line["missed"] else line["outcome"]
    yield (
        f"{began:8.3f} {line['master']} {line['kind']} {state} {old} -> {new} epoch {line['epoch']} "
        f"incarnation {line['incarnation']} leader {port(line['leader'])}"
    )
    if line["reason"]:
        yield f"         because {line['reason']}"
    if line["agreement"]:
        agreed = line["agreement"]
        yield f"         agreed {agreed['agreeing']} of quorum {agreed['quorum']} +{agreed['elapsed']:.3f}"
    said = " ".join(f"{port(one['sentinel'])}+{one['elapsed']:.3f}" for one in line["announcements"])
    if said:
        yield f"         announced {said}"
    for replica in line["replicas"]:
        told, follows = (elapsed(line, replica[key]) for key in ("told", "follows"))
        yield f"         replica :{replica['port']} told {told} follows {follows} again {replica['again']}"
    if line["returned"]:
        yield f"         old master back +{line['returned']['elapsed']:.3f} by {line['returned']['by']}"
    yield "         " + " ".join(f"{stage['stage']}+{stage['elapsed']:.3f}" for stage in line["stages"])
    yield "         " + " ".join(f"{name}={seconds:.3f}" for name, seconds in line["durations"].items())


def port(sentinel: str | None) -> str:
    return "-" if sentinel is None else f":{sentinel.rpartition(':')[2]}"


def elapsed(line: Line, moment: str | None) -> str:
    return "-" if moment is None else f"+{seconds_of(moment) - seconds_of(line['time']):.3f}"


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_journal_equals_its_golden_file(path: Path, kept: RecordedJournal, request: pytest.FixtureRequest) -> None:
    opening, _, golden = path.read_text(encoding="utf-8").partition("\n----\n")
    assert opening.startswith("# ")
    said = said_in([path.stem])
    kept.write(Store("run", "one"), entries_of(said))
    start = said[0].time or 0.0
    actual = "".join(f"{row}\n" for line in all_failovers(kept) for row in told_failover(line, start))
    if request.config.getoption("--rewrite", default=False):
        path.write_text(f"{opening}\n----\n{actual}", encoding="utf-8")
        golden = actual
    assert actual == golden


def identity(line: Line) -> tuple[object, ...]:
    return line["master"], line["incarnation"], line["outcome"], line["epoch"], str(line["old"]), str(line["new"])


@pytest.mark.parametrize("name", NAMES)
def test_every_attempt_of_a_recording_is_kept_once_as_decided(name: str, kept: RecordedJournal) -> None:
    said = said_in([name])
    told = [one for one in replay(said) if isinstance(one, Failover)]
    kept.write(Store("run", "one"), entries_of(said))
    found = all_failovers(kept)
    assert sorted((f.master, str(f.outcome), len(f.stages)) for f in told) == sorted(
        (line["master"], line["outcome"], len(line["stages"])) for line in found
    )
    assert not [line for line in found if line["missed"]]


@pytest.mark.parametrize("name", SOME)
def test_two_daemons_keep_each_failover_once(name: str, kept: RecordedJournal, tmp_path: Path) -> None:
    """Their entries come in any interleaving that keeps the order of each."""
    said = said_in([name])
    (tmp_path / "alone").mkdir()
    alone = RecordedJournal(tmp_path / "alone")
    alone.write(Store("run", "one"), entries_of(said))
    chance = random.Random(name)
    streams = [(Store(f"run{n}", f"d{n}"), list(entries_of(said))) for n in range(2)]
    while any(entries for _, entries in streams):
        store, entries = chance.choice([stream for stream in streams if stream[1]])
        size = chance.choice([1, 5, 20, 50])
        kept.write(store, entries[:size])
        del entries[:size]
    assert sorted(map(identity, all_failovers(kept))) == sorted(map(identity, all_failovers(alone)))
    for line in all_failovers(kept):
        assert sorted(line["observers"]) == ["d0", "d1"]
    assert len(kept.reader.switches(limit=1000).items) == len(alone.reader.switches(limit=1000).items)
    alone.close()


@pytest.mark.parametrize("name", SOME)
def test_entries_written_twice_change_nothing(name: str, kept: RecordedJournal) -> None:
    entries = list(entries_of(said_in([name])))
    kept.write(Store("run", "one"), entries)
    before = [identity(line) for line in all_failovers(kept)], kept.reader.switches(limit=1000).items
    kept.write(Store("run", "one"), entries)
    assert before == ([identity(line) for line in all_failovers(kept)], kept.reader.switches(limit=1000).items)


def contents(kept: RecordedJournal) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows; of the switches without their ids, which have gaps where one was merged into another."""
    of = {table: [c for c in table.c if (table, c.name) != (switches, "id")] for table in WRITTEN}
    with connect(kept.engine, kept.url) as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)
            for table, columns in of.items()
        }


@pytest.mark.parametrize("name", ["redis-7.0.15-flipflop-downafter100", "redis-7.0.15-extras"])
def test_a_transaction_of_many_entries_writes_what_one_for_each_would(
    name: str, kept: RecordedJournal, tmp_path: Path
) -> None:
    (tmp_path / "apart").mkdir()
    apart = RecordedJournal(tmp_path / "apart")
    said = said_in([name])
    chance = random.Random(name)
    streams = [
        ([Store(f"run{n}", f"d{n}") for _ in range(2)], list(entries_of(said, events=True)[:400])) for n in range(2)
    ]
    while any(entries for _, entries in streams):
        (together, one_by_one), entries = chance.choice([stream for stream in streams if stream[1]])
        size = chance.choice([1, 30, 200])
        kept.write(together, entries[:size])
        apart.write(one_by_one, entries[:size], at_once=1)
        del entries[:size]
    assert contents(kept) == contents(apart)
    apart.close()


@pytest.mark.parametrize("name", SOME)
def test_records_are_read_and_written_again_byte_for_byte(name: str, kept: RecordedJournal) -> None:
    entries = list(entries_of(said_in([name])))
    for run in range(2):
        kept.write(Store(f"run{run}", f"d{run}"), entries)
    with connect(kept.engine, kept.url) as connection:
        lines = connection.scalars(select(failovers.c.line)).all()
        records = connection.scalars(select(observations.c.record)).all()
        moves = connection.scalars(select(switches.c.line)).all()
    assert any('"replica":null' in line for line in lines)
    for line in lines:
        assert to_json(failover_to_line(failover_from_line(json.loads(line)))) == line
    for record in records:
        assert to_json(observation_to_line(observation_from_line(json.loads(record)))) == record
    for move in moves:
        assert to_json(switch_to_line(switch_from_line(json.loads(move)))) == move
