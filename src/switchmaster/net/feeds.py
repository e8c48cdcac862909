"""
Feeds: bounded queues between the Watcher and the code that iterates over them.

A `Feed` never blocks the Watcher and never grows beyond its limit: a reader that is too slow loses the oldest items,
is told how many (`Feed.missed`), and always gets the newest. A `Latest` keeps one value only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Feed", "Latest"]

T = TypeVar("T")


class Feed(Generic[T]):
    """
    An asynchronous iterator over the items from now on.

    Args:
        limit: how many items wait for the reader at most.
        on_close: called once, when the feed ends.
    """

    def __init__(self, limit: int, on_close: Callable[[Feed[T]], None]) -> None:
        self.missed = 0
        """Items that were dropped because the reader was too slow."""
        self._items: deque[T] = deque()
        self._limit = limit
        self._on_close = on_close
        self._news = asyncio.Event()
        self._closed = False

    def put(self, item: T) -> None:
        """Add an item; over the limit the oldest is dropped and counted."""
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.missed += 1
        self._items.append(item)
        self._news.set()

    def close(self) -> None:
        """End the feed: the iteration ends after the items that wait."""
        if not self._closed:
            self._closed = True
            self._news.set()
            self._on_close(self)

    def __aiter__(self) -> Feed[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()

    async def __aenter__(self) -> Feed[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Latest(Feed[T]):
    """
    A feed of only the newest value, which is made when the reader is ready for it.

    Args:
        make: returns the newest value.
        on_close: called once, when the feed ends.
    """

    def __init__(self, make: Callable[[], T], on_close: Callable[[Feed[T]], None]) -> None:
        super().__init__(1, on_close)
        self._make = make
        self._stale = True

    def touch(self) -> None:
        """Record that there is a newer value."""
        self._stale = True
        self._news.set()

    async def __anext__(self) -> T:
        while not self._stale:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._stale = False
        return self._make()
