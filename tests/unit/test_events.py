"""The table of events, and the page that is generated from it."""

from __future__ import annotations

import importlib.util
import json
import types
from pathlib import Path

import pytest

from switchmaster.core.events import EVENTS, SPEC_OF, Form

ROOT = Path(__file__).parent.parent.parent
CAPTURES = ROOT / "tests" / "captures"
WHO = {"leader", "non-leader", "each", "one", "target", "candidate", "voter", "itself"}


def recorded_channels() -> set[str]:
    channels = set()
    for path in CAPTURES.glob("*.jsonl"):
        if not path.name.endswith((".hello.jsonl", ".steps.jsonl")):
            lines = path.read_text(encoding="utf-8").splitlines()
            channels |= {json.loads(line)["channel"] for line in lines}
    return channels


def events_page() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("events_page", ROOT / "tools" / "events_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_recordings_hold_every_row_of_the_table_and_no_other_channel() -> None:
    assert {spec.channel for spec in EVENTS} == recorded_channels()


def test_table_names_each_channel_once() -> None:
    channels = [spec.channel for spec in EVENTS]
    assert len(channels) == len(set(channels))
    assert list(SPEC_OF) == channels
    assert all(SPEC_OF[spec.channel] is spec for spec in EVENTS)


def test_table_uses_known_words_for_who_and_level() -> None:
    assert {spec.who for spec in EVENTS} == WHO
    assert {spec.level for spec in EVENTS} == {"warning", "notice", "verbose"}


def test_table_uses_every_form() -> None:
    assert {spec.form for spec in EVENTS} == set(Form)


def test_only_one_channel_is_not_in_all_servers() -> None:
    newer = {spec.channel: spec.since for spec in EVENTS if spec.since}
    assert newer == {"-failover-abort-master-timeout": "Valkey 9"}


def test_page_is_what_the_table_says() -> None:
    tool = events_page()
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page()
    assert 0 == tool.main(["--check"])


def test_page_has_one_row_for_each_channel_and_one_line_for_each_form() -> None:
    lines = events_page().page().splitlines()
    for spec in EVENTS:
        assert 1 == sum(line.startswith(f"| `{spec.channel}` |") for line in lines)
    for form in Form:
        assert 1 == sum(line.startswith(f"- `{form.value}`: ") for line in lines)


def test_check_fails_when_the_page_is_stale_or_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = events_page()
    path = tmp_path / "events.md"
    assert 1 == tool.main(["--check"], path)
    assert not path.exists()
    assert 0 == tool.main([], path)
    assert 0 == tool.main(["--check"], path)
    stale = tool.page().replace("+switch-master", "+switch-main")
    path.write_text(stale, encoding="utf-8")
    assert 1 == tool.main(["--check"], path)
    assert path.read_text(encoding="utf-8") == stale
    assert "events.md is stale" in capsys.readouterr().err
