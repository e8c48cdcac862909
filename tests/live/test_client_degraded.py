"""
The drop-in when something is refused, silent or gone: it does what is allowed, and logs that once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis.exceptions
import redis.sentinel

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import end, go_through_failover, in_thread, make_ready, wait_for_subscribers
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.belief.decisions import Switch
from switchmaster.lab import Lab
from switchmaster.model import Address

pytestmark = pytest.mark.live

LIMIT = 60.0
SLACK = 4.0
"""Seconds that two busy cores may add to any bound."""
Sentinel, AsyncSentinel = switchmaster.redis.Sentinel, switchmaster.redis.asyncio.Sentinel
ConnectionError = redis.exceptions.ConnectionError
POLLED = "user polled on >pw resetchannels -@all +ping +hello +info +role +sentinel +client"
BARE = "user bare on >pw resetchannels -@all +sentinel|masters +sentinel|slaves"
NO_ROLE = "user app on >pw ~* &* +@all -role"


def lab_of(server: str) -> Lab:
    binary = find_or_skip(server)
    return Lab(
        binary=str(binary.path),
        down_after_ms=3000,
        failover_timeout_ms=5000,
        sentinel_users=(POLLED, BARE),
        node_users=(NO_ROLE,),
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_of("redis-7.0") as lab:
        yield lab


@pytest.fixture(scope="module")
def valkey_lab() -> Iterator[Lab]:
    with lab_of("valkey-9.1") as lab:
        yield lab


@pytest.fixture(params=["redis-7.0", "valkey-9.1"])
def either_lab(request: pytest.FixtureRequest) -> Lab:
    lab: Lab = request.getfixturevalue("lab" if request.param == "redis-7.0" else "valkey_lab")
    return lab


def as_user(name: str) -> dict[str, Any]:
    return {"sentinel_kwargs": {"username": name, "password": "pw", "socket_timeout": 1.0}}


def said(caplog: pytest.LogCaptureFixture, part: str) -> int:
    """Return how often a warning with these words was logged."""
    ours = [record for record in caplog.records if record.name == "switchmaster.client"]
    return sum(part in record.getMessage() for record in ours)


def writes_at(client: Any, server: Any) -> bool:
    """Whether a client's writes arrive at this server."""
    mark = time.monotonic_ns()
    client.set("mark", mark)
    return bool(server.call("GET", "mark") == str(mark))


def recovers(lab: Lab, *clients: Any) -> None:
    """Order a planned failover, demote the old master, and wait until each client writes to the new one."""
    old = lab.master()
    lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    make_ready(lab, old)
    new = lab.master()
    for client in clients:
        eventually(lambda client=client: writes_at(client, new), LIMIT, what=f"{client} at the new master")  # type: ignore[misc]


# -- refusals ---------------------------------------------------------------------------------------


