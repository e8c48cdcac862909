"""
redis-py's own tests, fetched and unmodified, with redis-py's own Sentinel clients on a relay.

By default the tests of Sentinel, of pools and of pipelines. ``SWITCHMASTER_TEST_RELAY_FILES=all`` runs those of every
command, of locks, scripts and Pub/Sub too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.lab_fixtures import find_or_skip
from rig.relay_process import HOST, relaying
from switchmaster.lab import Lab
from upstream.run import THEIRS, Combination, run
from upstream.sdist import SdistMissing, redis_py_tests
from upstream.through_sentinel import MASTER

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(400)]

FEW = ("sentinel", "sentinel_managed_connection", "connection_pool", "pipeline")
ALL = (*FEW, "commands", "lock", "scripting", "pubsub")
FILES = ALL if os.environ.get("SWITCHMASTER_TEST_RELAY_FILES") == "all" else FEW
RUNS = {
    "threads-resp2": (Combination(tuple(f"tests/test_{name}.py" for name in FILES), protocol=2, hiredis=False), 150),
    "loops-resp3": (
        Combination(tuple(f"tests/test_asyncio/test_{name}.py" for name in FILES), protocol=3, hiredis=True),
        150,
    ),
}
"""By name: what to run, and how many tests pass at least."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # A busy machine must not start a failover during tests that do not expect one.
    binary = str(find_or_skip("redis-7.0").path)
    with Lab(masters=(MASTER,), replicas=1, binary=binary, down_after_ms=60_000) as lab:
        yield lab


@pytest.fixture(scope="module")
def relays(lab: Lab) -> Iterator[list[tuple[str, int]]]:
    """Two of them, since some of the tests want more than one Sentinel."""
    with relaying(lab.sentinel_addresses) as one, relaying(lab.sentinel_addresses) as other:
        yield [(HOST, one.port), (HOST, other.port)]


@pytest.mark.parametrize("name", RUNS)
def test_redis_pys_own_tests_pass_on_a_relay(
    lab: Lab, relays: list[tuple[str, int]], name: str, tmp_path: Path
) -> None:
    what, passed = RUNS[name]
    try:
        folder = redis_py_tests()
    except SdistMissing as missing:
        pytest.skip(str(missing))
    report, said = run(folder, lab, THEIRS, what, tmp_path, relays)
    print(f"{name}: {report}")
    assert report.failed == [], said[-8000:]
    assert report.passed >= passed
    assert all(kind.startswith("redis.") for kind in report.made)
    assert sum(report.made.values()) > 0
