"""One line of a log: what the server wrote, its source, its time, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from switchmaster.account.logs.formats import find_server_line
from switchmaster.account.logs.log_reader import LogEntry, read_line
from switchmaster.account.logs.messages import LoggedEvent, Remark, RemarkKind, Unreadable, read_message
from switchmaster.account.logs.stamps import Stamp, place, read_stamp, zone_between
from switchmaster.account.logs.wrappers import read_wrapping

EVENT = "+sdown master mymaster 10.0.0.1 6379"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("line", "pid", "role", "level"),
    [
        (f"[4211] 03 Aug 13:34:28.665 # {EVENT}", 4211, None, "warning"),
        (f"[001888] 03 Aug 13:34:28.665 # {EVENT}", 1888, None, "warning"),
        (f"12:X 09 Nov 17:58:33.373 # {EVENT}", 12, "sentinel", "warning"),
        (f"12:X 28 Nov 2026 22:17:43.776 * {EVENT}", 12, "sentinel", "notice"),
        (f"12:X 28 Nov 2026 22:17:43.776 - {EVENT}", 12, "sentinel", "verbose"),
        (f"12:X 28 Nov 2026 22:17:43.776 . {EVENT}", 12, "sentinel", "debug"),
        (f"12:X 2026-11-28T22:17:43.776+02:00 # {EVENT}", 12, "sentinel", "warning"),
        (f"12:X 1795904263776 # {EVENT}", 12, "sentinel", "warning"),
        (
            f'pid=12 role=sentinel timestamp="28 Nov 2026 22:17:43.776" level=info message="{EVENT}"',
            12,
            "sentinel",
            "verbose",
        ),
        (f'pid=12 role=primary timestamp="1795904263776" level=debug message="{EVENT}"', 12, "master", "debug"),
        (f"28 Nov 2026 22:17:43.776 # {EVENT}", None, None, "warning"),
        (f'["12:X 28 Nov 2026 22:17:43.776 # {EVENT}",', 12, "sentinel", "warning"),
        ("12:X 28 Nov 2026 22:17:43.776 \\# \\+sdown master mymaster 10.0.0.1 6379", 12, "sentinel", "warning"),
    ],
)
def test_every_server_format_is_found(line: str, pid: int | None, role: str | None, level: str) -> None:
    found = find_server_line(line)
    assert found is not None
    assert (found.pid, found.role, found.level, found.message) == (pid, role, level, EVENT)


@pytest.mark.parametrize(
    "line",
    [
        "127.0.0.1:26379> psubscribe *",
        "$ tail -f sentinel.log",
        "Nov 28 22:17:43 host sshd[12]: Accepted publickey for redis",
        "12:X 28 Foo 2026 22:17:43.776 # +sdown",
        "x12:X28 Nov 2026 22:17:43.776 # +sdown master m 1.1.1.1 1",
        "",
    ],
)
def test_other_lines_are_not_from_a_server(line: str) -> None:
    assert read_line(1, line) is False


@pytest.mark.parametrize(
    ("text", "source", "moment"),
    [
        ("sentinel1_1      | ", "sentinel1_1", None),
        ("proj-sentinel-2  | ", "proj-sentinel-2", None),
        ("stack_sentinel.1.k2j3@node1    | ", "stack_sentinel.1.k2j3@node1", None),
        ("[pod/redis-sentinel-0/sentinel] ", "redis-sentinel-0", None),
        ("2024-12-16T16:33:36.444+09:00 stdout F ", None, "2024-12-16T07:33:36.444+00:00"),
        ("2024-12-16T16:33:36.444123456Z ", None, "2024-12-16T16:33:36.444123+00:00"),
        ("2024-12-16T16:33:36+0000 host9 redis-sentinel[77]: ", "host9/redis-sentinel", "2024-12-16T16:33:36+00:00"),
        ("<30>1 2024-12-16T16:33:36Z host9 redis 77 - - ", "host9/redis", "2024-12-16T16:33:36+00:00"),
        ("/var/log/redis/s1.log.1:20:", "s1.log.1", None),
        ("[host-redis-sentinel]", "host-redis-sentinel", None),
        ("Sentinel_2_log ", "Sentinel_2_log", None),
        ("  > 17: ", None, None),
        ("\x1b[36ms1 |\x1b[0m ", "s1", None),
    ],
)
def test_wrappers_name_the_source_and_the_time(text: str, source: str | None, moment: str | None) -> None:
    found = read_wrapping(text)
    assert found.source == source
    assert (None if found.stamp is None else found.stamp.seconds) == (
        None if moment is None else pytest.approx(at(moment))
    )


def test_a_bare_message_of_syslog_needs_a_server_or_an_event() -> None:
    entry = read_line(1, f"Nov 28 22:17:43 h redis[12]: {EVENT}")
    assert isinstance(entry, LogEntry)
    assert (entry.source, entry.pid, entry.said) == ("h/redis", 12, LoggedEvent("+sdown", EVENT[7:]))
    assert read_line(1, "Nov 28 22:17:43 h redis[12]: Connecting to MASTER 10.0.0.1:6379")
    assert read_line(1, "Nov 28 22:17:43 h dbus[12]: Ready to accept connections") is False


def test_kernel_message_about_a_killed_server_is_read() -> None:
    for line in (
        "Nov 28 22:17:43 h kernel: [1.5] Out of memory: Killed process 12 (redis-server) total-vm:1kB",
        "[Sat Nov 28 22:17:43 2026] Memory cgroup out of memory: Killed process 12 (valkey-server) total-vm:1kB",
    ):
        entry = read_line(1, line)
        assert isinstance(entry, LogEntry)
        assert isinstance(entry.said, Remark)
        assert entry.said.kind is RemarkKind.OUT_OF_MEMORY
    assert read_line(1, "Nov 28 22:17:43 h kernel: [1.5] Out of memory: Killed process 12 (java)") is False


VOTE = "3da6634d82545d4ebbf19634ef5c011446d7f171"


@pytest.mark.parametrize(
    ("message", "kind", "fields"),
    [
        (f"{VOTE} voted for {VOTE} 3", "voted", {"run_id": VOTE, "candidate": VOTE, "epoch": 3}),
        (f"10.0.0.1:26379 voted for {VOTE} 3", "voted", {"run_id": "10.0.0.1:26379"}),
        (
            "Next failover delay: I will not start a failover before Sat Nov 28 22:18:01 2026",
            "postponed",
            {"until": "Sat Nov 28 22:18:01 2026"},
        ),
        ("Executing user requested FAILOVER of 'my master'", "requested", {"master": "my master"}),
        (f"Sentinel ID is {VOTE}", "identity", {"run_id": VOTE}),
        (f"Sentinel runid is {VOTE}", "identity", {"run_id": VOTE}),
        ("Running mode=sentinel, port=26379.", "port", {"port": 26379}),
        ("MASTER MODE enabled (user request from 'id=3 addr=…')", "promoted", {}),
        ("PRIMARY MODE enabled (failover request from 'id=3')", "promoted", {}),
        ("REPLICAOF 10.0.0.1:6379 enabled (user request from 'id=3')", "demoted", {"node": ("10.0.0.1", 6379)}),
        ("SLAVE OF 10.0.0.1:6379 enabled (user request from 'id=3')", "demoted", {"node": ("10.0.0.1", 6379)}),
        ("Connection with master lost.", "master-lost", {}),
        ("Connection with primary lost.", "master-lost", {}),
        ("Connection with replica 10.0.0.2:6379 lost.", "replica-lost", {"node": ("10.0.0.2", 6379)}),
        ("Full resync from master: 1f2e:14", "full-sync", {}),
        ("Full resync requested by replica 10.0.0.2:6379", "full-sync", {"node": ("10.0.0.2", 6379)}),
        ("Successful partial resynchronization with master.", "partial-sync", {}),
        (
            "Partial resynchronization request from 10.0.0.2:6379 accepted. Sending 0 bytes of backlog",
            "partial-sync",
            {"node": ("10.0.0.2", 6379)},
        ),
        ("MASTER <-> REPLICA sync: Finished with success", "sync-done", {}),
        ("User requested shutdown...", "stopping", {}),
        ("Received SIGTERM scheduling shutdown...", "stopping", {}),
        ("Redis is now ready to exit, bye bye...", "stopped", {}),
        ("Background saving error", "save-failed", {}),
        ("Redis 7.0.15 crashed by signal: 11, si_code: 0", "crashed", {}),
        ("Out Of Memory allocating 1024 bytes!", "out-of-memory", {}),
        ("FAILOVER requested to 10.0.0.2:6379.", "handing-over", {"node": ("10.0.0.2", 6379)}),
        ("The server is now ready to accept connections on port 6379", "ready", {"port": 6379}),
    ],
)
def test_each_kind_of_remark_is_recognised(message: str, kind: str, fields: dict[str, object]) -> None:
    said = read_message(message)
    assert isinstance(said, Remark)
    assert said.kind == kind
    assert {name: getattr(said, name) for name in fields} == fields


@pytest.mark.parametrize(
    "message",
    [
        "DB saved on disk",
        "- Accepted 10.0.0.1:5512",
        "+script-child 12",
        "10 changes in 300 seconds. Saving...",
        "-",
        "+",
        "",
    ],
)
def test_message_about_something_else_is_ignored(message: str) -> None:
    assert read_message(message) is None


def test_unreadable_event_is_marked_as_such() -> None:
    said = read_message("+switch-master mymaster 10.0.0.1 6379 10.0.0.2")
    assert isinstance(said, Unreadable)
    assert said.channel == "+switch-master"


# Times --------------------------------------------------------------------------------------------


def test_missing_year_comes_from_the_nearest_line_across_new_year() -> None:
    texts = ["30 Dec 10:00:00.000", "31 Dec 2025 23:59:59.500", "01 Jan 00:00:00.100", "02 Jan 10:00:00.000"]
    stamps = [stamp for text in texts if (stamp := read_stamp(text))]
    years = [
        datetime.fromtimestamp(moment, UTC).year for moment in place(stamps, latest=at("2030-01-01T00:00:00+00:00"))
    ]
    assert years == [2025, 2025, 2026, 2026]


def test_unknown_year_is_the_last_that_is_not_in_the_future() -> None:
    stamp = read_stamp("28 Nov 22:17:43.776")
    assert stamp is not None
    for latest, year in (("2026-11-29T00:00:00+00:00", 2026), ("2026-11-20T00:00:00+00:00", 2025)):
        [moment] = place([stamp], latest=at(latest))
        assert datetime.fromtimestamp(moment, UTC).year == year


def test_29_february_in_a_year_without_one_raises_nothing() -> None:
    stamp = read_stamp("29 Feb 01:00:00.000")
    assert stamp is not None
    assert place([stamp], latest=at("2027-06-01T00:00:00+00:00"))


@pytest.mark.parametrize("ahead", [0, 3600, -18_000, 20_700, 45_900])
def test_wrapper_with_a_zone_gives_the_zone_of_the_server(ahead: int) -> None:
    moment = at("2026-11-28T22:17:43.900+00:00")
    local = datetime.fromtimestamp(moment + ahead - 0.12, UTC)
    stamp = read_stamp(f"{local:%d %b %Y %H:%M:%S}.{local.microsecond // 1000:03}")
    assert stamp is not None
    assert zone_between(stamp, moment) == ahead


def test_moments_that_no_zone_explains_give_no_zone() -> None:
    assert zone_between(Stamp(0.0, True, False), 400_000.0) is None
    assert zone_between(Stamp(0.0, True, False), 450.0) is None
