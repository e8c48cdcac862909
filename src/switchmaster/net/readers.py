"""
The callbacks and feeds of one Watcher, by the kind of item that they want.

Items come in with `tell`, in the loop; every reader of their kind gets them in the same turn. What a user's callback
raises is logged and counted, and keeps no item from other readers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .feeds import Feed, Latest

__all__ = ["Readers", "Turn"]

_log = logging.getLogger("switchmaster")

T = TypeVar("T")


class Turn:
    """Reported after every turn that may have changed the belief; it carries nothing else."""


class Readers:
    """
    The readers of one Watcher.

    Args:
        queue: items that wait for a slow reader of a feed.
    """

    def __init__(self, queue: int) -> None:
        self._queue = queue
        self._callbacks: dict[type, tuple[Callable[[Any], None], ...]] = {}
        """By kind; a tuple is replaced, never changed, so that a callback may end itself or others."""
        self._feeds: set[Feed[Any]] = set()
        self._closed = False
        self._missed = 0
        self.callback_errors = 0
        """Exceptions that callbacks raised."""

    @property
    def missed(self) -> int:
        """Items that slow readers lost."""
        return self._missed + sum(feed.missed for feed in self._feeds)

    def wants(self, kind: type) -> bool:
        """Whether there is a reader for items of this kind."""
        return kind in self._callbacks

    def on(self, kind: type[T], callback: Callable[[T], None]) -> Callable[[], None]:
        """Call back with each item of a kind; return a function that ends that."""
        # An object of its own: the same callback may be here twice, and each ends by itself.
        call: Callable[[Any], None] = partial(callback)
        self._callbacks[kind] = (*self._callbacks.get(kind, ()), call)

        def end() -> None:
            left = tuple(one for one in self._callbacks.pop(kind, ()) if one is not call)
            if left:
                self._callbacks[kind] = left

        return end

    def feed(self, kind: type[T]) -> Feed[T]:
        """Return a feed of all items of a kind from now on."""
        endings: list[Callable[[], None]] = []

        def ended(feed: Feed[T]) -> None:
            for end in endings:
                end()
            self._forget(feed)

        feed: Feed[T] = Feed(self._queue, ended)
        endings.append(self.on(kind, feed.put))
        return self._keep(feed)

    def latest(self, make: Callable[[], T]) -> Feed[T]:
        """Return a feed of the newest value, made when its reader is ready."""
        return self._keep(Latest(make, self._forget))

    def _keep(self, feed: Feed[T]) -> Feed[T]:
        self._feeds.add(feed)
        if self._closed:
            feed.close()
        return feed

    def _forget(self, feed: Feed[T]) -> None:
        self._missed += feed.missed
        self._feeds.discard(feed)

    def tell(self, kind: type, item: object) -> None:
        """Give an item to all readers of its kind."""
        for callback in self._callbacks.get(kind, ()):
            try:
                callback(item)
            except Exception:
                # An error of the user's code, which must not stop the Watcher. Logged and counted.
                self.callback_errors += 1
                _log.exception("a callback for %s of the Watcher failed", kind.__name__)

    def touch(self) -> None:
        """Record that there is a newer value for the feeds of `latest`."""
        self.tell(Turn, Turn())
        for feed in self._feeds:
            if isinstance(feed, Latest):
                feed.touch()

    def close(self) -> None:
        """End all feeds."""
        self._closed = True
        for feed in list(self._feeds):
            feed.close()
