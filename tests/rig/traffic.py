"""
The commands of an application from threads and tasks while servers fail, and the outcome of each number.

Each writer has its own key and counts upwards. A number is sent once: a failure is recorded with its time, and the next
number follows. So a server's lists show which were lost, executed twice or never received.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, Self

from rig.conditions import eventually

THREADS, TASKS = 8, 100
THREAD_PACE = 0.001
"""Seconds between two commands of a thread."""
TASK_PACE = 0.1
"""The same for a task: a hundred tasks send as many commands as one thread, which two cores can handle."""
LIMIT = 30.0
"""Seconds for what should be immediate, on a machine that others use too."""

Send = Callable[[Any, str, int], Any]


def push(client: Any, key: str, number: int) -> Any:
    """Send a command that must not be sent twice."""
    return client.rpush(key, number)


def put(client: Any, key: str, number: int) -> Any:
    """Send a command that may be sent any number of times."""
    return client.set(key, number)


class Clients(Protocol):
    """The source of clients: one for all threads, and one in the loop for all tasks."""

    client: Any

    def in_loop(self) -> AbstractAsyncContextManager[Any]: ...


@dataclass
class Writer:
    """The record of one thread or task."""

    key: str
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    """Numbers, and when they were acknowledged (monotonic seconds)."""
    errors: list[tuple[float, Exception]] = field(default_factory=list)

    def longest_gap(self, begin: float, end: float) -> float:
        """Return the longest time without an acknowledgement between two moments."""
        moments = [begin, *(at for _, at in self.acknowledged if begin < at < end), end]
        return max(later - earlier for earlier, later in pairwise(moments))


class Traffic:
    """
    Writers that run for the length of a block, which begins when each has an acknowledgement.

    Args:
        name: the first part of each key.
        clients: the clients to write with.
        send: sends one number.
        threads: how many of them.
        tasks: how many of them; all in one loop in a thread of its own.
    """

    def __init__(
        self, name: str, clients: Clients, send: Send = push, threads: int = THREADS, tasks: int = TASKS
    ) -> None:
        self._clients, self._send = clients, send
        by_threads = [Writer(f"{name}-thread-{number}") for number in range(threads)]
        self._by_tasks = [Writer(f"{name}-task-{number}") for number in range(tasks)]
        self.writers = [*by_threads, *self._by_tasks]
        self._stop = threading.Event()
        self._threads = [
            *(_thread(self._write, writer) for writer in by_threads),
            _thread(lambda: asyncio.run(self._write_in_tasks())),
        ]

    @property
    def errors(self) -> list[Exception]:
        return [error for writer in self.writers for _, error in writer.errors]

    def mishaps(self) -> str:
        """Return what failed, when and how often; equal errors within 0.01 s are one."""
        seen = Counter(
            f"{at:.2f} {type(error).__name__}: {error}" for writer in self.writers for at, error in writer.errors
        )
        return "\n".join(f"{said} ({many} times)" for said, many in sorted(seen.items()))

    @property
    def unluckiest(self) -> Writer:
        """The writer that has seen the most errors."""
        return max(self.writers, key=lambda writer: len(writer.errors))

    def wait_until_going_on(self, since: float | None = None, limit: float = LIMIT) -> None:
        """Wait until each writer has an acknowledgement after `since`; after now if None."""
        moment = time.monotonic() if since is None else since

        def silent() -> list[str]:
            return [one.key for one in self.writers if not one.acknowledged or one.acknowledged[-1][1] <= moment]

        eventually(lambda: not silent(), limit, what="every writer to go on")

    def longest_gap(self, begin: float, end: float) -> float:
        """Return the longest time that any writer went without an acknowledgement."""
        return max(writer.longest_gap(begin, end) for writer in self.writers)

    def missing(self, lists: dict[str, list[int]], but: tuple[float, float] = (0.0, 0.0)) -> list[tuple[str, int]]:
        """
        Return what was acknowledged and is not in the lists.

        Args:
            lists: of the server that counts, by key.
            but: acknowledgements between these two moments may be missing.
        """
        return [
            (writer.key, number)
            for writer in self.writers
            for number, at in writer.acknowledged
            if number not in frozenset(lists[writer.key]) and not but[0] <= at <= but[1]
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        try:
            self.wait_until_going_on()
        except BaseException:
            self._stop.set()
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        if kind is None:  # otherwise another failure is known already
            _join(self._threads)

    def _write(self, writer: Writer) -> None:
        number = 0
        while not self._stop.wait(THREAD_PACE):
            number += 1
            try:
                self._send(self._clients.client, writer.key, number)
            except Exception as error:
                writer.errors.append((time.monotonic(), error))
            else:
                writer.acknowledged.append((number, time.monotonic()))

    async def _write_in_tasks(self) -> None:
        async with self._clients.in_loop() as client:
            waits = [number * TASK_PACE / len(self._by_tasks) for number in range(len(self._by_tasks))]
            await asyncio.gather(
                *(self._write_in_task(client, one, wait) for one, wait in zip(self._by_tasks, waits, strict=True))
            )

    async def _write_in_task(self, client: Any, writer: Writer, wait: float) -> None:
        number = 0
        await asyncio.sleep(wait)
        while not self._stop.is_set():
            number += 1
            try:
                await self._send(client, writer.key, number)
            except Exception as error:
                writer.errors.append((time.monotonic(), error))
            else:
                writer.acknowledged.append((number, time.monotonic()))
            await asyncio.sleep(TASK_PACE)


class Waiting:
    """
    A thread and a task that wait for an element of a list (BLPOP), and how each wait ended.

    Args:
        name: the first part of each key.
        clients: the clients to wait with.
    """

    def __init__(self, name: str, clients: Clients) -> None:
        self._clients = clients
        self.keys = (f"{name}-thread", f"{name}-task")
        self.outcomes: dict[str, tuple[float, object]] = {}
        """By key: when it ended (monotonic seconds), and the element or the error."""
        self._threads = [
            _thread(self._wait, self.keys[0]),
            _thread(lambda: asyncio.run(self._wait_in_task(self.keys[1]))),
        ]

    def wait_for_both(self, limit: float = LIMIT) -> list[tuple[float, object]]:
        eventually(lambda: len(self.outcomes) == 2, limit, what=f"both waiters to return from BLPOP: {self.outcomes}")
        return list(self.outcomes.values())

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:  # otherwise those that still wait would do so forever
            _join(self._threads)

    def _wait(self, key: str) -> None:
        outcome: object
        try:
            outcome = self._clients.client.blpop(key, 0)
        except Exception as error:
            outcome = error
        self.outcomes[key] = (time.monotonic(), outcome)

    async def _wait_in_task(self, key: str) -> None:
        outcome: object
        async with self._clients.in_loop() as client:
            try:
                outcome = await client.blpop(key, 0)
            except Exception as error:
                outcome = error
            self.outcomes[key] = (time.monotonic(), outcome)


def _thread(target: Callable[..., None], *arguments: Any) -> threading.Thread:
    # A daemon thread: if it never returns, the test must fail and the interpreter must end.
    return threading.Thread(target=target, args=arguments, daemon=True)


def _join(threads: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + LIMIT
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "a command did not return"
