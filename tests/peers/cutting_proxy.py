"""A proxy before a node that cuts a connection after the server executed a command and before its answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class CuttingProxy:
    """
    Forwards everything, both ways, until it is armed.

    Args:
        node: host and port of the server.
        marker: once armed, the proxy looks for this in requests, drops the answer of the first match, and cuts.
    """

    def __init__(self, node: tuple[str, int], marker: bytes) -> None:
        self._node, self._marker = node, marker
        self.cuts = 0
        """How often it has cut."""
        self._armed = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()
        self._open: list[socket.socket] = [self._listening]

    def arm(self) -> None:
        """Cut the next connection that sends the marker, once."""
        self._armed = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._open:
            _end(each)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._node)
                self._open += (client, server)
                doomed = threading.Event()
                threading.Thread(target=self._ask, args=(client, server, doomed), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, doomed), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while said := client.recv(65536):
                if self._armed and self._marker in said:
                    self._armed = False
                    doomed.set()
                server.sendall(said)
        _end(server)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while said := server.recv(65536):
                if doomed.is_set():
                    self.cuts += 1
                    break
                client.sendall(said)
        _end(client)


def _end(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    opened.close()
