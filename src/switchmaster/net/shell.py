"""
The shell around a link: it moves the bytes of one conversation under asyncio. Base of `SentinelConnection` and
`NodeConnection`.

It opens the streams that its link wants, gives the link all bytes with the loop's time, passes its facts on in the same
turn of the loop (no task lies between a socket and a callback), writes what the link wants to send, and keeps one timer
for the link's deadline. It decides nothing. Streams are aborted, never closed gracefully: the peer may hang.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, cast

from ..link.greeting import Credentials
from ..model import is_ip
from ..wire.resp import plain
from .dial import DialTarget, describe_error

__all__ = ["Shell", "connect_options", "ring_at"]

_log = logging.getLogger("switchmaster")

_HAPPY_EYEBALLS = 0.25
"""Seconds until the next address of a name is tried in parallel (RFC 8305)."""


TURN_BYTES = 8_192
"""Bytes of one peer that are read in one turn of the loop, about 100 events; then other peers have their turn."""

_LATE = 0.1
"""Seconds by which a timer of ours may ring late; beyond it this program is too busy to judge its peers."""

_EXCUSES = 5
"""How many timeouts a peer is waited for longer, at most, because this program is busy."""


_TOGETHER = 0.05
"""Seconds: timers of all links ring at multiples of it, so that one turn of the loop serves many of them. A link takes
no offence at a PING that is so much early."""

_LONGEST = 1.0
"""Seconds until a timer rings, at most: the time between two PINGs."""


class Shell(ABC):
    """
    Base of the shells around a link.

    Args:
        name: the peer's name, for logs.
        dial: returns what to dial, at each attempt; if it raises, the attempt has failed.
        timeout: seconds for name, connection and TLS handshake together.
    """

    def __init__(self, name: str, dial: Callable[[], DialTarget], timeout: float) -> None:
        self.name = name
        self.callback_errors = 0
        """Exceptions that a callback raised; each is logged, none ends the conversation."""
        self._dial = dial
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pipes: dict[int, _Pipe] = {}
        self._attempts: dict[int, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Future[None]] = set()
        # Attempts and open pipes: what `close` waits for.
        self._timer: asyncio.TimerHandle | None = None
        self._excused = 0.0
        """Seconds for which the link's deadline has been put off, because this program was busy."""
        self._pumping = False

    # The link, as the shell sees it.

    @abstractmethod
    def _streams_wanted(self) -> int: ...

    @abstractmethod
    def _deadline(self) -> float | None: ...

    @abstractmethod
    def _outgoing(self) -> Iterable[tuple[int, bytes]]: ...

    @abstractmethod
    def _deliver(self, now: float) -> bool:
        """Pass the facts on; return whether there were any."""

    @abstractmethod
    def _on_connect(self, stream: int, credentials: Credentials, now: float) -> None: ...

    @abstractmethod
    def _on_connect_failed(self, stream: int, reason: str, now: float) -> None: ...

    @abstractmethod
    def _on_data(self, stream: int, data: bytes, now: float) -> None: ...

    @abstractmethod
    def _on_eof(self, stream: int, reason: str, now: float) -> None: ...

    @abstractmethod
    def _on_tick(self, now: float) -> None: ...

    @abstractmethod
    def _close_link(self) -> None: ...

    # Life.

    def start(self) -> None:
        """
        Begin: dial at once. Must be called in the running loop.

        Raises:
            RuntimeError: no loop is running.
        """
        self._loop = asyncio.get_running_loop()
        self._pump()

    async def close(self) -> None:
        """End the conversation; no task, timer or socket of it is left."""
        self._close_link()
        if self._loop is None:
            return
        self._pump()
        if self._leaving:
            await asyncio.wait(list(self._leaving))

    @property
    def is_behind(self) -> bool:
        """Whether more bytes of the peer may have come than its last turn has read."""
        return any(pipe.is_behind for pipe in self._pipes.values())

    def sockets(self) -> list[int]:
        """Return the descriptors of its open connections."""
        return [number for pipe in self._pipes.values() if (number := pipe.descriptor()) >= 0]

    @property
    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    # The turn.

    def _pump(self, now: float | None = None) -> None:
        """
        Do what the link wants: pass facts on, open and abort streams, write bytes, set the timer.

        Args:
            now: the loop's time, if the caller has read it.
        """
        if self._pumping or self._loop is None:
            # A callback that asks something comes here; the turn that called it sends it afterwards.
            return
        if now is None:
            now = self._loop.time()
        self._pumping = True
        try:
            while self._deliver(now):
                now = self._loop.time()
            self._open_and_abort()
            for stream, data in self._outgoing():
                self._pipes[stream].write(data)
        finally:
            self._pumping = False
        self._arm(now)

    def _open_and_abort(self) -> None:
        wanted = self._streams_wanted()
        pipes = self._pipes
        if len(pipes) == wanted and not self._attempts and (not wanted or wanted - 1 in pipes):
            return  # as it is after nearly every read
        for stream in [stream for stream in self._pipes if stream >= wanted]:
            self._pipes.pop(stream).abort()
        for stream in [stream for stream in self._attempts if stream >= wanted]:
            self._attempts.pop(stream).cancel()
        assert self._loop is not None
        for stream in range(wanted):
            if stream not in self._pipes and stream not in self._attempts:
                attempt = self._loop.create_task(self._open(stream), name=f"switchmaster: connect to {self.name}")
                self._attempts[stream] = attempt
                self._leaving.add(attempt)
                attempt.add_done_callback(self._leaving.discard)

    def _arm(self, now: float) -> None:
        deadline = self._deadline()
        if self._timer is not None:
            # A timer that rings early does no harm; most deadlines only move later. One that was put off stays.
            if deadline is not None and (self._excused or self._timer.when() <= deadline):
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            assert self._loop is not None
            self._timer = self._loop.call_at(ring_at(deadline, now), self._ring)

    def _ring(self) -> None:
        assert self._loop is not None
        assert self._timer is not None
        now, due = self._now, self._timer.when()
        # A timeout is the peer's time. What has come and waits for us counts first: later turns read it.
        late = now - due > _LATE or self.is_behind
        if late and self._excused < _EXCUSES * self._timeout:
            delay = min(max(now - due, _LATE), self._timeout, 1.0)
            self._excused += delay
            self._timer = self._loop.call_later(delay, self._ring)
            return
        self._timer, self._excused = None, 0.0
        self._on_tick(now)
        self._pump(now)

    async def _open(self, stream: int) -> None:
        assert self._loop is not None
        attempt, target = asyncio.current_task(), None
        try:
            target = self._dial()
            known = target.credentials if isinstance(target.credentials, Credentials) else None
            async with asyncio.timeout(self._timeout):
                _, pipe = await self._loop.create_connection(
                    lambda: _Pipe(self, stream, attempt, known),
                    target.address.host,
                    target.address.port,
                    **connect_options(self._loop, target),
                )
            if known is None:
                await self._log_in(pipe, target)
        except Exception as error:
            # Whatever it is, also an error of the caller's `dial`: this attempt failed, not the link.
            if self._attempts.get(stream) is attempt:
                del self._attempts[stream]
                address = target.address if target is not None else None
                reason = plain(describe_error(error, address, self._timeout))
                self._on_connect_failed(stream, reason, self._now)
                self._pump()

    async def _log_in(self, pipe: _Pipe, target: DialTarget) -> None:
        """Log in with the provider's answer; it is asked only once the peer is connected."""
        try:
            credentials = await target.login()
        except BaseException:
            pipe.abort()
            raise
        if pipe.lost:
            raise ConnectionResetError(errno.ECONNRESET, "it closed the connection before we had logged in")
        if not self._made(pipe, credentials):
            pipe.abort()

    # What the pipes report.

    def _made(self, pipe: _Pipe, credentials: Credentials) -> bool:
        # An attempt that was given up can still succeed; nothing waits for it any longer.
        if self._attempts.get(pipe.stream) is not pipe.attempt:
            return False
        del self._attempts[pipe.stream]
        self._pipes[pipe.stream] = pipe
        self._on_connect(pipe.stream, credentials, self._now)
        self._pump()
        return True

    def _received(self, pipe: _Pipe, data: bytes) -> None:
        if self._pipes.get(pipe.stream) is pipe:
            assert self._loop is not None
            now = self._loop.time()
            self._on_data(pipe.stream, data, now)
            self._pump(now)

    def _ended(self, pipe: _Pipe, reason: str) -> None:
        if self._pipes.get(pipe.stream) is pipe:
            del self._pipes[pipe.stream]
            pipe.abort()
            self._on_eof(pipe.stream, reason, self._now)
            self._pump()

    def _callback_failed(self) -> None:
        """Log and count what a user's callback raised just now: it ends nothing of ours."""
        self.callback_errors += 1
        _log.exception("the callback for facts of %s failed", self.name)


