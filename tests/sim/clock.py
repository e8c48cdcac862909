"""
The virtual clock: everything in the world that is due later, and an asyncio loop driven by it.

Calls run in order of time, and in order of scheduling at the same time. No real time passes. The loop lets the world go
on only when none of its callbacks is ready, like a process that waits in select.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from typing import Any

__all__ = ["Clock", "VirtualLoop"]

START = 1_000.0
"""Monotonic seconds at the start of every run."""


class Timer:
    """A scheduled call; `cancel` removes it."""

    __slots__ = ("act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self.act: Callable[[], None] | None = act

    def cancel(self) -> None:
        self.act = None


class Clock:
    """The calls that are due in the world."""

    def __init__(self) -> None:
        self.now = START
        self._due: list[tuple[float, int, Timer]] = []
        self._asked = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return self.now - START

    def after(self, seconds: float, act: Callable[[], None]) -> Timer:
        return self.at(self.now + seconds, act)

    def at(self, when: float, act: Callable[[], None]) -> Timer:
        timer = Timer(act)
        self._asked += 1
        heapq.heappush(self._due, (when, self._asked, timer))
        return timer

    def step(self, until: float) -> bool:
        """Run the next call that is due until then; if there is none, advance to that time and return False."""
        due = self._due
        while due and due[0][2].act is None:
            heapq.heappop(due)
        if not due or due[0][0] > until:
            self.now = max(self.now, until)
            return False
        when, _, timer = heapq.heappop(due)
        self.now = max(self.now, when)
        if timer.act is not None:
            timer.act()
        return True


class VirtualLoop(asyncio.BaseEventLoop):
    """
    An asyncio loop whose time is the clock's and whose sockets are the network's.

    Args:
        clock: the time.
        after_turn: called after each turn of the loop that ran anything.
        open: opens a stream, as `create_connection` does.
    """

    def __init__(self, clock: Clock, after_turn: Callable[[], None], open: Callable[..., Any]) -> None:
        super().__init__()
        self._clock, self._after_turn, self._open = clock, after_turn, open
        self._clock_resolution = 1e-9
        self._selector = self

    def quiet(self) -> None:
        """Stop calling `after_turn`."""
        self._after_turn = lambda: None

    def time(self) -> float:
        return self._clock.now

    def select(self, timeout: float | None) -> list[Any]:
        """Replace the selector: nothing comes from outside, but time passes."""
        self._after_turn()
        if timeout == 0:
            return []
        until = math.inf if timeout is None else self._clock.now + timeout
        while not self._ready and self._clock.step(until):
            pass
        if until is math.inf and not self._ready:
            raise RuntimeError("nothing will ever happen again")
        return []

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], asyncio.Protocol], host: str, port: int, **_: Any
    ) -> tuple[Any, asyncio.Protocol]:
        return await self._open(factory, host, port)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
