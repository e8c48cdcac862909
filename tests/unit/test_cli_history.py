"""`history`, `show`, `ack` and `comment` over a journal, as a shell sees them; hostile text is inert in all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from switchmaster.account.postmortem import escape
from switchmaster.account.transcript import Said
from switchmaster.cli.group import cli
from switchmaster.journal.store import Store
from switchmaster.render import Line

HOSTILE = "m\x1b]0;x\x07'; DROP TABLE failovers;--|<img/src=x>[a](http://b)\udcff"


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, arguments, env={"SWITCHMASTER_CONFIG": None})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[RecordedJournal]:
    journal = RecordedJournal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
def url(kept: RecordedJournal) -> str:
    kept.write(Store("run", "one"), entries_of(said_in(["redis-7.0.15-main"])))
    return kept.url


def history(url: str, *more: str) -> list[Line]:
    code, out, err = run("history", "--journal", url, "--format", "json", *more)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_history_lists_failovers_newest_first(url: str) -> None:
    found = history(url)
    assert [line["epoch"] for line in found] == [4, 3, 2, 1]
    assert {line["outcome"] for line in found} == {"completed"}


@pytest.mark.parametrize(
    ("filters", "epochs"),
    [
        (["--kind", "manual"], [3, 2]),
        (["--outcome", "aborted"], []),
        (["--master", "other"], []),
        (["--deployment", "default", "--master", "mymaster"], [4, 3, 2, 1]),
        (["--missed"], []),
        (["--heard", "--unacknowledged"], [4, 3, 2, 1]),
        (["--since", "1s"], []),
        (["--since", "2000-01-01T00:00Z", "--until", "2100-01-01T00:00+02:00"], [4, 3, 2, 1]),
    ],
)
def test_history_filters(url: str, filters: list[str], epochs: list[int]) -> None:
    assert [line["epoch"] for line in history(url, *filters)] == epochs


def test_history_continues_from_page_to_page(url: str) -> None:
    first = run("history", "--journal", url, "--limit", "3", "--format", "tsv")
    cursor = re.search(r"--cursor (\S+)", first[2])
    assert cursor is not None
    rest = run("history", "--journal", url, "--limit", "3", "--format", "tsv", "--cursor", cursor[1])
    rows = [line.split("\t") for line in (first[1] + rest[1]).splitlines()]
    assert [row[8] for row in rows] == ["4", "3", "2", "1"]
    assert rest[2] == ""


@pytest.mark.parametrize("words", [["--cursor", "zzz"], ["--since", "soon"], ["--since", "9999999-01-01"]])
def test_wrong_arguments_exit_with_code_2(url: str, words: list[str]) -> None:
    code, out, err = run("history", "--journal", url, *words)
    assert (code, out) == (2, "")
    assert err


def test_show_prints_stages_in_words_in_json_and_in_markdown(url: str) -> None:
    line = history(url)[3]
    code, pretty, _ = run("show", line["id"], "--journal", url, "--format", "pretty")
    assert code == 0
    stages = [stage["stage"] for stage in line["stages"]]
    places = [pretty.index(f"  {stage.replace('-', ' ')} ") for stage in dict.fromkeys(stages)]
    assert len(places) == 10
    assert "3 Sentinels, quorum 2" in pretty
    assert "back after 5.378 s" in pretty
    shown = json.loads(run("show", line["id"], "--journal", url, "--format", "json")[1])
    assert {**line, "comments": []} == {key: shown[key] for key in shown if key != "switches"}
    assert shown["switches"][0]["new"] == line["new"]
    md = run("show", line["id"], "--journal", url, "--format", "md")[1]
    for part in ("# Failover of default/mymaster", "## Timeline", "| 1.099 s |", "## What to change"):
        assert part in md


def test_ack_and_comment_are_shown_and_filter(url: str) -> None:
    id = history(url)[0]["id"]
    assert run("ack", id, "known", "--by", "ann", "--journal", url)[0] == 0
    assert run("comment", id, "a | b", "--by", "bob\x1b", "--journal", url)[0] == 0
    assert [line["epoch"] for line in history(url, "--acknowledged")] == [4]
    pretty = run("show", id, "--journal", url, "--format", "pretty")[1]
    assert "acknowledged by ann: known" in pretty
    assert "comment by bob\\x1b: a | b" in pretty
    assert r"a \| b" in run("show", id, "--journal", url, "--format", "md")[1]


@pytest.mark.parametrize("verb", [["show"], ["ack"], ["comment"]])
def test_unknown_id_exits_with_code_2(url: str, verb: list[str]) -> None:
    words = ["text"] if verb == ["comment"] else []
    code, out, err = run(*verb, "nothing", *words, "--journal", url)
    assert (code, out) == (2, "")
    assert "has no failover 'nothing'" in err


def test_missing_journal_is_reported_in_a_sentence(tmp_path: Path) -> None:
    code, _, err = run("history", "--journal", f"sqlite:///{tmp_path}/none.db")
    assert code == 1
    assert "no such file" in err


def renamed(said: list[Said]) -> list[Said]:
    return [replace(one, payload=one.payload.replace("mymaster", HOSTILE)) for one in said]


@pytest.mark.parametrize("form", ["pretty", "tsv", "json", "md"])
def test_hostile_master_name_is_inert(kept: RecordedJournal, form: str) -> None:
    kept.write(Store("run", "one\x1b[2J"), entries_of(renamed(said_in(["redis-7.0.15-main"])), events=True))
    found = history(kept.url, "--master", HOSTILE)
    assert [line["epoch"] for line in found] == [4, 3, 2, 1]
    assert {line["master"] for line in found} == {HOSTILE}
    verbs: list[list[str]] = [["show", found[0]["id"]]] if form == "md" else [["history"]]
    verbs += [["show", found[0]["id"]]] if form in ("pretty", "json") else []
    for verb in verbs:
        code, out, _ = run(*verb, "--journal", kept.url, "--format", form)
        assert code == 0
        assert not {"\x1b", "\x07", "\udcff"} & set(out)
        if form == "md":
            heading = out.splitlines()[0]
            assert r"\|\<img/src=x\>\[a\]\(http\://b\)" in heading
            assert all(re.match(r"(\| |\|-|#|- |The switch|$)", row) for row in out.splitlines())


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\n# b", "<b>", "&amp;", "`x`", "[a](b)", "![a](b)", "a|b", "@all", "http://x", "www.x", "$$x"]
)
def test_escaped_text_has_no_markup(text: str) -> None:
    escaped = escape(text)
    assert not re.search(r"(?<!\\)[`<>&\[\]()!|@$#]|[\n\r]|(?<!\\)://|www\.", escaped)
    assert re.sub(r"\\(.)", r"\1", escaped).split() == text.split()


def test_failover_is_named_by_the_beginning_of_its_id_or_as_last(url: str) -> None:
    lines = history(url)
    newest = lines[0]["id"]
    for given in (newest, newest[:-1], "last"):
        assert json.loads(run("show", given, "--journal", url, "--format", "json")[1])["id"] == newest
    assert run("ack", "last", "--by", "ann", "--journal", url)[0] == 0
    assert run("comment", newest[:-2], "seen", "--by", "ann", "--journal", url)[0] == 0
    assert [one["text"] for one in json.loads(run("show", "last", "--journal", url)[1])["comments"]] == ["", "seen"]
    code, out, err = run("show", newest[:2], "--journal", url)
    assert (code, out) == (2, "")
    assert "several failovers have an id that begins with '20': " in err
    assert all(line["id"] in err for line in lines)
    for wrong in ("%", "_", newest.lower(), newest + "0"):
        code, _, err = run("show", wrong, "--journal", url)
        assert (code, "the journal has no failover" in err) == (2, True), wrong


def test_history_finds_a_text(url: str) -> None:
    old = history(url)[3]["old"]
    assert [line["epoch"] for line in history(url, "--text", f"{old['host']}:{old['port']}")]
    assert not history(url, "--text", "nothing like it")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["histroy"], "'history'"),
        (["lab", "crahs"], "'crash'"),
        (["config", "chek"], "'check'"),
        (["history", "--sinse", "7d"], "--since"),
        (["watch", "--until-swich"], "--until-switch"),
    ],
)
def test_misspelt_verb_is_answered_with_a_suggestion(words: list[str], near: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert re.search(rf"Did you mean\b.*{near}", err)
