"""
Queries of the journal from the event loop: in threads of their own, bounded in number, each answered or failed in time.

The journal blocks, and a database may hang. Whatever it does, live routes work: none of their threads waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ...journal import JournalUnavailable, Reader
from .answers import ProblemError

__all__ = ["JournalQueries"]

T = TypeVar("T")

QUERY_THREADS: Final = 4
QUERIES_MAX: Final = 64
"""Most queries at once, including those that hang in the database; more are refused and counted."""
QUERY_SECONDS: Final = 10.0
"""Seconds that a query may take."""
CLOSING: Final = "this daemon is stopping"
QUERY_RETRY_SECONDS: Final = 5
"""Seconds after which a client may ask again."""


class JournalQueries:
    """
    The journal's reader, for coroutines.

    Args:
        reader: the journal; None if there is none.
        time: seconds that a query may take.
    """

    def __init__(self, reader: Reader | None, time: float = QUERY_SECONDS) -> None:
        self._reader = reader
        self._time = time
        self._threads = ThreadPoolExecutor(QUERY_THREADS, "switchmaster-history")
        self._room = threading.BoundedSemaphore(QUERIES_MAX)
        self._closed = False
        self.failed = 0
        """Queries that got no answer."""
        self.refused = 0
        """Queries beyond the limit."""

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """
        Run a query and wait for its result.

        Args:
            question: the query, called with the reader in a thread.

        Raises:
            ProblemError: 503 if the journal is unavailable.
            UsageError: the query is wrong.
        """
        reader = self._reader
        if reader is None:
            raise ProblemError(503, "this daemon keeps no journal")
        if self._closed:
            raise ProblemError(503, CLOSING, QUERY_RETRY_SECONDS)
        if not self._room.acquire(blocking=False):
            self.refused += 1
            raise ProblemError(503, f"{QUERIES_MAX} queries are waiting for the journal already", QUERY_RETRY_SECONDS)
        answer = self._threads.submit(lambda: question(reader))
        # Not when the client leaves: an abandoned query still occupies its thread.
        answer.add_done_callback(lambda _: self._room.release())
        try:
            async with asyncio.timeout(self._time):
                return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            # Either the query waited for a thread when we closed, or the client left and the request is cancelled.
            task = asyncio.current_task()
            if answer.cancelled() and task is not None and not task.cancelling():
                raise ProblemError(503, CLOSING, QUERY_RETRY_SECONDS) from None
            raise
        except JournalUnavailable as error:
            self.failed += 1
            raise ProblemError(503, str(error), QUERY_RETRY_SECONDS) from None
        except TimeoutError:
            self.failed += 1
            raise ProblemError(
                503, f"the journal gave no answer within {self._time:g} s", QUERY_RETRY_SECONDS
            ) from None

    def close(self) -> None:
        """Refuse further queries; does not wait for those under way. Called in the loop that asks."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
