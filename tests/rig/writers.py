"""
Writers through a client, in threads and in tasks: each counts upwards in its own list, and records its
acknowledgements.

A number that failed is not written again, so the lists show lost and duplicated writes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

PAUSE = 0.002
"""Seconds between two writes of one writer."""


@dataclass
class Log:
    """The record of one writer."""

    key: str
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    """Numbers, and when they were acknowledged (monotonic seconds)."""
    errors: list[Exception] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Each error with the time of its command and how late its writer was: on a late machine a planned failover may
    cost a command."""
    late: float = 0.0
    """By how many seconds the writer woke up too late, at most."""

    def fail(self, number: int, sent: float, error: Exception) -> None:
        """Record that a number failed."""
        self.errors.append(error)
        span = f"sent at {sent:.3f}, failed at {time.monotonic():.3f}, the writer up to {self.late:.3f} s late"
        self.failed.append(f"{self.key} {number}: {type(error).__name__}: {error}, {span}")

    def longest_gap(self, begin: float, end: float) -> float:
        """Return the longest time without an acknowledgement between two moments."""
        moments = [begin, *(at for _, at in self.acknowledged if begin < at < end), end]
        return max(later - earlier for earlier, later in pairwise(moments))


class InThreads:
    """Work in threads of this process, for the length of a block."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "the work did not end"


class Writers(InThreads):
    """
    Writers in threads (`client`) and in tasks of one loop (`make_client`), for the length of a block.

    Args:
        client: for the threads.
        threads: how many of them.
        make_client: makes the client for the tasks, in their loop.
        tasks: how many of them.
        begin: the first part of each key.
    """

    def __init__(
        self, client: Any, threads: int, make_client: Callable[[], Any] | None = None, tasks: int = 0, begin: str = "w"
    ) -> None:
        super().__init__()
        self._client, self._make_client = client, make_client
        self.logs = [Log(f"{begin}-thread-{number}") for number in range(threads)]
        self.task_logs = [Log(f"{begin}-task-{number}") for number in range(tasks)]
        self._threads = [threading.Thread(target=self._write, args=(log,)) for log in self.logs]
        if make_client is not None:
            self._threads.append(threading.Thread(target=lambda: asyncio.run(self._write_in_tasks())))

    @property
    def all(self) -> list[Log]:
        """The logs of all writers."""
        return [*self.logs, *self.task_logs]

    def going_on(self, since: float) -> bool:
        """Whether every writer had an acknowledgement after `since`."""
        return all(log.acknowledged and log.acknowledged[-1][1] > since for log in self.all)

    def failed(self) -> list[str]:
        """Return what failed, in words."""
        return [line for log in self.all for line in log.failed]

    def lost(self, lists: Callable[[str], list[bytes]]) -> list[tuple[str, int]]:
        """Return what was acknowledged and is not in the lists."""
        missing = []
        for log in self.all:
            kept = {int(item) for item in lists(log.key)}
            missing += [(log.key, number) for number, _ in log.acknowledged if number not in kept]
        return missing

    def _write(self, log: Log) -> None:
        number, due = 0, time.monotonic() + PAUSE
        while not self._stop.wait(PAUSE):
            number, sent = number + 1, time.monotonic()
            log.late = max(log.late, sent - due)
            try:
                self._client.rpush(log.key, number)
                log.acknowledged.append((number, time.monotonic()))
            except Exception as error:
                log.fail(number, sent, error)
            due = time.monotonic() + PAUSE

    async def _write_in_tasks(self) -> None:
        assert self._make_client is not None
        client = self._make_client()
        await asyncio.gather(*(self._write_in_task(client, log) for log in self.task_logs))
        await client.aclose()

    async def _write_in_task(self, client: Any, log: Log) -> None:
        number = 0
        while not self._stop.is_set():
            # A hundred tasks at the pace of a thread each are too much for two cores.
            due = time.monotonic() + PAUSE * 50
            await asyncio.sleep(PAUSE * 50)
            number, sent = number + 1, time.monotonic()
            log.late = max(log.late, sent - due)
            try:
                await client.rpush(log.key, number)
                log.acknowledged.append((number, time.monotonic()))
            except Exception as error:
                log.fail(number, sent, error)
