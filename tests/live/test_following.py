"""
Clients through real failovers: eight threads and a hundred tasks write; what was acknowledged is there afterwards.

One lab of each server goes through all kinds, in turn: starting one costs more than a failover does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.valkey
import switchmaster.valkey.asyncio
from conditions import eventually
from fix_lab import SERVERS, LabFactory, find_or_skip
from switchmaster.lab import Lab, LabServer
from writers import Writers

pytestmark = pytest.mark.live

THREADS, TASKS = 8, 100
LIMIT = 60.0
"""Seconds for a failover: a split vote is followed by a pause of twice the failover timeout."""
ESTABLISHED = "01"
"""In /proc/net/tcp."""


@pytest.fixture(scope="module", params=SERVERS, ids=SERVERS)
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    binary = find_or_skip(request.param)
    # Valkey 9.1 keeps old opinions, which may start a second failover where down-after is short.
    down_after = 3000 if binary.kind == "valkey" else 1000
    with Lab(binary=str(binary.path), down_after_ms=down_after, failover_timeout_ms=10_000) as lab:
        yield lab


class Clients:
    """A Sentinel for threads, one for tasks, and the writers that go through both."""

    def __init__(self, lab: Lab, library: str = "redis", **options: Any) -> None:
        module = {"redis": switchmaster.redis, "valkey": switchmaster.valkey}[library]
        self._asyncio = module.asyncio
        self.lab, self.options = lab, options
        self.sentinel = module.Sentinel(lab.sentinel_addresses, socket_timeout=2.0, **options)
        self.client = self.sentinel.master_for("mymaster", socket_timeout=None)

    def _in_loop(self) -> Any:
        sentinel = self._asyncio.Sentinel(self.lab.sentinel_addresses, socket_timeout=2.0, **self.options)
        return sentinel.master_for("mymaster", socket_timeout=None, max_connections=2 * TASKS)

    def writers(self, begin: str) -> Writers:
        return Writers(self.client, THREADS, self._in_loop, TASKS, begin)

    def lists(self, key: str) -> list[bytes]:
        # Valkey may end this connection too, just after a coordinated failover; reading again does no harm.
        kept: list[list[bytes]] = eventually(lambda: [self.client.lrange(key, 0, -1)], what=f"the list {key}")
        return kept[0]

    def wait_for_another_master(self, old: LabServer) -> float:
        """Wait until the Watcher knows another master; return when that was seen."""
        eventually(lambda: self.sentinel.watcher.master("mymaster") != old.address, LIMIT, 0.001, "another master")
        return time.monotonic()

    def close(self) -> None:
        self.client.close()
        self.sentinel.close()


@pytest.fixture
def clients(lab: Lab) -> Iterator[Clients]:
    lab.wait_until_settled()
    clients = Clients(lab)
    yield clients
    clients.close()


def own_connections(port: int) -> int:
    """Count this process's connections to a port."""
    own = {os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}
    found = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, _, remote, state, *rest = line.split()
            if state == ESTABLISHED and int(remote.rpartition(":")[2], 16) == port:
                found += f"socket:[{rest[5]}]" in own
    return found


def check_nobody_is_left(old: LabServer) -> None:
    # The Watcher itself asks nodes now and then, never for long.
    eventually(lambda: own_connections(old.port) == 0, 10.0, what=f"no connection to {old.port} to be left")


def go_on(writers: Writers, since: float) -> None:
    eventually(lambda: writers.going_on(since), 30.0, what="every writer to go on")


def test_planned_failover_costs_no_write_and_no_error(lab: Lab, clients: Clients) -> None:
    old = lab.master()
    with clients.writers("planned") as writers:
        go_on(writers, time.monotonic())
        # Threads that were held may leave the old master before they are cut; who does nothing has to be.
        idle = clients.client.connection_pool.get_connection()
        assert idle.port == old.port
        begin = time.monotonic()
        lab.failover()
        switched = clients.wait_for_another_master(old)
        go_on(writers, switched)
        check_nobody_is_left(old)
        # The old master takes writes for some ten seconds more, until Sentinel demotes it; then they would be lost.
        eventually(lambda: old not in lab.masters(), LIMIT, what="the old master to be demoted")
        go_on(writers, time.monotonic())
    clients.client.connection_pool.release(idle)
    assert writers.errors() == []
    assert writers.lost(clients.lists) == []
    counted = clients.sentinel.counters
    assert counted["switches"] == 1
    assert counted["connections_cut"] >= 1
    assert counted["waits_ran_out"] == 0
    assert max(log.longest_gap(begin, switched + 1.0) for log in writers.logs) < 2.0


