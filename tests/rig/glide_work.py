"""Writers with both clients of Valkey GLIDE, in threads of this process; each records what became of its writes."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import glide
import glide_sync

import switchmaster.glide
import switchmaster.glide.sync
from rig.conditions import eventually
from rig.writers import InThreads, Log
from switchmaster import Watcher
from switchmaster.lab import Lab
from switchmaster.sync import Watcher as WatcherInThread

__all__ = ["SLOW", "GlideWork"]

LIMIT = 60.0
PAUSE = 0.002
SLOW = {"request_timeout": 2000}
"""Milliseconds: GLIDE's own 250 are little on a busy machine."""


class GlideWork(InThreads):
    """Writers with both clients, each counting upwards in a list of its own, in threads of this process."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.lab = lab
        self.logs = {"threads": Log("glide-threads"), "asyncio": Log("glide-asyncio")}
        self.addresses: dict[str, Any] = {}
        self._threads = [
            threading.Thread(target=self._write),
            threading.Thread(target=lambda: asyncio.run(self._write_in_loop())),
        ]

    def _record(self, name: str, number: int, sent: float, error: Exception | None) -> None:
        log = self.logs[name]
        if error is None:
            log.acknowledged.append((number, time.monotonic()))
        else:
            log.fail(number, sent, error)

    def _write(self) -> None:
        with (
            WatcherInThread(self.lab.sentinel_addresses) as watcher,
            switchmaster.glide.sync.MasterClient(watcher, "mymaster", **SLOW) as client,
        ):
            number = 0
            while not self._stop.wait(PAUSE):
                number, sent = number + 1, time.monotonic()
                try:
                    client.rpush("glide-threads", [str(number)])
                    self._record("threads", number, sent, None)
                except glide_sync.GlideError as error:
                    self._record("threads", number, sent, error)
                self.addresses["threads"] = client.address

    async def _write_in_loop(self) -> None:
        async with (
            Watcher(self.lab.sentinel_addresses) as watcher,
            switchmaster.glide.MasterClient(watcher, "mymaster", **SLOW) as client,
        ):
            number = 0
            while not self._stop.is_set():
                await asyncio.sleep(PAUSE)
                number, sent = number + 1, time.monotonic()
                try:
                    await client.rpush("glide-asyncio", [str(number)])
                    self._record("asyncio", number, sent, None)
                except glide.GlideError as error:
                    self._record("asyncio", number, sent, error)
                self.addresses["asyncio"] = client.address

    def go_on(self, at: Any = None) -> None:
        """Wait until both have written more, at a node."""
        before = {name: len(log.acknowledged) for name, log in self.logs.items()}

        def going_on() -> bool:
            more = all(len(log.acknowledged) > before[name] + 20 for name, log in self.logs.items())
            return more and (at is None or set(self.addresses.values()) == {at})

        eventually(going_on, LIMIT, what="both clients to go on")

    def failed(self) -> list[str]:
        return [line for log in self.logs.values() for line in log.failed]

    def lost(self) -> list[tuple[str, int]]:
        """Return what was acknowledged and is not there, or is there twice."""
        wrong = []
        for log in self.logs.values():
            kept = [int(item) for item in self.lab.master().call("LRANGE", log.key, 0, -1)]
            wrong += [(log.key, number) for number, _ in log.acknowledged if kept.count(number) != 1]
        return wrong
