"""
The HTTP server in a thread with an event loop of its own: however busy it is, the loop that listens to Sentinels runs.

What is served crosses over as immutable values (`server.published_belief`), commits by `JournalStream.wake`. The rest
of `ServedState` belongs to this thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from concurrent.futures import Future
from typing import Final

from .http_server import SHUTDOWN_SECONDS, HttpServer
from .served_state import ServedState

__all__ = ["HttpThread"]

_log = logging.getLogger("switchmaster.api")

THREAD_END_SECONDS: Final = SHUTDOWN_SECONDS + 5.0
"""Seconds that the thread has to end; after that it is abandoned, and ends with the process."""


class HttpThread:
    """
    Runs an HTTP server in a thread.

    Args:
        server: the server; the thread starts and closes it.
        state: what it serves; `close` ends its streams.
    """

    def __init__(self, server: HttpServer, state: ServedState) -> None:
        self._server = server
        self._state = state
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What to open in a browser, once it listens."""
        return self._server.url

    async def start(self) -> None:
        """
        Start serving.

        Raises:
            UsageError: the address can't be bound, or the certificate can't be used.
        """
        begun: Future[None] = Future()
        # A daemon thread: it must not keep a process alive that ends without `close`.
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(begun)), name="switchmaster-http", daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(begun)

    async def renew_certificate(self) -> None:
        """
        Read certificate and key again, for connections from now on.

        Raises:
            UsageError: they can't be used; the old ones stay.
        """
        assert self._loop is not None
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._renew(), self._loop))

    async def close(self) -> None:
        """End all streams and queries, and stop; answers under way have `SHUTDOWN_SECONDS`."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        await asyncio.to_thread(thread.join, THREAD_END_SECONDS)
        if thread.is_alive():
            _log.error("the HTTP server did not stop within %g s and is abandoned", THREAD_END_SECONDS)

    async def _renew(self) -> None:
        self._server.renew_certificate()

    async def _serve(self, begun: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._server.start()
        except BaseException as error:  # `start` raises it
            begun.set_exception(error)
            return
        begun.set_result(None)
        await self._end.wait()
        self._state.close()
        await self._server.close()
