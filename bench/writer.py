"""
A process that writes through failovers: ``writer.py KIND MODULE KEY BEAT FIRST HOST:PORT...``

It appends rising numbers to its list, one command at a time and at most one each beat, and repeats a failed number
forever. Standard output is its record: ``a NUMBER MOMENT`` for an acknowledgement, ``e NUMBER MOMENT CLASS``
for an error; moments are nanoseconds of CLOCK_MONOTONIC, so those of all processes compare. `writer.mjs` does the
same in Node.js.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import time
from typing import Any

MASTER = "mymaster"
LIMIT = 1.0
"""Seconds for a connect and for a reply: the only setting that is not the library's default; the same for all."""
PAUSE = 0.005
"""Seconds before a number that failed is written again."""
GATHERED = 64
"""Acknowledgements that are written to the record together, so that the record costs next to nothing."""


class Beat:
    """When the next number is due; beats missed during an outage are skipped."""

    def __init__(self, length: float) -> None:
        self._length = int(length * 1e9)
        self._due = time.monotonic_ns()

    def left(self) -> float:
        """Return the seconds until the next beat."""
        now = time.monotonic_ns()
        self._due += max(1, -((self._due - now) // self._length)) * self._length
        return (self._due - now) / 1e9


class Record:
    """The record of each number's outcome."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def acknowledged(self, number: int) -> None:
        self._lines.append(f"a {number} {time.monotonic_ns()}\n")
        if len(self._lines) >= GATHERED:
            self._write()

    def failed(self, number: int, error: Exception) -> None:
        self._lines.append(f"e {number} {time.monotonic_ns()} {type(error).__name__}\n")
        self._write()

    def _write(self) -> None:
        sys.stdout.write("".join(self._lines))
        sys.stdout.flush()
        self._lines.clear()


def write(client: Any, key: str, beat: Beat, number: int) -> None:
    """Write with a client that blocks."""
    record = Record()
    while True:
        time.sleep(beat.left())
        while True:
            try:
                client.rpush(key, number)
                break
            except Exception as error:  # the application sees every error
                record.failed(number, error)
                time.sleep(PAUSE)
        record.acknowledged(number)
        number += 1


async def write_in_a_task(client: Any, key: str, beat: Beat, number: int) -> None:
    """Write with a client of asyncio."""
    record = Record()
    while True:
        await asyncio.sleep(beat.left())
        while True:
            try:
                await client.rpush(key, number)
                break
            except Exception as error:  # the application sees every error
                record.failed(number, error)
                await asyncio.sleep(PAUSE)
        record.acknowledged(number)
        number += 1


def by_redis_py(module: str, addresses: list[tuple[str, int]]) -> Any:
    """Make the client of redis-py, of its asyncio half, or of ours; all take the same arguments."""
    made = importlib.import_module(module).Sentinel(addresses, socket_timeout=LIMIT, socket_connect_timeout=LIMIT)
    return made.master_for(MASTER)


def by_address(module: str, address: tuple[str, int]) -> Any:
    """Make a client that knows one address, and no Sentinel."""
    return importlib.import_module(module).Redis(*address, socket_timeout=LIMIT, socket_connect_timeout=LIMIT)


async def with_asyncio(module: str, addresses: list[tuple[str, int]], key: str, beat: Beat, number: int) -> None:
    await write_in_a_task(by_redis_py(module, addresses), key, beat, number)


async def with_coredis(addresses: list[tuple[str, int]], key: str, beat: Beat, number: int) -> None:
    import coredis
    from coredis.connection import TCPLocation

    limits = {"stream_timeout": LIMIT, "connect_timeout": LIMIT}
    locations = [TCPLocation(*address) for address in addresses]
    async with (
        coredis.Sentinel(locations, sentinel_kwargs=dict(limits), **limits) as sentinel,
        sentinel.primary_for(MASTER) as client,
    ):

        class AsRedisPy:
            """coredis takes the values of a command as one list."""

            async def rpush(self, key: str, number: int) -> None:
                await client.rpush(key, [number])

        await write_in_a_task(AsRedisPy(), key, beat, number)


def main() -> None:
    kind, module, key, length, first, *words = sys.argv[1:]
    addresses = [(word.rpartition(":")[0], int(word.rpartition(":")[2])) for word in words]
    beat, number = Beat(float(length)), int(first)
    match kind:
        case "threads":
            write(by_redis_py(module, addresses), key, beat, number)
        case "plain":
            write(by_address(module, addresses[0]), key, beat, number)
        case "asyncio":
            asyncio.run(with_asyncio(module, addresses, key, beat, number))
        case "coredis":
            asyncio.run(with_coredis(addresses, key, beat, number))


if __name__ == "__main__":
    main()
