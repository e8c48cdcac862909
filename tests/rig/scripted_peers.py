"""Scripted servers in a thread of their own: Sentinels that name a master, and data nodes that know PING and ROLE."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import hiredis

from peers.faulty_peer import Behaviour, FaultyPeer, speak

__all__ = ["MASTER", "REPLICA", "Peers", "name_master"]


class Peers:
    """Scripted servers in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._peers: list[FaultyPeer] = []

    def add(self, behaviour: Behaviour = speak, node: tuple[str, int] | None = None) -> tuple[str, int]:
        """Start one; a Sentinel's replies name `node` as the master, if it is given."""
        peer = FaultyPeer(behaviour)
        # Sentinels with one run id are one Sentinel.
        peer.sentinel.replies["SENTINEL MYID"] = f"{len(self._peers):040x}"
        if node is not None:
            name_master(peer.sentinel.replies, node)
        asyncio.run_coroutine_threadsafe(peer.__aenter__(), self._loop).result(10)
        self._peers.append(peer)
        return peer.address.host, peer.address.port

    @property
    def last(self) -> FaultyPeer:
        """The one that was started last."""
        return self._peers[-1]

    def call(self, work: Callable[[], None]) -> None:
        """Run something in the peers' loop."""
        self._loop.call_soon_threadsafe(work)

    def close(self) -> None:
        for peer in self._peers:
            asyncio.run_coroutine_threadsafe(peer.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def name_master(replies: dict[str, Any], node: tuple[str, int]) -> None:
    host, port = node[0], str(node[1])
    replies["SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"] = [host, port]
    row = replies["SENTINEL MASTERS"][0]
    row[row.index("ip") + 1], row[row.index("port") + 1] = host, port


def node_that_is(role: bytes) -> Behaviour:
    """A data node that knows PING and ROLE."""
    replies = {
        b"ROLE": role,
        b"PING": b"+PONG\r\n",
        b"HELLO": b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n",
    }

    async def answer(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(65536):
            parser.feed(data)
            while (words := parser.gets()) is not False:
                writer.write(replies.get(words[0].upper(), b"+OK\r\n"))

    return answer


MASTER = node_that_is(b"*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n")
REPLICA = node_that_is(b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:1\r\n")
