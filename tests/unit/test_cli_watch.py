"""What a watch prints of a Watcher's reports, without a network."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switchmaster.account.transcript import merge, read_transcript
from switchmaster.belief.decisions import Notice, NoticeKind, Switch
from switchmaster.belief.failover import Failover
from switchmaster.belief.topology import SentinelState, Topology
from switchmaster.belief.watch import Watch
from switchmaster.cli.news_feed import EVENTS_KEPT, NEWS_KEPT, NewsFeed
from switchmaster.cli.output import Output
from switchmaster.cli.verbs.watch import LiveReport
from switchmaster.model import Grade, Moment, SentinelName
from switchmaster.net.heard import Heard
from switchmaster.wire.facts import LinkState
from switchmaster.wire.grammar import parse_event

CRASH = Path(__file__).parent.parent / "recorded" / "captures" / "redis-7.0.15-crash500-run0.jsonl"


class TellingWatcher:
    """Has the callbacks of a Watcher, and reports what the test gives it."""

    def __init__(self) -> None:
        self.topology = Topology("kvdb", {}, {}, 0)
        self._callbacks: dict[type, list[Callable[[Any], None]]] = {}

    def on_switch(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.setdefault(Switch, []).append(callback)

    def on_event(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.setdefault(Heard, []).append(callback)

    def on_failover(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.setdefault(Failover, []).append(callback)

    def on_notice(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.setdefault(Notice, []).append(callback)

    def tell(self, item: object) -> None:
        for callback in self._callbacks.get(type(item), []):
            callback(item)

    def sentinel(self, name: str, state: LinkState, reason: str = "", tilt: bool = False) -> None:
        found = SentinelState(SentinelName(name), None, "redis 7.0.15", state, reason, True, tilt)
        sentinels = {**self.topology.sentinels, SentinelName(name): found}
        self.topology = replace(self.topology, sentinels=sentinels, version=self.topology.version + 1)

    def crash(self) -> None:
        """Report a recorded failover as it was heard: every event, and every decision."""
        watch = Watch(policy=Grade.ANNOUNCED, probing=False, asking=False)
        for said in merge([read_transcript(CRASH.read_bytes(), "crash")]):
            event = parse_event(said.channel, said.payload)
            sentinel = SentinelName(said.sentinel)
            assert said.time is not None
            self.tell(Heard(sentinel, event, said.time))
            watch.observe(sentinel, event, Moment(said.time, said.time))
            for decision in watch.decisions():
                self.tell(decision)


@pytest.fixture
def watcher() -> TellingWatcher:
    return TellingWatcher()


def account(watcher: TellingWatcher, form: str, **more: Any) -> LiveReport:
    made = LiveReport(watcher, Output(form), **more)  # type: ignore[arg-type]
    made.begin(watcher.topology)
    return made


def now() -> float:
    """Return a deadline that has passed: earlier reports are printed, and nothing is waited for."""
    return time.monotonic()


def test_pretty_account_grows_stage_by_stage_and_reports_each_once(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    told = account(watcher, "pretty")
    watcher.crash()
    told.follow(now())
    lines = capsys.readouterr().out.splitlines()
    stages = [line[24:38].strip() for line in lines if line.startswith("mymaster  ")]
    assert [stage for stage in stages if stage] == [
        *("suspected", "agreed down", "electing", "elected", "selected", "promoting"),
        *("promoted", "SWITCH", "reconfiguring", "switched", "reconfiguring", "settled"),
        "completed",
    ]


def test_json_has_one_line_for_the_switch_and_one_for_the_whole_failover(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    told = account(watcher, "json")
    watcher.crash()
    told.follow(now())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["switch", "failover"]
    assert lines[1]["outcome"] == "completed"


def test_open_failover_is_reported_at_the_end(watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]) -> None:
    records: list[Failover] = []
    watcher.on_failover(records.append)
    watcher.crash()
    halfway = next(record for record in records if len(record.stages) == 5)
    told = account(watcher, "json")
    watcher.tell(halfway)
    told.follow(now())
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["outcome"] == "in-progress"


def test_follow_ends_with_the_first_wanted_item(watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]) -> None:
    told = account(watcher, "json")
    watcher.crash()
    assert told.follow(None, lambda item: isinstance(item, Switch))
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["type"] == "switch"


def test_pattern_leaves_nothing_but_matching_events(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    told = account(watcher, "json", patterns=["+switch-*", "[^+]odown"])
    watcher.crash()
    told.follow(now())
    channels = [json.loads(line)["channel"] for line in capsys.readouterr().out.splitlines()]
    assert set(channels) == {"+switch-master", "-odown"}
    assert channels.count("+switch-master") == 3


def test_lost_and_returned_sentinels_and_tilt_are_reported(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher.sentinel("s1:1", LinkState.LIVE)
    watcher.sentinel("s2:2", LinkState.DOWN, "connection refused")
    told = account(watcher, "pretty")
    watcher.sentinel("s1:1", LinkState.DOWN, "silent for 1.0 s\x1b[2J")
    told.follow(now())
    watcher.sentinel("s1:1", LinkState.LIVE, tilt=True)
    watcher.sentinel("s2:2", LinkState.LIVE)
    told.follow(now())
    out, err = capsys.readouterr()
    assert "Watching kvdb: 1 of 2 Sentinels heard" in out
    assert "s1:1 is lost: silent for 1.0 s\\x1b[2J" in out
    assert "s1:1 is heard again" in out
    assert "s1:1 is in TILT" in out
    assert "s2:2 is heard again" in out
    assert err == "switchmaster: the Sentinel s2:2 could not be reached: connection refused\n"


def test_links_go_to_standard_error_where_output_is_for_programs(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    watcher.sentinel("s1:1", LinkState.LIVE)
    told = account(watcher, "json")
    watcher.sentinel("s1:1", LinkState.DOWN, "it closed")
    told.follow(now())
    assert capsys.readouterr() == ("", "switchmaster: Sentinel s1:1 is lost: it closed\n")


def test_slow_reader_is_told_how_many_events_it_missed(
    watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]
) -> None:
    told = account(watcher, "json", patterns=["*"])
    event = Heard(SentinelName("s:1"), parse_event("+new-epoch", "1"), 1.0)
    for _ in range(EVENTS_KEPT + 7):
        watcher.tell(event)
    told.follow(now())
    out, err = capsys.readouterr()
    assert err == "switchmaster: missed 7 events: the reader of this output is too slow\n"
    assert out.count("\n") == EVENTS_KEPT


def test_feed_keeps_room_for_news_behind_the_events() -> None:
    feed: NewsFeed[str] = NewsFeed()
    for _ in range(EVENTS_KEPT + 1):
        feed.event("event")
    feed.news("switch")
    assert feed.missed() == 1
    assert [feed.take(0) for _ in range(EVENTS_KEPT + 2)][-2:] == ["switch", None]
    for _ in range(NEWS_KEPT + 1):
        feed.news("switch")
    assert feed.missed() == 1


def test_notice_is_reported_in_words(watcher: TellingWatcher, capsys: pytest.CaptureFixture[str]) -> None:
    told = account(watcher, "pretty")
    watcher.tell(Notice(NoticeKind.STALE, "kvdb", "m", None, "it still gives [red]old", 1.0, 0.0))
    told.follow(now())
    assert "m  00:00:00.000Z  note            it still gives [red]old" in capsys.readouterr().out


class Terminal(io.StringIO):
    """A standard output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_terminal_is_coloured_unless_no_color_is_set(
    monkeypatch: pytest.MonkeyPatch, variable: str, coloured: bool
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setenv("TERM", "xterm-256color")
    output = Output()
    assert output.form == "pretty"
    output.words((("[bold]evil[/]\x1b[2J", "red"), (" plain", "")))
    text = terminal.getvalue()
    assert "[bold]evil[/]\\x1b[2J" in text
    assert ("\x1b[31m" in text) is coloured
    assert "\x1b[2J" not in text
