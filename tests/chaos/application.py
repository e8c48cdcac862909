"""
The application: our clients with one Watcher, and writers in threads and tasks.

Writes are not kept in memory: each writer has a ledger, a file, so that growing memory is the product's and not the
    rig's. (That is why
these are not the writers of `traffic`.) A number is sent once; a failure is recorded, and the next number follows.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import struct
import sys
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from rig.growth import Measure
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.failover import Failover
from switchmaster.model import Address
from switchmaster.redis import Sentinel
from switchmaster.redis.asyncio import Sentinel as AsyncSentinel
from switchmaster.wire import grammar

__all__ = ["MEASURES", "SOCKET_TIMEOUT", "Entry", "Following", "Ledger", "read_ledger"]

Where: TypeAlias = tuple[str, int]

THREAD_PACE, TASK_PACE = 0.01, 0.04
"""Seconds between two writes of one thread, of one task."""
TASKS = 4
"""Tasks for each master, in addition to one thread."""
HOLD = 5.0
"""The `hold` that the documentation recommends for COORDINATED."""
SOCKET_TIMEOUT = 1.0
STAGES = 500
JOIN_LIMIT = 40.0
"""Seconds: a command waits ten for a master, and may then be sent to one that does not answer."""
ENTRY = struct.Struct("<ddIB")

MEASURES = (
    Measure("RSS in KB", 3072, "since malloc keeps pieces of what was freed", each=8),
    Measure("blocks", 1500, "since 4,096 tries are remembered, and clients reconnect at their own time", each=20),
    Measure("descriptors", 12, "since connections are cut and dialled again all the time"),
    Measure("threads", 0, "since nothing starts one"),
    Measure("tasks", 4, "since probes and dials are under way all the time"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One command as its writer saw it."""

    sent: float
    ended: float
    number: int
    error: str
    """The type of the error; empty for an acknowledgement."""


class Ledger:
    """
    What one writer did, in a file.

    Args:
        master: the master that it writes to.
        key: the list that it writes to.
        path: the file.
    """

    def __init__(self, master: str, key: str, path: Path) -> None:
        self.master, self.key = master, key
        self._path, self._file = path, path.open("wb")
        self._errors = [""]

    def note(self, sent: float, number: int, error: Exception | None = None) -> None:
        """Record the outcome of one command, now."""
        name = "" if error is None else type(error).__name__
        if name not in self._errors:
            self._errors.append(name)
        self._file.write(ENTRY.pack(sent, time.monotonic(), number, self._errors.index(name)))

    def close(self) -> None:
        self._file.close()

    def entries(self) -> Iterator[Entry]:
        """Yield its entries from the file."""
        return read_ledger(self._path, self._errors)


def read_ledger(path: Path, errors: Sequence[str] = ()) -> Iterator[Entry]:
    """
    Yield the entries of a ledger's file.

    Args:
        path: the file.
        errors: the types of errors, as its writer knows them; without them each is just an ``error``.
    """
    for sent, ended, number, error in ENTRY.iter_unpack(path.read_bytes()):
        yield Entry(sent, ended, number, errors[error] if errors else "error" * bool(error))


def write(client: Any, ledger: Ledger, stop: threading.Event, pace: float) -> None:
    """
    Write until the event, each number once.

    Args:
        client: of the ledger's master.
        ledger: what is written where, and where the outcome goes.
        stop: the event.
        pace: seconds between two writes.
    """
    number = 0
    while not stop.wait(pace):
        number, sent = number + 1, time.monotonic()
        try:
            client.rpush(ledger.key, number)
        except Exception as error:
            ledger.note(sent, number, error)
        else:
            ledger.note(sent, number)


