"""
Celery's workers of each pool go through a planned failover and a crash: all consume again, and end on SIGTERM.

Stock workers stay with the old master until Sentinel demotes it, some 11 s after a planned failover.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytest.importorskip("celery")
pytestmark = [pytest.mark.live, pytest.mark.slow]  # workers take some seconds to start and to end

TESTS = Path(__file__).parent.parent
LIMIT = 60.0
AGAIN = 10.0
"""Seconds from the switch to the next task of each worker: one second of it on an idle machine."""


class Celery:
    """
    Two workers, each with its queue, and a sender of tasks to both.

    Args:
        lab: the deployment.
        folder: for what they write.
        clients: whose classes they use: ``switchmaster`` or ``redis``.
        pools: a worker for each, and a queue of its name.
        pause: seconds between two tasks.
        stack: ends them.
    """

    def __init__(self, lab: Lab, folder: Path, clients: str, stack: ExitStack, pools: list[str], pause: float) -> None:
        self.folder, self.queues = folder, pools
        self._environment = os.environ | {
            "SENTINELS": " ".join(f"{host}:{port}" for host, port in lab.sentinel_addresses),
            "CLIENTS": clients,
            "DONE": str(folder / "done"),
            "QUEUES": " ".join(pools),
            "PAUSE": str(pause),
            "PYTHONPATH": str(TESTS),
        }
        self.workers = {
            queue: stack.enter_context(
                self._running(f"{queue}.log", "celery", "-A", "rig.celery_app", "worker", "-P", queue, "-Q", queue)
            )
            for queue in pools
        }
        self.sender = stack.enter_context(self._running("sender.log", "rig.celery_app"))

    @contextmanager
    def _running(self, log: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        name = ["-n", f"{log}@%h", "-c", "2"] if "worker" in words else []
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *words, *name],
                env=self._environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()

    def said(self, word: str, queue: str) -> list[list[str]]:
        """Return the sender's lines about tasks of one queue."""
        lines = (self.folder / "sender.log").read_text().splitlines()
        return [words[2:] for line in lines if (words := line.split(maxsplit=3))[:2] == [word, queue]]

    def done(self, queue: str) -> dict[int, float]:
        """Return the tasks that a worker has carried out, and when it did so last (seconds since 1970)."""
        file = self.folder / f"done.{queue}"
        lines = file.read_text().splitlines() if file.exists() else []
        return {int(number): float(at) for number, at in (line.split() for line in lines if line.count(" ") == 1)}

    def wait_until_going_on(self, since: float, limit: float) -> None:
        """Wait until each worker carries out tasks that were begun after this moment."""
        for queue in self.queues:
            eventually(
                lambda queue=queue: max(self.done(queue).values()) > since, limit, what=f"{queue}: {self.logs()}"
            )

    def stop_sending(self) -> None:
        """Stop sending, and wait for the results of the last tasks."""
        self.sender.communicate(b"\n", timeout=LIMIT)
        assert self.sender.returncode == 0, self.logs()

    def wait_until_done(self) -> None:
        """Wait until every task whose sending was acknowledged is carried out."""
        for queue in self.queues:
            sent = {int(number) for (number,) in self.said("sent", queue)}
            eventually(lambda queue=queue, sent=sent: not sent - set(self.done(queue)), LIMIT, what=f"all of {queue}")

    def longest_gap(self, queue: str, since: float) -> float:
        times = [since, *sorted(at for at in self.done(queue).values() if at > since)]
        return max(later - earlier for earlier, later in pairwise(times))

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))


@pytest.mark.parametrize(
    ("pools", "pause"),
    [
        (["solo", "prefork"], 0.01),
        # kombu polls for these, and executes some ten tasks a second on a busy machine, with any client.
        (["gevent", "eventlet"], 0.3),
    ],
    ids=["processes", "greenlets"],
)
def test_workers_consume_again_after_any_failover_and_end_on_sigterm(
    pools: list[str], pause: float, tmp_path: Path
) -> None:
    for framework in {"gevent", "eventlet"} & set(pools):
        pytest.importorskip(framework)
    clients = os.environ.get("SWITCHMASTER_TEST_CELERY_CLIENTS", "switchmaster")
    options = {"down_after_ms": 1000, "failover_timeout_ms": 5000}
    with ExitStack() as stack:
        lab = stack.enter_context(Lab(binary=str(find_or_skip("redis-7.0").path), **options))
        celery = Celery(lab, tmp_path, clients, stack, pools, pause)
        eventually(lambda: all(celery.done(queue) for queue in celery.queues), LIMIT, what="the workers' first tasks")
        fail_over(lab, celery, crash=False)
        failed = [each for queue in celery.queues for each in celery.said("failed", queue)]
        assert failed == []
        fail_over(lab, celery, crash=True)
        celery.stop_sending()
        assert all(len(celery.said("result", queue)) == 1 for queue in celery.queues)
        for queue, worker in celery.workers.items():
            worker.terminate()
            assert worker.wait(LIMIT) == 0, f"{queue}: {celery.logs()}"


def fail_over(lab: Lab, celery: Celery, crash: bool) -> None:
    """Fail over, check that both workers consume again, and that a planned failover lost no task."""
    old, begin = lab.master(), time.time()
    lab.crash(old) if crash else lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    switched = time.time()
    celery.wait_until_going_on(switched + 0.5, AGAIN)
    if not crash:
        celery.wait_until_done()
    gaps = {queue: round(celery.longest_gap(queue, begin), 2) for queue in celery.queues}
    print("crash" if crash else "planned", "seconds without work:", gaps)
    if old.alive:
        make_ready(lab, old)
