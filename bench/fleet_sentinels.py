"""
Many Sentinels of many masters in one process, in real RESP: what a fleet's daemon listens to.

``fleet_sentinels.py MASTERS SENTINELS [GROUPS]`` prints the ports of its Sentinels. The masters are ``shard-00000``,
``shard-00001`` and so on, with two replicas each, dealt out to the groups in turn; each Sentinel of a group monitors
all masters of its group. On its input it takes

- ``storm COUNT``: that many masters that have not failed over yet do so in the same moment. The first three Sentinels
  of a group publish all that real ones published in a recorded failover (`captured_streams`), the others their
  ``+switch-master``. It prints the moments of the first and the last write (seconds since 1970) as JSON.
- ``flap COUNT SECONDS``: from now on the connections of that many Sentinels, of different groups as far as there are
  so many, are cut every so many seconds; 0 ends it. It prints an empty line.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time

from captured_streams import Message, many_masters, numbered_masters, pushed
from peer import Script, bulk, table

SWITCH = re.compile(r"(\S+) \S+ \S+ (\S+) (\d+)")
WRITE = 65536


def shard(number: int) -> tuple[str, str]:
    return f"shard-{number:05}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def rows(some: list[dict[str, str | int]]) -> bytes:
    return b"*%d\r\n" % len(some) + b"".join(map(table, some))


class Sentinel(Script):
    """One connection to one of the Sentinels."""

    def __init__(self, fleet: Fleet, port: int) -> None:
        super().__init__(f"peer {port}", fleet.masters_of(port))
        self._fleet, self._port = fleet, port

    def _one(self, words: list[str]) -> bytes:
        match words:
            case ["SENTINEL", what, name] if name in self.masters and what.upper() in ("REPLICAS", "SENTINELS"):
                return self._fleet.replicas(name) if what.upper() == "REPLICAS" else self._fleet.others[self._port]
            case _:
                return super()._one(words)

    def _master(self, what: str, name: str) -> bytes:
        answer = super()._master(what, name)
        number = int(name.removeprefix("shard-"))
        epoch = number + 1 if name in self._fleet.moved else 0
        for field, value in (("config-epoch", epoch), ("num-slaves", 2), ("runid", f"{number:040x}")):
            answer = re.sub(bulk(field) + rb"\$\d+\r\n[^\r]*\r\n", bulk(field) + bulk(value), answer)
        return answer


class Fleet:
    """The masters, and the connections of all Sentinels."""

    def __init__(self, masters: int, groups: int) -> None:
        named = [shard(number) for number in range(masters)]
        self.addresses: dict[str, tuple[str, int]] = {name: (host, START) for name, host in named}
        self.groups = [{name: self.addresses[name] for name, _ in named[at::groups]} for at in range(groups)]
        """The same addresses, of the masters of each group."""
        self.ports: list[list[int]] = []
        """Of each group's Sentinels."""
        self.moved: set[str] = set()
        self.others: dict[int, bytes] = {}
        self.open: dict[int, dict[asyncio.Transport, Sentinel]] = {}
        self._flapping: asyncio.Task[None] | None = None

    def masters_of(self, port: int) -> dict[str, tuple[str, int]]:
        return next(masters for masters, ports in zip(self.groups, self.ports, strict=True) if port in ports)

    def replicas(self, name: str) -> bytes:
        host, port = self.addresses[name]
        number = int(name.removeprefix("shard-"))
        return rows(
            [
                {
                    "name": f"{host}:{one}", "ip": host, "port": one, "flags": "slave", "master-link-status": "ok",
                    "master-host": host, "master-port": port, "slave-priority": 100, "slave-repl-offset": number,
                    "runid": f"{number:039x}{one % 10}",
                }
                for one in PORTS
                if one != port
            ]
        )  # fmt: skip

    async def listen(self, sentinels: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in self.groups:
            ports = []
            for _ in range(sentinels // len(self.groups)):
                server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
                ports.append(server.sockets[0].getsockname()[1])
            self.ports.append(ports)
            for own in ports:
                self.open[own] = {}
                self.others[own] = rows(
                    [
                        {
                            "name": f"127.0.0.1:{port}", "ip": "127.0.0.1", "port": port, "flags": "sentinel",
                            "runid": hashlib.sha1(f"peer {port}".encode()).hexdigest(),
                        }
                        for port in ports
                        if port != own
                    ]
                )  # fmt: skip

    def storm(self, count: int) -> list[float]:
        numbered = numbered_masters(range(len(self.moved), len(self.moved) + count))
        names = sorted({message.sentinel for _, message in numbered})
        said: dict[int, list[Message]] = {port: [] for port in self.open}
        for number, message in numbered:
            ports = self.ports[number % len(self.groups)]
            said[ports[names.index(message.sentinel)]].append(message)
            if message.channel == "+switch-master" and message.payload.split(" ")[0] not in self.moved:
                for port in ports[len(names) :]:
                    said[port].append(message)
                found = SWITCH.fullmatch(message.payload)
                assert found is not None
                self._move(number, found[1], (found[2], int(found[3])))
        mine = {port: b"".join(map(pushed, messages)) for port, messages in said.items()}
        begun = time.time()
        for at in range(0, max(map(len, mine.values())), WRITE):
            for port, data in mine.items():
                for transport, sentinel in self.open[port].items():
                    if sentinel.subscribed and data[at : at + WRITE]:
                        transport.write(data[at : at + WRITE])
        return [begun, time.time()]

    def _move(self, number: int, name: str, address: tuple[str, int]) -> None:
        self.addresses[name] = self.groups[number % len(self.groups)][name] = address
        self.moved.add(name)

    def flap(self, count: int, seconds: float) -> None:
        if self._flapping is not None:
            self._flapping.cancel()
        dealt = [ports[at] for at in range(len(self.ports[0])) for ports in self.ports]
        self._flapping = asyncio.get_running_loop().create_task(self._cut(dealt[:count], seconds)) if count else None

    async def _cut(self, ports: list[int], seconds: float) -> None:
        while True:
            for port in ports:
                for transport in list(self.open[port]):
                    transport.abort()
            await asyncio.sleep(seconds)


class Connection(asyncio.Protocol):
    """A connection of a daemon."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._port = transport, transport.get_extra_info("sockname")[1]
        self._sentinel = self._fleet.open[self._port][transport] = Sentinel(self._fleet, self._port)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._sentinel.answer(data))

    def connection_lost(self, _: Exception | None) -> None:
        self._fleet.open[self._port].pop(self._transport, None)


def ports_of(messages: list[Message]) -> tuple[int, tuple[int, ...]]:
    """Return the port of the recorded master, and those of all its nodes."""
    ports = {int(port) for message in messages for port in re.findall(r"10\.0\.0\.0 (\d+)", message.payload)}
    switch = next(message for message in messages if message.channel == "+switch-master")
    return int(switch.payload.split(" ")[2]), tuple(sorted(ports))


START, PORTS = ports_of([message for message in many_masters(1) if "sentinel " not in message.payload])


async def main(masters: int, sentinels: int, groups: int) -> None:
    fleet = Fleet(masters, groups)
    await fleet.listen(sentinels)
    print(*fleet.open, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split():
            case ["storm", count]:
                print(json.dumps(fleet.storm(int(count))), flush=True)
            case ["flap", count, seconds]:
                fleet.flap(int(count), float(seconds))
                print(flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])))
