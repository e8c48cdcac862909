"""
Our end of what HAProxy checks: that we are alive, and that the server without room is full.

Two sockets in the proxy's folder. ``alive`` answers a word while we know where the masters are; HAProxy asks twice a
second. ``wall`` keeps one connection for each master, which we open ourselves, through HAProxy: it fills the server
that has room for one. A connection of anybody else that gets there is ended, so that its client comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, cast

__all__ = ["Companion"]

AGAIN_SECONDS: Final = 0.2
"""Seconds until a connection that fills a server is opened again."""


class Companion:
    """
    The two sockets.

    Args:
        folder: of the proxy.
        alive: returns whether HAProxy should go by us.
    """

    def __init__(self, folder: Path, alive: Callable[[], bool]) -> None:
        self._folder, self._alive = folder, alive
        self._token = secrets.token_hex(16).encode()
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Transport] = set()
        self._filling: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """
        Listen.

        Raises:
            OSError: a socket can't be made.
        """
        loop = asyncio.get_running_loop()
        for name, made in (("alive", self._answer), ("wall", self._keep)):
            self._servers.append(await loop.create_unix_server(made, str(self._folder / name)))

    def fill(self, paths: Iterable[str]) -> None:
        """
        Open the connections that fill the servers, again if they are open: a reload leaves the old ones behind.

        Args:
            paths: HAProxy's sockets for them.
        """
        for task in self._filling:
            task.cancel()
        self._filling = [asyncio.create_task(self._fill(path), name="switchmaster: fill") for path in paths]

    async def close(self) -> None:
        """End everything; HAProxy goes by its own checks then."""
        for server in self._servers:
            server.close()
        for task in self._filling:
            task.cancel()
        await asyncio.gather(*self._filling, return_exceptions=True)
        for transport in list(self._open):
            transport.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers, self._filling = [], []
        for name in ("alive", "wall"):
            (self._folder / name).unlink(missing_ok=True)

    async def _fill(self, path: str) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    writer.write(self._token)
                    await reader.read(1)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(AGAIN_SECONDS)

    def _answer(self) -> asyncio.Protocol:
        return _Held(self._open, b"alive\n" if self._alive() else b"", b"")

    def _keep(self) -> asyncio.Protocol:
        return _Held(self._open, b"", self._token)


class _Held(asyncio.Protocol):
    """One connection: greeted and ended, or kept if it says the token."""

    def __init__(self, held: set[asyncio.Transport], greeting: bytes, token: bytes) -> None:
        self._held, self._greeting, self._token = held, greeting, token
        self._said = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._held.add(self._transport)
        if not self._token:
            self._transport.write(self._greeting)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._said += data
        if not self._token.startswith(self._said):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.discard(self._transport)
