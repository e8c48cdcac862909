"""
Sentinels' own log files show the same failovers as their events, in every format and under every wrapper.

The truth for each set of logs is what ``PSUBSCRIBE *`` received at the same time. A log line is written at once; the
message leaves at the end of the server's event loop iteration, after the configuration was saved if an epoch or an
address changed. So a stage is never later in the log than in the message, and earlier by that saving alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import pytest

from recorded.log_wrappers import WRAPPERS, as_redis_2, as_redis_4, as_syslog, as_valkey, as_windows
from switchmaster.account.logs import LogFile, LogReader, Logs, merge_logs
from switchmaster.account.logs.stamps import Zone, utc
from switchmaster.account.replay import replay
from switchmaster.account.transcript import Said, merge, read_transcript
from switchmaster.belief.decisions import Switch
from switchmaster.belief.failover import Failover, Stage

LOGS = Path(__file__).parent.parent / "recorded" / "logs"
RECORDED = ("redis-6.2.14", "valkey-9.1.2-logfmt-iso")
NAMES = ("s1", "s2", "s3")
LATEST = 1_796_000_000.0

SAVING = 0.12
"""Seconds that a message left after its line at most in these recordings, most of them to save the configuration."""


def lines_of(recording: str, name: str) -> list[str]:
    return (LOGS / f"{recording}.{name}.log").read_text().splitlines()


def read(files: dict[str, Sequence[str]], latest: float = LATEST, zone: Zone = utc) -> Logs:
    found = []
    for name, lines in files.items():
        reader = LogReader(name)
        reader.feed("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")
        found.append(LogFile(name, reader.entries))
    return merge_logs(found, latest=latest, zone=zone)


def recorded(recording: str, change: Callable[[str, str], str] = lambda name, line: line) -> Logs:
    return read({f"{name}.log": [change(name, line) for line in lines_of(recording, name)] for name in NAMES})


def failovers_of(said: Iterable[Said]) -> list[Failover]:
    return [decided for decided in replay(said) if isinstance(decided, Failover)]


def heard(recording: str) -> list[Said]:
    text = (LOGS / f"{recording}.jsonl").read_text()
    return merge([read_transcript(text, recording)])


def told(failover: Failover) -> tuple[object, ...]:
    kinds = tuple(entry.stage for entry in failover.stages if entry.stage is not Stage.RECONFIGURING)
    return (failover.master, failover.kind, failover.outcome, failover.old, failover.new, failover.epoch,
            failover.reason, kinds)  # fmt: skip


def check_same_story(logs: Logs, recording: str, resolution: float = 0.001) -> None:
    ours, theirs = failovers_of(logs.said), failovers_of(heard(recording))
    assert [told(each) for each in ours] == [told(each) for each in theirs]
    late = []
    for one, other in zip(ours, theirs, strict=True):
        for entry in one.stages:
            true = next(
                each for each in other.stages
                if (each.stage, each.replica) == (entry.stage, entry.replica)
                and (entry.stage is not Stage.RECONFIGURING or each.by == entry.by)
            )  # fmt: skip
            assert entry.time is not None
            assert true.time is not None
            late.append(true.time - entry.time)
    assert min(late) >= -0.002
    assert median(late) <= 0.002 + resolution
    assert max(late) <= SAVING + resolution


def switches_of(said: Iterable[Said]) -> list[tuple[object, ...]]:
    return [(s.master, s.old, s.new, s.epoch) for s in replay(said) if isinstance(s, Switch)]


@pytest.mark.parametrize("recording", RECORDED)
def test_logs_and_subscribers_agree(recording: str) -> None:
    logs = recorded(recording)
    check_same_story(logs, recording)
    assert switches_of(logs.said) == switches_of(heard(recording))
    assert len(logs.sentinels) == 3
    assert {said.sentinel for said in logs.said} == {said.sentinel for said in heard(recording)}
    assert logs.unreadable == ()
    assert all(offset.seconds == 0 for offset in logs.offsets.values())


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("recording", RECORDED)
def test_every_wrapper_is_read_through(recording: str, wrapper: str) -> None:
    logs = recorded(recording, WRAPPERS[wrapper])
    check_same_story(logs, recording)


@pytest.mark.parametrize("wrapper", [*WRAPPERS])
@pytest.mark.parametrize("recording", RECORDED)
def test_all_sentinels_in_one_file_are_separated(recording: str, wrapper: str) -> None:
    """Merged by time, as a collector does; the pid or the wrapper shows the source of each line."""
    from recorded.log_wrappers import moment_of

    rows = [(moment_of(line), name, line) for name in NAMES for line in lines_of(recording, name)]
    rows.sort(key=lambda row: row[0])
    logs = read({"all.log": [WRAPPERS[wrapper](name, line) for _, name, line in rows]})
    assert len(logs.sentinels) == 3
    check_same_story(logs, recording)


@pytest.mark.parametrize("change", [as_redis_4, as_redis_2, as_windows])
def test_formats_without_a_year_get_the_year_of_the_latest_moment(change: Callable[[str], str]) -> None:
    check_same_story(recorded("redis-6.2.14", lambda _, line: change(line)), "redis-6.2.14")


@pytest.mark.parametrize("form", ["legacy", "logfmt"])
@pytest.mark.parametrize("stamp", ["legacy", "iso8601", "milliseconds"])
def test_every_format_of_valkey_is_read(form: str, stamp: str) -> None:
    logs = recorded("redis-6.2.14", lambda _, line: as_valkey(line, form, stamp))
    check_same_story(logs, "redis-6.2.14")
    assert logs.zoned is (stamp != "legacy")


def test_syslog_has_bare_messages_to_the_second() -> None:
    logs = recorded("redis-6.2.14", as_syslog)
    check_same_story(logs, "redis-6.2.14", resolution=1.0)
    assert logs.resolution == 1.0
