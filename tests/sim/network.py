"""
The virtual network: byte streams between the Watcher and servers, messages between Sentinels and nodes.

Streams keep their bytes in order, and cut and merge them as TCP may. While a path is blocked, their bytes wait, as TCP
sends them again once it is open; messages are lost instead, which is the same for a Sentinel that asks again. The
kernel of a stopped process goes on: it accepts connections, and keeps what arrives.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from switchmaster.model import Address

from .clock import Clock, Timer

__all__ = ["Network", "Peer", "Server", "Stream"]


Conversation: TypeAlias = asyncio.Protocol | asyncio.BufferedProtocol
"""The client's end of one stream, as asyncio knows it."""


class Peer(Protocol):
    """A server's end of one stream."""

    def receive(self, data: bytes) -> None:
        """Receive bytes."""

    def ended(self) -> None:
        """Handle that the other end is gone."""


class Server(Protocol):
    """A process that listens."""

    host: str
    alive: bool
    dark: bool

    def accept(self, stream: Stream) -> Peer:
        """Accept a new stream."""


class _Way:
    """One direction of a stream."""

    def __init__(self, network: Network, source: str, target: str, take: Callable[[bytes], None]) -> None:
        self._network, self.source, self.target = network, source, target
        self._take = take
        self._waiting = bytearray()
        self._timer: Timer | None = None
        self._end: Callable[[], None] | None = None
        self.dead = False
        """Whether everything is dropped silently from now on."""

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._arm(self._network.delay(self.source, self.target))

    def end(self, tell: Callable[[], None]) -> None:
        """End this direction behind what was written."""
        self._end = tell
        self._arm(self._network.delay(self.source, self.target))

    def stop(self) -> None:
        self.dead = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def wake(self) -> None:
        """Send the waiting bytes again, now that the path is open."""
        if self._waiting or self._end is not None:
            self._arm(self._network.chance.uniform(0.05, 0.4))

    def _arm(self, seconds: float) -> None:
        if self._timer is None and not self.dead:
            self._timer = self._network.clock.after(seconds, self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        if self.dead or (self.source, self.target) in self._network.blocked:
            return
        network, size = self._network, len(self._waiting)
        if size > 1 and network.chance.random() < network.raggedness:
            size = network.chance.randrange(1, size)
            network.counts["cut frame"] += 1
        data = bytes(self._waiting[:size])
        del self._waiting[:size]
        if self._waiting or self._end is not None:
            self._arm(network.chance.uniform(0.00005, 0.003))
        if data:
            self._take(data)
        elif self._end is not None:
            tell, self._end = self._end, None
            tell()


class Stream:
    """
    One open connection of a client to a server.

    Args:
        network: its network.
        client: the client's host.
        server: the server that was dialled.
    """

    def __init__(self, network: Network, client: str, server: Server) -> None:
        self.client, self.server = client, server
        self.open = True
        self._network = network
        self._to_server = _Way(network, client, server.host, lambda data: self.peer.receive(data))
        self._to_client = _Way(network, server.host, client, lambda data: self._receive(data))
        self._receive: Callable[[bytes], None] = lambda data: None
        self._lost: Callable[[Exception | None], None] = lambda error: None
        self.peer = server.accept(self)
        network.streams[self] = None

    @property
    def ways(self) -> tuple[_Way, _Way]:
        return self._to_server, self._to_client

    def begin(self, receive: Callable[[bytes], None], lost: Callable[[Exception | None], None]) -> None:
        """Set what the client's end calls: with bytes, and when the stream has ended."""
        self._receive, self._lost = receive, lost

    def send(self, data: bytes) -> None:
        """Write as the client."""
        self._to_server.write(data)

    def answer(self, data: bytes) -> None:
        """Write as the server."""
        self._to_client.write(data)

    def leave(self) -> None:
        """Close it as the client, at once; the server learns of it."""
        if self.open:
            self._forget()
            self._to_client.stop()
            self._to_server.end(self.peer.ended)

    def close(self) -> None:
        """Close it as the server, after what was written."""
        self._to_server.stop()
        self._to_client.end(lambda: self._end(None))

    def reset(self) -> None:
        """Reset it for both, without what was written."""
        self.half_open()
        if self.open:
            self._end(ConnectionResetError(104, "Connection reset by peer"))
            self.peer.ended()

    def half_open(self) -> None:
        """Silently drop everything in either direction from now on."""
        for way in self.ways:
            way.stop()

    def _end(self, error: Exception | None) -> None:
        if self.open:
            self._forget()
            self._lost(error)

    def _forget(self) -> None:
        self.open = False
        self._network.streams.pop(self, None)


class Network:
    """
    All hosts and the paths between them.

    Args:
        clock: the time.
        chance: the run's random numbers.
    """

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self.clock, self.chance = clock, chance
        self.blocked: set[tuple[str, str]] = set()
        """Pairs of hosts whose path is blocked, in that direction."""
        self.slow: dict[str, float] = {}
        """By host: how many seconds longer everything to and from it takes."""
        self.raggedness = 0.02
        """How often one write arrives in two pieces."""
        self.streams: dict[Stream, None] = {}
        self.counts: Counter[str] = Counter()
        self.dead_hosts_refuse = True
        """Whether a connect to a host that is gone is refused, as by a router; otherwise nothing answers."""
        self.listening: dict[tuple[str, int], Server] = {}
        self._last: dict[tuple[str, str], float] = {}

    def delay(self, source: str, target: str) -> float:
        slow = self.slow
        base = 0.0001 + 0.0004 * self.chance.random()
        return base + slow.get(source, 0.0) + slow.get(target, 0.0) if slow else base

    def block(self, source: str, target: str) -> None:
        self.blocked.add((source, target))

    def heal(self) -> None:
        """Open all paths, at full speed."""
        self.blocked.clear()
        self.slow.clear()
        for stream in list(self.streams):
            for way in stream.ways:
                way.wake()

    # -- messages -----------------------------------------------------------------------------------

    def post(self, source: str, target: str, act: Callable[[], None]) -> None:
        """Let something happen at another host, after everything that was posted there before; it may be lost."""
        way = (source, target)
        if way in self.blocked:
            return
        when = max(self.clock.now + self.delay(source, target), self._last.get(way, 0.0))
        self._last[way] = when
        self.clock.at(when, act)

    # -- streams ------------------------------------------------------------------------------------

    def listen(self, address: Address, server: Server) -> None:
        self.listening[address] = server

    async def open(
        self, client: str, factory: Callable[[], Conversation], host: str, port: int
    ) -> tuple[Any, Conversation]:
        """Connect as asyncio does; if the path is blocked, this lasts until the caller gives up."""
        loop = asyncio.get_running_loop()
        while (client, host) in self.blocked or (host, client) in self.blocked:
            await asyncio.sleep(0.5)
        connected: asyncio.Future[None] = loop.create_future()
        self.clock.after(2 * self.delay(client, host), lambda: connected.done() or connected.set_result(None))
        await connected
        server = self.listening.get((host, port))
        while server is not None and server.dark and not self.dead_hosts_refuse:
            await asyncio.sleep(0.5)
        if server is None or not server.alive:
            raise ConnectionRefusedError(111, "Connect call failed", (host, port))
        protocol = factory()
        transport = _Transport(Stream(self, client, server), protocol)
        protocol.connection_made(transport)
        return transport, protocol


class _Transport(asyncio.Transport):
    """The client's end of a stream, for asyncio."""

    def __init__(self, stream: Stream, protocol: Conversation) -> None:
        super().__init__()
        self._stream, self._protocol = stream, protocol
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._unread = b""
        stream.begin(self._receive, self._lost)

    def _receive(self, data: bytes) -> None:
        if not self._unread:
            self._loop.call_soon(self._read)
        self._unread += data

    def _read(self) -> None:
        """Read once, as the loop does in each turn while there is something to read."""
        if not self._open:
            return
        data, self._unread = self._unread, b""
        if isinstance(self._protocol, asyncio.Protocol):
            self._protocol.data_received(data)
            return
        buffer = memoryview(self._protocol.get_buffer(-1))
        part, self._unread = data[: len(buffer)], data[len(buffer) :]
        if self._unread:
            self._loop.call_soon(self._read)
        buffer[: len(part)] = part
        self._protocol.buffer_updated(len(part))

    def _lost(self, error: Exception | None) -> None:
        self._loop.call_soon(self._tell_lost, error)

    def _tell_lost(self, error: Exception | None) -> None:
        if self._unread and self._open:
            self._loop.call_soon(self._tell_lost, error)  # what came before it is read first
        elif self._open:
            self._open = False
            if error is None:
                self._protocol.eof_received()
            self._protocol.connection_lost(error)

    def write(self, data: bytes) -> None:  # type: ignore[override]
        if self._open:
            self._stream.send(bytes(data))

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._stream.leave()
            self._loop.call_soon(self._protocol.connection_lost, None)

    close = abort

    def is_closing(self) -> bool:
        return not self._open
