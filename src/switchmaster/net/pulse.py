"""
The pulse of data nodes: a PING each second, as Sentinel sends it, and how long each answer took.

One connection to each node. A lost connection is made again while the time goes on, because for Sentinel too the node
is silent until it answers. Where the node refuses connections its process is gone: that is no pause, and is counted
apart. An answer that came while this process itself was late proves nothing and is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ..explain.pauses import Pauses
from .command_connection import CommandConnection
from .dial import DialTarget

__all__ = ["LoopLateness", "Pulse"]

CLIENT: Final = "switchmaster-pulse"
"""What CLIENT LIST shows of its connections."""
PERIOD: Final = 1.0
"""Seconds between two PINGs: Sentinel's SENTINEL_PING_PERIOD."""
PATIENCE: Final = 15.0
"""Seconds after which an unanswered connection is replaced: half the default of down-after, as Sentinel does it."""
REFUSED_PAUSE: Final = 60.0
"""Seconds until a node that refuses our credentials is asked again."""
TICK: Final = 0.1
LATE: Final = 0.05
"""Seconds by which this process may be late before an answer is left out."""


class LoopLateness:
    """How late the running loop was; shared by all pulses of a process."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.total = 0.0
        """Seconds by which the loop was late in all, counted from `LATE` on."""
        self._due = self._loop.time() + TICK
        self._timer = self._loop.call_later(TICK, self._tick)

    def close(self) -> None:
        """End the timer."""
        self._timer.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        late = now - self._due
        if late > LATE:
            self.total += late
        self._due = now + TICK
        self._timer = self._loop.call_later(TICK, self._tick)


class Pulse:
    """
    Measures one node until it is closed.

    Args:
        dial: returns what to dial, at each attempt.
        lateness: of this process.
        on_answer: takes the seconds of each answer that counts.
    """

    def __init__(
        self,
        dial: Callable[[], DialTarget],
        lateness: LoopLateness,
        on_answer: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._dial, self._lateness, self._on_answer = dial, lateness, on_answer
        self._loop = asyncio.get_running_loop()
        self._taken = Pauses()
        self._since: float | None = None
        """When the oldest unanswered PING was sent, or was due; None if all are answered."""
        self._late_before = 0.0
        self.gone = False
        """Whether its process is gone: it refuses connections."""
        self.refused = False
        """Whether it refused our credentials: nothing is measured while it does."""
        self._task = self._loop.create_task(self._measure(), name="switchmaster: pulse")

    @property
    def pauses(self) -> Pauses:
        """What was measured since the last `take`."""
        return self._taken

    @property
    def silent_for(self) -> float:
        """Seconds since the oldest unanswered PING; 0 if all are answered."""
        return 0.0 if self._since is None else self._loop.time() - self._since

    def take(self) -> Pauses:
        """Return what was measured since the last call, and begin again."""
        taken, self._taken = self._taken, Pauses()
        return taken

    async def close(self) -> None:
        """End the connection; no task or socket of it is left."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _measure(self) -> None:
        connection: CommandConnection | None = None
        due = self._loop.time()
        try:
            while True:
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                due = self._loop.time() + PERIOD
                if self._since is None:
                    self._since, self._late_before = self._loop.time(), self._lateness.total
                if connection is not None and connection.ended.done():
                    connection = None
                try:
                    if connection is None:
                        connection = await CommandConnection.open(self._dial(), CLIENT, PATIENCE)
                    await connection.ask(("PING",), timeout=PATIENCE)
                except ConnectionRefusedError:
                    self.gone = True
                except PermissionError:
                    self.refused, self._since = True, None
                    due += REFUSED_PAUSE
                except Exception:
                    # Whatever it is, also an error of the user's address map: there was no answer.
                    if connection is not None:
                        connection.abort()
                        connection = None
                else:
                    self._answered()
        finally:
            if connection is not None:
                connection.abort()

    def _answered(self) -> None:
        assert self._since is not None
        took, late = self._loop.time() - self._since, self._lateness.total - self._late_before
        if self.gone:
            self._taken.restarts += 1
        elif late > 0:
            self._taken.left_out += 1
        else:
            self._taken.add(took, time.time(), max(PERIOD, took))
            self._on_answer(took)
        self._since, self.gone, self.refused = None, False, False
