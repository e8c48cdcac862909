"""A loop that has more to do than it can: how other threads see it, and what waits for it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from peers.faulty_peer import FaultyPeer, until
from switchmaster.net.watcher import Watcher
from switchmaster.server import published_belief
from switchmaster.server.loop_load import is_busy
from switchmaster.server.published_belief import PublishedBelief


def test_loop_that_waits_is_not_busy() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(50):  # on a machine that stands still it may be late once
            if not await asyncio.to_thread(is_busy, loop):
                return
        raise AssertionError("it was busy 50 times")

    asyncio.run(go())


def test_loop_that_computes_is_busy() -> None:
    async def go() -> None:
        loop, found = asyncio.get_running_loop(), []
        asking = threading.Thread(target=lambda: found.append(is_busy(loop)))
        asking.start()
        asking.join()  # holds this loop up until the other thread has its answer
        assert found == [True]

    asyncio.run(go())


def test_closed_loop_is_not_busy() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    assert not is_busy(loop)


def test_loop_that_is_always_late_hands_the_belief_over_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_belief, "LATE_SECONDS", -1.0)
    monkeypatch.setattr(published_belief, "PUT_OFF_SECONDS", 0.2)

    async def go() -> None:
        async with FaultyPeer() as peer:
            watcher = Watcher([peer.address], discover=False, probe=False)
            published = PublishedBelief("kvdb", watcher, {})
            published.follow()
            begun = time.monotonic()
            await watcher.start()
            try:
                await until(lambda: bool(published.masters()))
                assert time.monotonic() - begun >= 0.2
                assert published.known == len(watcher.masters())
            finally:
                await watcher.close()
                published.close()

    asyncio.run(go())
