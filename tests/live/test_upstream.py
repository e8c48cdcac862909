"""
redis-py's own tests, fetched and unmodified, through clients that our `master_for` made, over a lab.

`upstream.exclusions` lists what must fail, with reasons. To see what fails through redis-py's own Sentinel in the same
surroundings: ``SWITCHMASTER_TEST_THROUGH=redis pytest tests/live/test_upstream.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import pytest

from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from upstream.run import OURS, Combination, run
from upstream.sdist import SdistMissing, redis_py_tests
from upstream.through_sentinel import MASTER, Report

pytestmark = [
    pytest.mark.live,
    # slow: redis-py's tests of Pub/Sub wait 0.5 s each time to check that nothing comes.
    pytest.mark.slow,
    # All run at once, so the first test waits for most of it.
    pytest.mark.timeout(400),
]

THROUGH = os.environ.get("SWITCHMASTER_TEST_THROUGH", OURS)
AT_ONCE = 3
"""They mostly wait: three take less than one of two cores."""

SOME = ("connection_pool", "pipeline", "pubsub", "sentinel", "sentinel_managed_connection")
"""Tests for which the protocol, the parser or `failover_wait` may matter in our code."""
ALL = (*SOME, "commands", "lock", "scripting")


def threads(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"tests/test_{name}.py" for name in names)


def loops(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"tests/test_asyncio/test_{name}.py" for name in names)


# The longest first. With each: how many tests pass at least, and how many pools `master_for` makes for them at least.
CHOSEN = {
    "loops-resp3-hiredis-all": (Combination(loops(ALL), protocol=3, hiredis=True), 1040, 950),
    "threads-resp2-hiredis-all": (Combination(threads(ALL), protocol=2, hiredis=True), 730, 610),
    "loops-resp3": (Combination(loops(SOME), protocol=3, hiredis=False), 365, 270),
    "loops-resp2-no-wait": (Combination(loops(SOME), protocol=2, hiredis=False, failover_wait=0), 370, 270),
    "threads-resp3-no-wait": (Combination(threads(SOME), protocol=3, hiredis=False, failover_wait=0), 255, 125),
}
"""Each protocol, parser and shell at least once."""
FURTHER = {
    "loops-resp2-hiredis": (Combination(loops(SOME), protocol=2, hiredis=True), 365, 270),
    "threads-resp3-hiredis": (Combination(threads(SOME), protocol=3, hiredis=True), 255, 125),
    "threads-resp2": (Combination(threads(SOME), protocol=2, hiredis=False), 255, 125),
}
"""The other pairs of them: ``make proofs``, or ``SWITCHMASTER_TEST_UPSTREAM=all``."""
RUNS = CHOSEN | FURTHER if os.environ.get("SWITCHMASTER_TEST_UPSTREAM") == "all" else CHOSEN


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[tuple[Report, str]]]]:
    """Begin all runs, some at once, each with a lab that no other has meanwhile."""
    server = str(find_or_skip("redis-7.0").path)
    try:
        tests = redis_py_tests()
    except SdistMissing as missing:
        pytest.skip(str(missing))
    free: SimpleQueue[Lab] = SimpleQueue()

    def one(what: Combination, output: Path) -> tuple[Report, str]:
        lab = free.get()
        try:
            return run(tests, lab, THROUGH, what, output)
        finally:
            free.put(lab)

    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            # A busy machine must not start a failover during tests that do not expect one.
            lab = Lab(masters=(MASTER,), replicas=1, binary=server, down_after_ms=60_000)
            free.put(stack.enter_context(lab))
        executor = ThreadPoolExecutor(AT_ONCE)
        stack.callback(executor.shutdown, cancel_futures=True)
        yield {name: executor.submit(one, what, tmp_path_factory.mktemp(name)) for name, (what, _, _) in RUNS.items()}


@pytest.mark.parametrize("name", RUNS)
def test_redis_py_tests_pass(outcomes: dict[str, Future[tuple[Report, str]]], name: str) -> None:
    what, passed, made = RUNS[name]
    report, said = outcomes[name].result()
    print(f"{name}, through {THROUGH}: {report}")
    assert report.failed == [], said[-8000:]
    assert report.unused == []
    assert report.passed >= passed
    assert report.hiredis is what.hiredis
    assert all(kind.startswith(f"{THROUGH}.") for kind in report.made)
    assert sum(report.made.values()) >= made
