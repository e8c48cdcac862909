"""A master behind Sentinel is a member of redis-py's MultiDBClient: it moves inside, that one between members."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Iterator

import pytest

pytest.importorskip("redis.multidb.client")

import redis.asyncio
from redis.asyncio.multidb.client import MultiDBClient as MultiDBClientInLoop
from redis.asyncio.multidb.config import DatabaseConfig as DatabaseConfigInLoop
from redis.asyncio.multidb.config import MultiDbConfig as MultiDbConfigInLoop

import switchmaster.redis
import switchmaster.redis.asyncio
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
