"""A Watcher's counters only grow, even if it leaves a Sentinel."""

from __future__ import annotations

import asyncio

from peers.faulty_peer import until
from switchmaster.belief.decisions import Disconnect
from switchmaster.model import SentinelName
from switchmaster.net.watcher import Watcher

NOBODY = SentinelName("127.0.0.1:1")


def test_watcher_keeps_the_counters_of_a_link_that_it_left() -> None:
    async def leave() -> None:
        watcher = Watcher([NOBODY])
        await watcher.start(wait=False)
        try:
            await until(lambda: watcher.counters["link_failures"] > 0)
            before = watcher.counters["link_failures"]
            watcher._do(Disconnect(NOBODY, "it is another one now"))
            assert watcher.counters["link_failures"] == before
        finally:
            await watcher.close()

    asyncio.run(leave())
