"""The lines that are printed and served, made from recordings."""

from __future__ import annotations

import json

import pytest

from recorded.recordings import NAMES, said_in
from switchmaster.account.replay import replay
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.failover import Failover
from switchmaster.belief.watch import Watch
from switchmaster.model import Grade
from switchmaster.render import event_line, failover_line, iso, notice_line, switch_line, to_json, topology_line
from switchmaster.wire.grammar import parse_event


def test_switch_line_has_every_field_with_null_where_the_input_has_none() -> None:
    first, second = (value for value in replay(said_in(["operators-note.txt"])) if isinstance(value, Switch))
    assert switch_line(first) == {
        "type": "switch",
        "time": None,
        "deployment": "default",
        "master": "mymaster1",
        "old": {"host": "10.209.10.30", "port": 6390},
        "new": {"host": "10.209.10.30", "port": 6391},
        "epoch": 1,
        "grade": "announced",
        "cause": "failover",
        "witnesses": ["10.209.10.31:46390"],
        "why": "+promoted-slave from 10.209.10.31:46390 at epoch 1; the node was not asked",
        "via": "+promoted-slave",
        "incarnation": 0,
    }
    assert switch_line(second)["epoch"] is None


@pytest.mark.parametrize("name", NAMES)
def test_lines_of_a_recording_are_json_on_one_line_with_a_type(name: str) -> None:
    said = said_in([name])
    watch = Watch(policy=Grade.ANNOUNCED, probing=False, asking=False)
    lines = [event_line(each.sentinel, parse_event(each.channel, each.payload), each.time) for each in said]
    for value in replay(said, watch=watch):
        match value:
            case Switch():
                lines.append(switch_line(value))
            case Failover():
                lines.append(failover_line(value))
            case Notice():
                lines.append(notice_line(value))
    lines.append(topology_line(watch.topology))
    for line in lines:
        text = to_json(line)
        assert text.isascii()
        assert "\n" not in text
        assert json.loads(text) == line
    assert {line["type"] for line in lines} >= {"event", "failover", "topology"}


def test_line_escapes_what_could_harm_a_terminal() -> None:
    event = parse_event("+new-epoch", "\x1b]0;pwned\x07\n\udcff\u202e")
    text = to_json(event_line("s1", event, 0.0))
    assert text.isascii()
    assert text.isprintable()


def test_iso_gives_utc_with_microseconds() -> None:
    assert iso(1795402950.280364) == "2026-11-23T03:02:30.280364Z"
    assert iso(None) is None
