"""
The moment when a node becomes a master, by its own word: ``observer.py NAME=HOST:PORT...``, a process of its own.

It asks every node for its ROLE over an open connection, every 2 ms, and writes ``MOMENT NAME ROLE`` to standard output
whenever an answer differs from the one before (``gone`` if the connection ended). A promoted replica closes its
clients' connections in the transaction that makes it a master: it is asked again at once. A node that hangs delays no
other node.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

import hiredis

PERIOD = 0.002
CONNECT_LIMIT = 0.02
"""Seconds; a connect on loopback succeeds or is refused at once."""
ABSENT = 0.02
"""Seconds until a node that refused is tried again."""
ROLE = b"*1\r\n$4\r\nROLE\r\n"


class Node:
    """One node: its connection, if any, and its last answer."""

    def __init__(self, name: str, address: tuple[str, int], selector: selectors.BaseSelector) -> None:
        self.name, self.address, self.selector = name, address, selector
        self.socket: socket.socket | None = None
        self.reader = hiredis.Reader()
        self.owes = False
        self.retry = 0.0
        self.role = ""

    def ask(self, now: float) -> None:
        """Send the question, unless the last one is unanswered."""
        if self.socket is None and now >= self.retry:
            self.connect(now)
        if self.socket is None or self.owes:
            return
        try:
            self.socket.send(ROLE)
            self.owes = True
        except OSError:
            self.lose()

    def connect(self, now: float) -> None:
        try:
            self.socket = socket.create_connection(self.address, CONNECT_LIMIT)
        except OSError:
            self.retry = now + ABSENT
            return
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.reader, self.owes = hiredis.Reader(), False

    def lose(self) -> None:
        if self.socket is not None:
            self.selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
        self.say("gone")

    def read(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose()
            self.ask(time.monotonic())
            return
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            self.owes = False
            if isinstance(reply, list):  # an error such as LOADING says nothing of its role
                self.say(reply[0].decode())

    def say(self, role: str) -> None:
        if role != self.role:
            self.role = role
            print(time.monotonic_ns(), self.name, role, flush=True)


def main() -> None:
    selector = selectors.DefaultSelector()
    nodes = []
    for word in sys.argv[1:]:
        name, _, address = word.partition("=")
        host, _, port = address.rpartition(":")
        nodes.append(Node(name, (host, int(port)), selector))
    due = time.monotonic()
    while True:
        for node in nodes:
            node.ask(time.monotonic())
        due = max(due + PERIOD, time.monotonic())
        while (left := due - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.read()


if __name__ == "__main__":
    main()
