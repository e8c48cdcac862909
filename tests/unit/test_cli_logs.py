"""`replay`, `why` and `import` on the servers' own logs."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from recorded.journals import RecordedJournal, entries_of
from switchmaster.account.transcript import merge, read_transcript
from switchmaster.cli.group import cli
from switchmaster.journal.reader import FailoverFilter
from switchmaster.journal.store import Store

LOGS = Path(__file__).parent.parent / "recorded" / "logs"
REDIS = [str(LOGS / f"redis-6.2.14.{name}.log") for name in ("s1", "s2", "s3")]
VALKEY = [str(LOGS / f"valkey-9.1.2-logfmt-iso.{name}.log") for name in ("s1", "s2", "s3")]
NODES = sorted(str(path) for path in LOGS.glob("redis-7.0.15-nodes.*.log"))


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, list(args), input=stdin)


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# replay -------------------------------------------------------------------------------------------


def test_replay_reports_failovers_with_the_remarks_of_the_logs() -> None:
    found = [line for line in lines(run("replay", *REDIS)) if line["type"] == "failover"]
    assert [(line["kind"], line["outcome"], line["epoch"]) for line in found] == [
        ("automatic", "completed", 1),
        ("manual", "completed", 2),
        ("automatic", "aborted", 3),
        ("automatic", "completed", 4),
    ]
    remarks = [[remark["remark"] for remark in line["remarks"]] for line in found]  # type: ignore[attr-defined]
    assert remarks[1] == ["requested"]
    assert remarks[0].count("voted") == 2
    assert {vote["sentinel"] for vote in found[0]["votes"]} == {  # type: ignore[attr-defined]
        *("127.0.0.1:27350", "127.0.0.1:27351", "127.0.0.1:27352")
    }


def test_replay_reads_compressed_files_standard_input_and_mixed_formats(tmp_path: Path) -> None:
    whole = run("replay", *REDIS).stdout
    packed = []
    for file in REDIS:
        path = tmp_path / f"{Path(file).name}.gz"
        path.write_bytes(gzip.compress(Path(file).read_bytes()))
        packed.append(str(path))
    assert run("replay", *packed).stdout == whole
    alone = run("replay", "-", stdin=Path(REDIS[2]).read_bytes())
    assert [line["epoch"] for line in lines(alone) if line["type"] == "failover"] == [1, 2, 3, 4]
    mixed = tmp_path / "note.txt"
    note = (
        b'127.0.0.1:26379> psubscribe *\n1) "pmessage"\n2) "*"\n3) "+switch-master"\n4) "other 10.0.0.1 1 10.0.0.2 2"\n'
    )
    mixed.write_bytes(note + b"\n" + Path(REDIS[0]).read_bytes())
    masters = {line["master"] for line in lines(run("replay", str(mixed))) if line["type"] == "switch"}
    assert masters == {"mymaster1", "other"}


def test_replay_draws_a_timeline_that_holds_hostile_text_as_text(tmp_path: Path) -> None:
    hostile = tmp_path / "s.log"
    text = Path(REDIS[2]).read_text().replace("mymaster1", "<script>alert(1)</script>&\x1b]0;x\x07")
    hostile.write_text(text)
    svg, html = run("replay", str(hostile), "--format", "svg"), run("replay", str(hostile), "--format", "html")
    assert svg.exit_code == html.exit_code == 0, svg.output
    root = ElementTree.fromstring(svg.stdout)
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
        *("svg", "title", "style", "rect", "g", "text", "line", "circle")
    }
    assert any("<script>alert(1)</script>&" in (element.text or "") for element in root.iter())
    assert "<script" not in html.stdout
    assert "\x1b" not in html.stdout + svg.stdout
    assert "default-src 'none'" in html.stdout


def test_the_timeline_has_a_lane_for_each_sentinel_and_one_for_the_nodes() -> None:
    root = ElementTree.fromstring(run("replay", *NODES, "--format", "svg").stdout)
    texts = [element.text or "" for element in root.iter()]
    assert "data nodes" in texts
    sentinels = {text for text in texts if re.fullmatch(r"127\.0\.0\.1:\d+", text)}
    assert len(sentinels) == 3


def test_replay_writes_a_post_mortem_of_each_failover() -> None:
    result = run("replay", *REDIS, "--format", "md")
    assert result.exit_code == 0
    assert result.stdout.count("# Failover of default/mymaster1") == 4
    assert result.stdout.count("## What to change") == 4


def test_transcript_without_times_cannot_be_drawn(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text('1) "pmessage"\n2) "*"\n3) "+switch-master"\n4) "m 10.0.0.1 1 10.0.0.2 2"\n')
    result = run("replay", str(note), "--format", "svg")
    assert result.exit_code == 2
    assert "has no times" in result.stderr


def test_lines_that_are_not_understood_are_counted_and_shown_on_request(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    path.write_text("$ tail s.log\n" + Path(REDIS[0]).read_text() + "another program's line\n")
    counted = run("replay", str(path))
    assert "2 of 53 lines are not from a server; --left-out shows them" in counted.stderr
    assert "another program" not in counted.stderr
    assert f"{path}:53: no format of a server: another program's line" in run("replay", str(path), "--left-out").stderr


def test_names_and_zones_can_be_given() -> None:
    result = run("replay", *REDIS, *(f"--as=n{i}={file}" for i, file in enumerate(REDIS)), "--tz", "+02:00")
    [first, *_] = [line for line in lines(result) if line["type"] == "failover"]
    assert first["leader"] == "n2"
    assert str(first["time"]).startswith("2026-11-28T20:17:47.951")
    assert "no time zone" not in result.stderr


@pytest.mark.parametrize(
    ("option", "says"),
    [("--as=x", "expected NAME=FILE"), ("--as=x=nowhere", "expected NAME=FILE"), ("--tz=Mars/Olympus", "unknown zone")],
)
def test_wrong_options_are_reported_in_a_sentence(option: str, says: str) -> None:
    result = run("replay", REDIS[0], option)
    assert result.exit_code == 2
    assert says in result.stderr


# why ----------------------------------------------------------------------------------------------


def test_why_describes_each_incident_in_sentences() -> None:
    result = run("why", *REDIS)
    assert result.exit_code == 0, result.output
    told = result.stdout
    assert "Automatically, mymaster1 moved from 127.0.0.1:27300 to 127.0.0.1:27301." in told
    assert "an operator sent SENTINEL FAILOVER to 127.0.0.1:27351 at 22:18:06.974Z" in told
    assert "the old master answered again at 2026-11-28 22:18:40.029Z" in told
    assert "The vote was split" in told
    assert "rule R02" in told
    assert "0.317 to 1.167 s after the first suspicion" in told


def test_why_with_the_nodes_logs_knows_the_cause_and_the_moment() -> None:
    told = run("why", *NODES).stdout
    assert "MASTER MODE enabled in 127.0.0.1:" in told
    assert re.search(r"Cause: 127\.0\.0\.1:\d+ lost its connection to the master at", told)
    assert re.search(r"Cause: 127\.0\.0\.1:\d+ (was told to shut down|shut down in order)", told)
    assert re.search(r"Two masters took writes for \d+\.\d{3} s: the old one was demoted at", told)


@pytest.mark.parametrize(
    ("server", "returns"),
    [
        ("valkey-9.1.2", ["25766", "03:09:00.807Z", "25768", "03:09:22.112Z"]),
        ("redis-7.0.15", ["16651", "03:08:00.193Z"]),
    ],
)
def test_why_names_the_synchronisations_that_followed_each_failover_once(server: str, returns: list[str]) -> None:
    """Both sides of one are logged, and those before a failover, as at the start, are not its consequence."""
    told = run("why", *(str(path) for path in sorted(LOGS.glob(f"{server}-nodes.*.log")))).stdout
    found = re.findall(
        r"At risk: 127\.0\.0\.1:(\d+) came back and resynchronised fully with the new master at (\S+):", told
    )
    assert [word for each in found for word in each][: len(returns)] == returns
    counts = re.findall(r"show (\d) full resynchronisations? and (\d) partial", told)
    assert counts == [("1", "1"), ("2", "0"), ("0", "1")]


def test_why_describes_one_incident_or_one_master() -> None:
    assert run("why", *REDIS, "--at", "22:18:37").stdout.count("mymaster1 did not move") == 1
    assert run("why", *REDIS, "--at", "22:18:37").stdout.count("mymaster1 moved") == 0
    assert run("why", *REDIS, "--at", "2026-11-28T22:17:48Z").stdout.count("mymaster1 moved") == 1
    assert "No Sentinel tried a failover." in run("why", *REDIS, "--master", "other").stdout
    assert run("why", *REDIS, "--at", "noon").exit_code == 2


def test_attempts_given_up_while_the_master_was_down_are_one_incident(tmp_path: Path) -> None:
    """The recording's hang, as if the master had not answered between the two attempts."""
    files = []
    for file in REDIS:
        kept = [line for line in Path(file).read_text().splitlines() if not re.search(r"22:18:[45]\d.*-[so]down", line)]
        path = tmp_path / Path(file).name
        path.write_text("\n".join(kept) + "\n")
        files.append(str(path))
    told = run("why", *files).stdout
    assert "It took 2 attempts:" in told
    assert "At most 21." in told


