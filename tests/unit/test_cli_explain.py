"""`switchmaster explain`: its words, its lines and its exit codes, from recorded answers and a recorded journal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from recorded.inspections import disguise, sentinel_replies
from recorded.journals import RecordedJournal, entries_of
from recorded.recordings import said_in
from switchmaster.cli import inspected
from switchmaster.cli.group import cli
from switchmaster.doctor.inspection import Inspection, SentinelInspection
from switchmaster.doctor.questions import Contact, read_sentinel
from switchmaster.explain.down_after import YEAR
from switchmaster.explain.pauses import Pauses
from switchmaster.journal.entries import Seen
from switchmaster.journal.store import Store
from switchmaster.model import Address, SentinelName
from switchmaster.server.deployment_pulse import pulse_line
from switchmaster.wire.refusal import Refusal

HERE = "127.0.0.1:26111"
SILENT = "127.0.0.1:26112"


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["explain", *arguments], env={"SWITCHMASTER_CONFIG": None})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def sentinel(version: str = "redis-7.0.15", name: str = HERE, contact: Contact | None = None) -> SentinelInspection:
    replies = sentinel_replies(version) if contact is None else {}
    contact = contact or Contact(round_trip=0.001)
    return read_sentinel(SentinelName(name), Address.parse(name), True, contact, replies, disguise)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[SentinelInspection]:
    """Return the Sentinels that the next command finds; change the list to change them."""
    found = [sentinel(), sentinel(name=SILENT, contact=Contact("connection refused"))]

    async def inspect_deployment(deployment: object, names: object) -> Inspection:
        return Inspection("kvdb", tuple(found), (), 0.0, 0.2)

    monkeypatch.setattr(inspected, "inspect_deployment", inspect_deployment)
    return found


def without_good_replica(found: list[SentinelInspection]) -> None:
    told = found[0].masters["mymaster"]
    assert told.replicas is not None
    unfit = tuple(replace(one, priority=0) for one in told.replicas)
    found[0] = replace(found[0], masters={"mymaster": replace(told, replicas=unfit)})


@pytest.mark.usefixtures("answered")
def test_healthy_master_would_fail_over_and_the_exit_code_says_so() -> None:
    code, out, err = run("mymaster", HERE, "--format", "pretty")
    assert code == 0
    assert "If it died now, it would fail over: 127.0.0.1:26103 would be promoted." in out
    assert "could lead, promotes 127.0.0.1:26103" in out
    assert "gives no answer (connection refused)" in out
    assert "the replica is a master and takes writes" in out
    assert f"the Sentinel {SILENT} gives no answer: connection refused" in err


def test_master_without_a_good_replica_would_not(answered: list[SentinelInspection]) -> None:
    without_good_replica(answered)
    code, out, _ = run("mymaster", HERE, "--format", "pretty")
    assert code == 1
    assert "it would NOT fail over" in out
    assert "no good replica: 127.0.0.1:26103 has replica-priority 0" in out
    code, out, _ = run("mymaster", HERE, "--format", "json")
    line = json.loads(out)
    assert (code, line["would"], line["winners"], line["leaders"][0]["hindrances"]) == (
        1,
        "no",
        [],
        ["no-good-replica"],
    )
    checks = line["leaders"][0]["candidates"][0]["checks"]
    assert {"rule": "priority", "passed": False, "value": 0, "limit": None} in checks
    code, out, _ = run("mymaster", HERE, "--format", "tsv")
    rows = [row.split("\t") for row in out.splitlines()]
    assert [row[0] for row in rows] == ["explain", "candidate", "candidate"]
    assert rows[1][4:] == ["127.0.0.1:26103", "no", "0", "0", "priority"]


def test_master_that_is_down_already_is_told_as_such(answered: list[SentinelInspection]) -> None:
    told = answered[0].masters["mymaster"]
    down = replace(told.master, flags=told.master.flags | {"s_down"}, s_down_ms=2_000)
    answered[0] = replace(answered[0], masters={"mymaster": replace(told, master=down)})
    code, out, _ = run("mymaster", HERE, "--format", "pretty")
    assert code == 0
    assert f"1 of 1 Sentinels suspect it now (SDOWN): {HERE}" in out
    assert "It is down, and can fail over: 127.0.0.1:26103 would be promoted." in out
    without_good_replica(answered)
    assert "It is down, and will NOT fail over as things are." in run("mymaster", HERE, "--format", "pretty")[1]


@pytest.mark.usefixtures("answered")
def test_death_of_a_host_and_of_a_server_is_simulated(tmp_path: Path) -> None:
    code, out, _ = run("mymaster", HERE, "--if-dies", "127.0.0.1:26101", "--format", "pretty")
    assert code == 0
    assert "if 127.0.0.1:26101 died: it dies, and fails over" in out
    code, out, _ = run(HERE, "--if-dies", "127.0.0.1", "--format", "json")
    line = json.loads(out)
    assert (code, line["fate"], line["dies"], line["leaders"]) == (1, "lost", True, [])
    zones = tmp_path / "zones"
    zones.write_text("127.0.0.1 west  # all of it\n", encoding="utf-8")
    code, out, _ = run(HERE, "--if-dies", "zone:west", "--zones", str(zones), "--format", "tsv")
    assert (code, out.split("\t")[4:6]) == (1, ["zone:west", "lost"])
    config = tmp_path / "switchmaster.toml"
    config.write_text(
        f'[deployments.kvdb]\nsentinels = ["{HERE}"]\n[doctor.zones]\n"127.0.0.1" = "west"\n', encoding="utf-8"
    )
    code, out, _ = run("--if-dies", "zone:west", "--config", str(config), "--format", "tsv")
    assert (code, out.split("\t")[4:6]) == (1, ["zone:west", "lost"])


@pytest.mark.usefixtures("answered")
def test_wrong_usage_is_told_with_what_is_right(tmp_path: Path) -> None:
    zones = tmp_path / "zones"
    zones.write_text("one two three\n", encoding="utf-8")
    for arguments, expected in [
        ([HERE], "name the master"),
        (["nosuch", HERE], "no master named 'nosuch'; they monitor 'mymaster'"),
        ([HERE, "--if-dies", "10.9.9.9"], "no server of this deployment is on '10.9.9.9'; its hosts: 127.0.0.1"),
        ([HERE, "--if-dies", "zone:x"], "zones with hosts: none"),
        ([HERE, "--if-dies", "zone:x", "--zones", str(zones)], "zones:1: expected a host and its zone"),
        ([HERE, "--if-dies", "zone:x", "--zones", str(tmp_path / "none")], "No such file"),
        (["--since", "2h"], "name the master whose past it is"),
        (["mymaster", HERE, "--down-after", "--if-dies", "127.0.0.1"], "give only one of --if-dies"),
        (["mymaster", "--at", "03:12", "--since", "2h"], "give only one of --if-dies, --at, --since and --down-after"),
    ]:
        code, out, err = run(*arguments)
        assert (code in (2, 4), out) == (True, "")
        assert expected in err


def test_no_answer_and_refusal_have_their_exit_codes(answered: list[SentinelInspection]) -> None:
    answered[0] = sentinel(contact=Contact("connection refused"))
    code, _, err = run("mymaster", HERE)
    assert code == 3
    assert f"{HERE}: connection refused" in err
    answered[0] = sentinel(contact=Contact("wrong password", Refusal.PASSWORD))
    assert run("mymaster", HERE)[0] == 5


# What down-after costs ----------------------------------------------------------------------------


def keep_pulse(journal: RecordedJournal, seconds: float, *pauses: float) -> None:
    made = Pauses()
    for pause in pauses:
        made.add(pause, 1_790_000_000.0, 1.0)
    made.add(0.0004, 1_790_000_001.0, seconds - made.measured)
    line = pulse_line("kvdb", "mymaster", Address("127.0.0.1", 26101), made)
    journal.write(Store("run", "one"), [Seen(1_790_000_001.0, line)])


@pytest.mark.usefixtures("answered")
def test_down_after_is_weighed_by_what_the_journal_keeps(tmp_path: Path) -> None:
    journal = RecordedJournal(tmp_path)
    keep_pulse(journal, 4 * YEAR, 0.8, 0.3)
    code, out, _ = run("mymaster", HERE, "--down-after", "--journal", journal.url, "--format", "pretty")
    assert code == 0
    assert "Each crash costs 1.3 to 1.5 s without a master" in out
    assert "4.0 years on 1 node: 3 answers to PING" in out
    assert "2 s keeps below 1 false alarm a year, shown by the measurements" in out
    assert "SENTINEL SET mymaster down-after-milliseconds 2000" in out
    code, out, _ = run("mymaster", HERE, "--down-after", "--journal", journal.url, "--format", "json")
    line = json.loads(out)
    assert (line["type"], line["present"], line["advised"], line["longest"]) == ("down-after", 1.0, 2.0, 0.8)
    assert line["nodes"] == ["127.0.0.1:26101"]
    journal.close()


@pytest.mark.usefixtures("answered")
def test_too_little_data_is_told_as_such(tmp_path: Path) -> None:
    code, out, _ = run("mymaster", HERE, "--down-after", "--format", "pretty")
    assert code == 1
    assert "Nothing was measured." in out
    journal = RecordedJournal(tmp_path)
    keep_pulse(journal, 3600.0, 0.3)
    code, out, _ = run(
        *("mymaster", HERE, "--down-after", "--false-alarms-per-year", "0.5", "--journal", journal.url),
        *("--format", "pretty"),
    )
    assert code == 1
    assert "too little data to keep below 0.5 false alarms a year" in out
    assert "nothing longer than 0.30 s was seen so far" in out
    journal.close()


# The past -----------------------------------------------------------------------------------------


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    journal = RecordedJournal(tmp_path)
    journal.write(Store("run", "one"), entries_of(said_in(["redis-7.0.15-extras"]), events=True))
    yield journal.url
    journal.close()


def first_time(url: str) -> str:
    done = CliRunner().invoke(cli, ["history", "--journal", url, "--format", "json", "--outcome", "aborted"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return str(next(line["time"] for line in lines if "good replica" in line["reason"] or "good-slave" in str(line)))


def test_why_it_did_not_fail_over_is_told_from_the_journal(url: str) -> None:
    moment = first_time(url)
    code, out, err = run("mymaster", "--journal", url, "--at", moment, "--format", "pretty")
    assert (code, err) == (0, "")  # within ten minutes it did fail over
    assert "the leader found no good replica (-failover-abort-no-good-slave)" in out
    assert "`switchmaster show " in out
    code, out, _ = run("mymaster", "--journal", url, "--at", moment, "--format", "json")
    line = json.loads(out)
    assert (line["type"], line["failed_over"]) == ("why-not", True)
    assert {"no-good-replica", "not-elected", "completed"} <= {one["reason"] for one in line["findings"]}


def test_period_that_no_daemon_watched_is_told_as_such(url: str) -> None:
    code, out, _ = run("mymaster", "--journal", url, "--since", "1h", "--format", "pretty")
    assert code == 1
    assert "no daemon watched in this period" in out or "no Sentinel suspected it" in out


@pytest.mark.usefixtures("answered")
def test_journal_that_can_not_be_read_is_left_out_unless_it_was_named(tmp_path: Path) -> None:
    config = tmp_path / "switchmaster.toml"
    missing = f"sqlite:///{tmp_path}/none.db"
    config.write_text(f'[deployments.kvdb]\nsentinels = ["{HERE}"]\n[journal]\nurl = "{missing}"\n', encoding="utf-8")
    code, out, err = run("mymaster", "--config", str(config), "--format", "pretty")
    assert code == 0
    assert "it would fail over" in out
    assert "what the journal knows is left out" in err
    code, out, err = run("mymaster", HERE, "--journal", missing)
    assert (code, out) == (1, "")
    assert "there is no such file" in err
