"""
Scenes for the doctor: each breaks a lab of real servers in one way, and mends it when its block ends.

The tables say which rules fire meanwhile, and are the table of docs/topics/doctor.md. tests/live/test_doctor.py plays
`AT_ONCE` and `ONE_BY_ONE`, tests/soak/doctor_rules.py (``make proofs``) the others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.doctor.examine import Diagnosis
from switchmaster.doctor.symptom import Finding, Severity
from switchmaster.lab import Lab, LabServer
from switchmaster.lab.ports import free_ports

__all__ = [
    "ALONE",
    "APART",
    "AT_ONCE",
    "LAB_ON_ONE_HOST",
    "LOCKED",
    "NAME",
    "NOT_HERE",
    "ODD",
    "ONE_BY_ONE",
    "PASSWORD",
    "Scene",
    "Scenes",
    "all_of",
    "grave",
    "unheard",
]

NAME: Final = "mymaster"
PASSWORD: Final = "a-password"
LIMIT: Final = 90.0
AHEAD_SECONDS: Final = 5
LAB_ON_ONE_HOST: Final = {
    "Q06": "all Sentinels are on one host",
    "Q07": "all Sentinels are on one host",
    "Q08": "all nodes are on one host",
    "C13": "a lab lives in a temporary folder",
    "R17": "a lab keeps nothing on disk",
}
"""What is true of every lab."""

Scene: TypeAlias = tuple[Callable[[Lab], AbstractContextManager[None]], tuple[str, ...], str]
"""What breaks the lab, the rules that must fire, and a value that one of them must show."""
Scenes: TypeAlias = Mapping[str, Scene]


def all_of(diagnosis: Diagnosis) -> list[Finding]:
    """Return all findings, also those that are folded into others."""
    return [each for one in diagnosis.findings for each in (one, *one.also)]


def grave(findings: Iterable[Finding]) -> set[str]:
    """Return the rules that found more than a remark."""
    return {one.rule for one in findings if one.severity >= Severity.WARNING}


def unheard(scenes: Scenes, findings: Sequence[Finding]) -> list[str]:
    """Return which rules of which scenes did not fire, or do not show the value."""
    return [
        f"{name}: {rule}"
        for name, (_, rules, value) in scenes.items()
        for rule in rules
        if not any(one.rule == rule for one in findings)
        or not any(
            value in f"{seen.where} {seen.value}" for one in findings if one.rule in rules for seen in one.symptom.seen
        )
    ]


# Settings -----------------------------------------------------------------------------------------


@contextmanager
def node_setting(lab: Lab, name: str, value: str, on_master: bool = False) -> Iterator[None]:
    server = lab.master(NAME) if on_master else lab.replicas(NAME)[0]
    before = server.call("CONFIG", "GET", name)
    assert isinstance(before, list)
    server.call("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        server.call("CONFIG", "SET", name, str(before[1]))


@contextmanager
def right_taken(lab: Lab, command: str) -> Iterator[None]:
    replica = lab.replicas(NAME)[1]
    replica.call("ACL", "SETUSER", "default", f"-{command}")
    try:
        yield
    finally:
        replica.call("ACL", "SETUSER", "default", f"+{command}")


@contextmanager
def sentinel_option(lab: Lab, index: int, option: str, value: int) -> Iterator[None]:
    row = lab.sentinel_command(index, "SENTINEL", "MASTER", NAME)
    assert isinstance(row, list)
    before = dict(zip(row[::2], row[1::2], strict=True))[option]
    lab.sentinel_command(index, "SENTINEL", "SET", NAME, option, value)
    try:
        yield
    finally:
        lab.sentinel_command(index, "SENTINEL", "SET", NAME, option, str(before))


@contextmanager
def sentinel_setting(lab: Lab, name: str, value: str, after: str) -> Iterator[None]:
    lab.sentinel_command(0, "SENTINEL", "CONFIG", "SET", name, value)
    try:
        yield
    finally:
        lab.sentinel_command(0, "SENTINEL", "CONFIG", "SET", name, after)


@contextmanager
def script_on_one(lab: Lab) -> Iterator[None]:
    lab.sentinel_command(0, "SENTINEL", "SET", NAME, "notification-script", "/bin/true")
    try:
        yield
    finally:
        lab.sentinel_command(0, "SENTINEL", "SET", NAME, "notification-script", "")


@contextmanager
def failure_simulated(lab: Lab) -> Iterator[None]:
    lab.sentinel_command(2, "SENTINEL", "SIMULATE-FAILURE", "crash-after-election")
    try:
        yield
    finally:
        lab.sentinel_command(2, "SENTINEL", "SIMULATE-FAILURE", "help")


@contextmanager
def monitored_twice(lab: Lab) -> Iterator[None]:
    """One Sentinel monitors the master under another name too, which no other Sentinel knows."""
    lab.sentinel_command(0, "SENTINEL", "MONITOR", "odd~name", *lab.master(NAME).address, 2)
    try:
        yield
    finally:
        lab.sentinel_command(0, "SENTINEL", "REMOVE", "odd~name")


@contextmanager
def small_backlog(lab: Lab) -> Iterator[None]:
    """More is written than a small backlog holds, on average since the start too: labs are young."""
    master = lab.master(NAME)
    before = master.call("CONFIG", "GET", "repl-backlog-size")
    assert isinstance(before, list)
    master.call("SET", "large", "x" * 2_000_000, timeout=LIMIT)
    master.call("CONFIG", "SET", "repl-backlog-size", "16384")
    try:
        yield
    finally:
        master.call("CONFIG", "SET", "repl-backlog-size", str(before[1]))
        master.call("DEL", "large")


@contextmanager
def save_fails(lab: Lab) -> Iterator[None]:
    """A folder is in the way of the file that a replica saves."""
    replica = lab.replicas(NAME)[0]
    folder = replica.call("CONFIG", "GET", "dir")
    assert isinstance(folder, list)
    file = Path(str(folder[1])) / "dump.rdb"
    file.unlink(missing_ok=True)
    file.mkdir()
    try:
        save(replica, "err")
        yield
    finally:
        file.rmdir()
        save(replica, "ok")
        file.unlink(missing_ok=True)


def save(node: LabServer, status: str) -> None:
    """Save until it ends as it should."""

    def ended() -> bool:
        said = str(node.call("INFO", "persistence"))
        if f"rdb_last_bgsave_status:{status}" in said:
            return True
        if "rdb_bgsave_in_progress:0" in said:
            node.call("BGSAVE")
        return False

    eventually(ended, LIMIT, 0.1, f"a save that ends with {status}")


# Servers that fail --------------------------------------------------------------------------------


@contextmanager
def hung(lab: Lab, servers: Sequence[LabServer]) -> Iterator[None]:
    for one in servers:
        lab.hang(one)
    try:
        yield
    finally:
        for one in servers:
            lab.resume(one)


@contextmanager
def dead(lab: Lab, server: LabServer) -> Iterator[None]:
    lab.crash(server)
    try:
        yield
    finally:
        lab.restart(server)


@contextmanager
def in_tilt(lab: Lab) -> Iterator[None]:
    """Whatever it does takes longer than the 1 ms that it may."""
    for name, value in (("TILT-PERIOD", 2000), ("TILT-TRIGGER", 1)):
        lab.sentinel_command(2, "SENTINEL", "DEBUG", name, value)
    try:
        yield
    finally:
        lab.sentinel_command(2, "SENTINEL", "DEBUG", "TILT-TRIGGER", 2000)
        eventually(lambda: "sentinel_tilt:0" in str(lab.sentinel_command(2, "INFO", "sentinel")), LIMIT)
        lab.sentinel_command(2, "SENTINEL", "DEBUG", "TILT-PERIOD", 30000)


@contextmanager
def failover_waits(lab: Lab) -> Iterator[None]:
    """A failover that was ordered waits for a replica that stands still."""
    old, (wanted, hangs) = lab.master(NAME), lab.replicas(NAME)
    leader = lab.sentinels[0]
    with ExitStack() as stack:
        stack.enter_context(sentinel_option(lab, 0, "down-after-milliseconds", 100_000))
        stack.enter_context(sentinel_option(lab, 0, "failover-timeout", 200_000))
        hangs.call("CONFIG", "SET", "replica-priority", "200")
        stack.callback(hangs.call, "CONFIG", "SET", "replica-priority", "100")
        eventually(lambda: "'200'" in str(leader.call("SENTINEL", "REPLICAS", NAME)), LIMIT, 0.1, "the priority seen")
        lab.hang(hangs)
        try:
            leader.call("SENTINEL", "FAILOVER", NAME)
            yield
        finally:
            lab.resume(hangs)
            eventually(lambda: wanted in lab.masters(NAME), LIMIT, what="the promotion")
            old.call("REPLICAOF", *map(str, wanted.address))
            row = ("SENTINEL", "MASTER", NAME)
            eventually(lambda: "failover_in_progress" not in str(leader.call(*row)), LIMIT, 0.1, "the failover's end")


# What hands do ------------------------------------------------------------------------------------


def monitor(lab: Lab, index: int, node: LabServer) -> None:
    """Let a Sentinel monitor a node as the master, as a lab of the live tests does."""
    lab.sentinel_command(index, "SENTINEL", "MONITOR", NAME, *node.address, 2)
    for option, value in (("down-after-milliseconds", 5000), ("failover-timeout", 10000), ("parallel-syncs", 1)):
        lab.sentinel_command(index, "SENTINEL", "SET", NAME, option, value)


@contextmanager
def forgotten(lab: Lab) -> Iterator[None]:
    master = lab.master(NAME)
    lab.sentinel_command(1, "SENTINEL", "REMOVE", NAME)
    try:
        yield
    finally:
        monitor(lab, 1, master)


@contextmanager
def replica_named(lab: Lab) -> Iterator[None]:
    master = lab.master(NAME)
    lab.sentinel_command(1, "SENTINEL", "REMOVE", NAME)
    monitor(lab, 1, lab.replicas(NAME)[0])
    try:
        yield
    finally:
        lab.sentinel_command(1, "SENTINEL", "REMOVE", NAME)
        monitor(lab, 1, master)


@contextmanager
def chained(lab: Lab) -> Iterator[None]:
    first, second = lab.replicas(NAME)
    second.call("REPLICAOF", *map(str, first.address))
    try:
        yield
    finally:
        second.call("REPLICAOF", *map(str, lab.master(NAME).address))


@contextmanager
def promoted(lab: Lab) -> Iterator[None]:
    address = lab.master(NAME).address
    replica = lab.replicas(NAME)[0]
    replica.call("REPLICAOF", "NO", "ONE")
    try:
        yield
    finally:
        replica.call("REPLICAOF", *map(str, address))


@contextmanager
def master_demoted(lab: Lab) -> Iterator[None]:
    master, replica = lab.master(NAME), lab.replicas(NAME)[0]
    master.call("REPLICAOF", *map(str, replica.address))
    try:
        yield
    finally:
        master.call("REPLICAOF", "NO", "ONE")


@contextmanager
def hellos_withheld(lab: Lab) -> Iterator[None]:
    """One Sentinel says hello every ten minutes; another has forgotten all, and hears only the third."""
    lab.sentinel_command(2, "SENTINEL", "DEBUG", "PUBLISH-PERIOD", 600_000)
    lab.sentinel_command(0, "SENTINEL", "RESET", NAME)
    try:
        yield
    finally:
        lab.sentinel_command(2, "SENTINEL", "DEBUG", "PUBLISH-PERIOD", 2000)


@contextmanager
def file_copied(lab: Lab) -> Iterator[None]:
    """A Sentinel has the id of another, from a copy of its file."""
    copied, original = lab.sentinels[2], lab.sentinels[0]
    [own] = re.findall(r"^sentinel myid (\w+)$", original.config.read_text(encoding="utf-8"), re.MULTILINE)
    lab.crash(copied)
    before = copied.config.read_text(encoding="utf-8")
    copied.config.write_text(re.sub(r"(?m)^sentinel myid \w+$", f"sentinel myid {own}", before), encoding="utf-8")
    lab.restart(copied)
    try:
        yield
    finally:
        lab.crash(copied)
        copied.config.write_text(before, encoding="utf-8")
        lab.restart(copied)


# Servers of other kinds ---------------------------------------------------------------------------


@contextmanager
def more_replicas(lab: Lab, *programs: tuple[Path, Sequence[str], Mapping[str, str]]) -> Iterator[None]:
    """Start replicas without a configuration file: program, arguments and environment of each."""
    master = lab.master(NAME)
    assert lab.folder is not None
    try:
        with ExitStack() as stack:
            for (program, words, variables), port in zip(programs, free_ports(len(programs)), strict=True):
                folder = lab.folder / f"replica-{port}"  # what another has saved there it may be unable to read
                folder.mkdir()
                common = ("--port", str(port), "--save", "", "--replicaof", *map(str, master.address))
                process = subprocess.Popen(
                    [str(program), *common, *words],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd=folder,
                    env=os.environ | variables,
                )
                lab.guard(process.pid)
                stack.callback(process.wait)
                stack.callback(process.kill)
            yield
    finally:
        for index in range(len(lab.sentinels)):  # it would list them for ever
            lab.sentinel_command(index, "SENTINEL", "RESET", NAME)


@contextmanager
def foreign_replicas(lab: Lab) -> Iterator[None]:
    """One more replica of an older kind that lacks CONFIG, one that is hidden; and all may synchronise at once."""
    older, same = find_or_skip("redis-7.0").path, find_or_skip("valkey-9.1").path
    lacking, hidden = ("--rename-command", "CONFIG", ""), ("--replica-announced", "no")
    with more_replicas(lab, (older, lacking, {}), (same, hidden, {})), sentinel_option(lab, 0, "parallel-syncs", 2):
        yield


CLOCK: Final = f"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
int gettimeofday(struct timeval *restrict now, void *restrict zone) {{
    int failed = syscall(SYS_gettimeofday, now, zone);
    now->tv_sec += {AHEAD_SECONDS};
    return failed;
}}
"""


