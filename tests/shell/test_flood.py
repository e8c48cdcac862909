"""A Sentinel that floods us is read in turns, and so are the others."""

from __future__ import annotations

import asyncio
from typing import Any

from switchmaster.net.shell import TURN_BYTES, _Pipe


class Turns:
    """A shell that only records which peer was read, and how many bytes."""

    def __init__(self) -> None:
        self.read: list[tuple[int, int]] = []

    def _received(self, pipe: _Pipe, data: bytes) -> None:
        self.read.append((pipe.stream, len(data)))


class Held:
    """A transport that only records whether it is read."""

    def __init__(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


def test_flood_is_read_in_turns_and_another_sentinel_in_between() -> None:
    async def flood() -> None:
        turns: Any = Turns()
        liar, honest = (_Pipe(turns, number, None, None) for number in (0, 1))
        held: Any = Held()
        liar._transport = held
        liar.data_received(b"x" * (10 * TURN_BYTES + 1))
        assert not held.reading, "nothing more is read before the rest is done"
        await asyncio.sleep(0)
        honest.data_received(b"y")
        while not held.reading:
            await asyncio.sleep(0)
        order = [number for number, _ in turns.read]
        assert order.index(1) == 2, "it waited for the flood"
        assert max(size for _, size in turns.read) == TURN_BYTES
        assert sum(size for number, size in turns.read if number == 0) == 10 * TURN_BYTES + 1

    asyncio.run(flood())


def test_rest_of_a_flood_is_dropped_with_its_connection() -> None:
    async def flood() -> None:
        turns: Any = Turns()
        pipe = _Pipe(turns, 0, None, None)
        held: Any = Held()
        pipe._transport = held
        pipe.data_received(b"x" * (10 * TURN_BYTES))
        pipe.abort()
        for _ in range(20):
            await asyncio.sleep(0)
        assert sum(size for _, size in turns.read) == TURN_BYTES

    asyncio.run(flood())
