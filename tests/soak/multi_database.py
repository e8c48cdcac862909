"""A master behind Sentinel is a member of redis-py's MultiDBClient: it moves inside, that one between members."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("redis.multidb.client")

import redis.asyncio
from redis.asyncio.multidb.client import MultiDBClient as MultiDBClientInLoop
from redis.asyncio.multidb.config import DatabaseConfig as DatabaseConfigInLoop
from redis.asyncio.multidb.config import MultiDbConfig as MultiDbConfigInLoop
from redis.event import EventDispatcher, EventListenerInterface
from redis.multidb.client import MultiDBClient
from redis.multidb.config import DatabaseConfig, MultiDbConfig
from redis.multidb.event import ActiveDatabaseChanged

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster import Switch
from switchmaster.lab import Lab
from switchmaster.redis.multidb import MasterHealthCheck

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore:MultiDBClient is an experimental:UserWarning"),
]

LIMIT = 60.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(
        binary=str(find_or_skip("redis-7.0").path), masters=("mymaster", "other"), replicas=1, down_after_ms=3000
    ) as lab:
        yield lab


class Changes(EventListenerInterface):
    """Counts the changes of the active member."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def listen(self, event: object) -> None:
        self.told.append(event)


def test_member_moves_inside_and_the_client_moves_between_members(lab: Lab) -> None:
    switches: list[Switch] = []
    changes, dispatcher = Changes(), EventDispatcher()
    dispatcher.register_listeners({ActiveDatabaseChanged: [changes]})
    with switchmaster.redis.Sentinel(lab.sentinel_addresses, on_switch=switches.append) as sentinel:
        members = [
            DatabaseConfig(from_pool=switchmaster.redis.SentinelConnectionPool(name, sentinel), weight=weight)
            for name, weight in (("mymaster", 1.0), ("other", 0.5))
        ]
        checks = [MasterHealthCheck(health_check_probes=1, health_check_timeout=LIMIT)]
        client = MultiDBClient(
            MultiDbConfig(members, health_checks=checks, health_check_interval=0.5, event_dispatcher=dispatcher)
        )
        try:
            client.set("where", "mymaster")
            old, written, until = lab.master("mymaster"), 0, time.monotonic() + LIMIT
            lab.failover("mymaster")
            while (lab.master("mymaster") is old or not switches) and time.monotonic() < until:
                written += 1
                client.rpush("numbers", written)
            kept = lab.master("mymaster").call("LRANGE", "numbers", 0, -1)
            assert [int(item) for item in kept] == list(range(1, written + 1))
            assert [(each.master, each.new) for each in switches] == [("mymaster", lab.master("mymaster").address)]
            assert changes.told == []
            [first, second] = [database for database, _ in client.get_databases()]
            client.set_active_database(second)
            client.set("where", "other")
            assert lab.master("other").call("GET", "where") == "other"
            client.set_active_database(first)
            assert client.get("where") == b"mymaster"
            eventually(lambda: len(changes.told) == 2, what="both changes")
        finally:
            client.close()
            for member in members:
                member.from_pool.disconnect()
    make_ready(lab, old, "mymaster")


def test_member_moves_inside_in_a_loop_too(lab: Lab) -> None:
    switches: list[Switch] = []

    async def on_switch(switch: Switch) -> None:
        switches.append(switch)

    async def work() -> int:
        sentinel = switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses, on_switch=on_switch)
        pools = [switchmaster.redis.asyncio.SentinelConnectionPool(name, sentinel) for name in ("mymaster", "other")]
        members = [DatabaseConfigInLoop(from_pool=pool, weight=1.0 / n) for n, pool in enumerate(pools, 1)]
        checks = [MasterHealthCheck(health_check_probes=1, health_check_timeout=LIMIT)]
        written, until = 0, time.monotonic() + LIMIT
        async with (
            sentinel,
            MultiDBClientInLoop(
                MultiDbConfigInLoop(members, client_class=redis.asyncio.Redis, health_checks=checks)
            ) as client,
        ):
            await asyncio.to_thread(lab.failover, "mymaster")
            while (await asyncio.to_thread(lab.master, "mymaster") is old or not switches) and time.monotonic() < until:
                written += 1
                await client.rpush("numbers-in-loop", written)
        for pool in pools:
            await pool.disconnect()
        return written

    old = lab.master("mymaster")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        written = asyncio.run(work())
    kept = lab.master("mymaster").call("LRANGE", "numbers-in-loop", 0, -1)
    assert [int(item) for item in kept] == list(range(1, written + 1))
    assert [each.master for each in switches] == ["mymaster"]
