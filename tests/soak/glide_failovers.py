"""Valkey GLIDE through a crash and with a blocked command: beside what tests/live/test_glide.py holds in each run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import glide
import pytest

import switchmaster.glide
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.glide_work import SLOW, GlideWork
from rig.lab_fixtures import find_or_skip
from switchmaster import Watcher
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

LIMIT = 60.0


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=2, down_after_ms=700) as lab:
        yield lab


def test_glide_writes_at_the_successor_after_a_crash(lab: Lab) -> None:
    with GlideWork(lab) as work:
        work.go_on()
        old = lab.master()
        lab.crash(old)
        eventually(lambda: any(each is not old for each in lab.masters()), LIMIT, what="a successor")
        work.go_on(lab.master().address)


def test_blocked_command_ends_with_the_move_and_says_so(lab: Lab) -> None:
    async def block() -> Exception | None:
        async with (
            Watcher(lab.sentinel_addresses) as watcher,
            switchmaster.glide.MasterClient(watcher, "mymaster", **SLOW) as client,
        ):
            blocked = asyncio.ensure_future(client.blpop(["nothing"], 0))
            wanted = "blocked_clients:1\r\n"
            while wanted not in str(await asyncio.to_thread(lab.master().call, "INFO", "clients")):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(lab.failover)
            [came] = await asyncio.wait_for(asyncio.gather(blocked, return_exceptions=True), LIMIT)
            return came

    old = lab.master()
    assert isinstance(asyncio.run(block()), glide.ConnectionError)
    make_ready(lab, old)
