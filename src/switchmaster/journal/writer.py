"""
The one thread that writes: it takes entries from a bounded queue and commits them in order.

A caller of `put` never waits for the database. While the database is away (refused, locked, full, read-only),
entries wait in memory, where a newer observation of a failover replaces the older one, and the thread retries with
growing pauses of at most `RETRY_SECONDS`. When the queue is full, events are dropped first, then everything; drops are
counted, and recorded once the database is back. An entry that the database refuses by itself is dropped and counted, so
that it doesn't block the others. If a connection is lost during a commit, it is unknown whether the commit succeeded:
it is repeated, which changes no switch and no failover but may record an event twice.

Callbacks run in this thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from ..account.record import Observation
from ..errors import JournalUnavailable, SwitchmasterError
from ..model import Address
from ..render import iso
from .engine import make_engine, shown, sqlite_file, unavailable
from .entries import Draft, Entry, Seen, SwitchSeen
from .migrate import upgrade
from .retention import CHUNK, Retention, prune, reclaim, size
from .store import Store, Written

__all__ = ["Writer", "WriterCounters", "Written"]

ENTRIES_PER_COMMIT: Final = 1_000
"""Entries of one transaction; more if they belong to the same turn."""
RETRY_SECONDS: Final = 5.0
"""Seconds between two attempts, at most."""
FIRST_RETRY_SECONDS: Final = 0.05
TIDY_SECONDS: Final = 60.0
EVENTS_SHARE: Final = 0.8
"""The share of the queue that events may fill."""
HOLD_SECONDS: Final = 3.0
"""Seconds for which entries wait while the rest of the program is busy, at most, until it was not."""
HOLD_SHARE: Final = 0.5
"""The share of the queue up to which they wait so."""
HOLD_STEP_SECONDS: Final = 0.05
"""Seconds between two questions whether it is still busy."""

_log = logging.getLogger("switchmaster.journal")


@dataclass(slots=True)
class WriterCounters:
    """What the writer has counted since its start."""

    written: int = 0
    """Entries that were committed."""
    dropped: int = 0
    """Entries that found the queue full."""
    refused: int = 0
    """Entries that the database refused by themselves."""
    failures: int = 0
    """Transactions that failed."""
    removed: int = 0
    """Rows that retention has removed."""


@dataclass(slots=True)
class _Slot:
    entry: Entry
    key: Hashable = None
    tried: bool = False
    """An attempt to write it, as it is now, has failed."""
    last: bool = False
    """It ends a turn: a commit may end behind it."""
    done: bool = False
    """It is committed or dropped."""


def _ignore(*_: object) -> None:
    """Do nothing."""


@dataclass(slots=True)
class WriterCallbacks:
    """What the writer calls, in its own thread; none may block."""

    written: Callable[[Sequence[Written]], None] = field(default=_ignore)
    """Called with what a commit has added to the stream."""
    waiting: Callable[[Sequence[Entry], JournalUnavailable], None] = field(default=_ignore)
    """Called with entries that could not be written at once, once for each."""
    doubted: Callable[[set[tuple[str, str]]], None] = field(default=_ignore)
    """Called with masters (deployment, name) whose sighting could not be judged yet: put it again."""
    busy: Callable[[], bool] = field(default=lambda: False)
    """Whether the rest of the program has work that is more urgent; called before each batch, and may take 0.1 s."""
    relays: Callable[[Mapping[str, tuple[Address, ...]]], None] = field(default=_ignore)
    """Called with the relays of the other daemons on the journal, by deployment, after each `Alive`."""


class Writer:
    """
    Writes what it is given.

    Args:
        url: of the journal.
        observer: this run's id, never used before.
        name: the name that people know the daemon by.
        queue: entries that may wait.
        kept: how much to keep.
        callbacks: what to call.

    Raises:
        UsageError: the URL is wrong.
        MissingDependency: the database's driver is not installed.
    """

    def __init__(
        self,
        url: str,
        observer: str,
        name: str,
        *,
        queue: int = 100_000,
        kept: Retention | None = None,
        callbacks: WriterCallbacks | None = None,
    ) -> None:
        self.counters = WriterCounters()
        self.kept = kept or Retention()
        self.trouble: JournalUnavailable | None = None
        """Why nothing can be written now; None while it can, or before the first attempt."""
        self.tidy_every = TIDY_SECONDS
        """Seconds between two checks for what is too old, too much, or never ended."""
        self.size: int | None = None
        """Bytes that the journal takes, as of the last check; None before."""
        self._url = url
        self._callbacks = callbacks or WriterCallbacks()
        self._engine: Engine = make_engine(url, writing=True)
        self._store = Store(observer, name)
        self._limit = queue
        self._slots: deque[_Slot] = deque()
        self._keys: dict[Hashable, _Slot] = {}
        self._came = threading.Condition()
        self._closing: float | None = None
        """Monotonic seconds at which to give up; None while it runs."""
        self._ready = self._busy = False
        self._reported_drops = 0
        self._patience = HOLD_SECONDS
        """Seconds for which entries may still wait for the rest of the program."""
        self._tidied = time.monotonic()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<Writer to {shown(self._url)}, {len(self._slots)} waiting>"

    # -- called from any thread ------------------------------------------------------------------------------

    def open(self) -> None:
        """
        Prepare the database and start the thread; if the database is away, retry later.

        Raises:
            UsageError: it was written by a later version of switchmaster.
        """
        try:
            self._write([])
        except JournalUnavailable as error:
            self._failed([], error)
        self._thread = threading.Thread(target=self._run, name="switchmaster journal", daemon=True)
        self._thread.start()

    def put(self, *entries: Entry) -> None:
        """
        Queue entries; never blocks. What a full queue has no room for is dropped and counted.

        Args:
            entries: of one turn; they are committed together, so no kill comes between a switch and its failover.
        """
        with self._came:
            for entry in entries:
                self._add(entry)
            if self._slots:
                self._slots[-1].last = True
                self._came.notify()

    def _add(self, entry: Entry) -> None:
        key = _key(entry)
        waiting = None if key is None else self._keys.get(key)
        if waiting is not None:
            waiting.entry, waiting.tried = entry, False
            return
        droppable = isinstance(entry, Seen | Draft) and entry.droppable
        if len(self._slots) >= self._limit * (EVENTS_SHARE if droppable else 1):
            self.counters.dropped += 1
            return
        slot = _Slot(entry, key)
        self._slots.append(slot)
        if key is not None:
            self._keys[key] = slot

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._slots)

    @property
    def busy(self) -> bool:
        """Whether a transaction is under way."""
        return self._busy

    def close(self, timeout: float = 5.0) -> int:
        """
        Write what waits, and stop.

        Args:
            timeout: seconds that this may take, if the database is away.

        Returns:
            The number of entries that could not be written.
        """
        with self._came:
            self._closing = time.monotonic() + timeout
            self._came.notify()
        if self._thread is not None:
            self._thread.join(timeout + RETRY_SECONDS)
        self._engine.dispose()
        return len(self._slots)

    # -- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            self._await_entries()
            self._hold()
            batch = self._take()
            try:
                if batch:
                    self._write(batch)
                    delay = FIRST_RETRY_SECONDS
                elif self._closing is not None:
                    self._end()
                    return
                self._tidy()
            except JournalUnavailable as error:
                self._failed(batch, error)
                if self._closing is not None and time.monotonic() >= self._closing:
                    return
                self._rest(delay)
                delay = min(RETRY_SECONDS, delay * 2)

    def _await_entries(self) -> None:
        with self._came:
            self._busy = False
            if not self._slots and self._closing is None:
                self._came.wait(TIDY_SECONDS if self.trouble is None else RETRY_SECONDS)

    def _hold(self) -> None:
        """Let decisions go first, for a bounded time; meanwhile newer observations replace older ones."""
        while self._slots and self._closing is None and len(self._slots) < self._limit * HOLD_SHARE:
            asked = time.monotonic()
            if not self._callbacks.busy():
                self._patience = HOLD_SECONDS
                return
            if self._patience <= 0:
                return
            time.sleep(HOLD_STEP_SECONDS)
            self._patience -= time.monotonic() - asked

    def _take(self) -> list[_Slot]:
        with self._came:
            batch: list[_Slot] = []
            while self._slots and (len(batch) < ENTRIES_PER_COMMIT or not batch[-1].last):
                batch.append(self._slots.popleft())
            self._busy = bool(batch)
            for slot in batch:
                self._keys.pop(slot.key, None)
            return batch

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._came:
            while (left := min(deadline, self._closing or deadline) - time.monotonic()) > 0:
                self._came.wait(left)

    def _failed(self, batch: list[_Slot], error: JournalUnavailable) -> None:
        self.counters.failures += 1
        if self.trouble is None:
            _log.warning("%s; entries wait in memory until it is back", error)
        self.trouble = error
        self._engine.dispose()
        left = [slot for slot in batch if not slot.done]
        news = [slot.entry for slot in left if not slot.tried]
        with self._came:
            for slot in reversed(left):
                slot.tried = True
                if slot.key is None or slot.key not in self._keys:
                    self._slots.appendleft(slot)
                    if slot.key is not None:
                        self._keys[slot.key] = slot
        if news:
            self._callbacks.waiting(news, error)

    # -- transactions -------------------------------------------------------------------------------

    def _write(self, batch: Sequence[_Slot]) -> None:
        try:
            self._commit(batch)
        except SQLAlchemyError as error:
            if not isinstance(error, (DataError, IntegrityError)):
                raise unavailable(self._url, error) from error
            self._write_apart(batch, error)
        except SwitchmasterError:
            raise
        except Exception as error:
            # A value that the driver can't store, or an internal error: the only writing thread must go on. Logged.
            if not batch:
                raise
            self._write_apart(batch, error)

    def _write_apart(self, batch: Sequence[_Slot], error: Exception) -> None:
        """Write each entry by itself, so that one that the database refuses harms no other."""
        if len(batch) > 1:
            for slot in batch:
                self._write([slot])
            return
        for slot in batch:
            slot.done = True
            self.counters.refused += 1
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _log.error("the journal refused an entry, which is dropped: %s", what)

    def _commit(self, batch: Sequence[_Slot]) -> None:
        now = time.time()
        if not self._ready:
            self._make_folder()
        try:
            with self._engine.begin() as connection:
                if not self._ready:
                    upgrade(connection)
                    self._store.begin(connection, now)
                written = self._store.apply(connection, [*(slot.entry for slot in batch), *self._drops(now)])
        except BaseException:
            self._store.rollback()
            raise
        self._store.commit()
        self._ready = True
        for slot in batch:
            slot.done = True
        self.counters.written += len(batch)
        self._reported_drops = self.counters.dropped
        if self.trouble is not None:
            _log.warning("the journal %s is back", shown(self._url))
            self.trouble = None
        self._report(written)

    def _drops(self, now: float) -> list[Entry]:
        drops = self.counters.dropped - self._reported_drops
        if not drops:
            return []
        text = f"{drops} entries were dropped: the queue of {self._limit} was full while the journal was away"
        return [Seen(now, {"type": "daemon", "time": iso(now), "text": text})]

    def _report(self, written: Sequence[Written]) -> None:
        doubted, relays = self._store.doubted(), self._store.relays()
        try:
            if written:
                self._callbacks.written(written)
            if doubted:
                self._callbacks.doubted(doubted)
            if relays is not None:
                self._callbacks.relays(relays)
        except Exception:
            # An error in a callback must not end the only writing thread. Logged.
            _log.exception("a callback of the journal failed")

    def _tidy(self) -> None:
        now = time.monotonic()
        if not self._ready or now < self._tidied + self.tidy_every or self._closing is not None:
            return
        self._tidied = now
        wall = time.time()
        try:
            with self._engine.begin() as connection:
                written = self._store.close_unseen(connection, wall)
                removed = prune(connection, self.kept, wall)
                reclaim(connection)
                self.size = size(connection)
        except SQLAlchemyError as error:
            raise unavailable(self._url, error) from error
        self.counters.removed += removed
        if removed >= CHUNK:
            self._tidied = now - self.tidy_every  # there is more
        self._report(written)

    def _make_folder(self) -> None:
        file = sqlite_file(self._url)
        if file is None:
            return
        try:
            os.makedirs(file.parent, mode=0o750, exist_ok=True)
        except OSError as error:
            reason = f"its folder {file.parent} can't be created ({error.strerror})"
            raise JournalUnavailable(
                shown(self._url), reason, "create it, or name another file in [journal] url"
            ) from None

    def _end(self) -> None:
        with contextlib.suppress(SQLAlchemyError), self._engine.begin() as connection:
            if self._ready:
                self._store.end(connection, time.time())


def _key(entry: Entry) -> Hashable:
    """Return the key of an entry: a later one replaces a waiting one of the same key."""
    match entry:
        case Observation():
            return (entry.deployment, entry.master, entry.number)
        case Draft():
            return entry.observation
        case SwitchSeen():
            switch = entry.switch
            return (SwitchSeen, switch.deployment, switch.master, switch.incarnation, switch.epoch, switch.new)
        case _:
            return None
