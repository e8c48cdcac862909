"""
Several logs become one story: the source of each line, one clock, and lines that a terminal cut off.

The logs are recordings; the changes made here (a wrong clock, a zone, a rotation, a narrow terminal) are those of real
logs.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from recorded.log_wrappers import WRAPPERS, as_valkey, moment_of
from replay.test_logs import LOGS, RECORDED, check_same_story, failovers_of, lines_of, read, told
from switchmaster.account.annotations import Annotations
from switchmaster.account.logs import Logs, RemarkKind
from switchmaster.account.logs.candidates import candidates
from switchmaster.account.logs.log_reader import read_line
from switchmaster.account.replay import replay
from switchmaster.belief.failover import Failover, FailoverKind

REDIS = "redis-6.2.14"
NODES = ("redis-7.0.15-nodes", "valkey-9.1.2-nodes")
_STAMP = re.compile(r"\d\d \w{3} \d{4} [\d:.]+")


def moved(line: str, seconds: float) -> str:
    """Return a line as if it had been written with a clock that is ahead by some seconds."""
    moment = moment_of(line) + timedelta(seconds=seconds)
    return _STAMP.sub(f"{moment:%d %b %Y %H:%M:%S}.{moment.microsecond // 1000:03}", line, count=1)


@pytest.mark.parametrize("ahead", [-7200.0, -3.0, -0.4, 0.4, 3.0, 3600.0])
def test_wrong_clock_is_found_by_the_votes(ahead: float) -> None:
    files = {f"{name}.log": lines_of(REDIS, name) for name in ("s1", "s2", "s3")}
    files["s3.log"] = [moved(line, ahead) for line in files["s3.log"]]
    logs = read(files, latest=2e9)
    offset = logs.offsets["127.0.0.1:27352"]
    assert offset.seconds == pytest.approx(ahead, abs=0.03)
    assert offset.least <= ahead + 0.001 <= offset.most + 0.002
    assert logs.offsets["127.0.0.1:27351"].seconds == 0.0
    true = [told(each) for each in failovers_of(read({k: lines_of(REDIS, k[:2]) for k in files}).said)]
    assert [told(each) for each in failovers_of(logs.said)] == true


def test_clocks_within_the_limits_of_the_votes_are_not_moved() -> None:
    files = {f"{name}.log": lines_of(REDIS, name) for name in ("s1", "s2", "s3")}
    files["s2.log"] = [moved(line, 0.01) for line in files["s2.log"]]
    assert read(files).offsets["127.0.0.1:27351"].seconds == 0.0


def test_a_zone_comes_from_the_wrapper_or_from_the_user() -> None:
    berlin = {f"{name}.log": [moved(line, 3600) for line in lines_of(REDIS, name)] for name in ("s1", "s2", "s3")}
    check_same_story(read(berlin, zone=lambda local: 3600), REDIS)
    wrapped = {}
    for name in ("s1", "s2", "s3"):
        true = lines_of(REDIS, name)
        local = [moved(line, 3600) for line in true]
        wrapped[f"{name}.log"] = [f"{moment_of(t):%Y-%m-%dT%H:%M:%S.%f}Z {x}" for t, x in zip(true, local, strict=True)]
    logs = read(wrapped)
    check_same_story(logs, REDIS)
    assert logs.zoned


def test_rotated_files_are_one_sentinel_in_any_order() -> None:
    files = {}
    for name in ("s1", "s2", "s3"):
        lines = lines_of(REDIS, name)
        middle = len(lines) // 2
        files[f"{name}.log"], files[f"{name}.log.1"] = lines[middle:], lines[:middle]
    logs = read(files)
    assert len(logs.sentinels) == 3
    check_same_story(logs, REDIS)


def test_a_restart_with_another_pid_is_the_same_sentinel() -> None:
    files = {}
    for name in ("s1", "s2", "s3"):
        lines = lines_of(REDIS, name)
        files[f"{name}.log"] = [*lines[:30], *(re.sub(r"^\d+:", "99:", line) for line in lines[30:])]
    assert len(read(files).sentinels) == 3


def test_sentinels_without_a_known_address_are_named_by_their_files() -> None:
    logs = read(
        {"s2.log": [line for line in lines_of(REDIS, "s2") if "+sentinel" not in line and " from " not in line]}
    )
    assert logs.sentinels == ("s2",)


@pytest.mark.parametrize("width", [80, 100, 120, 132])
def test_event_cut_by_a_terminal_is_completed_or_left_out(width: int) -> None:
    whole = read({f"{name}.log": lines_of(REDIS, name) for name in ("s1", "s2", "s3")})
    logs = read({f"{name}.log": [line[:width] for line in lines_of(REDIS, name)] for name in ("s1", "s2", "s3")})
    true = {(one.sentinel, one.channel, one.payload.partition(" #")[0]) for one in whole.said}
    names = dict(zip(logs.sentinels, whole.sentinels, strict=True))
    for said in logs.said:
        assert (names[said.sentinel], said.channel, said.payload.partition(" #")[0]) in true
    if width >= 100:
        assert [told(each)[1:6] for each in failovers_of(logs.said)] == [told(e)[1:6] for e in failovers_of(whole.said)]
    if width == 80:
        assert logs.unreadable


@pytest.mark.parametrize("recording", RECORDED)
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_no_useful_line_of_a_large_file_is_skipped(recording: str, wrapper: str) -> None:
    """`candidates` finds everything in a block that reading each of its lines finds."""
    lines = [WRAPPERS[wrapper](name, line) for name in ("s1", "s2", "s3") for line in lines_of(recording, name)]
    check_candidates(lines)


@pytest.mark.parametrize("form", ["legacy", "logfmt"])
@pytest.mark.parametrize("stamp", ["legacy", "iso8601", "milliseconds"])
@pytest.mark.parametrize("recording", NODES)
def test_no_useful_line_of_a_node_is_skipped(recording: str, form: str, stamp: str) -> None:
    paths = sorted(LOGS.glob(f"{recording}.*.log"))
    assert len(paths) == 6
    check_candidates([as_valkey(line, form, stamp) for path in paths for line in path.read_text().splitlines()])


def check_candidates(lines: list[str]) -> None:
    block = "\n".join(lines).encode() + b"\n"
    found = {block[start:end].decode() for start, end in candidates(block)}
    saying = {line for number, line in enumerate(lines) if not isinstance(read_line(number, line.rstrip("\r")), bool)}
    assert saying
    assert saying <= found


# Nodes --------------------------------------------------------------------------------------------


def all_of(recording: str) -> Logs:
    return read({path.name: path.read_text().splitlines() for path in sorted(LOGS.glob(f"{recording}.*.log"))})


@pytest.mark.parametrize("recording", NODES)
def test_node_logs_show_promotion_demotion_and_synchronisation(recording: str) -> None:
    logs = all_of(recording)
    assert len(logs.sentinels) == 3
    assert len(logs.nodes) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", node) for node in logs.nodes)
    annotations = Annotations(logs)
    records = [
        annotations.annotate(r) for r in replay(logs.said) if isinstance(r, Failover) and str(r.outcome) == "completed"
    ]
    assert FailoverKind.MANUAL in {record.kind for record in records}
    found, _ = annotations.assign(records)
    for record in records:
        noted = found[record.master, record.number]
        promoted = [one for one in noted if one.remark.kind is RemarkKind.PROMOTED and one.origin == str(record.new)]
        assert promoted, record
        sent = next(entry.time for entry in record.stages if entry.by == "+failover-state-wait-promotion")
        assert sent is not None
        assert -0.1 <= promoted[0].time - sent <= 1.5
    kinds = {one.remark.kind for one in logs.noted}
    assert kinds >= {
        RemarkKind.DEMOTED,
        RemarkKind.MASTER_LOST,
        RemarkKind.STOPPING,
        RemarkKind.STARTED,
        RemarkKind.READY,
    }


@pytest.mark.parametrize("recording", NODES)
def test_counted_votes_are_in_the_record(recording: str) -> None:
    logs = all_of(recording)
    annotations = Annotations(logs)
    for record in replay(logs.said):
        if isinstance(record, Failover) and record.kind is FailoverKind.AUTOMATIC and record.leader is not None:
            voters = {voter for voter, _, _ in annotations.annotate(record).votes}
            assert len(voters) >= 2
            assert voters <= set(logs.sentinels)
