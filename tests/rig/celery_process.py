"""
Workers of Celery and a sender of tasks to them (`celery_app`), as processes of a test or a benchmark.
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

from rig.conditions import eventually
from switchmaster.lab import Lab

TESTS = Path(__file__).parent.parent
LIMIT = 60.0
CONCURRENCY = 2


class CeleryProcesses:
    """
    A worker for each pool, each with a queue of the pool's name, and a sender of tasks to all of them.

    Args:
        lab: the deployment.
        folder: for what they write; a new one.
        clients: whose classes they use: ``transport``, ``installed`` or ``stock``, as in `celery_app`.
        pools: names of Celery's pools.
        pause: seconds between two tasks for a worker.
        stack: ends them.
    """

    def __init__(self, lab: Lab, folder: Path, clients: str, pools: list[str], pause: float, stack: ExitStack) -> None:
        self.folder, self.clients = folder, clients
        folder.mkdir(parents=True, exist_ok=True)
        # Two programs on one deployment must not take each other's tasks.
        self.queues = {pool: f"{clients}-{pool}" for pool in pools}
        self._environment = os.environ | {
            "SENTINELS": " ".join(f"{host}:{port}" for host, port in lab.sentinel_addresses),
            "CLIENTS": clients,
            "DONE": str(folder / "done"),
            "QUEUES": " ".join(self.queues.values()),
            "PAUSE": str(pause),
            "PYTHONPATH": str(TESTS),
        }
        worker = ("celery", "-A", "rig.celery_app", "worker", "-c", str(CONCURRENCY))
        self.workers = {
            pool: stack.enter_context(
                self._running(f"{pool}.log", *worker, "-P", pool, "-Q", queue, "-n", f"{queue}@%h")
            )
            for pool, queue in self.queues.items()
        }
        self._sender = stack.enter_context(self._running("sender.log", "rig.celery_app"))

    @contextmanager
    def _running(self, log: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
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

    def said(self, word: str, pool: str) -> list[str]:
        """Return what the sender says about tasks of one pool: ``sent``, ``failed`` or ``result``."""
        lines = (self.folder / "sender.log").read_text().splitlines()
        words = (line.split(maxsplit=2) for line in lines)
        return [each[2] for each in words if each[:2] == [word, self.queues[pool]]]

    def sent(self, pool: str) -> set[int]:
        """Return the tasks of one pool whose sending was acknowledged."""
        return {int(number) for number in self.said("sent", pool)}

    def runs(self, pool: str) -> list[tuple[int, float]]:
        """Return the tasks that a worker has carried out, and when it did so (seconds since 1970), as they came."""
        file = self.folder / f"done.{self.queues[pool]}"
        *lines, _ = file.read_text().split("\n") if file.exists() else [""]  # the last one may not be whole
        return [(int(number), float(at)) for number, at in map(str.split, lines)]

    def last_run(self, pool: str) -> float:
        """Return when a worker carried out a task last; 0 if it did not yet."""
        return max((at for _, at in self.runs(pool)), default=0.0)

    def longest_gap(self, pool: str, since: float) -> float:
        """Return the longest time without a task between a moment and now (seconds)."""
        times = [since, *sorted(at for _, at in self.runs(pool) if at > since), time.time()]
        return max(later - earlier for earlier, later in pairwise(times))

    def missing(self, pool: str) -> set[int]:
        """Return the tasks of one pool that were sent and not carried out."""
        sent = self.sent(pool)  # first: a task that is sent meanwhile is not missing
        return sent - {number for number, _ in self.runs(pool)}

    def wait_until_begun(self) -> None:
        """Wait for the first task of each worker."""
        for pool in self.queues:
            eventually(lambda pool=pool: self.last_run(pool), LIMIT, 0.1, what=f"{pool} to begin: {self.logs()}")

    def wait_until_going_on(self, since: float, limit: float) -> None:
        """Wait until each worker has carried out a task after this moment."""
        for pool in self.queues:
            eventually(lambda pool=pool: self.last_run(pool) > since, limit, 0.1, what=f"{pool} to go on")

    def stop_sending(self) -> None:
        """Stop sending, and wait for the results of the last tasks."""
        self._sender.communicate(b"\n", timeout=LIMIT)
        assert self._sender.returncode == 0, self.logs()

    def logs(self) -> str:
        """Return the last that each process said."""
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))