# import -------------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


def history(url: str) -> list[dict[str, object]]:
    found = lines(run("history", "--journal", url))
    return sorted(found, key=lambda line: str(line["time"]))


def test_import_puts_failovers_into_the_journal_once(url: str) -> None:
    first, again = (run("import", *REDIS, "--journal", url) for _ in range(2))
    assert "4 failovers in the files; new or more complete in the journal: 4 failovers, 3 switches" in first.stdout
    assert "new or more complete in the journal: 0 failovers, 0 switches" in again.stdout
    found = history(url)
    assert [line["epoch"] for line in found] == [1, 2, 3, 4]
    assert found[1]["kind"] == "manual"
    assert {remark["remark"] for line in found for remark in line["remarks"]} >= {"voted", "requested"}  # type: ignore[attr-defined]


def test_files_imported_one_by_one_are_merged(url: str) -> None:
    for file in REDIS:
        assert run("import", file, "--journal", url).exit_code == 0
    run("import", *REDIS, "--journal", url)
    assert [line["epoch"] for line in history(url)] == [1, 2, 3, 4]


def test_observations_of_a_daemon_and_of_logs_are_merged(tmp_path: Path) -> None:
    kept = RecordedJournal(tmp_path)
    try:
        heard = merge([read_transcript((LOGS / "redis-6.2.14.jsonl").read_text(), "heard")])
        kept.write(Store("run", "daemon"), entries_of(heard))
        before = kept.reader.masters()
        assert run("import", *REDIS, "--journal", kept.url).exit_code == 0
        page = kept.reader.failovers(FailoverFilter())
        assert [line["epoch"] for line in page.items] == [4, 3, 2, 1]
        assert all(
            line["observers"] == ["daemon", "logs"] or line["observers"] == ["logs", "daemon"] for line in page.items
        )
        assert any(line["remarks"] for line in page.items)
        assert kept.reader.masters() == before
    finally:
        kept.close()


def test_import_does_not_say_where_a_master_is_now(url: str) -> None:
    run("import", *REDIS, "--journal", url)
    from switchmaster.journal.reader import Reader

    reader = Reader(url)
    try:
        assert reader.masters() == []
    finally:
        reader.close()


def test_transcript_without_times_is_not_imported(tmp_path: Path, url: str) -> None:
    note = tmp_path / "note.txt"
    note.write_text('1) "pmessage"\n2) "*"\n3) "+switch-master"\n4) "m 10.0.0.1 1 10.0.0.2 2"\n')
    result = run("import", str(note), "--journal", url)
    assert result.exit_code == 2
    assert "no time" in result.stderr


def test_why_reads_the_journal_too(url: str) -> None:
    run("import", *REDIS, "--journal", url)
    told = run("why", "--journal", url).stdout
    assert "Automatically, mymaster1 moved from 127.0.0.1:27300 to 127.0.0.1:27301." in told
    assert "an operator sent SENTINEL FAILOVER to 127.0.0.1:27351" in told
