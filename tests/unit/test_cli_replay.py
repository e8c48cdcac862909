"""`switchmaster replay` over recordings: its output, its complaints, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from switchmaster.cli.group import cli

TESTS = Path(__file__).parent.parent
NOTE = str(TESTS / "recorded" / "transcripts" / "operators-note.txt")
CRASH = str(TESTS / "recorded" / "captures" / "redis-7.0.15-crash500-run0.jsonl")

NOTE_TOLD = """
mymaster1: the master 10.209.10.30:6390 seems to be down
suspected       one Sentinel gets no valid answer from 10.209.10.30:6390
agreed down     a quorum of Sentinels agrees
electing        10.209.10.31:46390 asks to lead the failover at epoch 1
elected         10.209.10.31:46390 leads the failover
selected        10.209.10.30:6391 is chosen to become the master
promoting       10.209.10.30:6391 is ordered to become a master
promoted        10.209.10.30:6391 is a master, as the leader reports
SWITCH          10.209.10.30:6390 -> 10.209.10.30:6391  (epoch 1, grade announced)
switched        the first Sentinel announces 10.209.10.30:6391
settled         the leader has finished and is the last to announce the switch
completed       10.209.10.30:6390 -> 10.209.10.30:6391
mymaster1: a failover of the master 10.209.10.30:6391
switched        the first Sentinel announces 10.209.10.30:6390
SWITCH          10.209.10.30:6391 -> 10.209.10.30:6390  (grade announced)
completed       10.209.10.30:6391 -> 10.209.10.30:6390
2 failovers, 2 switches
"""


def replay(*arguments: str, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["replay", *arguments], input=text)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def without_sources(text: str) -> list[str]:
    """Drop the columns of the master, the source and the reason: the rest is the account."""
    told = [line.split("  (+")[0] for line in text.splitlines() if "because" not in line]
    return [line.removeprefix("mymaster1 ").strip() for line in told if line]


def test_operators_note_is_two_switches_there_and_back() -> None:
    found = lines(replay(NOTE))
    switches = [line for line in found if line["type"] == "switch"]
    there = {"host": "10.209.10.30", "port": 6390}, {"host": "10.209.10.30", "port": 6391}
    assert [(s["master"], s["old"], s["new"]) for s in switches] == [
        ("mymaster1", *there),
        ("mymaster1", *reversed(there)),
    ]


def test_operators_note_has_the_stages_of_the_first_failover_in_order() -> None:
    first = next(line for line in lines(replay(NOTE)) if line["type"] == "failover")
    assert [stage["stage"] for stage in first["stages"]] == [
        *("suspected", "agreed-down", "electing", "elected", "selected", "promoting"),
        *("promoted", "switched", "settled"),
    ]
    assert (first["outcome"], first["time"], first["durations"]) == ("completed", None, {})


def test_pretty_account_reports_the_note_stage_by_stage() -> None:
    result = replay(NOTE, "--format", "pretty")
    assert without_sources(result.stdout) == NOTE_TOLD.strip().splitlines()


def test_pretty_account_has_elapsed_times_where_the_input_has_times() -> None:
    result = replay(CRASH, "--format", "pretty")
    assert "mymaster: the master 127.0.0.1:29001 seems to be down  2026-11-23 02:52:10.508Z" in (result.stdout)
    assert "+1.145 s  SWITCH          127.0.0.1:29001 -> 127.0.0.1:29003" in result.stdout
    assert "0.095 s before the first +switch-master, 1.175 s before the leader's" in (result.stdout)


def test_pretty_account_keeps_each_failover_of_two_masters_together() -> None:
    two = str(TESTS / "recorded" / "captures" / "redis-7.0.15-two-masters.jsonl")
    text = replay(two, "--format", "pretty").stdout
    first, second = text.split("\nmymaster: ")
    assert "mymaster " not in first
    assert "cache-2" not in second
    assert text.count("SWITCH") == 2


def test_tsv_rows_have_the_columns_of_their_kind() -> None:
    rows = [row.split("\t") for row in replay(CRASH, "--format", "tsv").stdout.splitlines()]
    assert [(row[0], len(row)) for row in rows] == [("switch", 11), ("failover", 14)]
    assert rows[0][3:7] == ["mymaster", "127.0.0.1:29001", "127.0.0.1:29003", "1"]


def test_standard_input_is_a_file_named_dash() -> None:
    assert lines(replay("-", text=Path(NOTE).read_text(encoding="utf-8"))) == lines(replay(NOTE))


def test_several_files_are_several_sentinels_of_one_failover() -> None:
    names = [f"redis-7.0.15-main.s{n}.redis-cli.txt" for n in (1, 2, 3)]
    found = lines(replay(*(str(TESTS / "recorded" / "captures" / name) for name in names)))
    together = [line for line in found if line["type"] == "failover"]
    alone = lines(replay(str(TESTS / "recorded" / "captures" / names[0])))
    assert max(len(line["stages"]) for line in together) >= 8
    assert {s["new"]["port"] for s in found if s["type"] == "switch"} >= {
        s["new"]["port"] for s in alone if s["type"] == "switch"
    }


def test_deployment_names_the_lines() -> None:
    assert {line["deployment"] for line in lines(replay(CRASH, "--deployment", "kvdb"))} == {"kvdb"}


def test_pieces_left_out_are_counted_with_line_and_reason() -> None:
    cut = Path(CRASH).read_text(encoding="utf-8") + '{"channel": "+sdown"\n'
    result = replay("-", text=cut)
    assert result.exit_code == 0
    assert "stdin: 1 of its pieces can't be read" in result.stderr
    assert "line 42" in result.stderr


@pytest.mark.parametrize("text", ["", "nothing that a Sentinel says\n", "\x00\xff"])
def test_input_without_events_is_a_sentence_and_code_2(text: str) -> None:
    result = replay("-", text=text)
    assert result.exit_code == 2
    assert result.stderr.startswith("switchmaster: found nothing from a Sentinel or a node in -")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_missing_file_is_a_sentence_and_code_2(tmp_path: Path) -> None:
    result = replay(str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert result.stderr.startswith("switchmaster: can't read ")
    assert "No such file" in result.stderr


def test_folder_is_a_sentence_and_code_2(tmp_path: Path) -> None:
    result = replay(str(tmp_path))
    assert result.exit_code == 2
    assert "Is a directory" in result.stderr


@pytest.mark.parametrize("form", ["pretty", "tsv", "json"])
def test_hostile_name_reaches_no_terminal_as_it_is(form: str) -> None:
    evil = "\x1b]0;owned\x07[bold]\u202e"
    payloads = [
        ("+sdown", f"master {evil} 10.0.0.1 6379"),
        ("+switch-master", f"{evil} 10.0.0.1 6379 10.0.0.2 6379"),
    ]
    text = "".join(
        json.dumps({"ts": 1.0 + i, "sentinel": "s:1", "channel": c, "payload": p}) + "\n"
        for i, (c, p) in enumerate(payloads)
    )
    result = replay("-", "--format", form, text=text)
    assert result.exit_code == 0
    assert "10.0.0.2" in result.stdout
    assert "[bold]" in result.stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)
