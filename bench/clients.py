"""
The Sentinel clients that are compared, and a running writer for each.

From names of clients to processes of `writer.py` and `writer.mjs`, and what they have recorded so far.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import npm
from outcomes import Acknowledged, Failed

__all__ = ["CLIENTS", "Client", "Writer"]

HERE = Path(__file__).parent
GENERATION = 100_000_000
"""A writer that is restarted begins this much higher, so that we write no number twice."""
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Client:
    """A library, and how to call its writer."""

    name: str
    kind: str
    """For `writer.py` if there is a module, else for `writer.mjs`."""
    package: str
    module: str = ""

    def lacking(self) -> str:
        """Return why it can't be measured here; an empty text if it can."""
        if not self.module:
            return npm.lacking()
        try:
            importlib.import_module(self.module)
        except ImportError as error:
            return f"can't be imported: {error}"
        return ""

    def version(self) -> str:
        found = importlib.metadata.version(self.package) if self.module else npm.version(self.package)
        return f"{self.package} {found}{'' if self.module else ' (npm)'}"

    def command(self) -> list[str]:
        if self.module:
            return [sys.executable, str(HERE / "writer.py"), self.kind, self.module]
        return ["node", str(HERE / "writer.mjs"), self.kind, str(npm.FOLDER)]


CLIENTS = (
    Client("redis-py", "threads", "redis", "redis.sentinel"),
    Client("redis.asyncio", "asyncio", "redis", "redis.asyncio.sentinel"),
    Client("coredis", "coredis", "coredis", "coredis"),
    Client("ioredis", "ioredis", "ioredis"),
    Client("ioredis failoverDetector", "ioredis-detector", "ioredis"),
    Client("node-redis", "node-redis", "redis"),
    Client("switchmaster.redis", "threads", "switchmaster", "switchmaster.redis"),
    Client("switchmaster.redis.asyncio", "asyncio", "switchmaster", "switchmaster.redis.asyncio"),
)


@dataclass
class Writer:
    """A client's process, and what has been read of its record."""

    client: Client
    sentinels: Sequence[tuple[str, int]]
    beat: float
    folder: Path
    acknowledged: list[Acknowledged] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    early: set[int] = field(default_factory=set)
    """Numbers found in a list before their acknowledgement was read."""
    generation: int = 0

    @property
    def key(self) -> str:
        return f"written by {self.client.name}"

    def start(self) -> None:
        words = [f"{host}:{port}" for host, port in self.sentinels]
        first = str(self.generation * GENERATION + 1)
        path = self.folder / f"{self.client.name.replace(' ', '-')}-{self.generation}.record"
        self._complaints = path.with_suffix(".errors")
        with path.open("wb") as record, self._complaints.open("wb") as complaints:
            command = [*self.client.command(), self.key, str(self.beat), first, *words]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=record, stderr=complaints)
        self._record = path.open(encoding="ascii")
        self._partial = ""
        self.generation += 1

    def stop(self) -> None:
        if self.generation:
            self._process.kill()
            self._process.wait()
            self._record.close()

    @property
    def ended(self) -> str:
        """Return that the process has ended by itself, with its last words; an empty text while it runs."""
        if self._process.poll() is None:
            return ""
        words = self._complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return f"{self.client.name} has ended: {' '.join(words)}"

    def read(self) -> None:
        """Read what was recorded since the last call."""
        lines = (self._partial + self._record.read()).split("\n")
        self._partial = lines.pop()
        for line in lines:
            what, number, at, *error = line.split(" ", 3)
            if what == "a":
                self.acknowledged.append(Acknowledged(int(number), int(at)))
            else:
                self.failed.append(Failed(int(number), int(at), *error))

    def forget(self) -> None:
        """Start counting from zero."""
        self.acknowledged.clear()
        self.failed.clear()

    def steady(self, now: int, least: int) -> bool:
        """Whether it has written for 1 s without an error, at least this many numbers, and still does."""
        recent = self.acknowledged[-least:]
        erring = bool(self.failed) and self.failed[-1].at > now - SECOND
        return not erring and len(recent) == least and recent[0].at > now - SECOND and recent[-1].at > now - SECOND // 2
