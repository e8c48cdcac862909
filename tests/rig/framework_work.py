"""
What frameworks at work have in common: the part that the two programs of frameworks share.

A `Use` counts what became of one framework's work, and can say which of its acknowledged writes are not there any more;
`Tasks` are the use of a framework of tasks or messages, whose work is done where it arrives. `answer` serves standard
input: for each empty line it prints one line about all uses, and for each line ``check`` the acknowledged writes since
the last one that the master does not have.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

PAUSE = float(os.environ.get("SWITCHMASTER_FRAMEWORKS_PAUSE", "0.02"))
"""Seconds between two operations of one framework."""
BROKEN_PAUSE = 0.05
AHEAD = 20
"""Tasks by which a sender may be ahead of a worker that makes progress."""
PROGRESS = 0.5
"""Seconds after which a worker that carried out nothing makes no progress."""
TRIES = 20
BEAT = 0.005

Kept = Callable[[int], object]
"""Says whether the write of a number is there."""


class Use:
    """
    What became of one framework's work.

    Args:
        kept: whether an acknowledged write is there; None where there is nothing to look at.
    """

    def __init__(self, kept: Kept | None = None) -> None:
        self.done, self.last, self.gap = 0, time.monotonic(), 0.0
        self.failed: list[str] = []
        self.acknowledged: list[int] = []
        self._kept = kept

    def succeed(self, number: int) -> None:
        now = time.monotonic()
        self.done, self.last, self.gap = self.done + 1, now, max(self.gap, now - self.last)
        if self._kept is not None:
            self.acknowledged.append(number)

    def fail(self, error: Exception) -> None:
        self.failed.append(f"{time.time():.3f} {error!r}")

    def tell(self) -> dict[str, Any]:
        gap, self.gap = max(self.gap, time.monotonic() - self.last), 0.0
        return {"done": self.done, "gap": round(gap, 3), "failed": self.failed[-20:], "failures": len(self.failed)}

    def lost(self) -> int | None:
        """Return how many acknowledged writes since the last call are not there; None if it can't be told."""
        if self._kept is None:
            return None
        numbers, self.acknowledged = self.acknowledged, []
        return sum(not self._is_kept(number) for number in numbers)

    def _is_kept(self, number: int) -> object:
        """Look, again if need be: a client that has just lost its connections may fail once more."""
        for _ in range(TRIES):
            try:
                return self._kept(number) if self._kept is not None else True
            except Exception as error:
                last = error
                time.sleep(BROKEN_PAUSE)
        raise last


class Tasks(Use):
    """A framework of tasks or messages: those whose sending was acknowledged, and those that arrived."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._missing: set[int] = set()
        self._came: Counter[int] = Counter()
        self._newest_sent = self._newest_came = self._twice = 0
        self.worker: list[str] = []

    def send(self, number: int) -> None:
        """Take note that the sending of a task was acknowledged."""
        with self._lock:
            self._newest_sent = number
            if number not in self._came:
                self._missing.add(number)

    def come(self, number: int) -> None:
        """Take note that the worker carries a task out."""
        with self._lock:
            self._came[number] += 1
            self._twice += self._came[number] == 2
            self._missing.discard(number)
            self._newest_came = max(self._newest_came, number)
        self.succeed(number)

    @property
    def enough(self) -> bool:
        """Whether the worker has enough to do."""
        return self._newest_sent - self._newest_came > AHEAD and time.monotonic() - self.last < PROGRESS

    def tell(self) -> dict[str, Any]:
        with self._lock:
            missing, twice = sorted(self._missing), self._twice
        return {**super().tell(), "missing": missing, "twice": twice, "worker": self.worker[-20:]}


uses: dict[str, Use] = {}
over = threading.Event()


def in_thread(name: str, work: Callable[[int], object], use: Use | None = None) -> None:
    """Work in a thread, again and again; a framework of tasks is done when its worker says so."""
    use = uses[name] = use or Use()

    def repeat() -> None:
        number = 0
        while not over.wait(PAUSE):
            if isinstance(use, Tasks) and use.enough:
                continue
            number += 1
            try:
                work(number)
                _worked(use, number)
            except Exception as error:
                use.fail(error)

    threading.Thread(target=repeat, name=name, daemon=True).start()


async def in_task(name: str, work: Callable[[int], Awaitable[object]], use: Use | None = None) -> None:
    """Work in a task, again and again."""
    use, number = uses.setdefault(name, use or Use()), 0
    while not over.is_set():
        if isinstance(use, Tasks) and use.enough:
            await asyncio.sleep(PAUSE)
            continue
        number += 1
        try:
            await work(number)
            _worked(use, number)
        except Exception as error:
            use.fail(error)
        await asyncio.sleep(PAUSE)


def kept_in_task(kept: Callable[[int], Awaitable[object]]) -> Kept:
    """Let another thread ask what only this loop can tell."""
    loop = asyncio.get_running_loop()

    async def ask(number: int) -> object:
        return await kept(number)

    return lambda number: asyncio.run_coroutine_threadsafe(ask(number), loop).result(10)


def _worked(use: Use, number: int) -> None:
    if isinstance(use, Tasks):
        use.send(number)
    else:
        use.succeed(number)


def serve(tasks: Tasks, name: str, run: Callable[[], object]) -> None:
    """Run a worker in a thread; one that ends is begun again, as a supervisor would."""

    def repeat() -> None:
        while not over.is_set():
            try:
                run()
            except Exception as error:
                tasks.worker.append(f"{time.time():.3f} {error!r}")
            over.wait(BROKEN_PAUSE)

    threading.Thread(target=repeat, name=f"worker of {name}", daemon=True).start()


async def serve_in_task(tasks: Tasks, run: Callable[[], Awaitable[object]]) -> None:
    """Run a worker in a task; one that ends is begun again."""
    while not over.is_set():
        try:
            await run()
        except Exception as error:
            tasks.worker.append(f"{time.time():.3f} {error!r}")
        await asyncio.sleep(BROKEN_PAUSE)


class Lateness:
    """By how much this program was late: what an application does then, no client can make good."""

    def __init__(self) -> None:
        self._longest = 0.0
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while True:
            due = time.monotonic() + BEAT
            time.sleep(BEAT)
            self._longest = max(self._longest, time.monotonic() - due)

    def tell(self) -> float:
        """Return the seconds by which it was late at most, since the program began."""
        return round(self._longest, 3)

    def reset(self) -> None:
        self._longest = 0.0


def answer() -> None:
    """Print a line for each line of standard input, and end the work with it."""
    lateness = Lateness()
    for line in sys.stdin:
        if line.strip() == "check":
            told: dict[str, Any] = {name: use.lost() for name, use in sorted(uses.items())}
        else:
            told = {name: use.tell() for name, use in sorted(uses.items())}
        print(json.dumps({"uses": told, "late": lateness.tell()}), flush=True)
        if line.strip() == "check":
            lateness.reset()
    over.set()
