"""
An application with our Sentinel classes of either client library: one Sentinel for threads, one for tasks.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from rig.conditions import eventually
from rig.server_side import NAME, said_by
from rig.traffic import TASKS
from switchmaster.belief.decisions import Switch
from switchmaster.belief.failover import Failover, Stage
from switchmaster.lab import Steering
from switchmaster.net.heard import Heard

MASTER = "mymaster"
IN_FLIGHT = 0.02
"""Seconds within which a sent command is answered and its answer read, even on a busy machine."""
LIMIT = 60.0
"""Seconds for a failover: a split vote is followed by a pause of twice the failover timeout."""


class Application:
    """
    One application: a client for its threads, one for its tasks, and the counters of both Sentinels.

    Args:
        lab: where the servers are.
        library: which client library it uses.
        retries: how often it sends a command again; 0 for never.
        options: for both Sentinels.
    """

    def __init__(self, lab: Steering, library: str, retries: int = 0, **options: Any) -> None:
        errors = importlib.import_module(f"{library}.exceptions")
        self._lost = errors.ConnectionError
        pause = importlib.import_module(f"{library}.backoff").NoBackoff()
        blocking, self._asyncio = (importlib.import_module(f"switchmaster.{library}{end}") for end in ("", ".asyncio"))
        retry, retry_in_loop = (
            importlib.import_module(f"{library}.{part}").Retry(pause, retries) for part in ("retry", "asyncio.retry")
        )
        # Whatever `retry` says, valkey-py retries only after the errors that it is given.
        again = {"retry_on_error": [self._lost, errors.TimeoutError]} if retries and library == "valkey" else {}
        self._addresses = lab.sentinel_addresses
        # No timeout: a caller that waits for an answer is woken by us, or never.
        options |= {"socket_timeout": None, **again}
        self._options = {**options, "retry": retry_in_loop}
        self.sentinel = blocking.Sentinel(self._addresses, **options, retry=retry)
        self.client = self.sentinel.master_for(MASTER, client_name=NAME)
        self._sentinels = [self.sentinel]

    @asynccontextmanager
    async def in_loop(self) -> AsyncIterator[Any]:
        sentinel = self._asyncio.Sentinel(self._addresses, **self._options)
        self._sentinels.append(sentinel)
        client = sentinel.master_for(MASTER, client_name=NAME, max_connections=2 * TASKS)
        try:
            yield client
        finally:
            await client.aclose()
            await sentinel.aclose()

    def counted(self, name: str) -> float:
        """Return one counter, summed over its Sentinels."""
        return sum(sentinel.counters[name] for sentinel in self._sentinels)

    def is_loss(self, error: object) -> bool:
        """Whether an outcome is the library's error for a lost connection."""
        return isinstance(error, self._lost)

    def close(self) -> None:
        self.client.close()
        self.sentinel.close()


class Switches:
    """What the Watcher of an application reports of failovers from now on."""

    def __init__(self, application: Application, sentinels: int = 3) -> None:
        self.heard: list[tuple[float, Switch]] = []
        """Switches, and when they were reported (monotonic seconds)."""
        self.channels: list[str] = []
        """The channels of all events, in order."""
        self._told: list[str] = []
        self.selected: float | None = None
        """When the selection of a replica was first reported (monotonic seconds)."""
        watcher = application.sentinel.watcher

        def hears_all() -> bool:
            return sum(one.live for one in watcher.state(MASTER).opinions) == sentinels

        # A majority is enough to start; a failover that begins before the rest is heard may be reported late.
        eventually(hears_all, what="every Sentinel to be heard")
        watcher.on_switch(lambda switch: self.heard.append((time.monotonic(), switch)))
        watcher.on_event(self._hear)
        watcher.on_failover(self._take)

    def wait_for_one(self) -> float:
        """Wait for a switch; return when it was reported."""
        eventually(lambda: self.heard, LIMIT, what="a switch")
        return self.heard[0][0]

    def story(self) -> str:
        """Return what was reported and when, for the message of a failed test."""
        return "\n".join([*self._told, *(f"{at:.3f} {switch.why}" for at, switch in self.heard)])

    def _hear(self, heard: Heard) -> None:
        self.channels.append(heard.event.channel)
        self._told.append(f"{time.monotonic():.3f} {heard.sentinel} {heard.event.channel}")

    def _take(self, record: Failover) -> None:
        self._told.append(f"{time.monotonic():.3f} failover: {record.kind} {record.stages[-1].stage}")
        if self.selected is None and record.entry(Stage.SELECTED) is not None:
            self.selected = time.monotonic()

    @property
    def warned(self) -> bool:
        """
        Whether the selection was reported early enough to hold commands: those in flight had time to finish.

        Sentinel leaves 50 to 100 ms between the two. A process that gets no processor for that long hears of both
        at once, and can't hold anything back.
        """
        return self.selected is not None and bool(self.heard) and self.heard[0][0] - self.selected > IN_FLIGHT

    def late(self, lab: Steering) -> float:
        """Return the seconds from the last selection, by its Sentinel's own log, to our report of it."""
        assert self.selected is not None  # callers wait for the selection first
        selected = time.time() - (time.monotonic() - self.selected)
        return selected - max(said_by(lab, "+selected-slave", MASTER).values())

    def wait_for_event(self, channel: str) -> None:
        eventually(lambda: channel in self.channels, LIMIT, what=f"{channel}, after {self.channels}")


@contextmanager
def application(lab: Steering, library: str, **options: Any) -> Iterator[Application]:
    """Run an application while the block lasts; arguments as for the class."""
    made = Application(lab, library, **options)
    try:
        yield made
    finally:
        made.close()
