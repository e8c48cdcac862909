"""
What follows from a turn of the Watcher and can wait: it is done at once, or in a storm after the decisions.

A thousand failovers in one moment arrive as more bytes than one turn reads. While some wait to be read, decisions may
wait in them, and every millisecond that a turn spends on the journal comes before those. So the work of such turns is
put off until everything is read, but for `PUT_OFF_SECONDS` at most. Then it is done in slices, between which the loop
comes round. Work is always done in the order in which it came, each turn's as a whole. Both bounds, of time and of
number (`MOST`), are counted when they are hit: `Backlog.forced`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..journal.entries import Entry

__all__ = ["Backlog"]

PUT_OFF_SECONDS: Final = 1.0
"""Seconds for which work waits for a loop that is behind, at most; turns done then are counted as ``late``."""
LOOK_SECONDS: Final = 0.01
"""Seconds between two looks at whether everything is read."""
SLICE_SECONDS: Final = 0.01
"""Seconds of work at a time; one turn's is never divided."""
MOST: Final = 200_000
"""
Pieces of work that wait, at most; beyond that each turn first does as much as it adds.

Turns done for that are counted as ``full``.
"""

Work = tuple[Callable[..., Iterable[Entry]], tuple[Any, ...]]
"""What to call, and with what."""


class Backlog:
    """
    The work of turns that is not done yet.

    Args:
        put: takes the entries of one turn's work together; must not block.
        is_behind: returns whether the loop has something to read that may lead to decisions.
    """

    def __init__(self, put: Callable[..., None], is_behind: Callable[[], bool]) -> None:
        self._put, self._is_behind = put, is_behind
        self._turn: list[Work] = []
        """The work of the turn that is under way."""
        self._turns: deque[list[Work]] = deque()
        self._count = 0
        """Pieces of work in `_turns`."""
        self._since = 0.0
        """Since when the oldest may have waited, in the loop's seconds."""
        self._timer: asyncio.TimerHandle | None = None
        self.forced = {"full": 0, "late": 0}
        """Turns whose work could wait no longer, by the bound that was hit; any thread may read it."""

    def add(self, work: Callable[..., Iterable[Entry]], *arguments: Any) -> None:
        """Add work to the turn that is under way: a function that returns entries, and its arguments."""
        self._turn.append((work, arguments))

    def end_turn(self) -> None:
        """End the turn; do its work now, or later if there is something more urgent."""
        if not self._turn:
            return
        self._turns.append(self._turn)
        self._count += len(self._turn)
        self._turn = []
        if self._timer is None:
            if not self._is_behind():
                return self._do_turn()
            self._arm(LOOK_SECONDS)
            self._since = asyncio.get_running_loop().time()
        while self._count > MOST:
            self.forced["full"] += 1
            self._do_turn()

    def finish(self) -> None:
        """Do everything now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._turn:
            self._turns.append(self._turn)
            self._count += len(self._turn)
            self._turn = []
        while self._turns:
            self._do_turn()

    def _arm(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time
        begun = now()
        behind = self._is_behind()
        if behind and begun < self._since + PUT_OFF_SECONDS:
            return self._arm(LOOK_SECONDS)
        try:
            while self._turns:
                self.forced["late"] += behind
                self._do_turn()
                if now() >= begun + SLICE_SECONDS:
                    break
        finally:
            if self._turns:
                self._arm(0.0)

    def _do_turn(self) -> None:
        turn = self._turns.popleft()
        self._count -= len(turn)
        entries = [entry for work, arguments in turn for entry in work(*arguments)]
        if entries:
            self._put(*entries)
