"""
A deployment of many masters for an inspection, in one process: 3 Sentinels, and for each master 3 nodes.

``fleet_peer.py MASTERS [SERVER]`` starts one real master with its replicas and Sentinels, keeps what they answer to
each question of an inspection, ends them, and gives these answers for all masters from then on, each node on a port of
its own. What differs between two masters (name, ports, run ids) is replaced by something as long. It prints the ports
of its Sentinels, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import sys

import hiredis

from switchmaster.doctor.questions import (
    NODE_QUESTIONS,
    PING,
    SENTINEL_QUESTIONS,
    CommandWords,
    master_questions,
    rights_questions,
)
from switchmaster.lab import Lab, LabServer
from switchmaster.wire.resp import encode

NAME = "mymaster"
FIRST_PORT = 20_000
NODES_EACH = 3
Raw = dict[CommandWords, bytes]


def shard(number: int) -> str:
    """Return a name as long as the real one, so that no length changes."""
    return f"shard{number:03}"


def ask(server: LabServer, questions: tuple[CommandWords, ...]) -> Raw:
    """Return the raw answers of a real server."""
    answers: Raw = {}
    with socket.create_connection(server.address, timeout=5.0) as connection:
        for question in questions:
            connection.sendall(encode(question))
            raw = connection.recv(1 << 16)
            while not whole(raw):
                raw += connection.recv(1 << 16)
            answers[question] = raw
    return answers


def whole(raw: bytes) -> bool:
    """Whether this is a whole reply."""
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(raw)
    return reader.gets() is not ...


def text_of(raw: bytes) -> str:
    """Return the text of a bulk reply."""
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(raw)
    return str(reader.gets())


def bulk(text: str) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text.encode()), text.encode())


class Fleet:
    """
    The answers of all servers, by port.

    Args:
        masters: how many.
        server: such as ``redis-7.0``; None for the newest.
    """

    def __init__(self, masters: int, server: str | None) -> None:
        with Lab(binary=server, down_after_ms=5000) as lab:
            lab.wait_until_settled()
            sentinels, nodes = lab.sentinels, [lab.master(NAME), *lab.replicas(NAME)]
            of_sentinels = [ask(one, (PING, *SENTINEL_QUESTIONS, *master_questions(NAME))) for one in sentinels]
            of_nodes = []
            for node in nodes:
                first = ask(node, (PING, *NODE_QUESTIONS))
                replies = {question: parsed(raw) for question, raw in first.items()}
                of_nodes.append(first | ask(node, rights_questions(replies)))
        old_nodes, old_sentinels = [one.port for one in nodes], [one.port for one in sentinels]
        ports = itertools.count(FIRST_PORT)
        new_sentinels = [next(ports) for _ in old_sentinels]
        groups = [[next(ports) for _ in old_nodes] for _ in range(masters)]
        run_ids = [run_id(raw[("INFO",)]) for raw in of_nodes]
        among = list(zip(old_sentinels, new_sentinels, strict=True))

        def changed(raw: bytes, number: int) -> bytes:
            for old, new in (*zip(old_nodes, groups[number], strict=True), *among):
                raw = raw.replace(b"%d" % old, b"%d" % new)
            for place, each in enumerate(run_ids):
                other = hashlib.sha1(f"{number} {place}".encode()).hexdigest()
                raw = raw.replace(each.encode(), other.encode())
            return raw.replace(NAME.encode(), shard(number).encode())

        self.by_port: dict[int, dict[bytes, bytes]] = {}
        for port, raw in zip(new_sentinels, of_sentinels, strict=True):
            self.by_port[port] = self._sentinel(raw, masters, changed)
        for number, group in enumerate(groups):
            for port, raw in zip(group, of_nodes, strict=True):
                self.by_port[port] = {key(question): changed(reply, number) for question, reply in raw.items()}
        self.sentinel_ports = new_sentinels

    def _sentinel(self, raw: Raw, masters: int, changed) -> dict[bytes, bytes]:
        found = {key(question): changed(reply, 0) for question, reply in raw.items() if NAME not in question}
        rows = raw[("SENTINEL", "MASTERS")].removeprefix(b"*1\r\n")
        found[key(("SENTINEL", "MASTERS"))] = b"*%d\r\n" % masters + b"".join(changed(rows, n) for n in range(masters))
        head, mark, line = text_of(raw[("INFO",)]).partition("master0:")
        lines = "".join(
            changed((mark + line).encode(), n).decode().replace("master0:", f"master{n}:", 1) for n in range(masters)
        )
        found[key(("INFO",))] = bulk(head.replace("sentinel_masters:1", f"sentinel_masters:{masters}") + lines)
        for number in range(masters):
            for old, new in zip(master_questions(NAME), master_questions(shard(number)), strict=True):
                found[key(new)] = changed(raw[old], number)
        return found


def parsed(raw: bytes) -> object:
    reader = hiredis.Reader()
    reader.feed(raw)
    return reader.gets()


def run_id(info: bytes) -> str:
    return text_of(info).partition("run_id:")[2][:40]


def key(question: CommandWords) -> bytes:
    return " ".join(question).upper().encode()


class Server(asyncio.Protocol):
    """One connection to one of the servers."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers, self._reader = answers, hiredis.Reader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        said = []
        while (words := self._reader.gets()) is not False:
            said.append(self._answers.get(b" ".join(words).upper(), b"+OK\r\n"))
        self._transport.write(b"".join(said))


async def serve(fleet: Fleet) -> None:
    loop = asyncio.get_running_loop()
    for port, answers in fleet.by_port.items():
        await loop.create_server(lambda answers=answers: Server(answers), "127.0.0.1", port)
    print(*fleet.sentinel_ports, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Fleet(int(sys.argv[1]), (sys.argv[2:] or [None])[0])))
