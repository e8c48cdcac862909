"""A peer on a loopback socket that answers by script, and can drip, stall, cut, flood and lie."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any

from peers.scripted import ScriptedSentinel
from switchmaster.link.link import Link
from switchmaster.model import Address
from switchmaster.net.dial import DialTarget
from switchmaster.net.sentinel_connection import SentinelConnection
from switchmaster.wire.facts import Fact, LinkChange, LinkState

Behaviour = Callable[["FaultyPeer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.002)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in a new loop, in debug mode, and check that it leaves no task behind."""

    async def guarded() -> None:
        await test()
        # The server's own tasks end a turn or two later.
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(guarded(), debug=True)


async def speak(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a Sentinel does, until the client disconnects."""
    number = peer.accepted - 1
    while data := await reader.read(65536):
        writer.write(peer.sentinel.answer(data, number))


class FaultyPeer:
    """
    A server whose connections behave as a test says.

    Args:
        behaviour: what happens on each connection.
        context: for TLS; None for plain TCP.
        host: where to listen.
    """

    def __init__(
        self, behaviour: Behaviour = speak, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.behaviour = behaviour
        self.sentinel = ScriptedSentinel()
        self.accepted = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._context = context
        self._host = host
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultyPeer:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._context)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = Address(host, port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut all connections, as a crash does."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        self.writers.append(writer)
        try:
            await self.behaviour(self, reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


class Talk:
    """A Connection to a peer, and everything that it reported. Use as an async context manager."""

    def __init__(self, target: DialTarget, **options: Any) -> None:
        self.facts: list[Fact] = []
        self.link = Link("peer:1", rng=lambda: 0.5, **options)  # type: ignore[arg-type]
        self.connection = SentinelConnection(self.link, lambda: target, self._hear)

    def _hear(self, name: str, facts: list[Fact], now: float) -> None:
        assert name == "peer:1"
        self.facts += facts

    @property
    def reasons(self) -> list[str]:
        """Why it went down, each time."""
        return [f.reason for f in self.facts if isinstance(f, LinkChange) and f.state is LinkState.DOWN]

    @property
    def live(self) -> int:
        """How often it became live."""
        return sum(isinstance(f, LinkChange) and f.state is LinkState.LIVE for f in self.facts)

    async def __aenter__(self) -> Talk:
        self.connection.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("switchmaster")]
        assert self.connection._timer is None
        assert not self.connection._pipes
        assert not self.connection._attempts
