"""
News from a Watcher, handed in order from its thread to the thread that prints.

A slow reader of the output must not stop the Watcher: the feed is bounded, drops events first, and counts them.
Switches, failovers and notices have room of their own beyond the events.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, Generic, TypeVar

__all__ = ["EVENTS_KEPT", "NEWS_KEPT", "NewsFeed"]

T = TypeVar("T")

EVENTS_KEPT: Final = 10_000
"""Items that may wait before events are dropped."""
NEWS_KEPT: Final = 20_000
"""Items that may wait before anything is dropped."""


class NewsFeed(Generic[T]):
    """A bounded queue between two threads that never blocks the writer."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._came = threading.Condition()
        self._missed = 0

    def event(self, item: T) -> None:
        """Add an item that may be dropped."""
        self._put(item, EVENTS_KEPT)

    def news(self, item: T) -> None:
        """Add an item that a reader needs."""
        self._put(item, NEWS_KEPT)

    def take(self, timeout: float) -> T | None:
        """Return the next item, waiting at most `timeout` seconds; None if none came."""
        with self._came:
            if not self._items:
                self._came.wait(timeout)
            return self._items.popleft() if self._items else None

    def drain(self) -> list[T]:
        """Return all waiting items and clear the feed."""
        with self._came:
            items = list(self._items)
            self._items.clear()
            return items

    def missed(self) -> int:
        """Return how many were dropped since the last call."""
        with self._came:
            missed, self._missed = self._missed, 0
            return missed

    def _put(self, item: T, room: int) -> None:
        with self._came:
            if len(self._items) >= room:
                self._missed += 1
                return
            self._items.append(item)
            self._came.notify()