def test_hung_master_is_left_and_what_it_says_later_is_not_believed(lab: Lab, clients: Clients) -> None:
    old = lab.master()
    with clients.writers("hang") as writers:
        go_on(writers, time.monotonic())
        lab.hang(old)
        try:
            switched = clients.wait_for_another_master(old)
            go_on(writers, switched)
            check_nobody_is_left(old)
        finally:
            lab.resume(old)
        eventually(lambda: old not in lab.masters(), LIMIT, what="the old master to be demoted")
        go_on(writers, time.monotonic())
    assert writers.lost(clients.lists) == []
    # What was sent when it hung is nobody's to know; everything else waited.
    assert all(len(log.errors) <= 1 for log in writers.all), writers.errors()


def test_crash_costs_at_most_what_was_in_flight_and_nothing_where_a_retry_says_so(lab: Lab, clients: Clients) -> None:
    old = lab.master()
    retrying = Clients(lab, retry=Retry(NoBackoff(), 3))
    with clients.writers("crash") as writers, retrying.writers("retried") as again:
        go_on(writers, time.monotonic())
        go_on(again, time.monotonic())
        lab.crash(old)
        switched = clients.wait_for_another_master(old)
        go_on(writers, switched)
        go_on(again, switched)
        check_nobody_is_left(old)
    assert all(len(log.errors) <= 1 for log in writers.all), writers.errors()
    assert again.errors() == []
    retrying.close()
    lab.restart(old)


def test_aborted_failover_goes_on_with_the_old_master(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), replicas=1, failover_timeout_ms=2000)
    old, [replica] = lab.master(), lab.replicas()
    clients = Clients(lab, hold=1.0)
    with clients.writers("aborted") as writers:
        go_on(writers, time.monotonic())
        # It is chosen, since nobody has missed it yet, and then does not answer: the promotion comes to nothing.
        lab.hang(replica)
        try:
            lab.failover()
            eventually(lambda: clients.sentinel.counters["commands_held"], LIMIT, what="commands to be held")
            go_on(writers, time.monotonic())
            watcher = clients.sentinel.watcher
            eventually(lambda: watcher.state("mymaster").failover is None, LIMIT, what="the end of the failover")
            go_on(writers, time.monotonic())
        finally:
            # The queued promotion must not be carried out: that would be another test.
            lab.crash(replica)
    assert writers.errors() == []
    assert writers.lost(clients.lists) == []
    assert clients.sentinel.discover_master("mymaster") == old.address
    assert clients.sentinel.counters["switches"] == 0
    clients.close()


def coordinated(lab_factory: LabFactory, library: str) -> tuple[Writers, list[tuple[str, int]]]:
    """Write through a coordinated failover; return the writers, and what they lost."""
    lab = lab_factory(binary=str(find_or_skip("valkey-9.1").path), down_after_ms=3000)
    clients = Clients(lab, library)
    old = lab.master()
    with clients.writers("coordinated") as writers:
        go_on(writers, time.monotonic())
        lab.failover(coordinated=True)
        go_on(writers, clients.wait_for_another_master(old))
        check_nobody_is_left(old)
    lost = writers.lost(clients.lists)
    clients.close()
    return writers, lost


@pytest.mark.parametrize("library", ["redis", "valkey"])
def test_coordinated_failover_costs_no_write(lab_factory: LabFactory, library: str) -> None:
    _, lost = coordinated(lab_factory, library)
    assert lost == []


@pytest.mark.xfail(
    strict=False,
    reason="a known defect: Valkey pauses, then ends the connections of both nodes, and commands in flight fail; "
    "0 to 23 of 108 writers' were seen to",
)
def test_coordinated_failover_costs_no_error(lab_factory: LabFactory) -> None:
    writers, _ = coordinated(lab_factory, "valkey")
    assert writers.errors() == []


def test_valkey_py_follows_the_same_way(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("valkey-9.1").path), down_after_ms=3000)
    clients = Clients(lab, "valkey")
    old = lab.master()
    with clients.writers("valkey") as writers:
        go_on(writers, time.monotonic())
        lab.failover()
        go_on(writers, clients.wait_for_another_master(old))
        eventually(lambda: old not in lab.masters(), LIMIT, what="the old master to be demoted")
    assert (writers.errors(), writers.lost(clients.lists)) == ([], [])
    clients.close()
