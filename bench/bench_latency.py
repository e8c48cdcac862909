"""
From a Sentinel's write to the callback: `Watcher.on_event` compared with ``redis.asyncio``'s ``PubSub.listen``.

A peer in a process of its own acts as a Sentinel and writes one ``+switch-master`` at a time; both processes share the
monotonic clock. The two clients take turns, one connected at a time. No node is asked. All Sentinels publish nearly the
same, so most events have been heard before, from another one; the first one of each takes longer to become an event.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import redis.asyncio

from figures import Figure, median, percentile, report
from switchmaster import Watcher
from switchmaster.wire.events import SwitchedMaster

ROUNDS = 15
MESSAGES = 200
WARM = 50
PAUSE = 0.004
PLACES = {"socket to callback": 2, "an event that no other Sentinel has published before": 50_000}
"""By what is measured, the number of addresses among which the master moves: with two, events come again."""
GOAL = 0.7


class Peer:
    """The process that publishes."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    @classmethod
    async def start(cls) -> Peer:
        script = Path(__file__).with_name("peer.py")
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**20
        )
        assert process.stdout is not None
        return cls(process, int(await process.stdout.readline()))

    async def publish(self, heard: list[int], places: int) -> list[float]:
        """Have the messages written, and return the seconds until each was the last entry of `heard`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        heard.clear()
        self.process.stdin.write(f"{WARM + MESSAGES} {PAUSE} {places}\n".encode())
        written = json.loads(await self.process.stdout.readline())
        async with asyncio.timeout(5):
            while len(heard) < len(written):
                await asyncio.sleep(0.01)
        assert len(heard) == len(written), (len(heard), len(written))
        return [(b - a) / 1e9 for a, b in zip(written, heard, strict=True)][WARM:]

    async def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def ours(peer: Peer, places: int) -> list[float]:
    heard: list[int] = []
    async with Watcher([("127.0.0.1", peer.port)], probe=False, discover=False) as watcher:
        await asyncio.sleep(0.2)
        watcher.on_event(
            lambda item: heard.append(time.monotonic_ns()) if isinstance(item.event, SwitchedMaster) else None
        )
        return await peer.publish(heard, places)


async def theirs(peer: Peer, places: int) -> list[float]:
    heard: list[int] = []
    client = redis.asyncio.Redis(host="127.0.0.1", port=peer.port, protocol=3)
    async with client, client.pubsub() as pubsub:
        await pubsub.psubscribe("*")

        async def listen() -> None:
            async for message in pubsub.listen():
                if message["type"] == "pmessage" and message["channel"] == b"+switch-master":
                    heard.append(time.monotonic_ns())

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.2)
        try:
            return await peer.publish(heard, places)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def compare(what: str, places: int) -> list[Figure]:
    peer = await Peer.start()
    mine, other = [], []
    try:
        for _ in range(ROUNDS):
            mine.append(await ours(peer, places))
            other.append(await theirs(peer, places))
    finally:
        await peer.stop()
    figures = []
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        a = [percentile(taken, share) for taken in mine]
        b = [percentile(taken, share) for taken in other]
        ratio = median([x / y for x, y in zip(a, b, strict=True)])
        shown = f"redis.asyncio PubSub.listen: {median(b) * 1e6:.0f} us"
        row = f"{what}, {name} (median of {ROUNDS} rounds)"
        figures.append(Figure(row, f"{median(a) * 1e6:.0f} us", shown, f"{ratio:.2f}", f"<= {GOAL:g}"))
    return figures


def measure() -> list[Figure]:
    return [figure for what, places in PLACES.items() for figure in asyncio.run(compare(what, places))]


if __name__ == "__main__":
    report(measure)
