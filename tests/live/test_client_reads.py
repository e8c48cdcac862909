"""
Reads from replicas through planned failovers: none fails, although a replica that is pointed to the new master ends all
its connections.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import switchmaster.redis
from rig.client_lab import end, make_ready
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.lab import Lab, LabServer

pytestmark = pytest.mark.live

LIMIT = 60.0
THREADS = 8


class Readers:
    """Threads that read all the time; each counts its reads."""

    def __init__(self, reads: list[Callable[[], object]]) -> None:
        self.errors: list[str] = []
        self.counts = [0] * len(reads)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=each) for each in enumerate(reads)]

    @contextmanager
    def reading(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def wait_for_all(self) -> None:
        """Wait until each thread has read once more."""
        before = list(self.counts)
        eventually(lambda: all(now > then for now, then in zip(self.counts, before, strict=True)), what="every reader")

    def _read(self, index: int, read: Callable[[], object]) -> None:
        while not self._over.is_set():
            try:
                read()
            except Exception as error:
                self.errors.append(f"{time.time():.3f} {error}")
            self.counts[index] += 1


@pytest.mark.parametrize(("which", "replicas", "coordinated"), [("redis-7.0", 2, False), ("valkey-9.1", 1, True)])
def test_no_read_fails_in_planned_failovers(
    lab_factory: LabFactory, which: str, replicas: int, coordinated: bool
) -> None:
    binary = str(find_or_skip(which).path)
    lab = lab_factory(binary=binary, replicas=replicas, down_after_ms=3000, failover_timeout_ms=6000)
    sentinel = switchmaster.redis.Sentinel(lab.sentinel_addresses)
    client = sentinel.slave_for("mymaster")
    sentinel.master_for("mymaster").set("key", "value")
    eventually(lambda: client.get("key") == b"value", what="the value at a replica")

    def read_several() -> object:
        return client.pipeline().get("key").get("key").execute()

    readers = Readers([lambda: client.get("key")] * (THREADS - 2) + [read_several] * 2)
    with readers.reading():
        for number in range(2):
            fail_over(lab, readers, coordinated and number == 0)
    assert readers.errors == []
    assert sentinel.counters["waits_ran_out"] == 0
    end(client)


def fail_over(lab: Lab, readers: Readers, coordinated: bool) -> None:
    """Fail over, and wait until all replicas follow and are read from again."""
    old = lab.master()
    readers.wait_for_all()
    lab.failover(coordinated=coordinated)
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    readers.wait_for_all()
    make_ready(lab, old)
    readers.wait_for_all()
    eventually(lambda: all(reads_at(replica) for replica in lab.replicas()), LIMIT, what="reads at every replica")


def reads_at(server: LabServer) -> bool:
    """Whether a server is being read from now."""

    def gets() -> int:
        line = next((each for each in server.call("INFO", "commandstats").splitlines() if "cmdstat_get:" in each), "")
        return int(line.partition("calls=")[2].partition(",")[0] or 0)

    before = gets()
    time.sleep(0.05)
    return gets() > before
