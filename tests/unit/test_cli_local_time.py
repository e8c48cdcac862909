"""In which zone times are read and shown, and that it is always named."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pytest
from click.testing import CliRunner

from switchmaster.cli.local_time import clock, day_and_clock, moment, read_moment, utc_option

WALL = 1784948400.123456


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def told(*words: str, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    @click.command()
    @click.option("--since", callback=read_moment)
    @utc_option
    def command(since: float | None) -> None:
        shown = "" if since is None else f"{datetime.fromtimestamp(since, UTC):%m-%d %H:%M}"
        click.echo(f"{clock(WALL)} | {day_and_clock(WALL)} | {moment(WALL)} | {shown}")

    runner = CliRunner()
    with runner.isolation():
        monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: terminal)
    result = runner.invoke(command, words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip(), result.stderr


def test_terminal_shows_local_times_with_their_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = told("--since", "2026-07-25T04:30", terminal=True, monkeypatch=monkeypatch)
    day = "2026-07-25 05:00:00.123+02:00"
    assert out == f"05:00:00.123+02:00 | {day} | {day} | 07-25 02:30"
    assert err == ""


def test_utc_is_shown_and_read_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = told("--since", "2026-07-25T04:30", "--utc", terminal=True, monkeypatch=monkeypatch)
    day = "2026-07-25 03:00:00.123Z"
    assert out == f"03:00:00.123Z | {day} | {day} | 07-25 04:30"


def test_without_a_terminal_utc_is_assumed_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = told("--since", "2026-07-25T04:30", terminal=False, monkeypatch=monkeypatch)
    assert out.endswith("07-25 04:30")
    assert err == "switchmaster: no zone was given, assuming 2026-07-25 04:30:00.000Z\n"


def test_given_zone_counts_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (True, False):
        out, err = told("--since", "2026-07-25T04:30+05:00", terminal=terminal, monkeypatch=monkeypatch)
        assert (out.endswith("07-24 23:30"), err) == (True, "")


def test_time_of_day_alone_is_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchmaster.cli.local_time.time.time", lambda: WALL)
    assert told("--since", "04:59", terminal=True, monkeypatch=monkeypatch)[0].endswith("07-25 02:59")
    assert told("--since", "05:01", terminal=True, monkeypatch=monkeypatch)[0].endswith("07-24 03:01")
    assert told("--since", "03:12", "--utc", terminal=True, monkeypatch=monkeypatch)[0].endswith("07-24 03:12")


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-13-01", "7y", ""])
def test_invalid_moment_is_refused_with_an_example(text: str) -> None:
    @click.command()
    @click.option("--since", callback=read_moment)
    def command(since: float | None) -> None:
        """Take a moment."""

    result = CliRunner().invoke(command, ["--since", text])
    assert result.exit_code == 2
    assert "such as 03:12" in result.stderr
