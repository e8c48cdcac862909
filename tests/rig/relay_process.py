"""Run ``switchmaster relay`` as a process on some Sentinels, and read what it prints."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from rig.conditions import eventually

__all__ = ["HOST", "RelayProcess", "raw_reply", "relaying"]

LIMIT = 60.0
HOST = "127.0.0.1"


class RelayProcess:
    """
    One relay on a free port of loopback, and what it prints.

    Args:
        arguments: Sentinels, and further options.
    """

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "switchmaster", "relay", "--listen", f"{HOST}:0", "--format", "json"]
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.complaints: list[str] = []
        self.readers = [
            threading.Thread(target=lambda: self.lines.extend(iter(self.process.stdout.readline, ""))),  # type: ignore[union-attr]
            threading.Thread(target=lambda: self.complaints.extend(iter(self.process.stderr.readline, ""))),  # type: ignore[union-attr]
        ]
        for reader in self.readers:
            reader.start()

    @property
    def port(self) -> int:
        """The port, once it listens."""
        said = [line for line in list(self.complaints) if "relaying at" in line]
        return int(said[0].rstrip().rpartition(":")[2]) if said else 0

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        self.process.wait(LIMIT)
        for reader in self.readers:
            reader.join(LIMIT)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@contextmanager
def relaying(sentinels: Iterable[tuple[str, int]], *arguments: str) -> Iterator[RelayProcess]:
    """
    Run a relay until it knows its masters; check at the end that it ran and ended without a traceback.

    Args:
        sentinels: their addresses.
        arguments: further options.
    """
    process = RelayProcess(*(f"{host}:{port}" for host, port in sentinels), *arguments)
    try:
        eventually(lambda: process.port, LIMIT, what="the relay to listen")
        told = "clients are told of"
        eventually(lambda: any(told in line for line in process.complaints), LIMIT, what="the relay to know a master")
        yield process
        assert process.process.poll() is None
    finally:
        process.stop()
    assert process.process.returncode == 0
    assert "Traceback" not in "".join(process.complaints)


def raw_reply(port: int, *words: str, protocol: int = 2) -> Any:
    """Send a command on a connection of its own, and return the reply as it comes; an error as the exception."""
    connection = redis.Connection(HOST, port, decode_responses=True, protocol=protocol, socket_timeout=LIMIT)
    connection.connect()
    try:
        connection.send_command(*words)
        return connection.read_response()
    except redis.ResponseError as error:
        return error
    finally:
        connection.disconnect()
