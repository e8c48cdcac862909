"""
`switchmaster replay` of pasted text: each file of `tests/recorded/pasted` with its right answer, and the ways to copy
it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from switchmaster.account.transcript import read_transcript
from switchmaster.account.transcript_lines import undress
from switchmaster.cli.group import cli
from switchmaster.model import Address, RunId
from switchmaster.wire.hello import Hello, parse_published_hello

PASTED = Path(__file__).parent.parent / "recorded" / "pasted"
HEARD = ["redis-cli-csv", "redis-cli-json", "redis-cli-pipe", "redis-py-json", "redis-py-printed"]
PMESSAGE = ["pmessage", "*", "+sdown", "master m 10.0.0.1 6379"]
EVENT = [("+sdown", "master m 10.0.0.1 6379")]


def replay(name: str, *more: str, text: str | None = None) -> Result:
    file = "-" if text is not None else str(PASTED / name)
    result = CliRunner().invoke(cli, ["replay", file, *more], input=text)
    assert result.exit_code == 0, result.stderr
    return result


def told(name: str, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in replay(name, "--format", "json").stdout.splitlines()]
    return [line for line in lines if line["type"] == kind]


def moves(name: str) -> list[tuple[str, str, int | None]]:
    ends = [(line["old"], line["new"], line["epoch"]) for line in told(name, "switch")]
    return [(f"{a['host']}:{a['port']}", f"{b['host']}:{b['port']}", epoch) for a, b, epoch in ends]


def heard(text: str) -> list[tuple[str, str]]:
    transcript = read_transcript(text, "file")
    assert transcript.skipped == 0, transcript.skips
    return [(said.channel, said.payload) for said in transcript.said]


def test_kind_of_an_attempt_without_its_beginning_is_null() -> None:
    found = told("08-mid-loop-kind.txt", "failover")
    assert [(line["kind"], line["epoch"], line["outcome"]) for line in found] == [
        (None, 43, "aborted"),
        (None, 44, "aborted"),
    ]


def test_continuously_numbered_transcript_is_one_failover() -> None:
    [failover] = told("09-tty-renumbered.txt", "failover")
    assert moves("09-tty-renumbered.txt") == [("10.0.0.113:6379", "10.0.0.48:6379", None)]
    assert [stage["stage"] for stage in failover["stages"]] == ["suspected", "agreed-down", "switched"]
    assert replay("09-tty-renumbered.txt").stderr == ""


def test_notes_after_the_closing_quote_are_no_part_of_the_value() -> None:
    assert len(told("10-tty-comments.txt", "failover")) == 1
    assert moves("10-tty-comments.txt") == [("10.1.1.110:6379", "10.1.1.110:6381", None)]
    assert replay("10-tty-comments.txt").stderr == ""


def test_vote_of_a_follower_before_its_suspicion_is_the_epoch_and_no_candidacy() -> None:
    [failover] = told("12-tty-follower-vote-first.txt", "failover")
    assert (failover["epoch"], failover["candidates"], failover["leader"]) == (2, [], None)
    assert moves("12-tty-follower-vote-first.txt") == [("127.0.0.1:6380", "127.0.0.1:6381", 2)]
    stages = {stage["stage"]: stage for stage in failover["stages"]}
    assert list(stages) == ["suspected", "agreed-down", "electing", "switched"]
    assert stages["electing"]["voted_for"] == "299da3eb5862baf267d16e36306defe7517bab5b"
    text = replay("12-tty-follower-vote-first.txt", "--format", "pretty").stdout
    assert "votes for 299da3eb5862baf267d16e36306defe7517bab5b to lead the failover at epoch 2" in text
    assert "asks to lead" not in text


def test_dots_between_messages_are_skipped_and_the_voter_is_no_candidate() -> None:
    [failover] = told("13-tty-dots-voter.txt", "failover")
    assert (failover["epoch"], failover["kind"], failover["candidates"]) == (1, "automatic", [])
    assert moves("13-tty-dots-voter.txt") == [("10.1.32.7:6379", "10.1.32.5:6379", 1)]
    text = replay("13-tty-dots-voter.txt", "--format", "pretty").stdout
    assert "votes for 42b03403466dd9e2d929e779a7f62d7584e5bc22 to lead the failover at epoch 1" in text


def test_hello_of_a_data_node_is_named_and_shows_the_change_of_master() -> None:
    [switch] = told("14-tty-hello-of-node.txt", "switch")
    assert moves("14-tty-hello-of-node.txt") == [("10.1.99.81:6379", "10.1.99.83:6379", 1)]
    assert (switch["via"], switch["witnesses"]) == ("hello", ["10.1.99.81:26379"])
    stderr = replay("14-tty-hello-of-node.txt").stderr
    assert "3 of its messages are hellos (__sentinel__:hello, first in line 3)" in stderr
    assert "run PSUBSCRIBE on the Sentinels" in stderr


def test_failover_heard_only_at_its_end_is_settled_and_reported_first() -> None:
    found = told("24-order-pretty.jsonl", "failover")
    assert [(line["epoch"], line["stages"][-1]["stage"], line["leader"]) for line in found] == [
        (None, "settled", "s"),
        (70, "settled", "s"),
    ]
    assert [line["kind"] for line in found] == [None, "manual"]
    for form in ("pretty", "tsv"):
        text = replay("24-order-pretty.jsonl", "--format", form).stdout
        assert -1 < text.index("10.2.31.11:6380") < text.index("70")
    headings = [
        line for line in replay("24-order-pretty.jsonl", "--format", "pretty").stdout.splitlines() if ": a" in line
    ]
    assert [line.split("  ")[1][11:19] for line in headings] == ["15:10:36", "15:10:39"]


@pytest.mark.parametrize("name", HEARD)
def test_failover_is_the_same_by_every_kind_of_client(name: str) -> None:
    whole = heard((PASTED / "redis-cli-tty.txt").read_text(encoding="utf-8"))
    assert len(whole) > 15
    assert heard((PASTED / f"{name}.txt").read_text(encoding="utf-8")) == whole
    assert moves(f"{name}.txt") == [("127.0.0.1:25442", "127.0.0.1:25443", 1)]


def test_what_a_node_published_in_a_real_failover_is_one_switch() -> None:
    assert moves("redis-cli-of-node.txt") == [("127.0.0.1:25442", "127.0.0.1:25443", 1)]


TTY = "".join(f'{place}) "{value}"\n' for place, value in enumerate(PMESSAGE, 1))
RAW = "".join(f"{value}\n" for value in PMESSAGE)


@pytest.mark.parametrize(
    "text",
    [
        ",".join(f'"{value}"' for value in PMESSAGE),
        json.dumps(PMESSAGE),
        "> " + json.dumps(PMESSAGE),
        json.dumps(dict(zip(("type", "pattern", "channel", "data"), PMESSAGE, strict=True))),
        str(dict(zip(("type", "pattern", "channel", "data"), PMESSAGE, strict=True))),
        str({"type": "pmessage", "pattern": b"*", "channel": b"+sdown", "data": b"master m 10.0.0.1 6379"}),
        str({"type": "message", "pattern": None, "channel": b"+sdown", "data": b"master m 10.0.0.1 6379"}),
        TTY.replace(") ", ". "),
        TTY.replace('"', "\u201d"),
        TTY.replace(") ", ")\xa0"),
        TTY.replace('"\n', '" <- here\n'),
        TTY.replace('2) "*"\n', '2) "*"\n# a note of mine\n'),
        *("".join(f"s1-1  | {line}\n" for line in text.splitlines()) for text in (TTY, RAW)),
        "".join(f"\x1b[36ms1-1  | \x1b[0m{line}\n" for line in RAW.splitlines()),
        "".join(f"[pod/s-0/sentinel] {line}\n" for line in RAW.splitlines()),
        "".join(f"2026-11-23T03:00:00.25Z {line}\n" for line in RAW.splitlines()),
        "".join(f"s1-1  | 2026-11-23T03:00:00.250000000Z {line}\n" for line in TTY.splitlines()),
        "".join(f"[03:00:00] {line}\n" for line in TTY.splitlines()),
        "".join(f"Nov 23 03:00:00 {line}\n" for line in TTY.splitlines()),
    ],
)
def test_event_is_read_however_a_program_printed_it(text: str) -> None:
    assert heard(text) == EVENT


def test_two_containers_whose_lines_alternate_are_two_sentinels() -> None:
    lines = RAW.splitlines()
    text = "".join(f"s1-1  | {line}\ns2-1  | {line}\n" for line in lines)
    transcript = read_transcript(text, "file")
    assert [(said.sentinel, said.line) for said in transcript.said] == [("s1-1", 1), ("s2-1", 2)]
    assert (transcript.skipped, transcript.sessions) == (0, 2)


@pytest.mark.parametrize(
    ("line", "time", "rest"),
    [
        ("2026-11-23T03:00:00.5+01:00 x", 1795399200.5, "x"),
        ("2026-11-23 03:00:00,250Z x", 1795402800.25, "x"),
        ("2026-11-23 03:00:00 x", None, "x"),
        ("03:00:00 x", None, "x"),
    ],
)
def test_time_in_front_counts_only_with_its_zone(line: str, time: float | None, rest: str) -> None:
    assert undress(line) == (None, time, rest)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('"pmessage","*","+sdown"\n', "line 1: an incomplete message"),
        ('["pmessage","*","+sdown"]\n', "line 1: an incomplete message"),
        ('{"type": "pmessage", "pattern": "*", "channel": "+sdown"}\n', "line 1: an incomplete message"),
        ('7) "pmessage"\n8) "*"\n9) "+sdown"\n', "line 1: an incomplete message"),
    ],
)
def test_incomplete_messages_are_counted_and_reported(text: str, word: str) -> None:
    result = replay("", text=text + TTY)
    assert "1 of its pieces can't be read" in result.stderr
    assert word in result.stderr


def test_log_lines_in_pasted_text_are_read_too() -> None:
    result = replay("", text="1:X 23 Nov 2026 03:00:00.123 # +switch-master m 10.0.0.1 1 10.0.0.2 2\n" + TTY)
    assert "not from a server" not in result.stderr
    assert '"old":{"host":"10.0.0.1","port":1}' in result.stdout


def test_unknown_message_is_counted_and_reported() -> None:
    text = TTY + TTY.replace("+sdown", "+brand-new") + TTY.replace("+sdown", "news")
    stderr = replay("", text=text).stderr
    assert "2 of its messages were not understood (line 5: +brand-new: " in stderr
    assert "line 9: news: " in stderr


@pytest.mark.parametrize(
    "text",
    [
        '5) "message"\n6) "hello"\n7) "x"\n',
        '37) "psubscribe"\n38) "readonly"\n',
        "'type', message\n",
        "{'type': message}",
    ],
)
def test_element_of_another_reply_is_no_message(text: str) -> None:
    assert [said.channel for said in read_transcript(text + "\n" + TTY, "file").said] == ["+sdown"]


def test_hello_is_read_in_its_eight_parts() -> None:
    assert parse_published_hello("10.0.0.1,26379,abc,7,m,10.0.0.2,6379,3") == Hello(
        Address("10.0.0.1", 26379), RunId("abc"), 7, "m", Address("10.0.0.2", 6379), 3
    )


@pytest.mark.parametrize(
    "payload",
    [
        "",
        ",,,,,,,",
        "h,26379,abc,7,m,h,6379",
        "h,26379,abc,7,m,h,6379,x",
        "h,0,abc,7,m,h,6379,3",
        "h,1,abc,7,m,h,65536,3",
        "h,1,abc," + "9" * 21 + ",m,h,1,3",
        "h,1,abc,-1,m,h,1,3",
        "h" * 2000 + ",1,abc,1,m,h,1,3",
    ],
)
def test_hello_of_another_shape_is_none(payload: str) -> None:
    assert parse_published_hello(payload) is None