class _Pipe(asyncio.BufferedProtocol):
    """
    One stream: reports to its shell what happens, until it is aborted; `known` are its credentials, unless a provider
    must be asked.

    It is read into a buffer of its own, of one turn's bytes; for other protocols asyncio takes new memory of 256 KiB at
    each read.
    """

    def __init__(
        self, shell: Shell, stream: int, attempt: asyncio.Task[None] | None, known: Credentials | None
    ) -> None:
        self.stream = stream
        self.attempt = attempt
        self._known = known
        self._shell = shell
        self._transport: asyncio.Transport | None = None
        self._lost: asyncio.Future[None] | None = None
        self._buffer = memoryview(bytearray(TURN_BYTES))
        self._fills = 0
        """Reads that filled the buffer."""
        self.is_behind = False
        """Whether the last read did, and the loop has not yet looked for more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are of another class.
        self._transport = cast(asyncio.Transport, transport)
        self._lost = asyncio.get_running_loop().create_future()
        self._shell._leaving.add(self._lost)
        self._lost.add_done_callback(self._shell._leaving.discard)
        # asyncio sets TCP_NODELAY itself. Keepalive ends the silence that our PING can't: our own.
        opened = transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        known, self._known = self._known, None
        if known is not None and not self._shell._made(self, known):
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.is_behind = nbytes == TURN_BYTES
        if self.is_behind:
            self._fills += 1
            # The loop looks at all sockets between these two calls.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._looked, self._fills)
        self._shell._received(self, self._buffer[:nbytes].tobytes())

    def _looked(self, fills: int) -> None:
        if fills == self._fills:
            self.is_behind = False

    def eof_received(self) -> None:
        self._shell._ended(self, "")

    def connection_lost(self, exc: Exception | None) -> None:
        reason = "" if exc is None else plain(describe_error(exc, None, None))
        self._shell._ended(self, reason)
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._transport is None or self._transport.is_closing()

    def descriptor(self) -> int:
        opened = self._transport.get_extra_info("socket") if self._transport is not None else None
        return -1 if opened is None else int(opened.fileno())

    def abort(self) -> None:
        assert self._transport is not None
        self._transport.abort()


def ring_at(deadline: float, now: float) -> float:
    """
    Return when the timer for a deadline rings: never later, and if that is far, together with those of other shells.

    The link's deadline only moves later when the peer answers, and a timer that rings early is cheaper than one that is
    cancelled: so it rings within `_LONGEST`. Then a link that is quiet costs one timer for each PING.

    Args:
        deadline: when the link must be looked at, at the latest; by the loop's clock, as is `now`.
        now: the time.
    """
    if deadline - now < 2 * _TOGETHER:
        return deadline
    return min(deadline, now + _LONGEST) // _TOGETHER * _TOGETHER


def connect_options(loop: asyncio.AbstractEventLoop, target: DialTarget) -> dict[str, Any]:
    """Return the options of ``create_connection`` for a target: TLS, and a name's addresses tried in parallel."""
    options: dict[str, Any] = {"ssl": target.context}
    if target.context is not None:
        options["server_hostname"] = target.server_name or target.address.host
    # uvloop has no such option, and tries the addresses one after the other.
    if not is_ip(target.address.host) and isinstance(loop, asyncio.BaseEventLoop):
        options["happy_eyeballs_delay"] = _HAPPY_EYEBALLS
    return options
