"""
Many Sentinels of many masters in one process, in real RESP: what a fleet's daemon listens to.

``fleet_sentinels.py MASTERS SENTINELS`` prints the ports of its Sentinels. Each monitors all masters ``shard-00000``,
``shard-00001`` and so on, with two replicas each. For each line ``storm COUNT`` on its input that many masters fail
over in the same moment: the first three Sentinels publish all that real ones published in a recorded failover
(`captured_streams`), the others their ``+switch-master``. It prints the moments of the first and the last write
(seconds since 1970) as JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time

from captured_streams import Message, many_masters, pushed
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
        super().__init__(f"peer {port}", fleet.addresses)
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

    def __init__(self, masters: int) -> None:
        self.addresses = {name: (host, START) for name, host in map(shard, range(masters))}
        self.moved: set[str] = set()
        self.others: dict[int, bytes] = {}
        self.open: dict[int, dict[asyncio.Transport, Sentinel]] = {}

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
        for _ in range(sentinels):
            server = await loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
            self.open[server.sockets[0].getsockname()[1]] = {}
        for own in self.open:
            self.others[own] = rows(
                [
                    {
                        "name": f"127.0.0.1:{port}", "ip": "127.0.0.1", "port": port, "flags": "sentinel",
                        "runid": hashlib.sha1(f"peer {port}".encode()).hexdigest(),
                    }
                    for port in self.open
                    if port != own
                ]
            )  # fmt: skip

    def storm(self, count: int) -> list[float]:
        messages = many_masters(count)
        names = sorted({message.sentinel for message in messages})
        switches = [message for message in messages if message.channel == "+switch-master"]
        mine: list[bytes] = []
        for index in range(len(self.open)):
            told = [message for message in messages if message.sentinel == names[index]] if index < 3 else switches
            mine.append(b"".join(map(pushed, told)))
        for message in switches:
            found = SWITCH.fullmatch(message.payload)
            assert found is not None
            self.addresses[found[1]] = found[2], int(found[3])
            self.moved.add(found[1])
        begun = time.time()
        for at in range(0, max(map(len, mine)), WRITE):
            for data, connections in zip(mine, self.open.values(), strict=True):
                for transport, sentinel in connections.items():
                    if sentinel.subscribed:
                        transport.write(data[at : at + WRITE])
        return [begun, time.time()]


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


async def main(masters: int, sentinels: int) -> None:
    fleet = Fleet(masters)
    await fleet.listen(sentinels)
    print(*fleet.open, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(fleet.storm(int(line.removeprefix("storm ")))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
