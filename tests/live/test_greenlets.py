"""
Programs of greenlets, fully and partly patched: they go through a planned failover and a hung master as threads do.

Each runs in its own process, so that no patch leaks. ``SWITCHMASTER_TEST_GREEN_CLIENTS=redis`` shows redis-py's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab, LabServer

pytestmark = pytest.mark.live

TESTS = Path(__file__).parent.parent
CLIENTS = os.environ.get("SWITCHMASTER_TEST_GREEN_CLIENTS", "switchmaster")
LIMIT = 45.0
PATCHES = ["gevent", "gevent thread", "gevent socket", "gevent late", "eventlet"]
"""A framework, and what it does not patch; ``late`` after the Watcher has started."""


@pytest.fixture(scope="module")
def labs() -> Iterator[tuple[Lab, Lab]]:
    binary = str(find_or_skip("redis-7.0").path)
    with (
        Lab(binary=binary, down_after_ms=1000, failover_timeout_ms=5000) as first,
        Lab(binary=binary, replicas=1, sentinels=1, down_after_ms=1000, failover_timeout_ms=5000) as second,
    ):
        yield first, second


class Program:
    """
    tests/rig/greenlet_program.py in a process of its own.

    Args:
        labs: both deployments.
        patch: what it patches.
        folder: for the file that ends it.
    """

    def __init__(self, labs: tuple[Lab, Lab], patch: str, folder: Path) -> None:
        self._end = folder / "end"
        asked = {
            "patch": patch,
            "library": CLIENTS,
            "sentinels": [lab.sentinel_addresses for lab in labs],
            "end": str(self._end),
        }
        self._log = folder / "log"
        with self._log.open("wb") as log:
            words = [sys.executable, str(TESTS / "rig" / "greenlet_program.py"), json.dumps(asked)]
            self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log)

    def report(self) -> dict[str, Any]:
        """End it, and return its report."""
        self._end.touch()
        said, _ = self._process.communicate(timeout=LIMIT)
        assert self._process.returncode == 0, self._log.read_text()[-3000:]
        report: dict[str, Any] = json.loads(said.splitlines()[-1])
        return report

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def running(labs: tuple[Lab, Lab], patch: str, folder: Path) -> Iterator[Program]:
    program = Program(labs, patch, folder)
    try:
        yield program
    finally:
        program.kill()


def goes_on(lab: Lab, *keys: str) -> None:
    """Wait until each key is written at the master."""
    master = lab.master()
    before = [master.call("GET", key) for key in keys]
    for key, old in zip(keys, before, strict=True):
        eventually(lambda key=key, old=old: master.call("GET", key) != old, LIMIT, what=f"another write of {key}")


def fail_over(lab: Lab, hang: bool) -> tuple[float, LabServer]:
    """Fail over; return when it began, and the old master."""
    old = lab.master()

    def moved() -> bool:
        named = {tuple(lab.sentinel_command(0, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"))}
        return (old.host, str(old.port)) not in named

    for attempts in (2, 1, 0):
        begin = time.time()
        lab.hang(old) if hang else lab.failover()
        try:
            eventually(moved, 15, what="another master")
            break
        except AssertionError:  # Sentinel gives up a failover whose replica is promoted too late
            if hang or not attempts:
                raise
    return begin, old


@pytest.mark.slow  # each goes through three failovers
@pytest.mark.parametrize("patch", PATCHES)
def test_greenlets_follow_both_deployments(patch: str, labs: tuple[Lab, Lab], tmp_path: Path) -> None:
    pytest.importorskip(patch.split()[0])
    first, second = labs
    writers = [f"a{number}" for number in range(4)]
    with running(labs, patch, tmp_path) as program:
        goes_on(first, *writers)
        goes_on(second, "b0")
        planned, old = fail_over(first, hang=False)
        goes_on(first, *writers)
        make_ready(first, old)
        hung, old = fail_over(first, hang=True)
        goes_on(first, *writers)
        first.resume(old)
        make_ready(first, old)
        other, old = fail_over(second, hang=False)
        goes_on(second, "b0")
        make_ready(second, old)
        report = program.report()
    gaps = {
        "planned": longest(report, "a", planned, hung - 0.2),
        "hung": longest(report, "a", hung, other - 0.2),
        "planned elsewhere": longest(report, "b", other),
    }
    print(patch, "seconds without a write:", {name: round(gap, 3) for name, gap in gaps.items()})
    print("errors", len(report["errors"]), "cut", report.get("counters", {}).get("connections_cut"))
    print("BLPOP woken", [round(at - planned, 2) for at in report["woken"]], "hub blocked", report["stalls"])
    assert report["ran"] == "ran"
    if CLIENTS != "switchmaster":
        return
    # Only commands that the hung master did not answer fail, once for each writer.
    assert [error for error in report["errors"] if not hung < error[0] < other] == []
    assert len(report["errors"]) <= len(writers), report["errors"]
    assert len(report["switches"]) >= 2
    assert report["role"] == "master"
    assert report["counters"]["cut_errors"] == 0
    if "socket" not in patch:
        assert [at for at in report["woken"] if planned < at < hung]
        assert [at for at in report["woken"] if hung < at < other]
        assert report["counters"]["connections_cut"] > 0


def longest(report: dict[str, Any], key: str, since: float, until: float = float("inf")) -> float:
    """Return the longest time without a write since a moment."""
    gaps = [seconds for name, begin, seconds in report["gaps"] if name.startswith(key) and since - 0.2 < begin < until]
    return max(gaps, default=0.0)
