"""
A data node and a Sentinel in threads of the test process.

Every answer of the node shows which command it belongs to: GET and ECHO return their argument, ROLE says master. It
also answers everything that a client library needs to connect, to send transactions and to subscribe.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import hiredis

from peers.scripted import ScriptedSentinel, bulk, push
from switchmaster.model import Address

OK = b"+OK\r\n"


class Threaded(ABC):
    """A server with a thread for each connection; use as a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        host, port = self._listener.getsockname()
        self.address = Address(host, port)
        self.accepted = 0
        self.open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.accepted += 1
                self.open.add(peer)
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._talk(peer)
        self.open.discard(peer)
        peer.close()

    @abstractmethod
    def _talk(self, peer: socket.socket) -> None:
        """Answer until the client disconnects."""


class ThreadedSentinel(Threaded):
    """A Sentinel that answers as recorded."""

    def _talk(self, peer: socket.socket) -> None:
        sentinel = ScriptedSentinel()
        while data := peer.recv(65536):
            peer.sendall(sentinel.answer(data))


class EchoingNode(Threaded):
    """A master."""

    def _talk(self, peer: socket.socket) -> None:
        reader, queue = hiredis.Reader(), list[bytes]()
        in_transaction = resp3 = False
        while data := peer.recv(65536):
            reader.feed(data)
            answers = b""
            while words := reader.gets():
                name = words[0].upper()
                resp3 = resp3 or name == b"HELLO"
                if name == b"MULTI":
                    in_transaction, queue = True, []
                    answers += OK
                elif name == b"EXEC":
                    answers += b"*%d\r\n" % len(queue) + b"".join(queue)
                    in_transaction = False
                elif in_transaction:
                    queue.append(self._answer(words, resp3))
                    answers += b"+QUEUED\r\n"
                else:
                    answers += self._answer(words, resp3)
            peer.sendall(answers)

    def _answer(self, words: list[bytes], resp3: bool) -> bytes:
        match words[0].upper():
            case b"ROLE":
                return b"*3\r\n" + bulk("master") + b":0\r\n*0\r\n"
            case b"GET" | b"ECHO" | b"BLPOP":
                return bulk(words[1])
            case b"PING":
                return bulk(words[1]) if len(words) > 1 else b"+PONG\r\n"
            case b"SUBSCRIBE" | b"PSUBSCRIBE":
                kind = words[0].lower()
                told = [push(kind, each, n, resp3=resp3) for n, each in enumerate(words[1:], 1)]
                return b"".join(told) + push("message", words[-1], "hello", resp3=resp3)
            case b"HELLO":
                return b"%1\r\n" + bulk("proto") + b":3\r\n"
            case b"CLIENT" if words[1] == b"MAINT_NOTIFICATIONS":
                return b"-ERR unknown subcommand\r\n"
        return OK
