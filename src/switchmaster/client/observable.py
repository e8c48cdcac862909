"""
A value that threads, and tasks of any number of loops, wait for: the newest value of a gate, for instance.

One thread sets it (the Watcher's), any thread or loop reads `current` without a lock. A waiter names the value that
it has seen, so it misses no change.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Generic, TypeVar

from ..net.threads import RLock, Waiters

__all__ = ["Observable"]

V = TypeVar("V")


class Observable(Generic[V]):
    """
    One value that others wait for.

    Args:
        current: the first value.
    """

    __slots__ = ("_futures", "_lock", "_waiters", "current")

    def __init__(self, current: V) -> None:
        self.current = current
        """The newest value; compare it by identity."""
        self._waiters, self._lock = Waiters(), RLock()
        self._futures: dict[asyncio.AbstractEventLoop, set[asyncio.Future[None]]] = {}

    def set(self, value: V) -> None:
        """Set a new value and wake all waiters."""
        self.current = value
        self._waiters.wake()
        with self._lock:
            loops = list(self._futures)
        for loop in loops:
            # A loop that was closed meanwhile has no waiters left.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake, loop)

    def wait(self, seen: V, until: float) -> None:
        """Wait, in a thread or greenlet, until the value is no longer `seen`, or until a moment (monotonic seconds)."""
        self._waiters.wait(lambda: self.current is not seen, until)

    async def wait_in_loop(self, seen: V, until: float) -> None:
        """Wait, in a task, until the value is no longer `seen`, or until a moment (monotonic seconds)."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self.current is not seen:
                return
            self._futures.setdefault(loop, set()).add(future)
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await future
        except TimeoutError:
            pass
        finally:
            self._forget(loop, future)

    def renew(self) -> None:
        """Start over in a forked child: the parent's waiters are not here, and its lock may be held for ever."""
        self._lock = RLock()
        self._waiters.renew()
        self._futures = {}

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            waiting = list(self._futures.get(loop, ()))
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _forget(self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
        with self._lock:
            waiting = self._futures.get(loop, set())
            waiting.discard(future)
            if not waiting:
                self._futures.pop(loop, None)