class Following:
    """
    Everything that follows the masters, for the length of a block.

    Args:
        sentinels: their addresses, as they are announced.
        masters: names.
        table: what is announced -> what is dialled.
        folder: for the ledgers.
    """

    def __init__(
        self, sentinels: Sequence[Where], masters: Sequence[str], table: Mapping[Where, Where], folder: Path
    ) -> None:
        self.switches: list[tuple[float, Switch]] = []
        """Switches, each with when it was reported (monotonic seconds)."""
        self._notices = (folder / "notices.jsonl").open("w+", encoding="utf-8")
        self._stages = (folder / "stages.jsonl").open("w+", encoding="utf-8")
        self._told: dict[tuple[object, ...], None] = {}
        """The last stages reported, at most `STAGES`: a record comes again with each stage."""
        self.ledgers: list[Ledger] = []
        self.samples = {measure.name: array("d") for measure in MEASURES}
        self._masters, self._folder = tuple(masters), folder
        self._options = {"hold": HOLD, "address_map": dict(table), "socket_timeout": SOCKET_TIMEOUT}
        self._sentinels = list(sentinels)
        self._stop = threading.Event()
        self._loop = asyncio.new_event_loop()
        self.sentinel = Sentinel(self._sentinels, **self._options, retry=Retry(NoBackoff(), 0))
        self._clients: dict[str, Any] = {name: self.sentinel.master_for(name) for name in masters}
        by_tasks = [self._ledger(name, f"task-{number}") for name in masters for number in range(TASKS)]
        self._threads = [
            *(threading.Thread(target=self._write, args=(self._ledger(name, "thread"),)) for name in masters),
            threading.Thread(target=self._loop.run_until_complete, args=(self._write_in_loop(by_tasks),)),
        ]

    def __enter__(self) -> Self:
        watcher = self.sentinel.watcher
        watcher.on_switch(lambda switch: self.switches.append((time.monotonic(), switch)))
        watcher.on_notice(self._note_notice)
        watcher.on_failover(self._note_stage)
        # Each sample collects garbage: that must not take long, or switches would be known later.
        gc.collect()
        gc.freeze()
        for thread in self._threads:
            thread.daemon = True  # one that never returns must fail the run, not keep the interpreter alive
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_writing()
        gc.unfreeze()
        for client in self._clients.values():
            client.close()
        self.sentinel.close()
        self._stages.close()
        self._notices.close()
        self._loop.close()

    def stop_writing(self) -> None:
        """End the writers; a second call does nothing."""
        self._stop.set()
        deadline = time.monotonic() + JOIN_LIMIT
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "a command did not return"
        for ledger in self.ledgers:
            ledger.close()

    def _note_stage(self, failover: Failover) -> None:
        for entry in failover.stages:
            key = (failover.master, failover.epoch, f"{entry.stage} by {entry.by}", str(entry.replica or ""))
            if key not in self._told:
                self._told[key] = None
                self._stages.write(json.dumps([time.monotonic(), *key]) + "\n")
        while len(self._told) > STAGES:
            del self._told[next(iter(self._told))]

    def _note_notice(self, notice: Notice) -> None:
        line = f"notice {notice.kind} of {notice.master}: {notice.text}"
        self._notices.write(json.dumps([time.monotonic(), line]) + "\n")

    def notices(self) -> Iterator[tuple[float, str]]:
        """Yield each notice in words, with when it was reported; only after the writers."""
        self._notices.seek(0)
        yield from map(json.loads, self._notices)

    def stages(self) -> Iterator[tuple[float, str]]:
        """Yield each stage of each failover in words, with when it was first reported; only after the writers."""
        self._stages.seek(0)
        for at, master, epoch, stage, replica in map(json.loads, self._stages):
            yield at, " ".join(filter(None, (f"reported of {master}: {stage}", replica, f"at epoch {epoch}")))

    def believed(self) -> dict[str, Where]:
        """Return where the Watcher believes each master to be."""
        return {name: self.sentinel.watcher.master(name) for name in self._masters}

    def hears_all(self) -> bool:
        """Whether the Watcher hears every Sentinel about every master."""
        states = [self.sentinel.watcher.state(name) for name in self._masters]
        names = {str(Address(*each)) for each in self._sentinels}
        return all(sum(o.live and o.sentinel in names for o in state.opinions) == len(names) for state in states)

    def sample(self) -> None:
        """Take each measure."""
        # The cache is bounded, but keeps filling with epochs.
        grammar.forget_events()
        gc.collect()
        tasks = asyncio.run_coroutine_threadsafe(_count(), self._loop).result(10)
        counted: list[int] = []
        done = threading.Event()
        self.sentinel.watcher.soon(lambda: (counted.append(len(asyncio.all_tasks())), done.set()))
        assert done.wait(10), "the Watcher's loop stands still"
        found = (
            _rss(),
            sys.getallocatedblocks(),
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            tasks + counted[0],
        )
        for measure, value in zip(MEASURES, found, strict=True):
            self.samples[measure.name].append(value)

    # -- writers ------------------------------------------------------------------------------------

    def _ledger(self, master: str, writer: str) -> Ledger:
        ledger = Ledger(master, f"{master}-{writer}", self._folder / f"{master}-{writer}.ledger")
        self.ledgers.append(ledger)
        return ledger

    def _write(self, ledger: Ledger) -> None:
        write(self._clients[ledger.master], ledger, self._stop, THREAD_PACE)

    async def _write_in_loop(self, ledgers: Sequence[Ledger]) -> None:
        sentinel = AsyncSentinel(self._sentinels, **self._options, retry=AsyncRetry(NoBackoff(), 0))
        clients: dict[str, Any] = {name: sentinel.master_for(name) for name in self._masters}
        await asyncio.gather(*(self._write_in_task(clients[ledger.master], ledger) for ledger in ledgers))
        for client in clients.values():
            await client.aclose()
        await sentinel.aclose()

    async def _write_in_task(self, client: Any, ledger: Ledger) -> None:
        number = 0
        while not self._stop.is_set():
            number, sent = number + 1, time.monotonic()
            try:
                await client.rpush(ledger.key, number)
            except Exception as error:
                ledger.note(sent, number, error)
            else:
                ledger.note(sent, number)
            await asyncio.sleep(TASK_PACE)


async def _count() -> int:
    return len(asyncio.all_tasks())


def _rss() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
