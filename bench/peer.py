"""
A scripted peer that acts as a Sentinel: in memory, or as a process that publishes on request.

As a process, ``peer.py [MASTERS]`` prints its port. For each line ``<count> <pause> <places>`` on its input it
publishes that many ``+switch-master`` of ``mymaster`` to all subscribers, from one of that many addresses to the next,
and prints the moments of writing (monotonic ns) as JSON. It monitors ``mymaster`` alone, or the given number of masters
``shard-00000``, ``shard-00001`` and so on instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Mapping

import hiredis

from captured_streams import Message, pushed

__all__ = ["Script"]


def bulk(value: str | int) -> bytes:
    raw = str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


def table(fields: Mapping[str, str | int]) -> bytes:
    return b"%%%d\r\n" % len(fields) + b"".join(bulk(word) for pair in fields.items() for word in pair)


class Script:
    """
    What a Sentinel of Redis 7.0 answers in RESP3.

    Args:
        name: seeds its id.
        masters: the masters that it monitors, with their addresses.
    """

    def __init__(self, name: str, masters: dict[str, tuple[str, int]]) -> None:
        self.masters = masters
        self.subscribed = False
        self._run_id = hashlib.sha1(name.encode()).hexdigest()
        self._reader = hiredis.Reader(encoding="utf-8")

    def answer(self, data: bytes) -> bytes:
        self._reader.feed(data)
        answers = b""
        while (words := self._reader.gets()) is not False:
            answers += self._one([words[0].upper(), *words[1:]])
        return answers

    def _one(self, words: list[str]) -> bytes:
        match words:
            case ["HELLO", *_]:
                hello = b"%3\r\n" + bulk("server") + bulk("redis") + bulk("version") + bulk("7.0.15")
                return hello + bulk("mode") + bulk("sentinel")
            case ["PSUBSCRIBE", pattern]:
                self.subscribed = True
                return b">3\r\n" + bulk("psubscribe") + bulk(pattern) + b":1\r\n"
            case ["PING", *_]:
                return b"+PONG\r\n"
            case ["ROLE"]:
                names = b"".join(map(bulk, self.masters))
                return b"*2\r\n" + bulk("sentinel") + b"*%d\r\n" % len(self.masters) + names
            case ["SENTINEL", "MYID"]:
                return bulk(self._run_id)
            case ["SENTINEL", what, name] if name in self.masters:
                return self._master(what.upper(), name)
            case ["CLIENT", "SETNAME" | "SETINFO", *_]:
                return b"+OK\r\n"
            case _:
                return b"-ERR unknown command\r\n"

    def _master(self, what: str, name: str) -> bytes:
        host, port = self.masters[name]
        if what == "GET-MASTER-ADDR-BY-NAME":
            return b"*2\r\n" + bulk(host) + bulk(port)
        if what != "MASTER":
            return b"*0\r\n"
        return table(
            {
                "name": name, "ip": host, "port": port, "flags": "master", "config-epoch": 0, "num-slaves": 0,
                "num-other-sentinels": 2, "quorum": 2, "failover-timeout": 5000, "parallel-syncs": 1,
                "down-after-milliseconds": 1000, "role-reported": "master", "runid": "",
            }
        )  # fmt: skip


class Publisher:
    """Run the process: a thread for each connection; the main thread publishes."""

    def __init__(self, masters: dict[str, tuple[str, int]]) -> None:
        self._masters = masters
        self._open: dict[socket.socket, Script] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))

    def run(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()
        print(self._listener.getsockname()[1], flush=True)
        for line in sys.stdin:
            count, pause, places = line.split()
            print(json.dumps([self._publish(float(pause), int(places)) for _ in range(int(count))]), flush=True)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open[client] = Script(f"peer {self._listener.getsockname()[1]}", self._masters)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        script = self._open[client]
        with contextlib.suppress(OSError), client:
            while data := client.recv(65536):
                client.sendall(script.answer(data))
        del self._open[client]

    def _publish(self, pause: float, places: int) -> int:
        old = self._masters["mymaster"]
        new = self._masters["mymaster"] = ("127.0.0.1", 6379 + (old[1] - 6378) % places)
        payload = f"mymaster {old[0]} {old[1]} {new[0]} {new[1]}"
        data = pushed(Message("peer", "+switch-master", payload))
        time.sleep(pause)
        subscribers = [client for client, script in list(self._open.items()) if script.subscribed]
        moment = time.monotonic_ns()
        for client in subscribers:
            client.sendall(data)
        return moment


def monitored(count: int) -> dict[str, tuple[str, int]]:
    """Return this many masters; 0 means ``mymaster`` alone."""
    if not count:
        return {"mymaster": ("127.0.0.1", 6379)}
    return {f"shard-{number:05}": ("10.0.0.1", 6379) for number in range(count)}


if __name__ == "__main__":
    Publisher(monitored(int((sys.argv[1:] or ["0"])[0]))).run()
