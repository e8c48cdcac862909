"""
A faulty TCP proxy for one upstream.

At run time it is ordered to misbehave: `pass_`, `stall`, `cut`, `refuse`, `drip`, `chop`. An order is in effect when
its call returns. The proxy runs an event loop in a thread of its own, which is gone after `close()`, and never looks
into the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from switchmaster.errors import LabError, UsageError
from switchmaster.lab.ports import free_ports

__all__ = ["FaultyProxy", "ProxyCounters"]

T = TypeVar("T")

READ_BYTES = 65536
ORDER_TIMEOUT = 5.0
UPSTREAM_TIMEOUT = 5.0
DRIPS_PER_SECOND = 20
CHOP_PAUSE = 0.0005
PROXY_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class ProxyCounters:
    """What a proxy forwarded."""

    accepted: int = 0
    """Connections that clients opened."""
    unreachable: int = 0
    """How many of them the upstream did not accept."""
    cut: int = 0
    """Connections ended by `cut()`."""
    bytes_up: int = 0
    """From clients to the upstream."""
    bytes_down: int = 0
    """From the upstream to clients."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How bytes are forwarded: in pieces of `size`, with `pause` seconds after each."""

    size: int = READ_BYTES
    pause: float = 0.0


class FaultyProxy:
    """
    A proxy, as a context manager, or by `start()` and `close()`.

    Args:
        upstream: host and port of the server behind it.
        host: where it listens, on a free port.
    """

    def __init__(self, upstream: tuple[str, int], host: str = "127.0.0.1") -> None:
        self.upstream = upstream
        self.address: tuple[str, int] = (host, 0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._counters = ProxyCounters()
        self._pace = Pace()
        self._flows = asyncio.Event()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[socket.socket] = set()

    # Life

    def start(self) -> Self:
        """
        Listen and forward; if it already does, do nothing.

        Raises:
            LabError: no port is free.
        """
        if self._thread is not None:
            return self
        self.address = (self.address[0], free_ports(1, self.address[0])[0])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab-proxy", daemon=True)
        self._thread.start()
        try:
            self.pass_()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close all connections and end the thread; a second call does nothing."""
        if self._loop is None or self._thread is None:
            return
        self._order(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ORDER_TIMEOUT)
        self._loop.close()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Faults

    def pass_(self) -> None:
        """Forward everything at once, and accept new connections."""
        self._order(self._set(Pace(), flows=True, listens=True))

    def stall(self) -> None:
        """
        Forward no byte and no end of file in either direction, and keep all connections open, as if
        a cable were pulled. New connections are accepted and stall too. `pass_()` delivers what was held.
        """
        self._order(self._set(Pace(), flows=False, listens=True))

    def drip(self, bytes_per_second: float) -> None:
        """Forward slowly, at this rate in each direction."""
        if bytes_per_second <= 0:
            raise UsageError("a proxy must drip at more than 0 bytes a second")
        size = max(1, int(bytes_per_second / DRIPS_PER_SECOND))
        self._order(self._set(Pace(size, size / bytes_per_second), flows=True, listens=True))

    def chop(self, size: int) -> None:
        """Forward in pieces of `size` bytes, each in a segment of its own."""
        if size < 1:
            raise UsageError("a proxy must chop into pieces of at least 1 byte")
        self._order(self._set(Pace(size, CHOP_PAUSE), flows=True, listens=True))

    def cut(self, reset: bool = True) -> None:
        """
        End all open connections; new ones are treated as before.

        Args:
            reset: True to end them by RST, False by FIN.
        """
        self._order(self._cut(reset))

    def refuse(self) -> None:
        """Refuse new connections ("connection refused"); open ones stay."""
        self._order(self._set(self._pace, flows=self._flows.is_set(), listens=False))

    # What happened

    @property
    def counters(self) -> ProxyCounters:
        """What was forwarded so far."""
        return self._counters

    @property
    def open_connections(self) -> int:
        """The number of connected clients."""
        return len(self._tasks)

    # Inside the loop's thread

    def _order(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            coroutine.close()
            raise LabError("this proxy is not running; use it inside its `with` block")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(ORDER_TIMEOUT)

    async def _set(self, pace: Pace, flows: bool, listens: bool) -> None:
        self._pace = pace
        if flows:
            self._flows.set()
        else:
            self._flows.clear()
        if not listens:
            await self._unlisten()
        elif self._listener is None:
            self._listen()

    def _listen(self) -> None:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            listener.listen(PROXY_BACKLOG)
        except OSError as error:
            listener.close()
            where = f"{self.address[0]}:{self.address[1]}"
            raise LabError(f"the proxy can't listen on {where}: {error.strerror}") from error
        self._listener = listener
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    async def _unlisten(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            self._count(accepted=1)
            task = loop.create_task(self._connection(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connection(self, client: socket.socket) -> None:
        with self._owned(client):
            await self._flows.wait()
            try:
                upstream = await asyncio.wait_for(self._dial(), UPSTREAM_TIMEOUT)
            except (OSError, TimeoutError):
                self._count(unreachable=1)
                _arm_reset(client)
                return
            # The suppressed error is a reset, which closing both ends passes on.
            with self._owned(upstream), contextlib.suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(client, upstream, "bytes_up"))
                    pumps.create_task(self._pump(upstream, client, "bytes_down"))

    async def _dial(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        [(family, kind, protocol, _, address), *_] = await loop.getaddrinfo(*self.upstream, type=socket.SOCK_STREAM)
        upstream = socket.socket(family, kind, protocol)
        upstream.setblocking(False)
        try:
            await loop.sock_connect(upstream, address)
        except BaseException:
            upstream.close()
            raise
        return upstream

    async def _pump(self, source: socket.socket, target: socket.socket, counter: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(source, READ_BYTES):
                await self._forward(data, target, counter)
            await self._flows.wait()  # an end of file is held back too
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # One side was reset, so reset the other. No shutdown here: its FIN would overtake the reset.
            await self._flows.wait()
            for end in (source, target):
                _arm_reset(end)
            raise

    async def _forward(self, data: bytes, target: socket.socket, counter: str) -> None:
        rest = memoryview(data)
        while rest:
            await self._flows.wait()
            pace = self._pace
            await asyncio.get_running_loop().sock_sendall(target, rest[: pace.size])
            self._count(**{counter: len(rest[: pace.size])})
            rest = rest[pace.size :]
            if pace.pause:
                await asyncio.sleep(pace.pause)

    async def _cut(self, reset: bool) -> None:
        tasks = list(self._tasks)
        if reset:
            for one in self._sockets:
                _arm_reset(one)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._count(cut=len(tasks))

    async def _end(self) -> None:
        await self._unlisten()
        await self._cut(reset=False)
        await asyncio.get_running_loop().shutdown_default_executor()

    def _count(self, **more: int) -> None:
        now = {name: getattr(self._counters, name) + number for name, number in more.items()}
        self._counters = replace(self._counters, **now)

    @contextlib.contextmanager
    def _owned(self, one: socket.socket) -> Any:
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.add(one)
        try:
            yield
        finally:
            self._sockets.discard(one)
            one.close()


def _arm_reset(one: socket.socket) -> None:
    # With a linger time of 0, close() sends RST instead of FIN.
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
