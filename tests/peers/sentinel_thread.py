"""A scripted Sentinel in a thread of its own, for tests of what runs in threads."""

from __future__ import annotations

import asyncio
import threading

from peers.faulty_peer import FaultyPeer
from peers.scripted import published


class SentinelThread:
    """A scripted Sentinel in a thread of its own."""

    def __init__(self) -> None:
        self.peer = FaultyPeer()
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="peer")
        self._thread.start()
        assert self._up.wait(10)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with self.peer:
            self._up.set()
            await self._end.wait()

    def publish(self, epoch: int) -> None:
        data = published("+new-epoch", str(epoch))
        self._loop.call_soon_threadsafe(lambda: self.peer.writers[-1].write(data))

    def close(self) -> None:
        """End it; safe to call twice."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
