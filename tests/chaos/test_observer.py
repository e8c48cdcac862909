"""The observer records what servers say of themselves, each change once, and when a server is gone or silent."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos import observer
from rig.child import Child
from rig.conditions import eventually

MASTER = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
REPLICA = b"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"
HELD = (
    b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"
    b"*4\r\n$12\r\nconfig-epoch\r\n$1\r\n7\r\n$5\r\nflags\r\n$27\r\nmaster,failover_in_progress\r\n"
)
UNKNOWN = b"*-1\r\n-ERR No such master with that name\r\n"


class Server:
    """Answers every question with the text that it is given; not at all if that is empty."""

    def __init__(self) -> None:
        self.answer = b""
        self.questions = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End all connections; new ones are taken."""
        for one in self._open:
            with contextlib.suppress(OSError):  # the observer has ended it before
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._speak, args=(client,), daemon=True).start()

    def _speak(self, client: socket.socket) -> None:
        # The observer or the test may end the connection between a question and its answer.
        with client, contextlib.suppress(OSError):
            while client.recv(65536):
                self.questions += 1
                if self.answer:
                    client.sendall(self.answer)


class Seen:
    """The observer's records so far."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def wait_for(self, field: str, values: list[object]) -> None:
        eventually(lambda: [line[field] for line in self.lines() if field in line] == values, what=f"{field} {values}")


@contextmanager
def observing(path: Path, node: Server, sentinel: Server) -> Iterator[Seen]:
    plan = {"nodes": {"n": node.address}, "sentinels": {"s": sentinel.address}, "masters": ["first"]}
    path.touch()
    command = [sys.executable, "-P", observer.__file__, str(path)]
    with Child(command, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        yield Seen(path)
        process.stdin.close()
        assert process.wait(10) == 0


def test_each_change_is_written_once_with_its_time(tmp_path: Path) -> None:
    node, sentinel = Server(), Server()
    node.answer, sentinel.answer = REPLICA, UNKNOWN
    begun = time.monotonic()
    with observing(tmp_path / "seen", node, sentinel) as seen:
        seen.wait_for("role", ["slave"])
        asked = node.questions
        eventually(lambda: node.questions > asked + 10, what="ten more questions")
        node.answer = MASTER
        seen.wait_for("role", ["slave", "master"])
        # A promotion closes its node's clients: that alone is no change.
        node.cut()
        asked = node.questions
        eventually(lambda: node.questions > asked, what="a question on another connection")
        node.answer = b""
        seen.wait_for("role", ["slave", "master", "silent"])
        node.close()
        seen.wait_for("role", ["slave", "master", "silent", "gone"])
        sentinel.answer = HELD
        seen.wait_for("epoch", [None, 7])
        sentinel.close()
        seen.wait_for("epoch", [None, 7, None])
    held = [line for line in seen.lines() if "sentinel" in line]
    assert (held[1]["address"], held[1]["leading"], held[2]["address"]) == (["127.0.0.1", 6379], True, None)
    times = [line["at"] for line in seen.lines() if "role" in line]
    assert times == sorted(times)
    [pace] = [line["pace"] for line in seen.lines() if "pace" in line]
    assert 10 < pace["answers"] < (time.monotonic() - begun) / observer.ROLE_EVERY