def test_sentinels_that_refuse_subscriptions_are_asked(either_lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    lab = either_lab
    client = Sentinel(lab.sentinel_addresses, **as_user("polled")).master_for("mymaster")
    sentinel = client.connection_pool.sentinel_manager
    theirs = redis.sentinel.Sentinel(lab.sentinel_addresses, **as_user("polled")).master_for("mymaster")
    assert client.ping()
    assert sorted(sentinel.discover_slaves("mymaster")) == sorted(replica.address for replica in lab.replicas())
    old = lab.master().address
    recovers(lab, client, theirs)
    assert sentinel.discover_master("mymaster") == lab.master().address != old
    assert said(caplog, "allow no useful subscription") == 1
    assert said(caplog, "grant it: +psubscribe &*") == 1
    assert (sentinel.counters["switches"], sentinel.watcher.counters["events"]) == (1, 0)
    theirs.close()
    end(client)


def test_sentinels_that_refuse_our_queries_are_asked_as_the_library_does(
    either_lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab = either_lab
    sentinel = Sentinel(lab.sentinel_addresses, **as_user("bare"))
    client, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
    theirs = redis.sentinel.Sentinel(lab.sentinel_addresses, **as_user("bare")).master_for("mymaster")
    waiting, came = in_thread(lambda: client.blpop("pushed", 20))
    eventually(lambda: theirs.info("clients")["blocked_clients"], what="a client to block")
    # Further connections are made, each after its own query: that must not end commands in flight.
    assert client.ping()
    eventually(lambda: reader.role()[0] in (b"slave", "slave"), 20, what="a replica's answer")
    assert sentinel.discover_master("mymaster") == lab.master().address
    assert sentinel.discover_slaves("mymaster")
    theirs.rpush("pushed", "through")
    waiting.join(20)
    assert list(came[0]) == [b"pushed", b"through"]
    with ThreadPoolExecutor(16) as several:
        assert all(several.map(lambda _: client.incr("n"), range(64)))
    assert sentinel.counters["connections_cut"] == 0
    recovers(lab, client, theirs)
    eventually(lambda: reader.get("mark") == theirs.get("mark"), what="the value at a replica")
    assert sentinel.discover_master("mymaster") == lab.master().address
    assert said(caplog, "refuse our questions") == 1
    assert said(caplog, "grant the user") == 1
    theirs.close()
    end(client, reader)


def test_loops_ask_as_the_library_does_too(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with AsyncSentinel(lab.sentinel_addresses, **as_user("bare")) as sentinel:
            client, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
            waiting = asyncio.create_task(client.blpop("pushed", 20))
            async with asyncio.timeout(20):
                while not (await client.info("clients"))["blocked_clients"]:
                    await asyncio.sleep(0.01)
                while (await reader.role())[0] not in (b"slave", "slave"):
                    await asyncio.sleep(0.01)
            assert await sentinel.discover_master("mymaster") == lab.master().address
            assert await sentinel.discover_slaves("mymaster")
            await client.rpush("pushed", "through")
            assert list(await waiting) == [b"pushed", b"through"]
            await asyncio.gather(*(client.incr("n") for _ in range(20)), *(reader.get("n") for _ in range(20)))
            await reader.aclose()
            await client.aclose()

    asyncio.run(work())
    assert said(caplog, "refuse our questions") == 1


def test_nodes_that_refuse_role_are_followed_by_the_sentinels_word(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    user = {"username": "app", "password": "pw"}
    client = Sentinel(lab.sentinel_addresses, **user).master_for("mymaster")

    def in_loop() -> Any:
        return AsyncSentinel(lab.sentinel_addresses, **user).master_for("mymaster")

    go_through_failover(lab, client, in_loop, begin="no-role")
    # Once for each Sentinel: there are two, one for threads and one for the loop.
    assert said(caplog, "refuse ROLE") == said(caplog, "grant the user +role") == 2
    assert client.connection_pool.sentinel_manager.counters["switches"] == 1
    end(client)


# -- options ----------------------------------------------------------------------------------------


def test_hold_of_zero_holds_nothing(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), replicas=1, failover_timeout_ms=2000)
    [replica] = lab.replicas()
    with Sentinel(lab.sentinel_addresses) as sentinel, Sentinel(lab.sentinel_addresses, hold=0) as without:
        client, free = sentinel.master_for("mymaster"), without.master_for("mymaster")
        assert [client.ping(), free.ping()] == [True, True]
        # It is selected and then does not answer, so a hold would last as long as it can.
        lab.hang(replica)
        try:
            lab.failover()
            phases = client.connection_pool.route.follower.phases
            eventually(lambda: phases.current.gate.value == "held", LIMIT, 0.005, "the hold")
            held = in_thread(client.ping)[0]
            for _ in range(20):
                assert free.ping()
            assert phases.current.gate.value == "held"
            assert without.counters["commands_held"] == 0
            held.join(20)
            assert sentinel.counters["commands_held"] == 1
        finally:
            lab.crash(replica)
        end(client, free)


def test_drain_lets_commands_in_flight_finish(lab: Lab) -> None:
    make_ready(lab)
    old = lab.master()
    with Sentinel(lab.sentinel_addresses) as sentinel:
        draining = sentinel.master_for("mymaster", drain=30)
        short = sentinel.master_for("mymaster", drain=0.2)
        abrupt = sentinel.master_for("mymaster")
        assert draining.ping()
        works = [
            in_thread(lambda: draining.blpop("nothing", 3)),
            in_thread(lambda: draining.blpop("later", 25)),
            in_thread(lambda: short.blpop("nothing", 0)),
            in_thread(lambda: abrupt.blpop("nothing", 0)),
        ]
        eventually(lambda: draining.info("clients")["blocked_clients"] == 4, what="clients to block")
        lab.failover()
        eventually(lambda: sentinel.counters["switches"], LIMIT, what="the switch")
        old.call("RPUSH", "later", "in time")
        for thread, _ in works:
            thread.join(20)
            assert not thread.is_alive()
        came = [came[0] for _, came in works]
        assert came[0] is None
        assert list(came[1]) == [b"later", b"in time"]
        for error in came[2:]:
            assert isinstance(error, ConnectionError)
            assert "was cut, because 'mymaster' is at" in str(error)
        make_ready(lab, old)
        assert all(writes_at(client, lab.master()) for client in (draining, short, abrupt))
        end(draining, short, abrupt)


# -- silence ----------------------------------------------------------------------------------------


def test_one_silent_sentinel_of_three_makes_nothing_slow(lab: Lab) -> None:
    make_ready(lab)
    lab.hang(lab.sentinels[0])
    try:
        # Its own timeout, and so its own Watcher, which finds the Sentinel silent from the start.
        patient = {"sentinel_kwargs": {"socket_timeout": 30.0}}
        began = time.monotonic()
        with Sentinel(lab.sentinel_addresses, **patient) as sentinel:
            assert sentinel.discover_master("mymaster") == lab.master().address
            client = sentinel.master_for("mymaster")
            assert client.set("silent", 1)
            end(client)

        async def work() -> None:
            async with AsyncSentinel(lab.sentinel_addresses, **patient) as in_loop:
                client = in_loop.master_for("mymaster")
                assert await client.set("silent", 2)
                await client.aclose()

        asyncio.run(work())
        assert time.monotonic() - began < SLACK
    finally:
        lab.resume(lab.sentinels[0])


def test_clients_continue_while_every_sentinel_is_down(lab: Lab) -> None:
    make_ready(lab)
    sentinel = Sentinel(lab.sentinel_addresses, failover_wait=1)
    client = sentinel.master_for("mymaster")
    assert client.set("before", 1)
    for each in lab.sentinels:
        lab.crash(each)
    try:
        eventually(lambda: not sentinel.watcher.hearing, LIMIT, what="the silence to be noticed")
        assert client.get("before") == b"1"
        pool = client.connection_pool
        fresh = [pool.get_connection() for _ in range(4)]
        for connection in fresh:
            connection.send_command("PING")
            assert connection.read_response() in (b"PONG", "PONG")
        for connection in fresh:
            pool.release(connection)
        with pytest.raises(switchmaster.redis.NoSentinelReachable):
            sentinel.discover_master("mymaster")
        # The remembered address counts only as long as the node confirms it.
        master, [other, *_] = lab.master(), lab.replicas()
        other.call("REPLICAOF", "NO", "ONE")
        master.call("REPLICAOF", *other.address)
        eventually(lambda: master.call("ROLE")[0] == "slave", what="the node to be no master")
        for connection in fresh:
            connection.disconnect()
        with pytest.raises(switchmaster.redis.NoMasterElected, match="answers ROLE slave"):
            client.ping()
        master.call("REPLICAOF", "NO", "ONE")
        other.call("REPLICAOF", *master.address)
        eventually(client.ping, LIMIT, what="the node to be the master again")
    finally:
        for each in lab.sentinels:
            lab.restart(each)
    eventually(lambda: sentinel.discover_master("mymaster") == lab.master().address, LIMIT, what="recovery")
    wait_for_subscribers(lab, 1)  # the leader of the failover must be subscribed to
    make_ready(lab)
    go_through_failover(lab, client, begin="again")
    end(client)


# -- what is counted and reported -------------------------------------------------------------------


class Recording:
    """A hook that records its calls."""

    def __init__(self) -> None:
        self.switches: list[Switch] = []
        self.cuts: list[tuple[str, Address, int]] = []
        self.held: list[tuple[str, float]] = []
        self.ran_out: list[tuple[str, float]] = []

    def on_switch(self, switch: Switch) -> None:
        self.switches.append(switch)

    def on_cut(self, master: str, address: Address, connections: int) -> None:
        self.cuts.append((master, address, connections))

    def on_held(self, master: str, seconds: float) -> None:
        self.held.append((master, seconds))

    def on_wait_ran_out(self, master: str, seconds: float) -> None:
        self.ran_out.append((master, seconds))


class Broken(Recording):
    """A hook that records each call and then fails."""

    def on_switch(self, switch: Switch) -> None:
        super().on_switch(switch)
        raise ValueError("the user's own mistake")

    def on_cut(self, master: str, address: Address, connections: int) -> None:
        super().on_cut(master, address, connections)
        raise ValueError("the user's own mistake")

    def on_held(self, master: str, seconds: float) -> None:
        super().on_held(master, seconds)
        raise ValueError("the user's own mistake")


@pytest.mark.parametrize("kind", [Recording, Broken])
def test_everything_is_counted_and_reported(lab: Lab, kind: type[Recording], caplog: pytest.LogCaptureFixture) -> None:
    make_ready(lab)
    hook, old = kind(), Address(*lab.master().address)
    sentinel = Sentinel(lab.sentinel_addresses, hook=hook)
    client = sentinel.master_for("mymaster")
    reader = sentinel.slave_for("mymaster")
    reader.ping()
    # Not in use: a connection that waits in a failover may move before it is cut.
    idle = client.connection_pool.get_connection()
    with caplog.at_level(logging.ERROR, "switchmaster.client"):
        go_through_failover(lab, client, begin=f"told-{kind.__name__}", threads=4)
    client.connection_pool.release(idle)
    new = Address(*lab.master().address)
    assert [(switch.master, switch.old, switch.new) for switch in hook.switches] == [("mymaster", old, new)]
    assert {(master, address) for master, address, _ in hook.cuts} >= {("mymaster", old)}
    assert all(connections >= 1 for *_, connections in hook.cuts)
    assert {master for master, _ in hook.held} == {"mymaster"}
    assert hook.ran_out == []
    counted = sentinel.counters
    assert counted["switches"] == 1
    assert counted["connections_cut"] == sum(connections for *_, connections in hook.cuts)
    # The pause is short: a thread that does not run meanwhile is not held.
    assert counted["commands_held"] == len(hook.held) >= 1
    assert counted["held_seconds"] == pytest.approx(sum(seconds for _, seconds in hook.held))
    assert counted["longest_hold"] == pytest.approx(max(seconds for _, seconds in hook.held))
    assert 0 < counted["longest_hold"] < 2.0 + SLACK
    assert counted["waits_ran_out"] == 0
    # Each of the two clients asks once, if the Watcher has not heard enough before its first command.
    assert counted["asked"] <= 2
    failures = len(hook.switches) + len(hook.cuts) + len(hook.held) if kind is Broken else 0
    assert counted["hook_errors"] == failures
    assert sum(record.exc_info is not None for record in caplog.records) == failures
    end(client, reader)
