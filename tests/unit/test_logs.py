"""The log: each stage once, with the failover's id; text from the network can't forge a line."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from switchmaster.account.transcript import Said
from switchmaster.errors import JournalUnavailable
from switchmaster.journal.store import Store
from switchmaster.journal.writer import Written
from switchmaster.server.journal_log import JournalLog
from switchmaster.server.log_format import JsonLines, TextLines
from switchmaster.server.systemd import Systemd

HOSTILE = "m\x1b[2J\n2026-01-01 error forged\udcff\u202e"


@pytest.fixture(params=[TextLines, JsonLines])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(request.param())
    logger = logging.getLogger("switchmaster.watch")
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    logger.propagate = False
    yield out
    logger.removeHandler(handler)
    logger.setLevel(before[0])
    logger.propagate = before[1]


def test_hostile_name_stays_on_its_line(log: io.StringIO) -> None:
    line = {"type": "notice", "deployment": "d", "master": HOSTILE, "kind": "stale", "text": HOSTILE}
    JournalLog().written([Written(1, line)])
    [said] = log.getvalue().splitlines()
    assert not {"\x1b", "\udcff", "\u202e"} & set(said)
    said.encode("utf-8")


def test_suspicion_that_ends_is_not_an_aborted_failover(log: io.StringIO, tmp_path: Path) -> None:
    kept, teller = RecordedJournal(tmp_path), JournalLog()
    heard = [
        Said("s1:1", at, channel, "master mymaster 127.0.0.1 6379", line)
        for line, (at, channel) in enumerate(((1.0, "+sdown"), (2.0, "-sdown")), 1)
    ]
    kept.write(Store("run", "one"), entries_of(heard), at_once=1)
    for number, line in kept.reader.entries(limit=1000, types=("failover",)):
        teller.written([Written(number, line, line["id"])])
    said = log.getvalue()
    assert "mymaster: suspicion ended: the master answers again" in said
    assert "aborted" not in said
    assert "failover" not in said.replace('"failover"', "").replace("failover=", "")
    kept.close()


def test_each_stage_is_logged_once_however_often_the_record_grows(log: io.StringIO, tmp_path: Path) -> None:
    kept, teller = RecordedJournal(tmp_path), JournalLog()
    kept.write(Store("run", "one"), entries_of(said_in(["redis-7.0.15-crash500-run0"])), at_once=1)
    news = kept.reader.entries(limit=1000, types=("failover", "switch"))
    ids = [line.get("id") for _, line in news]
    teller.written([Written(number, line, id) for (number, line), id in zip(news, ids, strict=True)])
    said = log.getvalue().splitlines()
    for stage in ("suspected", "agreed down", "elected", "selected", "switched", "settled"):
        assert sum(f"mymaster: {stage}" in line for line in said) == 1, stage
    assert sum("SWITCH" in line for line in said) == 1
    kept.close()


def test_entries_that_wait_are_marked_in_the_log(log: io.StringIO) -> None:
    entries = list(entries_of(said_in(["redis-7.0.15-crash500-run0"])))
    JournalLog().waiting(entries, JournalUnavailable("x", "locked"))
    said = log.getvalue().splitlines()
    assert said
    assert all("waiting" in line for line in said)
    assert any("default/mymaster#1" in line for line in said)


def test_json_lines_hold_the_fields() -> None:
    record = logging.LogRecord("switchmaster.x", logging.INFO, "f", 1, "hello %s", ("you",), None)
    record.fields = {"failover": "1", "master": "m"}
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["level"], line["failover"]) == ("hello you", "info", "1")


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_notified_on_its_socket(tmp_path: Path, abstract: bool) -> None:
    name = "@switchmaster-test-notify" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0{name[1:]}" if abstract else name)
        systemd = Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"})
        assert systemd.watchdog == 2.0
        systemd.ready("hearing")
        assert end.recv(1000) == b"READY=1\nSTATUS=hearing"
        systemd.reloading()
        assert end.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_nothing_is_notified_without_systemd(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        Systemd(environ).ready("x")
        Systemd(environ).alive()
    assert Systemd({"WATCHDOG_USEC": "2000000"}).watchdog is None
    assert Systemd({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}).watchdog is None
