"""A temporary etcd of one member on loopback."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from rig.conditions import eventually
from rig.programs import program_or_skip
from switchmaster.lab.ports import free_ports

LIMIT = 60.0
ATTEMPTS = 4


class Etcd:
    """One member."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program = program_or_skip("etcd")
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it and wait until it answers; on other ports if these are taken."""
        for attempt in range(ATTEMPTS):
            client, peer = (f"http://127.0.0.1:{port}" for port in free_ports(2))
            self.url = client
            words = [
                *(self._program, "--name", "one", "--data-dir", str(self.folder / f"data-{attempt}")),
                *("--listen-client-urls", client, "--advertise-client-urls", client),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"one={peer}", "--log-level", "error", "--logger", "zap", "--unsafe-no-fsync"),
            ]
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(words, stdout=log, stderr=log)
            if eventually(lambda: self._answers() or self._ended(), LIMIT, what="etcd to answer") != "ended":
                return
            self.stop()
        raise AssertionError((self.folder / "log").read_text("utf-8", "replace")[-2000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(LIMIT)
            self._process = None

    def post(self, path: str, body: dict[str, Any], token: str = "") -> Any:
        """Return what it answers to one request."""
        headers = {"authorization": token} if token else {}
        answer = httpx.post(f"{self.url}/v3/{path}", json=body, headers=headers, timeout=LIMIT, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def _answers(self) -> str:
        try:
            return "yes" if self.post("kv/range", {"key": "AA=="}) else ""
        except httpx.HTTPError:
            return ""

    def _ended(self) -> str:
        assert self._process is not None
        return "" if self._process.poll() is None else "ended"


@contextmanager
def running_etcd(folder: Path) -> Iterator[Etcd]:
    """Run a member while the block lasts."""
    server = Etcd(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
