"""The table of events, the tables derived from it, and its generated page."""

from __future__ import annotations

import importlib
import json
import re
import types
from pathlib import Path

import pytest

from switchmaster.account import story
from switchmaster.belief import attempts, failover, judges, watch
from switchmaster.model import Stage
from switchmaster.wire.events import EVENTS, SPEC_OF, Form, Judgement, Progress, Withdrawal, progress_of

ROOT = Path(__file__).parent.parent.parent
CAPTURES = ROOT / "tests" / "recorded" / "captures"
PROTOCOL = ROOT / "docs" / "topics" / "protocol.md"
WHO = {"leader", "non-leader", "each", "one", "target", "candidate", "voter", "itself"}


def recorded_channels() -> set[str]:
    channels = set()
    for path in CAPTURES.glob("*.jsonl"):
        if not path.name.endswith((".hello.jsonl", ".steps.jsonl")):
            lines = path.read_text(encoding="utf-8").splitlines()
            channels |= {json.loads(line)["channel"] for line in lines}
    return channels


def documented_channels() -> set[str]:
    """Return the channels of the table in protocol.md."""
    section = PROTOCOL.read_text(encoding="utf-8").partition("### 1.1 Published")[2].partition("### 1.2")[0]
    return set(re.findall(r"^\| `([+-][a-z-]+)` \|", section, re.MULTILINE))


def tool(name: str) -> types.ModuleType:
    """Load a script of tools/, which find each other when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        return importlib.import_module(name)


def test_recordings_hold_every_row_of_the_table_and_no_other_channel() -> None:
    assert {spec.channel for spec in EVENTS} == recorded_channels()


def test_table_names_each_channel_once() -> None:
    channels = [spec.channel for spec in EVENTS]
    assert len(channels) == len(set(channels))
    assert list(SPEC_OF) == channels
    assert all(SPEC_OF[spec.channel] is spec for spec in EVENTS)


def test_every_documented_channel_is_judged_or_marked_as_recorded_only() -> None:
    assert {spec.channel for spec in EVENTS} == documented_channels()
    judged = {spec.channel for spec in EVENTS if spec.judged is not Judgement.RECORDED}
    assert judged == set(judges.JUDGES)
    assert {spec.judged for spec in EVENTS} == set(Judgement)


def test_every_stage_and_withdrawal_has_a_channel_and_an_act() -> None:
    assert {spec.stage for spec in EVENTS if spec.stage} == set(Stage)
    assert {spec.withdraws for spec in EVENTS if spec.withdraws} == set(Withdrawal)
    assert set(attempts._ACT_ON) == {*Stage, *Withdrawal}
    assert [] == [spec.channel for spec in EVENTS if spec.stage and (spec.withdraws or spec.during)]


def test_only_aborts_have_a_reason_and_advice() -> None:
    aborts = {spec.channel for spec in EVENTS if spec.stage is Stage.ABORTED}
    assert aborts == {spec.channel for spec in EVENTS if spec.abort} == set(failover.ABORT_REASONS)
    assert aborts == set(story._ADVICE)
    assert {Judgement.ABORTED} == {SPEC_OF[channel].judged for channel in aborts}


def test_only_the_reconfiguration_of_replicas_has_progress() -> None:
    reconfiguring = {spec.channel for spec in EVENTS if spec.stage is Stage.RECONFIGURING}
    assert reconfiguring == {spec.channel for spec in EVENTS if spec.progress}
    assert {progress_of(channel) for channel in reconfiguring} == set(Progress)
    assert {None} == {progress_of(other) for other in ("+sdown", "ROLE", "snapshot")}


def test_a_snapshot_follows_the_events_that_change_more_than_they_say() -> None:
    expected = {
        "+promoted-slave",
        "+switch-master",
        "+failover-end",
        "+reset-master",
        "+sentinel-address-switch",
        "+set",
    }
    assert expected == watch._ASK_AFTER


def test_table_uses_known_words_for_who_and_level() -> None:
    assert {spec.emitter for spec in EVENTS} == WHO
    assert {spec.level for spec in EVENTS} == {"warning", "notice", "verbose"}


def test_table_uses_every_form() -> None:
    assert {spec.form for spec in EVENTS} == set(Form)


def test_only_one_channel_is_not_in_all_servers() -> None:
    newer = {spec.channel: spec.since for spec in EVENTS if spec.since}
    assert newer == {"-failover-abort-master-timeout": "Valkey 9"}


def test_page_matches_the_table() -> None:
    pages, text = tool("pages"), tool("events_page").page()
    assert (pages.REFERENCE / "events.md").read_text(encoding="utf-8") == text
    assert 0 == pages.write_or_check({"events.md": text}, ["--check"])


def test_page_has_one_row_for_each_channel_and_one_line_for_each_form() -> None:
    lines = tool("events_page").page().splitlines()
    for spec in EVENTS:
        assert 1 == sum(line.startswith(f"| `{spec.channel}` |") for line in lines)
    for form in Form:
        assert 1 == sum(line.startswith(f"- `{form.value}`: ") for line in lines)


def test_check_fails_when_the_page_is_stale_or_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages, text = tool("pages"), tool("events_page").page()
    path = tmp_path / "events.md"
    assert 1 == pages.write_or_check({"events.md": text}, ["--check"], tmp_path)
    assert not path.exists()
    assert 0 == pages.write_or_check({"events.md": text}, [], tmp_path)
    assert 0 == pages.write_or_check({"events.md": text}, ["--check"], tmp_path)
    stale = text.replace("+switch-master", "+switch-main")
    path.write_text(stale, encoding="utf-8")
    assert 1 == pages.write_or_check({"events.md": text}, ["--check"], tmp_path)
    assert path.read_text(encoding="utf-8") == stale
    assert "events.md is stale" in capsys.readouterr().err