@contextmanager
def clock_ahead(lab: Lab) -> Iterator[None]:
    """One more replica whose clock is some seconds ahead."""
    compiler = shutil.which("cc")
    if compiler is None or lab.folder is None:
        pytest.skip("a server with another clock needs a C compiler")
    source, library = lab.folder / "clock.c", lab.folder / "clock.so"
    source.write_text(CLOCK, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    program = find_or_skip("valkey-9.1").path
    with more_replicas(lab, (program, (), {"LD_PRELOAD": str(library)})):
        yield


@contextmanager
def wrong_masterauth(lab: Lab) -> Iterator[None]:
    """A replica that was a master twice, and can't log in to its master."""
    master, (replica,) = lab.master(NAME), lab.replicas(NAME)
    replica.call("CONFIG", "SET", "masterauth", "wrong")
    for words in (("NO", "ONE"), ("127.0.0.1", "1"), ("NO", "ONE"), tuple(map(str, master.address))):
        replica.call("REPLICAOF", *words)
    try:
        yield
    finally:
        replica.call("CONFIG", "SET", "masterauth", PASSWORD)


@contextmanager
def wrong_auth_pass(lab: Lab) -> Iterator[None]:
    lab.sentinel_command(3, "SENTINEL", "SET", NAME, "auth-pass", "wrong")
    try:
        yield
    finally:
        lab.sentinel_command(3, "SENTINEL", "SET", NAME, "auth-pass", PASSWORD)


# The tables ---------------------------------------------------------------------------------------

AT_ONCE: Final[dict[str, Scene]] = {
    "quorum 4 of 3 Sentinels": (lambda lab: sentinel_option(lab, 0, "quorum", 4), ("Q03", "Q15"), "quorum 4"),
    "quorum 1": (lambda lab: sentinel_option(lab, 1, "quorum", 1), ("Q04",), "quorum 1"),
    "down-after 500 ms on one Sentinel": (
        lambda lab: sentinel_option(lab, 0, "down-after-milliseconds", 500),
        ("C01", "C04", "C16"),
        "down-after-milliseconds 500",
    ),
    "failover-timeout below down-after": (
        lambda lab: sentinel_option(lab, 0, "failover-timeout", 400),
        ("C02",),
        "failover-timeout 400",
    ),
    "parallel-syncs differs": (lambda lab: sentinel_option(lab, 0, "parallel-syncs", 3), ("C16",), "parallel-syncs 3"),
    "host names on one Sentinel": (
        lambda lab: sentinel_setting(lab, "announce-hostnames", "yes", "no"),
        ("C06",),
        "announce-hostnames yes",
    ),
    "SIMULATE-FAILURE left on": (failure_simulated, ("C10",), "sentinel_simulate_failure_flags 1"),
    "a script on one Sentinel": (script_on_one, ("C11",), "/bin/true"),
    "sentinel-pass on one Sentinel": (
        lambda lab: sentinel_setting(lab, "sentinel-pass", "secret", ""),
        ("S04",),
        "sentinel-pass is empty",
    ),
    "a master under two names, one of them odd": (
        monitored_twice,
        ("Q01", "Q05", "A07", "C15"),
        "num-other-sentinels 0",
    ),
    "maxmemory below the master's": (
        lambda lab: node_setting(lab, "maxmemory", "10mb"),
        ("R07",),
        "maxmemory 10485760",
    ),
    "a replica that takes writes": (
        lambda lab: node_setting(lab, "replica-read-only", "no"),
        ("R08",),
        "replica-read-only no",
    ),
    "a master with priority 0": (
        lambda lab: node_setting(lab, "replica-priority", "0", on_master=True),
        ("R03",),
        "replica-priority 0",
    ),
    "as many replicas demanded as there are": (
        lambda lab: node_setting(lab, "min-replicas-to-write", "2", on_master=True),
        ("R12",),
        "min-replicas-to-write 2",
    ),
    "a lag of 60 s allowed": (
        lambda lab: node_setting(lab, "min-replicas-max-lag", "60", on_master=True),
        ("R13",),
        "min-replicas-max-lag 60",
    ),
    "a backlog below what is written": (small_backlog, ("R14",), "repl-backlog-size 16384"),
    "an output buffer below the backlog": (
        lambda lab: node_setting(lab, "client-output-buffer-limit", "replica 1mb 1mb 60"),
        ("R15",),
        "1048576",
    ),
    "a save that fails": (save_fails, ("R16",), "rdb_last_bgsave_status err"),
    "the Sentinels' user may not SLAVEOF (7.0 and later)": (
        lambda lab: right_taken(lab, "slaveof"),
        ("S05",),
        "ACL DRYRUN default SLAVEOF NO ONE: no",
    ),
    "our user may not ROLE": (lambda lab: right_taken(lab, "role"), ("S01",), "lacks +role"),
}
"""Settings: all are broken at once, the right to ROLE last, since the lab asks for it too."""
ONE_BY_ONE: Final[dict[str, Scene]] = {
    "a Sentinel that stands still": (lambda lab: hung(lab, lab.sentinels[2:]), ("Q13",), "timed out"),
    "a Sentinel that forgot the master": (forgotten, ("Q14",), "monitors nothing"),
    "replicas that stand still": (lambda lab: hung(lab, lab.replicas(NAME)), ("R02", "C07"), "s_down"),
    "a replica that died": (lambda lab: dead(lab, lab.replicas(NAME)[0]), ("R05", "C07"), "refused"),
    "a chained replica": (chained, ("A06",), "ROLE slave of"),
    "a replica promoted by hand": (promoted, ("A04",), "ROLE master"),
    "a master demoted by hand": (master_demoted, ("A03", "A05"), "ROLE slave of"),
    "a Sentinel that names a replica": (replica_named, ("A01", "A02"), "at epoch"),
}
"""On Valkey: it is the Sentinels' answers that count, and they are alike."""
ALONE: Final[dict[str, Scene]] = {
    "hellos that do not come": (hellos_withheld, ("Q09", "Q12"), "num-other-sentinels 1"),
    "a Sentinel in TILT, by a time constant": (in_tilt, ("C09", "C12"), "tilt-trigger 1"),
    "a Sentinel's file copied to another": (file_copied, ("Q11",), "SENTINEL MYID"),
    "a failover that waits": (failover_waits, ("A10", "A11"), "GET-MASTER-ADDR-BY-NAME"),
    "replicas of another version, without files, one hidden": (
        foreign_replicas,
        ("R04", "R09", "R18", "C03", "S09"),
        "redis 7.0",
    ),
    "a node whose clock is 5 s ahead": (clock_ahead, ("O06",), "s to here"),
    "a Sentinel that is gone for a minute": (lambda lab: dead(lab, lab.sentinels[2]), ("Q10",), "last hello"),
}
"""On Valkey, those that take long."""
LOCKED: Final[dict[str, Scene]] = {
    "a replica with a wrong masterauth": (wrong_masterauth, ("R06", "A08", "S02"), "masterauth (secret"),
    "a Sentinel with a wrong auth-pass": (wrong_auth_pass, ("S03",), "s_down"),
}
"""On Valkey with passwords, four Sentinels and one replica."""
ODD: Final[dict[str, tuple[str, ...]]] = {
    "any lab": (*LAB_ON_ONE_HOST, "S10"),
    "four Sentinels and one replica": ("Q02", "R01"),
    "certificates that expire in 10 days": ("S08",),
}
"""What labs are from their start."""
APART: Final[dict[str, tuple[str, ...]]] = {
    "a master on another host, Sentinels without a password": ("S06",),
    "a Sentinel that monitors 127.0.0.1": ("A09",),
    "a master in protected mode": ("S07",),
}
"""On Valkey in two networks (root)."""
NOT_HERE: Final[dict[str, str]] = {
    "R10": "needs a Sentinel of Valkey 9.0.0",
    "R11": "needs a Sentinel of Valkey 9.0.0 to 9.1.0",
}
"""Rules that no server fires that these tests have."""
