"""
Celery's workers of each pool go through a planned failover and a crash: all consume again, and end on SIGTERM.

Stock workers stay with the old master until Sentinel demotes it, some 11 s after a planned failover; bench_celery
measures both.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rig.celery_process import LIMIT, CeleryProcesses
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytest.importorskip("celery")
pytestmark = [pytest.mark.live, pytest.mark.slow]  # workers take some seconds to start and to end

AGAIN = 10.0
"""Seconds from the switch to the next task of each worker: one second of it on an idle machine."""
PAUSE = 0.1
"""Seconds between two tasks: greenlets execute some ten a second on a busy machine, with any client."""


@pytest.mark.parametrize(
    ("clients", "pools"),
    [("transport", ["prefork", "threads", "solo", "gevent"]), ("installed", ["prefork", "eventlet"])],
    ids=["transport", "installed"],
)
def test_workers_consume_again_after_any_failover_and_end_on_sigterm(
    clients: str, pools: list[str], tmp_path: Path
) -> None:
    for framework in {"gevent", "eventlet"} & set(pools):
        pytest.importorskip(framework)
    options = {"down_after_ms": 1000, "failover_timeout_ms": 5000}
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(binary=str(find_or_skip("redis-7.0").path), **options))
        celery = CeleryProcesses(lab, tmp_path, clients, pools, PAUSE, stack)
        celery.wait_until_begun()
        fail_over(lab, celery, crash=False)
        assert {pool: celery.said("failed", pool) for pool in pools} == {pool: [] for pool in pools}
        fail_over(lab, celery, crash=True)
        celery.stop_sending()
        assert all(len(celery.said("result", pool)) == 1 for pool in pools)
        for worker in celery.workers.values():
            worker.terminate()
        for pool, worker in celery.workers.items():
            assert worker.wait(LIMIT) == 0, f"{pool}: {celery.logs()}"


def fail_over(lab: Lab, celery: CeleryProcesses, crash: bool) -> None:
    """Fail over, check that every worker consumes again, and that a planned failover lost no task."""
    old, begin = lab.master(), time.time()
    lab.crash(old) if crash else lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    switched = time.time()
    celery.wait_until_going_on(switched + 0.5, AGAIN)
    if not crash:
        for pool in celery.queues:
            missing = celery.missing(pool)
            eventually(lambda pool=pool, those=missing: not those & celery.missing(pool), LIMIT, 0.1, f"all of {pool}")
    gaps = {pool: round(celery.longest_gap(pool, begin), 2) for pool in celery.queues}
    print(celery.clients, "crash" if crash else "planned", "seconds without work:", gaps)
    if old.alive:
        make_ready(lab, old)
