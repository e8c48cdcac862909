"""
The demo's writer: one small write a millisecond to the current master, and a count of the results.

It shares no connection with the Watcher; it takes only the master's address from it. Every write is one RPUSH of a
number, so that afterwards one can tell which acknowledged writes still exist.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis

__all__ = ["KEY", "SteadyWriter"]

KEY: Final = "switchmaster:demo"
WRITE_EVERY_SECONDS: Final = 0.001
WRITE_TIMEOUT_SECONDS: Final = 0.5
ADDRESS_RETRY_SECONDS: Final = 0.01
"""Seconds until a failed address is tried again; a new address is tried at once."""


class SteadyWriter(threading.Thread):
    """
    Writes until `stop` is called.

    Args:
        where: returns the master's address; called before every write.
    """

    def __init__(self, where: Callable[[], tuple[str, int]]) -> None:
        super().__init__(name="switchmaster: the demo's writer", daemon=True)
        self.acknowledged: list[tuple[int, float]] = []
        """The number of each acknowledged write, and when it was acknowledged (monotonic seconds)."""
        self.failures: list[tuple[float, str]] = []
        """When an attempt failed, and why."""
        self._where = where
        self._stop_asked = threading.Event()
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._address: tuple[str, int] | None = None

    def run(self) -> None:
        """Write one number after the other; retry a failed one."""
        number = 0
        try:
            while not self._stop_asked.is_set():
                if self._write(number):
                    number += 1
                    self._stop_asked.wait(WRITE_EVERY_SECONDS)
        finally:
            self._close()

    def stop(self) -> None:
        """Stop, and wait for the end."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(2 * WRITE_TIMEOUT_SECONDS + 1)

    def longest_gap(self, since: float) -> tuple[float, float] | None:
        """
        Return the longest time without an acknowledged write.

        Args:
            since: only gaps that end after this moment count.

        Returns:
            Its beginning and its end; None if no write followed.
        """
        times = [when for _, when in self.acknowledged]
        gaps = [(a, b) for a, b in itertools.pairwise(times) if b > since]
        return max(gaps, key=lambda gap: gap[1] - gap[0], default=None)

    def _write(self, number: int) -> bool:
        address = self._where()
        try:
            if self._socket is None or address != self._address:
                self._connect(address)
            reply = self._ask("RPUSH", KEY, str(number))
        except (OSError, hiredis.ProtocolError) as error:
            self._fail(address, str(error) or type(error).__name__)
            return False
        if isinstance(reply, hiredis.ReplyError):
            self._fail(address, str(reply))
            return False
        self.acknowledged.append((number, time.monotonic()))
        return True

    def _fail(self, address: tuple[str, int], why: str) -> None:
        self.failures.append((time.monotonic(), why))
        self._close()
        until = time.monotonic() + ADDRESS_RETRY_SECONDS
        while self._where() == address and time.monotonic() < until and not self._stop_asked.is_set():
            time.sleep(WRITE_EVERY_SECONDS)

    def _connect(self, address: tuple[str, int]) -> None:
        self._close()
        self._socket = socket.create_connection(address, WRITE_TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = address
        self._reader = hiredis.Reader()

    def _ask(self, *words: str) -> object:
        assert self._socket is not None
        # hiredis's own types allow one word only.
        self._socket.sendall(hiredis.pack_command(cast(Any, words)))
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(data)
        return reply

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
