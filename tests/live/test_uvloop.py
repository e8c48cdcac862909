"""A Watcher runs in whatever loop its user runs: uvloop has other transports and fewer options than asyncio's own."""

from __future__ import annotations

import pytest

from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster import Address, Watcher

uvloop = pytest.importorskip("uvloop")

pytestmark = pytest.mark.live


def test_watcher_hears_every_sentinel_under_uvloop(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path))
    host, port = lab.sentinel_addresses[0]

    async def watch() -> tuple[Address, int]:
        async with Watcher([(host, port)]) as watcher:
            return watcher.master("mymaster"), len(watcher.topology.sentinels)

    assert uvloop.run(watch()) == (lab.master("mymaster").address, 3)
