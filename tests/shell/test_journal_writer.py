"""The journal's writer while the database is locked, full, read-only or wrong: it waits, counts, and loses nothing."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rig.conditions import eventually
from switchmaster.account.record import SwitchRecord
from switchmaster.errors import JournalUnavailable, UsageError
from switchmaster.journal import Reader, engine, open_reader, writer
from switchmaster.journal.entries import Alive, Entry, Seen, Sighting, SwitchSeen
from switchmaster.journal.writer import Writer, WriterCallbacks, Written
from switchmaster.model import Address

Make = Callable[..., Writer]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state/journal.db"


@pytest.fixture
def make(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(engine, "BUSY", 0.05)
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.2)
    made: list[Writer] = []

    def one(**more: object) -> Writer:
        found = Writer(url, f"run{len(made)}", "one", **more)  # type: ignore[arg-type]
        made.append(found)
        return found

    yield one
    for each in made:
        each.close(0.0)


def event(number: int) -> Seen:
    return Seen(1_700_000_000.0 + number, {"type": "event", "number": number})


def notice(number: int) -> Seen:
    return Seen(1_700_000_000.0 + number, {"type": "notice", "number": number})


def switch(epoch: int, port: int = 1) -> SwitchSeen:
    time, new = 1_700_000_000.0, Address("h", port)
    return SwitchSeen(
        time, SwitchRecord(time, "d", "m", None, new, epoch, "promoted", "failover", (), "its node says so", "role", 0)
    )


@contextmanager
def reading(url: str) -> Iterator[Reader]:
    reader = open_reader(url)
    yield reader
    reader.close()


def kept(url: str, kind: str = "notice") -> list[int]:
    with reading(url) as reader:
        return [line["number"] for _, line in reader.entries(limit=1000, types=(kind,))]


def test_entries_are_read_in_the_order_in_which_they_were_put(make: Make, url: str) -> None:
    told: list[Written] = []
    one = make(callbacks=WriterCallbacks(written=told.extend))
    one.open()
    for number in range(500):
        one.put(notice(number))
    assert one.close() == 0
    assert kept(url) == list(range(500))
    assert [each.id for each in told] == sorted(each.id for each in told)
    assert (one.counters.written, one.counters.failures, one.waiting) == (500, 0, 0)
    with reading(url) as reader:
        [run] = reader.observers()
    assert run["ended"] is not None


def test_locked_database_makes_entries_wait_and_loses_none(make: Make, url: str, tmp_path: Path) -> None:
    waiting: list[Entry] = []

    def waits(entries: Sequence[Entry], _: JournalUnavailable) -> None:
        waiting.extend(entries)

    one = make(callbacks=WriterCallbacks(waiting=waits))
    one.open()
    other = sqlite3.connect(tmp_path / "state" / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(20):
        one.put(notice(number))
    eventually(lambda: one.trouble)
    assert "locked" in str(one.trouble)
    assert "another program holds its lock" in str(one.trouble)
    eventually(lambda: one.waiting == 20, what="what was being written to wait again")
    other.execute("COMMIT")
    other.close()
    eventually(lambda: one.counters.written == 20)
    assert kept(url) == list(range(20))
    assert one.trouble is None
    # Each is reported as waiting once, although it was tried more than once.
    assert len(waiting) == len({id(each) for each in waiting}) == 20


def test_daemon_starts_without_its_database_and_writes_once_it_is_there(make: Make, url: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be", encoding="utf-8")
    one = make()
    one.open()
    assert "its folder" in str(one.trouble)
    one.put(notice(1))
    (tmp_path / "state").unlink()
    eventually(lambda: one.counters.written == 1)
    assert kept(url) == [1]


def test_full_queue_drops_events_first_and_reports_how_many(make: Make, url: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")
    one = make(queue=100)
    one.open()
    for number in range(90):
        one.put(event(number))
    for number in range(30):
        one.put(notice(number))
    assert one.waiting <= 100
    assert one.counters.dropped == 20
    (tmp_path / "state").unlink()
    eventually(lambda: one.waiting == 0 and one.trouble is None)
    assert kept(url) == list(range(20))
    assert kept(url, "event") == list(range(80))
    with reading(url) as reader:
        [told] = [line["text"] for _, line in reader.entries(limit=1000, types=("daemon",))]
    assert told.startswith("20 entries were dropped")


def test_newer_observations_and_switches_replace_waiting_ones(make: Make, url: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")
    one = make()
    one.open()
    for _ in range(50):
        one.put(switch(1), notice(1))
    assert one.waiting == 51
    (tmp_path / "state").unlink()
    eventually(lambda: one.waiting == 0 and one.trouble is None)
    with reading(url) as reader:
        assert len(reader.switches().items) == 1


def test_entry_that_the_database_refuses_harms_no_other(make: Make, url: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")
    one = make()
    one.open()
    one.put(notice(1), switch(2**70), notice(2))
    one.put(Sighting(1.0, "d", "m", Address("h", 1), 2**70, 0, True), notice(3), Alive(2.0, ("d",)))
    (tmp_path / "state").unlink()
    eventually(lambda: one.waiting == 0 and one.trouble is None and one.counters.written >= 4)
    assert kept(url) == [1, 2, 3]
    assert one.counters.refused == 2


def test_entry_with_an_internal_error_does_not_end_the_writer(
    make: Make, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = replace(switch(7), switch=replace(switch(7).switch, why=object()))  # type: ignore[arg-type]
    one = make()
    one.open()
    one.put(notice(1), wrong, notice(2))
    one.put(notice(3))
    assert one.close() == 0
    assert kept(url) == [1, 2, 3]
    assert one.counters.refused == 1
    assert "refused an entry, which is dropped: TypeError: " in caplog.text


def test_callback_that_fails_does_not_end_the_writer(make: Make, url: str) -> None:
    def fails(_: Sequence[Written]) -> None:
        raise RuntimeError("a listener's mistake")

    one = make(callbacks=WriterCallbacks(written=fails))
    one.open()
    one.put(notice(1))
    eventually(lambda: one.counters.written == 1)
    one.put(notice(2))
    assert one.close() == 0
    assert kept(url) == [1, 2]


def test_close_gives_up_in_time_and_returns_how_many_are_lost(make: Make, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("", encoding="utf-8")
    one = make()
    one.open()
    one.put(notice(1), notice(2))
    assert one.close(0.1) == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "switchmaster journal"]


def test_journal_of_a_later_version_stops_the_start(make: Make, tmp_path: Path) -> None:
    first = make()
    first.open()
    first.close()
    with sqlite3.connect(tmp_path / "state" / "journal.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(UsageError, match="later version"):
        make().open()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        reason = "a small disk needs root: it is mounted"
        if os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    folder = tmp_path / "state"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "switchmaster-test", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(descriptor, b"x" * 4096):
            continue
    os.close(descriptor)


def test_full_disk_makes_entries_wait_and_loses_none(make: Make, url: str, small_disk: Path) -> None:
    one = make()
    one.open()
    one.put(notice(0))
    eventually(lambda: one.counters.written == 1)
    ballast = small_disk / "ballast"
    fill(ballast)
    for number in range(1, 200):
        one.put(Seen(1.0, {"type": "notice", "number": number, "text": "x" * 500}))
    eventually(lambda: one.trouble)
    assert "full" in str(one.trouble)
    assert "free space on that disk" in str(one.trouble)
    ballast.unlink()
    eventually(lambda: one.waiting == 0 and one.trouble is None)
    assert one.close() == 0
    assert kept(url) == list(range(200))


def test_read_only_disk_makes_entries_wait_and_loses_none(make: Make, url: str, small_disk: Path) -> None:
    one = make()
    one.open()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False)
    one.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    other = make()
    other.open()
    other.put(notice(1))
    eventually(lambda: other.trouble)
    assert "readonly" in str(other.trouble) or "unable to open" in str(other.trouble)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    eventually(lambda: other.counters.written == 1)
    assert kept(url) == [1]


# What is more urgent goes first.


def test_entries_wait_while_the_rest_of_the_program_is_busy(make: Make, url: str) -> None:
    busy = threading.Event()
    busy.set()
    asked: list[bool] = []
    one = make(callbacks=WriterCallbacks(busy=lambda: asked.append(True) or busy.is_set()))
    one.open()
    one.put(notice(1))
    eventually(lambda: len(asked) > 3)
    one.put(notice(2))
    assert (one.waiting, one.counters.written) == (2, 0)
    busy.clear()
    eventually(lambda: one.counters.written == 2)
    assert kept(url) == [1, 2]


def test_entries_wait_for_a_bounded_time_until_the_program_was_calm(
    make: Make, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", 0.2)
    steps: list[int] = []
    one = make(callbacks=WriterCallbacks(busy=lambda: not steps.append(one.counters.written)))
    one.open()
    one.put(notice(1))
    eventually(lambda: one.counters.written == 1)
    assert len(steps) > 1
    one.put(notice(2))
    eventually(lambda: one.counters.written == 2)
    assert steps.count(1) == 1  # it has waited enough


def test_entries_that_fill_half_of_the_queue_do_not_wait(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", 1_000.0)
    one = make(queue=10, callbacks=WriterCallbacks(busy=lambda: True))
    one.open()
    one.put(*map(notice, range(4)))
    assert one.counters.written == 0
    one.put(notice(4))
    eventually(lambda: one.counters.written == 5)


def test_entries_that_wait_for_the_program_are_written_when_it_ends(
    make: Make, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "HOLD_SECONDS", 1_000.0)
    one = make(callbacks=WriterCallbacks(busy=lambda: True))
    one.open()
    one.put(notice(1))
    assert one.close() == 0
    assert kept(url) == [1]
