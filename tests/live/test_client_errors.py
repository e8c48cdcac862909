"""
The errors of the drop-in: each has its own class and the library's, and a sentence that says what was tried on which
server and for how long, within the promised bound.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import redis.exceptions
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import end, make_ready
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster import errors
from switchmaster.lab import Lab, LabServer

pytestmark = pytest.mark.live

LIMIT = 60.0
SLACK = 4.0
"""Seconds that two busy cores may add to any bound."""
ATTEMPT = 2.0
"""Seconds that an attempt to connect may take that began within the bound."""
Sentinel, AsyncSentinel = switchmaster.redis.Sentinel, switchmaster.redis.asyncio.Sentinel
ConnectionError = redis.exceptions.ConnectionError
NO_RETRY, NO_RETRY_IN_LOOP = Retry(NoBackoff(), 0), AsyncRetry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=1) as lab:
        yield lab


def closed_ports(count: int) -> list[tuple[str, int]]:
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    addresses = [one.getsockname() for one in found]
    for one in found:
        one.close()
    return addresses


def caught(work: Callable[[], object], kind: type[Exception], within: float) -> Any:
    """Return the error of some work; check that it is ours and the library's, comes in time, and can be pickled."""
    began = time.monotonic()
    with pytest.raises(kind) as info:
        work()
    assert time.monotonic() - began < within + SLACK
    check_error(info.value, kind)
    return info.value


def check_error(error: Exception, kind: type[Exception]) -> None:
    assert type(error) is kind
    assert isinstance(error, (errors.SwitchmasterError, ConnectionError))
    for module in (redis.sentinel, redis.asyncio.sentinel, switchmaster.redis, switchmaster.redis.asyncio):
        assert isinstance(error, module.MasterNotFoundError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def caught_in_loop(work: Callable[[Any], Awaitable[object]], addresses: Any, kind: type[Exception], **more: Any) -> Any:
    """Do the same in a loop, with a Sentinel of its own."""

    async def within() -> None:
        async with AsyncSentinel(addresses, **more) as sentinel:
            try:
                await work(sentinel)
            finally:
                await sentinel.master_for("mymaster").aclose()

    return caught(lambda: asyncio.run(within()), kind, 5.0)


@pytest.mark.parametrize("how", ["command", "discovery"])
def test_no_sentinel_reachable(how: str) -> None:
    addresses = closed_ports(3)
    sentinel = Sentinel(addresses, failover_wait=60)
    client = sentinel.master_for("mymaster")
    work: dict[str, Callable[[Any], Any]] = {
        "command": lambda at: at.master_for("mymaster").ping(),
        "discovery": lambda at: at.discover_master("mymaster"),
    }
    error = caught(lambda: work[how](sentinel), switchmaster.redis.NoSentinelReachable, 2.1)
    in_loop = caught_in_loop(work[how], addresses, switchmaster.redis.NoSentinelReachable, failover_wait=60)
    for one in (error, in_loop):
        assert all(f"{host}:{port}: connection refused" in str(one) for host, port in addresses)
        assert "check addresses" in str(one)
    assert sentinel.discover_slaves("mymaster") == []
    end(client)


def test_unknown_master(lab: Lab) -> None:
    with Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.master_for("yourmaster")
        for work in (lambda: sentinel.discover_master("yourmaster"), client.ping):
            error = caught(work, switchmaster.redis.UnknownMaster, 2.1)
            assert "'yourmaster'; they monitor 'mymaster'" in str(error)
            # A majority is enough for the answer.
            assert sum(f"127.0.0.1:{each.port}" in str(error) for each in lab.sentinels) >= 2
        # The same while others are followed.
        assert sentinel.discover_master("mymaster") == lab.master().address
        caught(lambda: sentinel.discover_master("theirs"), switchmaster.redis.UnknownMaster, 2.1)
        end(client)
    caught_in_loop(
        lambda at: at.discover_master("yourmaster"), lab.sentinel_addresses, switchmaster.redis.UnknownMaster
    )


def test_no_master_elected_in_time(lab_factory: LabFactory) -> None:
    lab = lab_factory(
        binary=str(find_or_skip("redis-7.0").path),
        node_lines=("replica-priority 0",),
        failover_timeout_ms=60_000,
    )
    kind = switchmaster.redis.NoMasterElected
    told: list[tuple[str, float]] = []

    class Hook:
        def on_wait_ran_out(self, master: str, seconds: float) -> None:
            told.append((master, seconds))

    sentinel = Sentinel(lab.sentinel_addresses, failover_wait=1, hook=Hook())
    client, hasty = sentinel.master_for("mymaster"), sentinel.master_for("mymaster", failover_wait=0)
    theirs = redis.sentinel.Sentinel(lab.sentinel_addresses).master_for("mymaster")
    for each in (client, hasty, theirs):
        assert each.ping()
    lab.crash(lab.master())
    # Its own connections notice at once; the Sentinels agree a second later.
    error = caught(client.ping, kind, 1.0 + ATTEMPT)
    assert "waited 1" in str(error)
    assert "a master of 'mymaster'" in str(error)
    eventually(
        lambda: (
            client.connection_pool.route.follower.phases.current.gate.value == "failing"
            or sentinel.watcher.state("mymaster").down_by
        ),
        LIMIT,
        what="the loss of the master to be noticed",
    )
    error = caught(client.ping, kind, 1.0 + ATTEMPT)
    assert 0.9 < error.waited < 1.0 + ATTEMPT + SLACK
    assert told[-1][0] == "mymaster"
    assert sentinel.counters["waits_ran_out"] == len(told) >= 2
    in_loop = caught_in_loop(lambda at: at.master_for("mymaster").ping(), lab.sentinel_addresses, kind, failover_wait=1)
    assert "a master of 'mymaster'" in str(in_loop)
    # With `failover_wait=0` it behaves as the library does.
    for each in (hasty, theirs):
        began = time.monotonic()
        with pytest.raises(ConnectionError) as info:
            each.ping()
        assert not isinstance(info.value, errors.WaitTimeout)
        assert time.monotonic() - began < SLACK
    lab.restart(lab.server("mymaster-1"))
    eventually(client.ping, LIMIT, what="the master's return")
    theirs.close()
    end(client, hasty)


def test_stale_master(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), sentinels=1, replicas=1, down_after_ms=60_000)
    old = lab.master()
    lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    make_ready(lab, old)
    lab.restart_sentinel(0, keep_config=False)
    kind = switchmaster.redis.StaleMaster
    with Sentinel(lab.sentinel_addresses, failover_wait=1) as sentinel:
        error = caught(lambda: sentinel.discover_master("mymaster"), kind, 2.1)
        assert f"127.0.0.1:{old.port}, which is named as the master of 'mymaster', answers ROLE slave" in str(error)
        client, hasty = sentinel.master_for("mymaster"), sentinel.master_for("mymaster", failover_wait=0)
        error = caught(client.ping, switchmaster.redis.NoMasterElected, 1.0 + ATTEMPT)
        assert "answers ROLE slave" in str(error)
        assert isinstance(error.__cause__, errors.StaleMaster)
        caught(hasty.ping, kind, 0.0)
        assert sentinel.counters["not_master"] >= 3
        end(client, hasty)
    caught_in_loop(lambda at: at.discover_master("mymaster"), lab.sentinel_addresses, kind)
    caught_in_loop(lambda at: at.master_for("mymaster").ping(), lab.sentinel_addresses, kind, failover_wait=0)


