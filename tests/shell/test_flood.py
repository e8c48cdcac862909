"""A Sentinel that floods us is read in turns, and so are the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from peers.faulty_peer import until
from switchmaster.net.shell import TURN_BYTES, _Pipe


class Turns:
    """A shell that only records which peer was read, and how many bytes."""

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []
        self.on_read: Callable[[_Pipe], None] = lambda pipe: None
        self._leaving: set[asyncio.Future[None]] = set()

    def _received(self, pipe: _Pipe, data: bytes) -> None:
        self.read.append((pipe.stream, len(data)))
        self.on_read(pipe)

    def _ended(self, pipe: _Pipe, reason: str) -> None:
        pass

    def bytes_of(self, number: int) -> int:
        return sum(size for stream, size in self.read if stream == number)


@asynccontextmanager
async def two_peers(turns: Any) -> AsyncIterator[tuple[list[_Pipe], list[asyncio.StreamWriter]]]:
    """Yield two connections of ours, and the peers' ends."""
    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    pipes = [_Pipe(turns, number, None, None) for number in (0, 1)]
    try:
        for count, pipe in enumerate(pipes, 1):
            await asyncio.get_running_loop().create_connection(
                lambda pipe=pipe: pipe, *server.sockets[0].getsockname()[:2]
            )
            await until(lambda count=count: len(writers) == count)
        yield pipes, writers
    finally:
        for pipe in pipes:
            pipe.abort()
        for writer in writers:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


def test_flood_is_read_in_turns_and_another_sentinel_in_between() -> None:
    async def flood() -> None:
        turns = Turns()
        async with two_peers(turns) as ((liar, _), (flooding, honest)):

            def on_read(pipe: _Pipe) -> None:
                if len(turns.read) == 1:
                    honest.write(b"y")  # it says something as soon as the flood has begun

            turns.on_read = on_read
            flooding.write(b"x" * (10 * TURN_BYTES + 1))
            await until(lambda: turns.bytes_of(0) == 10 * TURN_BYTES + 1)
            order = [number for number, _ in turns.read]
            assert order.index(1) <= 3, f"it waited for the flood: {order}"
            assert max(size for _, size in turns.read) == TURN_BYTES
            await until(lambda: not liar.is_behind)

    asyncio.run(flood())


def test_rest_of_a_flood_is_dropped_with_its_connection() -> None:
    async def flood() -> None:
        turns = Turns()
        turns.on_read = lambda pipe: pipe.abort()
        async with two_peers(turns) as ((_, other), (flooding, honest)):
            flooding.write(b"x" * (10 * TURN_BYTES))
            await until(lambda: turns.bytes_of(0) > 0)
            turns.on_read = lambda pipe: None
            honest.write(b"y")
            await until(lambda: turns.bytes_of(1) == 1)
            assert len(turns.read) == 2
            assert not other.is_behind

    asyncio.run(flood())


def test_peer_is_behind_while_more_may_wait_than_a_turn_has_read() -> None:
    async def flood() -> None:
        turns = Turns()
        async with two_peers(turns) as ((liar, _), (flooding, _)):
            behind: list[tuple[int, bool]] = []
            turns.on_read = lambda pipe: behind.append((turns.read[-1][1], pipe.is_behind))
            flooding.write(b"x" * (3 * TURN_BYTES))
            await until(lambda: turns.bytes_of(0) == 3 * TURN_BYTES)
            # A turn that just fills the buffer may leave nothing: that is known once the loop has looked again.
            assert all(is_behind == (size == TURN_BYTES) for size, is_behind in behind)
            await until(lambda: not liar.is_behind)

    asyncio.run(flood())
