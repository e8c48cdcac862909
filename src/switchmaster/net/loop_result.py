"""The result of a coroutine in another thread's loop, for the one thread or greenlet that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from .threads import Waiters

__all__ = ["LoopResult"]

T = TypeVar("T")


class LoopResult(Generic[T]):
    """
    What a coroutine returns or raises.

    Unlike a `concurrent.futures.Future` it has no lock that an exception in its waiter could leave held, which would
    block the loop.

    Args:
        hard: whether no other greenlet may run while it is waited for.
    """

    def __init__(self, hard: bool = False) -> None:
        self._waiters = Waiters(hard)
        self._task: asyncio.Task[T] | None = None
        self._over = False

    def begin(self, work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> None:
        """Begin the coroutine; in the loop's thread."""
        self._task = loop.create_task(work)
        self._task.add_done_callback(self._end)

    def _end(self, _: object) -> None:
        self._over = True
        self._waiters.wake()

    def cancel(self) -> None:
        """End the coroutine if it still runs; in the loop's thread."""
        if self._task is not None:
            self._task.cancel()

    def abandon(self) -> None:
        """Cancel it in a forked child: the thread that would end it is the parent's."""
        self._task, self._over = None, True
        self._waiters.renew()

    def result(self, until: float | None = None) -> T:
        """
        Wait for what the coroutine returns.

        Args:
            until: how long at most, in monotonic seconds; None for no limit.

        Raises:
            TimeoutError: it takes longer.
            asyncio.CancelledError: it was cancelled, for instance with its loop.
            Exception: what it raises.
        """
        if not self._waiters.wait(lambda: self._over, until):
            raise TimeoutError
        if self._task is None:
            raise asyncio.CancelledError
        return self._task.result()
