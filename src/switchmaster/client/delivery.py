"""
How switches reach the user's `on_switch`: outside the Watcher's thread, one at a time, in order.

For threads a thread of its own calls it, which lives as long as there is something to deliver. For asyncio it is called
in the loop in which a client connected first, and may be a coroutine function. So it may take its time, and use the
clients: neither the Watcher nor a command waits for it. The queue is bounded; what the callback raises is counted and
logged.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from ..belief.decisions import Switch
from ..net.threads import RLock, Thread

__all__ = ["WAITING_SWITCHES", "Delivery"]

WAITING_SWITCHES: Final = 1000
"""Switches that wait for a slow callback at most; beyond it the oldest are dropped and counted."""

_log = logging.getLogger("switchmaster.client")


class Delivery:
    """
    The switches on their way to one callback; safe for threads.

    Args:
        callback: the user's; a coroutine function only in a loop.
        in_loop: whether it is called in a loop, not in a thread.
        count: called with the name of the counter to raise.
    """

    def __init__(self, callback: Callable[[Switch], Any], in_loop: bool, count: Callable[[str], None]) -> None:
        self.callback = callback
        self._in_loop, self._count = in_loop, count
        self._lock = RLock()  # garbage is collected under it too
        self._waiting: deque[Switch] = deque()
        self._busy = False
        """Whether something delivers what waits: true from before it is begun until it has found nothing left."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Deliver in this loop, unless one that was used before still runs."""
        if self._loop is not None and not self._loop.is_closed():
            return
        with self._lock:
            # A loop that was closed has ended its task, or never began it.
            self._loop, self._busy = loop, bool(self._waiting)
        if self._busy:
            self._begin()

    def put(self, switch: Switch) -> None:
        """Deliver a switch soon; returns at once."""
        with self._lock:
            if len(self._waiting) == WAITING_SWITCHES:
                self._waiting.popleft()
                self._count("switches_dropped")
            self._waiting.append(switch)
            if self._busy:
                return
            self._busy = True
        try:
            self._begin()
        except RuntimeError:  # the loop was closed, or the interpreter is ending: the next switch tries again
            self._busy = False

    def renew(self) -> None:
        """Start over in a forked child: neither the parent's thread nor its loop is here."""
        self._lock, self._busy, self._loop, self._task = RLock(), False, None, None
        self._waiting.clear()

    def _begin(self) -> None:
        if not self._in_loop:
            Thread(self._deliver, "switchmaster on_switch")
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_in_loop, self._loop)
        else:
            raise RuntimeError  # no client has connected yet: delivered with the next one

    def _next(self) -> Switch | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._busy = False
            return None

    def _deliver(self) -> None:
        while (switch := self._next()) is not None:
            try:
                came = self.callback(switch)
                if inspect.iscoroutine(came):
                    came.close()
                    raise TypeError("a coroutine function can't be called in threads: use switchmaster.*.asyncio")
            except Exception:  # the user's own code: it must not break the client, nor keep the next switch away
                self._failed()

    def _begin_in_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            self._task = loop.create_task(self._deliver_in_loop(loop))

    async def _deliver_in_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        while loop is self._loop and (switch := self._next()) is not None:
            try:
                came = self.callback(switch)
                if isinstance(came, Awaitable):
                    await came
            except Exception:  # the user's own code: it must not break the client, nor keep the next switch away
                self._failed()

    def _failed(self) -> None:
        self._count("hook_errors")
        _log.exception("on_switch failed")
