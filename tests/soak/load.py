"""
The load of a soak: a Watcher with its readers, and clients in threads and in a loop.

Nothing here keeps what it hears or writes, so growing memory is the product's. Errors are counted by type.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from rig.writers import InThreads
from switchmaster import Watcher
from switchmaster.redis import Sentinel
from switchmaster.redis.asyncio import Sentinel as AsyncSentinel

__all__ = ["Load"]

PAUSE = 0.01
"""Seconds between two commands of one writer."""


class Load(InThreads):
    """
    Everything that follows the masters.

    Args:
        sentinels: addresses of the Sentinels.
        masters: the names of the masters.
        threads: how many threads write to each.
    """

    def __init__(self, sentinels: Sequence[tuple[str, int]], masters: Sequence[str], threads: int = 2) -> None:
        super().__init__()
        self.errors: Counter[str] = Counter()
        self.written = 0
        self.heard = 0
        self.switches = 0
        self.last_told: deque[str] = deque(maxlen=6)
        """The last switches in words, to explain an unexpected one."""
        self.loop = asyncio.new_event_loop()
        self._sentinels, self._masters = list(sentinels), tuple(masters)
        self._watcher: Watcher | None = None
        self._client = Sentinel(self._sentinels, socket_timeout=1.0)
        work = [(self._write, name) for name in masters for _ in range(threads)] + [(self._read, n) for n in masters]
        self._threads = [threading.Thread(target=target, args=(name,)) for target, name in work]
        self._threads.append(threading.Thread(target=self.loop.run_until_complete, args=(self._run_in_loop(),)))

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.loop.close()

    def knows(self, name: str, address: tuple[str, int]) -> bool:
        """Whether the Watcher and the client both believe that the master is there."""
        watcher = self._watcher
        return watcher is not None and watcher.master(name) == address == self._client.discover_master(name)

    def tasks(self) -> int:
        """Return how many tasks the loop has."""
        return asyncio.run_coroutine_threadsafe(_count(), self.loop).result(10)

    def _write(self, name: str) -> None:
        master = self._client.master_for(name)
        while not self._stop.wait(PAUSE):
            self.written += self._tried(lambda: master.set("soak", 1))

    def _read(self, name: str) -> None:
        replica = self._client.replica_for(name)
        while not self._stop.wait(PAUSE):
            self._tried(lambda: replica.get("soak"))

    def _tried(self, work: Any) -> bool:
        try:
            work()
        except Exception as error:
            self.errors[type(error).__name__] += 1
            return False
        return True

    async def _run_in_loop(self) -> None:
        client = AsyncSentinel(self._sentinels, socket_timeout=1.0)
        async with Watcher(self._sentinels) as self._watcher, client:
            watcher = self._watcher
            readers = [watcher.switches(), watcher.events(), watcher.failovers(), watcher.changes()]
            work = [asyncio.create_task(self._follow(feed)) for feed in readers]
            work += [asyncio.create_task(self._write_in_loop(client, name)) for name in self._masters * 2]
            while not self._stop.is_set():
                await asyncio.sleep(0.1)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        self._watcher = None

    async def _follow(self, feed: Any) -> None:
        async for told in feed:
            self.heard += 1
            if type(told).__name__ == "Switch":
                self.switches += 1
                self.last_told.append(f"{told.master} {told.old} -> {told.new}, epoch {told.epoch}: {told.why}")

    async def _write_in_loop(self, client: Any, name: str) -> None:
        master = client.master_for(name)
        # A cancellation may be lost: redis-py sends by `asyncio.wait_for`, which on Python 3.11 drops one that comes in
        # the very turn in which the send completes.
        while not self._stop.is_set():
            await asyncio.sleep(PAUSE)
            try:
                await master.set("soak", 2)
                self.written += 1
            except Exception as error:
                self.errors[type(error).__name__] += 1


async def _count() -> int:
    return len(asyncio.all_tasks())
