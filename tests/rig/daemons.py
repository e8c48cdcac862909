"""Run `switchmaster serve` as a process, and wait for what it writes to systemd's socket and to its JSON log."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import switchmaster
from rig.conditions import eventually

SRC = str(Path(switchmaster.__file__).parent.parent)
LIMIT = 60.0


class Daemon:
    """
    One daemon; its log is in the folder.

    Args:
        folder: for its log and its socket; one for each daemon.
        words: arguments of `serve`.
        user: the user to run it as, if we are root; None for our own.
        more: variables for its environment.
    """

    def __init__(self, folder: Path, *words: str, user: str | None = None, **more: str) -> None:
        folder.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.out = folder / "out"
        self._words = words
        self._user = user
        self._more = more
        self._told: list[str] = []
        self._notify = folder / "notify"
        self._socket: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> Self:
        """Start or restart it; its log is appended to."""
        self._notify.unlink(missing_ok=True)
        if self._socket is not None:
            self._socket.close()
        self._told.clear()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._notify))
        self._notify.chmod(0o777)
        self._socket.setblocking(False)
        kept = {name: value for name, value in os.environ.items() if "SWITCHMASTER" not in name}
        environment = {
            **kept,
            "PYTHONPATH": os.pathsep.join([SRC, kept.get("PYTHONPATH", "")]),
            "NOTIFY_SOCKET": str(self._notify),
            "SWITCHMASTER_LOG_FORMAT": "json",
            "SWITCHMASTER_HTTP_LISTEN": "127.0.0.1:0",
            **self._more,
        }
        as_user: dict[str, Any] = {} if self._user is None else {"user": self._user}
        with self.log.open("ab") as log, self.out.open("ab") as out:
            command = [sys.executable, "-m", "switchmaster", "serve", *self._words]
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=environment, **as_user)
        if wait:
            eventually(lambda: self.told("READY=1") or self._ended(), LIMIT, what="the daemon to be ready")
            assert self.told("READY=1"), self.log.read_text("utf-8")
        return self

    def told(self, line: str) -> bool:
        """Whether systemd got this notification since the start."""
        assert self._socket is not None
        while True:
            try:
                self._told += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                return line in self._told

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines of the log that have these fields."""
        found = []
        for text in self.log.read_text("utf-8").splitlines():
            if text.startswith("{"):
                line = json.loads(text)
                if all(line.get(key) == value for key, value in fields.items()):
                    found.append(line)
        return found

    def wait_for(self, text: str, **fields: object) -> dict[str, Any]:
        """Wait for a line of the log whose message holds a text, and return it."""
        return eventually(
            lambda: next((line for line in self.lines(**fields) if text in line["message"]), None),
            LIMIT,
            what=f"the daemon to say {text!r}",
        )

    @property
    def url(self) -> str:
        """Where it serves HTTP since its last start."""
        return str([line["url"] for line in self.lines() if "url" in line][-1])

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """Send SIGKILL, and wait for its end."""
        self.signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(LIMIT)

    def stop(self) -> int:
        """Send SIGTERM, check that the log has no traceback, and return the exit code."""
        assert self.process is not None
        self.signal(signal.SIGTERM)
        code = self.process.wait(LIMIT)
        assert "Traceback" not in self.log.read_text("utf-8")
        return code

    def close(self) -> None:
        """Kill it if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None
