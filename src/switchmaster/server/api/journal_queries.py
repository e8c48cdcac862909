"""
Questions to the journal from the loop: in threads of their own, bounded, each with an answer or a sentence in time.

The journal blocks, and a database may hang. Whatever it does, live routes go on: no thread of theirs waits for it.
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
"""Questions at once at most, those that time out in the database included; more are refused and counted."""
QUERY_SECONDS: Final = 10.0
"""Seconds that a question may take."""
CLOSING: Final = "this daemon ends"
QUERY_RETRY_SECONDS: Final = 5
"""Seconds after which a client may ask again."""


class JournalQueries:
    """
    The journal's reader, for coroutines.

    Args:
        reader: None where there is no journal.
        time: seconds that a question may take.
    """

    def __init__(self, reader: Reader | None, time: float = QUERY_SECONDS) -> None:
        self._reader = reader
        self._time = time
        self._threads = ThreadPoolExecutor(QUERY_THREADS, "switchmaster-history")
        self._room = threading.BoundedSemaphore(QUERIES_MAX)
        self._closed = False
        self.failed = 0
        """Questions that got no answer."""
        self.refused = 0
        """Questions that were one too many."""

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """
        Ask, and wait for the answer.

        Args:
            question: is called with the reader, in a thread.

        Raises:
            ProblemError: 503 where the journal can't be asked.
            UsageError: the question is wrong.
        """
        reader = self._reader
        if reader is None:
            raise ProblemError(503, "this daemon keeps no journal")
        if self._closed:
            raise ProblemError(503, CLOSING, QUERY_RETRY_SECONDS)
        if not self._room.acquire(blocking=False):
            self.refused += 1
            raise ProblemError(503, f"{QUERIES_MAX} questions wait for the journal already", QUERY_RETRY_SECONDS)
        answer = self._threads.submit(lambda: question(reader))
        # Not when the client leaves: a question that nobody waits for any more still holds its thread.
        answer.add_done_callback(lambda _: self._room.release())
        try:
            async with asyncio.timeout(self._time):
                return await asyncio.wrap_future(answer)
        except asyncio.CancelledError:
            # It waited for a thread when we closed; or the client has left, which is the request's own end.
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
        """Answer no more questions; does not wait for those under way. Called by the loop that asks."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
