"""
A Sentinel that lies: a proxy that forwards what a real Sentinel says, and adds inventions.

It publishes whole failovers that never happened, to Sentinels, to closed ports and to addresses that no node has, at
any epoch; answers with them for a while; and names invented Sentinels, which say the same. Run as a program it reads
its plan as a line of JSON, writes where it listens, and lies until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import hiredis

__all__ = ["Liar", "Lie"]

Where = tuple[str, int]

IMPOSSIBLE: tuple[Where, ...] = (("127.0.0.1", 0), ("0.0.0.0", 6379), ("224.0.0.1", 6379), ("255.255.255.255", 6379))
EPOCHS = (1_000, 10**6, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@dataclass(frozen=True)
class Lie:
    """The address that is claimed to be the master."""

    master: str
    address: Where
    epoch: int


@dataclass(eq=False)
class Listener:
    """One connection of a client that listens to the liar."""

    writer: asyncio.StreamWriter
    asked: deque[list[str]] = field(default_factory=deque)
    resp3: bool = False
    subscribed: bool = False


class Liar:
    """
    A proxy that lies.

    Args:
        upstream: the real Sentinel.
        puppets: how many Sentinels of its own it names.
    """

    def __init__(self, upstream: Where, puppets: int = 0) -> None:
        self.upstream = upstream
        self.address: Where = ("127.0.0.1", 0)
        self.lies: dict[str, Lie] = {}
        """The answers instead of the truth, by master name."""
        self.told = 0
        """Failovers that were invented."""
        self.puppets: list[tuple[str, Where]] = []
        """Run id and address of each invented Sentinel."""
        self._count = puppets
        self._listeners: set[Listener] = set()
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen on a free port for the liar and for each puppet."""
        self.address = await self._listen("")
        for number in range(self._count):
            run_id = f"{number + 1:040x}"
            self.puppets.append((run_id, await self._listen(run_id)))

    async def _listen(self, run_id: str) -> Where:
        server = await asyncio.start_server(lambda r, w: self._serve(r, w, run_id), "127.0.0.1", 0)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return host, port

    async def close(self) -> None:
        """End all connections."""
        for server in self._servers:
            server.close()
        for listener in list(self._listeners):
            listener.writer.transport.abort()
        await asyncio.sleep(0)

    def lie(self, lie: Lie, old: Where) -> None:
        """Publish a failover that never happened, and answer with it until the lie is removed from `lies`."""
        self.lies[lie.master] = lie
        self.told += 1
        master = f"master {lie.master} {old[0]} {old[1]}"
        host, port = lie.address
        replica = f"slave {host}:{port} {host} {port} @ {lie.master} {old[0]} {old[1]}"
        for event in (
            f"+new-epoch {lie.epoch}",
            f"+try-failover {master}",
            f"+elected-leader {master}",
            f"+selected-slave {replica}",
            f"+failover-state-wait-promotion {replica}",
            f"+promoted-slave {replica}",
            f"+failover-end {master}",
            f"+switch-master {lie.master} {old[0]} {old[1]} {host} {port}",
        ):
            channel, _, payload = event.partition(" ")
            for listener in self._listeners:
                if listener.subscribed:
                    frame = [b"pmessage", b"*", channel.encode(), payload.encode()]
                    listener.writer.write(encode(frame, b">" if listener.resp3 else b"*"))

    async def hears(self) -> bool:
        """Whether the real Sentinel answers."""
        try:
            async with asyncio.timeout(0.3):
                reader, writer = await asyncio.open_connection(*self.upstream)
                writer.write(b"PING\r\n")
                answered = bool(await reader.read(7))
                writer.transport.abort()
                return answered
        except OSError:
            return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, run_id: str) -> None:
        listener = Listener(writer)
        self._listeners.add(listener)
        try:
            to, upstream = await asyncio.open_connection(*self.upstream)
        except OSError:
            writer.transport.abort()
            self._listeners.discard(listener)
            return
        tasks = [
            asyncio.ensure_future(self._up(reader, upstream, listener)),
            asyncio.ensure_future(self._down(to, listener, run_id)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._listeners.discard(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            upstream.transport.abort()
            writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter, listener: Listener) -> None:
        commands = hiredis.Reader(encoding="utf-8", errors="surrogateescape")
        while data := await reader.read(65536):
            commands.feed(data)
            while (words := commands.gets()) is not False:
                listener.asked.append(words)
                listener.subscribed = listener.subscribed or words[0] == "PSUBSCRIBE"
                listener.resp3 = listener.resp3 or words[:2] == ["HELLO", "3"]
            upstream.write(data)

    async def _down(self, to: asyncio.StreamReader, listener: Listener, run_id: str) -> None:
        replies = hiredis.Reader()
        while data := await to.read(65536):
            replies.feed(data)
            while (frame := replies.gets()) is not False:
                if type(frame) is hiredis.PushNotification:
                    if frame[0] == b"psubscribe" and listener.asked:
                        listener.asked.popleft()
                    listener.writer.write(encode(list(frame), b">"))
                    continue
                asked = listener.asked.popleft() if listener.asked else []
                listener.writer.write(encode(self._twist(asked, frame, run_id)))

    def _twist(self, asked: list[str], frame: Any, run_id: str) -> Any:
        """Return the answer: the truth, or a lie."""
        match asked:
            case ["SENTINEL", "MYID"] if run_id:
                return run_id.encode()
            case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name] if name in self.lies:
                host, port = self.lies[name].address
                return [host.encode(), str(port).encode()]
            case ["SENTINEL", "MASTER", name] if name in self.lies and isinstance(frame, dict):
                host, port = self.lies[name].address
                lie = {"ip": host, "port": port, "config-epoch": self.lies[name].epoch, "num-other-sentinels": 999}
                return frame | {key.encode(): str(value).encode() for key, value in lie.items()}
            case ["SENTINEL", "SENTINELS", _] if self.puppets and isinstance(frame, list):
                return [*frame, *(_row(one, *where) for one, where in self.puppets)]
        return frame


def _row(run_id: str, host: str, port: int) -> dict[bytes, bytes]:
    row = {"name": run_id, "ip": host, "port": str(port), "runid": run_id, "flags": "sentinel"}
    return {key.encode(): value.encode() for key, value in row.items()}


def encode(value: Any, kind: bytes = b"*") -> bytes:
    """Encode what hiredis read as RESP3."""
    if value is None:
        return b"_\r\n"
    if isinstance(value, Exception):
        return b"-%s\r\n" % str(value).encode()
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if isinstance(value, dict):
        return b"%%%d\r\n" % len(value) + b"".join(encode(item) for pair in value.items() for item in pair)
    return kind + b"%d\r\n" % len(value) + b"".join(map(encode, value))


async def _lie_at_random(liar: Liar, masters: dict[str, list[Where]], chance: random.Random) -> None:
    """Invent failovers: to a Sentinel, to a port where nothing listens, to an address that no node has."""
    while True:
        await asyncio.sleep(chance.uniform(0.3, 2.0))
        if not await liar.hears():
            continue  # if no other Sentinel is heard, one word is all there is
        name = chance.choice(list(masters))
        nodes = masters[name]
        target = chance.choice([liar.upstream, ("127.0.0.1", 1), chance.choice(IMPOSSIBLE)])
        liar.lie(Lie(name, target, chance.choice(EPOCHS)), chance.choice(nodes))
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        liar.lies.pop(name)


async def main() -> None:
    """Lie until the input ends."""
    plan = json.loads(sys.stdin.readline())
    liar = Liar(tuple(plan["upstream"]), plan["puppets"])
    await liar.start()
    print(json.dumps(liar.address), flush=True)
    masters = {name: [tuple(each) for each in nodes] for name, nodes in plan["masters"].items()}
    lying = asyncio.ensure_future(_lie_at_random(liar, masters, random.Random(plan["seed"])))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    lying.cancel()
    print(json.dumps(liar.told), flush=True)
    await liar.close()


if __name__ == "__main__":
    asyncio.run(main())
