"""
A connection that is kept open: dialled again whenever it ends, with the news of how it ended.

Between two attempts lies a pause that grows from `PAUSE` to `LONGEST` seconds while nothing answers, so that no server
is hammered; a connection that had worked for `LONGEST` is dialled again at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from .command_connection import CommandConnection
from .dial import DialTarget

__all__ = ["KeptConnection", "Loss"]

_log = logging.getLogger("switchmaster")

PAUSE: Final = 0.05
LONGEST: Final = 1.0
AFTER_REFUSED_LOGIN: Final = 5.0
"""Seconds until a server that refuses our credentials is asked again."""


class Loss(enum.Enum):
    """How a connection was lost, or an attempt failed."""

    ENDED = "ended"
    """The peer ended a connection that had worked."""
    REFUSED = "refused"
    """The peer's kernel refused the attempt (``ECONNREFUSED``)."""
    FAILED = "failed"
    """Anything else: no answer in time, no way there, no login."""


class KeptConnection:
    """
    Keeps one connection open until it is closed.

    Args:
        dial: returns what to dial, at each attempt.
        work: what is done with each connection; it may return or fail, and the connection stays open until it ends.
        on_loss: called with each loss, in the loop.
        client_name: what CLIENT LIST shows.
        timeout: seconds for connecting and logging in.
    """

    def __init__(
        self,
        dial: Callable[[], DialTarget],
        work: Callable[[CommandConnection], Awaitable[None]],
        on_loss: Callable[[Loss], None],
        client_name: str,
        timeout: float,
    ) -> None:
        self.connection: CommandConnection | None = None
        """The open connection; None while there is none."""
        self._dial, self._work, self._on_loss = dial, work, on_loss
        self.client_name = client_name
        """What CLIENT LIST shows from the next attempt on."""
        self._timeout = timeout
        self._hurry: asyncio.Event = asyncio.Event()
        self._refused = False
        """Whether the last attempt was refused."""
        self._task = asyncio.get_running_loop().create_task(self._keep(), name=f"switchmaster: keep {client_name}")

    async def close(self) -> None:
        """End the connection; no task or socket of it is left."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def hurry(self) -> None:
        """Dial now, where the peer refused the last attempt and is known to accept connections again."""
        if self._refused:
            self._hurry.set()

    async def _keep(self) -> None:
        loop, pause = asyncio.get_running_loop(), PAUSE
        while True:
            loss, login, begun = Loss.FAILED, True, loop.time()
            try:
                self.connection = await CommandConnection.open(self._dial(), self.client_name, self._timeout)
                pause, loss = PAUSE, Loss.ENDED
                await self._use(self.connection)
            except ConnectionRefusedError:
                loss = Loss.REFUSED
            except PermissionError:
                login = False
            except Exception:
                # Whatever it is, also an error of the caller's `dial`: this attempt failed.
                _log.debug("the connection %s failed", self.client_name, exc_info=True)
            finally:
                if self.connection is not None:
                    self.connection.abort()
                    self.connection = None
            self._refused = loss is Loss.REFUSED
            self._hurry.clear()
            self._on_loss(loss)
            if loss is not Loss.ENDED or loop.time() < begun + LONGEST:
                await self._pause((pause if login else AFTER_REFUSED_LOGIN) * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _use(self, connection: CommandConnection) -> None:
        """Work until the connection ends, or the work fails."""
        work = asyncio.ensure_future(self._work(connection))
        try:
            await asyncio.wait({work, connection.ended}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not connection.ended.done():
                await work  # it failed, or has nothing more to do
                await connection.ended
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await work