@pytest.fixture
def demote(lab: Lab) -> Iterator[Callable[[], LabServer]]:
    """Make the master a replica without the Sentinels' knowledge, and a master again at the end."""
    master = lab.master()

    def now() -> LabServer:
        master.call("REPLICAOF", "127.0.0.1", 1)
        return master

    yield now
    master.call("REPLICAOF", "NO", "ONE")
    make_ready(lab)


def check_demoted(error: Exception, old: LabServer, counters: Any) -> None:
    assert type(error) is ConnectionError
    assert f"a slave: 127.0.0.1:{old.port} takes no writes for 'mymaster'" in str(error)
    assert counters["not_master"] >= 1


def test_master_that_takes_no_writes_is_a_lost_connection(lab: Lab, demote: Callable[[], LabServer]) -> None:
    with Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.master_for("mymaster", retry=NO_RETRY)
        assert client.set("before", 1)
        old = demote()
        with pytest.raises(ConnectionError) as info:
            client.set("after", 1)
        check_demoted(info.value, old, sentinel.counters)
        end(client)


def test_master_that_takes_no_writes_is_a_lost_connection_in_a_loop_too(
    lab: Lab, demote: Callable[[], LabServer]
) -> None:
    async def within() -> None:
        async with AsyncSentinel(lab.sentinel_addresses) as sentinel:
            client = sentinel.master_for("mymaster", retry=NO_RETRY_IN_LOOP)
            assert await client.set("before", 1)
            old = await asyncio.to_thread(demote)
            with pytest.raises(ConnectionError) as info:
                await client.set("after", 1)
            check_demoted(info.value, old, sentinel.counters)
            await client.aclose()

    asyncio.run(within())


def test_replica_that_takes_no_writes_raises_the_same_as_in_redis_py(lab: Lab) -> None:
    with Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.slave_for("mymaster", retry=NO_RETRY)
        # A replica that Sentinel has not yet seen in sync is not used.
        eventually(lambda: client.role()[0] in (b"slave", "slave"), LIMIT, what="a replica to read from")
        with pytest.raises(redis.exceptions.ReadOnlyError):
            client.set("after", 1)
        assert client.get("after") is None
        end(client)
