"""
Frameworks follow the master: those that take no class after `switchmaster.redis.install()`, others with what they take.

Both programs, `framework_program` and `framework_given`, go through the same failovers of one lab. The comparison with
redis-py's own classes takes minutes: bench/bench_frameworks.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.framework_process import LIMIT, PROGRAMS, PUBLISHED, FrameworkProcess, lacking_frameworks
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = [pytest.mark.live, pytest.mark.slow]  # a crash, and two failovers to wait for

PAUSE = 0.03
LATE = 0.03
"""Seconds of lateness of the application from which on a planned failover may cost it writes or commands."""
TASKS_LIMIT = 30.0


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=2, down_after_ms=2000) as lab:
        yield lab


@pytest.fixture
def programs(lab: Lab, tmp_path: Path) -> Iterator[list[FrameworkProcess]]:
    lacking = lacking_frameworks()
    if lacking and os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all":
        pytest.fail(f"SWITCHMASTER_TEST_REQUIRE=all: not installed: {', '.join(lacking)}", pytrace=False)
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    with ExitStack() as stack:
        yield [FrameworkProcess(name, "ours", lab, tmp_path / f"{name}.log", stack, PAUSE) for name in PROGRAMS]


@pytest.mark.timeout(400)
def test_frameworks_follow_any_failover_and_lose_nothing_in_a_planned_one(
    lab: Lab, programs: list[FrameworkProcess]
) -> None:
    for program in programs:
        program.wait_until_all_go_on()
        program.lost()
    old = lab.master()
    lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    for program in programs:
        program.wait_until_all_go_on()
    make_ready(lab, old)  # who had stayed on the old master would see it now, as a replica
    for program in programs:
        check_nothing_is_lost(program)
    old = lab.master()
    lab.crash(old)
    eventually(lambda: any(each is not old for each in lab.masters()), LIMIT, what="a successor")
    for program in programs:
        program.wait_until_all_go_on()


def check_nothing_is_lost(program: FrameworkProcess) -> None:
    """Check that no command failed, and that every acknowledged write is there and every task was carried out once."""
    program.wait_until_all_go_on()
    left = {name: numbers for name, numbers in program.wait_for_tasks(TASKS_LIMIT, PUBLISHED).items() if numbers}
    told, late = program.tell(), program.lateness()
    cost = {
        "failed": {name: use["failed"] for name, use in told.items() if use["failed"]},
        "twice": {name: use["twice"] for name, use in told.items() if use.get("twice")},
        "lost": {name: lost for name, lost in program.lost().items() if lost},
        "left": left,
    }
    if late < LATE:  # an application that is late costs itself commands, with any client
        assert not any(cost.values()), cost
