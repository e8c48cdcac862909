"""
One connection on which commands are answered in order, under asyncio: for questions that belong to no link.

RESP2, so that no greeting is needed but AUTH and CLIENT SETNAME. What the peer does ends the connection at worst: open
questions fail with `ConnectionError`, and `ended` tells whoever waits for that very moment.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import Self, cast

from ..link.greeting import Login
from ..wire.refusal import Refusal, classify, explain
from ..wire.resp import FrameReader, Reply, encode
from .dial import DialTarget
from .shell import connect_options

__all__ = ["CommandConnection", "ServerDenies"]

WAITING = 64
"""The most questions that wait for their answers at once: whoever asks more has lost count."""
_DENYING = (Refusal.PROTECTED, Refusal.FULL)
"""What a server says by itself to a new connection, before it ends it."""


class ServerDenies(ConnectionError):
    """
    The server takes no connection like ours, whatever the credentials.

    Args:
        said: its words, an error reply.
    """

    def __init__(self, said: Reply) -> None:
        super().__init__(explain(said))
        self.refusal = classify(said)


class CommandConnection(asyncio.Protocol):
    """An open connection; made by `open`."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done as soon as the peer has ended the connection, or `abort` has."""
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._denied: Reply = None
        """What it said, to no question, if it denies us."""

    @classmethod
    async def open(cls, target: DialTarget, client_name: str, timeout: float) -> Self:
        """
        Connect and log in.

        Args:
            target: what to dial, and with which credentials.
            client_name: what CLIENT LIST shows, without spaces.
            timeout: seconds for all of it.

        Raises:
            OSError: it could not be reached; ConnectionRefusedError if its kernel refused.
            ServerDenies: it is in protected mode, or full.
            TimeoutError: it took too long.
            PermissionError: it refuses the credentials.
            UsageError: the credentials could not be had.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            _, made = await loop.create_connection(
                cls, target.address.host, target.address.port, **connect_options(loop, target)
            )
            try:
                await made._log_in(target, client_name, timeout)
            except BaseException:
                made.abort()
                raise
        return made

    async def _log_in(self, target: DialTarget, client_name: str, timeout: float) -> None:
        credentials = await target.login()
        commands: list[tuple[str, ...]] = []
        Login(client_name, credentials).authenticate(lambda command, _: commands.append(command), _ignored)
        *answers, _ = await self.ask(*commands, ("CLIENT", "SETNAME", client_name), timeout=timeout)
        if self._denied is not None:  # it spoke first, so that its words came as an answer
            raise ServerDenies(self._denied)
        for answer in answers:
            if classify(answer) not in (None, Refusal.NEEDLESS_PASSWORD):
                raise PermissionError(explain(answer))

    async def ask(self, *commands: tuple[str, ...], timeout: float) -> list[Reply]:
        """
        Send commands in one write, and return their replies; an error reply is returned as a value.

        Args:
            commands: each as its words.
            timeout: seconds for all replies.

        Raises:
            ConnectionError: the connection has ended, or too many questions wait.
            TimeoutError: the replies did not come in time; the connection is of no use any more.
        """
        if self._transport is None or self.ended.done():
            raise self._lost()
        if len(self._waiting) + len(commands) > WAITING:
            raise ConnectionError(f"{len(self._waiting)} questions wait already")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in commands]
        self._waiting.extend(futures)
        self._transport.write(b"".join(map(encode, commands)))
        try:
            async with asyncio.timeout(timeout):
                return [await future for future in futures]
        except TimeoutError:
            self.abort()  # what comes late would be taken for the answer to something else
            raise

    @property
    def peer_ip(self) -> str | None:
        """The IP address at the other end; None if there is none, as over a local socket."""
        peer = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(peer[0]) if isinstance(peer, tuple) else None

    @property
    def certificate_ends(self) -> float | None:
        """When the server's certificate expires, in seconds since 1970; None without TLS, or if it is not verified."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        ends = (tls.getpeercert() or {}).get("notAfter") if tls is not None else None
        return None if ends is None else float(ssl.cert_time_to_seconds(ends))

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # -- asyncio's calls ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.read(data):
            if classify(frame) in _DENYING:
                self._denied = frame
            if not self._waiting:
                return self.abort()  # a reply to no question
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(frame)
        if self._reader.broken:
            self.abort()

    def eof_received(self) -> None:
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(self._lost())
                future.exception()  # whoever asked may have given up

    def _lost(self) -> ConnectionError:
        return ConnectionResetError("the connection has ended") if self._denied is None else ServerDenies(self._denied)


def _ignored(reason: str, now: float, refused: bool = False) -> None:
    """Take no failure: the replies are read by whoever sent the commands."""
