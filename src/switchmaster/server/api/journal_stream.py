"""
The stream: every line as it is committed to the journal, for any number of clients, as server-sent events.

The journal is the queue. One task reads new entries once for all clients, into a tail of bounded length; each client
takes from the tail at its own speed, or from the journal if it is further behind. A slow client therefore costs no
memory and loses nothing, and a client that reconnects with its last id continues after it, here or at another daemon. A
client that reads nothing at all is cut off by `http_server`, and can reconnect the same way.

`JournalStream.wake` reports a commit of this daemon; commits of other daemons are found within `JOURNAL_POLL_SECONDS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ...render import Line, to_json
from .answers import ProblemError
from .journal_queries import JournalQueries

__all__ = ["JournalStream", "StreamFilter", "StreamResponse"]

_log = logging.getLogger("switchmaster.api")

STREAMS_MAX: Final = 64
"""Most streams at once; more are refused with 503 and counted."""
TAIL_ENTRIES: Final = 5_000
"""Entries kept in memory for all clients together."""
ENTRIES_PER_READ: Final = 500
"""Most entries that are read, and sent, at once."""
JOURNAL_POLL_SECONDS: Final = 1.0
"""Seconds between two queries of the journal if no commit is reported."""
COMMENT_SECONDS: Final = 15.0
"""Seconds of silence after which a comment is sent, so that no proxy takes the connection for dead."""
RECONNECT_MS: Final = 2_000
"""Milliseconds after which a client that lost the stream should reconnect."""


class StreamEntry(NamedTuple):
    """One entry of the journal, as it is sent to every client."""

    id: int
    line: Line
    block: bytes

    @classmethod
    def of(cls, id: int, line: Line) -> StreamEntry:
        """Make an entry a server-sent event."""
        return cls(id, line, f"id: {id}\nevent: {line['type']}\n".encode("ascii") + _data(line))


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """Which lines a client wants; empty and None mean all."""

    types: frozenset[str] = frozenset()
    deployment: str | None = None
    master: str | None = None

    def takes(self, line: Line) -> bool:
        """Return whether the client wants this line."""
        return (
            (not self.types or line["type"] in self.types)
            and self.deployment in (None, line.get("deployment"))
            and self.master in (None, line.get("master"))
        )


class JournalStream:
    """
    The stream and its clients.

    Args:
        history: the journal.
        clients: most streams at once.
        tail: entries kept in memory.
        poll: seconds between two queries of the journal.
        keep_alive: seconds of silence after which a comment is sent.
    """

    def __init__(
        self,
        history: JournalQueries,
        clients: int = STREAMS_MAX,
        tail: int = TAIL_ENTRIES,
        poll: float = JOURNAL_POLL_SECONDS,
        keep_alive: float = COMMENT_SECONDS,
    ) -> None:
        self._history = history
        self._limit, self._length, self._poll, self._keep_alive = clients, tail, poll, keep_alive
        self._tail: list[StreamEntry] = []
        self._floor = self._last = 0
        """The tail holds all entries after `_floor`, up to and including `_last`."""
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._committed = asyncio.Event()
        self._news = asyncio.Event()
        self._closed = False
        self.clients = 0
        """Open streams."""
        self.refused = 0
        """Clients refused because of the limit."""
        self.sent = 0
        """Lines sent, to all clients together."""

    def wake(self) -> None:
        """Report that something was committed; may be called from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all clients with it
                loop.call_soon_threadsafe(self._committed.set)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        self._tell()
        if self._task is not None:
            self._task.cancel()

    async def open(self, after: int | None, wanted: StreamFilter, head: bool = False) -> StreamResponse:
        """
        Open a stream.

        Args:
            after: the last id that the client has; None for entries from now on.
            wanted: which lines.
            head: whether only the headers are requested.

        Raises:
            ProblemError: there are too many streams, or the journal is unavailable.
        """
        if self._closed:
            raise ProblemError(503, "this daemon is stopping", 5)
        if self.clients >= self._limit:
            self.refused += 1
            raise ProblemError(503, f"{self._limit} clients are reading the stream already", 30)
        self.clients += 1
        try:
            newest = await self._history.ask(lambda reader: reader.last_entry())
            self._begin(newest)
        except BaseException:
            self.leave()
            raise
        return StreamResponse(self, self._follow(after, newest, wanted), head)

    def leave(self) -> None:
        """Record that a client left."""
        self.clients -= 1
        if not self.clients and self._task is not None:
            self._task.cancel()
            self._task = None

    # -- one client ---------------------------------------------------------------------------------

    async def _follow(self, after: int | None, newest: int, wanted: StreamFilter) -> AsyncIterator[bytes]:
        place = newest if after is None else after
        yield b"retry: %d\nid: %d\n\n" % (RECONNECT_MS, min(place, newest))
        if place > newest:
            place = newest
            why = f"entry {after} is not in this journal, whose newest is {newest}: load everything again"
            yield b"event: reset\n" + _data({"type": "reset", "why": why})
        while not self._closed:
            news = self._news
            found = await self._behind(place)
            blocks = [told.block for told in found if wanted.takes(told.line)]
            if found:
                place = found[-1].id
            if blocks:
                self.sent += len(blocks)
                yield b"".join(blocks)
            elif not found and not await _set_within(news, self._keep_alive):
                # The id moves past entries that this client does not want, so that they need not be read again.
                yield b": nothing new\nid: %d\n\n" % place

    async def _behind(self, place: int) -> list[StreamEntry]:
        """Return the next entries after an id; none if there are none yet."""
        if place >= self._floor:
            first = bisect_right(self._tail, place, key=lambda told: told.id)
            return self._tail[first : first + ENTRIES_PER_READ]
        try:
            return await self._entries(place)
        except ProblemError:
            # The journal is unavailable; the client waits as it waits for new entries.
            await asyncio.sleep(self._poll)
            return []

    async def _entries(self, after: int) -> list[StreamEntry]:
        return await self._history.ask(
            lambda reader: [StreamEntry.of(*entry) for entry in reader.entries(after, ENTRIES_PER_READ)]
        )

    # -- the tail -----------------------------------------------------------------------------------

    def _begin(self, newest: int) -> None:
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._tail, self._floor, self._last = [], newest, newest
            self._task = self._loop.create_task(self._read(), name="switchmaster: read the stream")

    async def _read(self) -> None:
        while True:
            self._committed.clear()
            try:
                found = await self._entries(self._last)
            except ProblemError:
                found = []  # counted by `JournalQueries`; what was missed is read later
            except Exception:
                # A bug must not end the stream of all clients for good. It is logged.
                _log.exception("the stream's next entries could not be read")
                found = []
            if found:
                self._keep(found)
                self._tell()
            if len(found) < ENTRIES_PER_READ:
                await _set_within(self._committed, self._poll)

    def _keep(self, found: list[StreamEntry]) -> None:
        self._tail += found
        self._last = found[-1].id
        surplus = len(self._tail) - self._length
        if surplus > 0:
            self._floor = self._tail[surplus - 1].id
            del self._tail[:surplus]

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class StreamResponse(StreamingResponse):
    """
    The answer to one client of the stream.

    Args:
        stream: the stream that counts this client until it leaves.
        blocks: the bytes to send.
        head: whether only the headers are sent.
    """

    def __init__(self, stream: JournalStream, blocks: AsyncIterator[bytes], head: bool) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(_nothing() if head else blocks, headers=headers, media_type="text/event-stream")
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves or the stream ends."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stream.leave()


async def _nothing() -> AsyncIterator[bytes]:
    for block in list[bytes]():
        yield block


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _data(line: Line) -> bytes:
    return f"data: {to_json(line)}\n\n".encode("ascii")
