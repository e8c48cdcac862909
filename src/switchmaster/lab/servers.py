"""
One server of a lab, a data node or a Sentinel, with the process that runs it.

It sends signals to the process and commands to the port; it decides nothing about the deployment.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from switchmaster.errors import LabError
from switchmaster.lab.lab_client import CommandRefused, LabClient, LabCredentials, LabReply, ServerSilent
from switchmaster.lab.processes import Process, process_facts
from switchmaster.lab.truth import read_info

__all__ = ["LabServer", "wait_for"]

LOG_LIMIT = 4_000_000
WAIT_POLL_SECONDS = 0.02
LOG_PREFIX = re.compile(r"^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ [-*#.] ")


@dataclass(eq=False)
class LabServer:
    """A server of a lab; `repr` and `describe()` contain no secret."""

    name: str
    """``mymaster-1`` for a data node, ``s1`` for a Sentinel."""
    kind: Literal["node", "sentinel"]
    master: str
    """The name of the master whose group a node belongs to; empty for a Sentinel."""
    host: str
    port: int
    folder: Path
    """Where its configuration, log and output are."""
    credentials: LabCredentials = field(default_factory=LabCredentials, repr=False)
    process: Process | None = field(default=None, repr=False)
    first_config: str = field(default="", repr=False)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port where it listens, as it announces them."""
        return self.host, self.port

    @property
    def pid(self) -> int | None:
        """The process id of the last start, None before the first."""
        return self.process.pid if self.process else None

    @property
    def alive(self) -> bool:
        """Whether its process has not exited; a hung server is alive."""
        return self.process is not None and self.process.alive

    @property
    def state(self) -> Literal["running", "hung", "dead"]:
        """The state of its process."""
        if self.process is None or not self.process.alive:
            return "dead"
        facts = process_facts(self.process.pid)
        return "hung" if facts and facts.stopped else "running"

    @property
    def config(self) -> Path:
        """Its configuration file; a Sentinel rewrites it."""
        return self.folder / f"{self.name}.conf"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / f"{self.name}.log"

    @property
    def output(self) -> Path:
        """What it wrote before it had a log file, such as an error about its configuration."""
        return self.folder / f"{self.name}.out"

    def describe(self) -> str:
        """Return its name and address, for errors and output."""
        return f"{self.name} ({self.host}:{self.port})"

    def client(self, timeout: float = 1.0) -> LabClient:
        """
        Connect to it with its password and TLS.

        Args:
            timeout: limit of the connect and of each reply, in seconds.

        Raises:
            ServerSilent: it can't be reached.
        """
        return LabClient(self.address, self.name, self.credentials, timeout)

    def call(self, *args: str | bytes | int, timeout: float = 1.0) -> LabReply:
        """Send one command over a new connection and return the reply; see `LabClient.call`."""
        with self.client(timeout) as client:
            return client.call(*args)

    def answers(self, timeout: float = 0.5) -> bool:
        """
        Whether it answers, and from its own process.

        Another program may have taken the port before this server could bind it.
        """
        try:
            said = self.call("INFO", "server", timeout=timeout)
        except CommandRefused as refused:
            # It is up and answers; a test's own ACL lines may lock the lab out.
            return refused.text.split(" ")[0] in {"NOAUTH", "NOPERM", "WRONGPASS"}
        except ServerSilent:
            return False
        return read_info(said).get("process_id") == str(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """
        Send a signal to its process.

        Raises:
            LabError: it is not running.
        """
        if self.process is None or not self.process.alive:
            raise LabError(f"{self.describe()} is not running and can't receive {number.name}")
        self.process.signal(number)

    def read_log(self) -> str:
        """Return its log, at most the last 4 MB; empty if there is none yet."""
        return _tail(self.log)

    def last_words(self, lines: int = 4) -> str:
        """Return the last lines of its output and its log, as one line."""
        said = (_tail(self.output) + _tail(self.log)).strip().splitlines()
        words = (LOG_PREFIX.sub("", line).strip() for line in said[-lines:])
        return " / ".join(filter(None, words)) or "it wrote nothing"


def wait_for(lacking: Callable[[], str], timeout: float) -> None:
    """
    Wait until nothing is missing.

    Args:
        lacking: returns what is still missing; empty if nothing is. A ServerSilent or CommandRefused
            that it raises counts as missing too.
        timeout: limit in seconds.

    Raises:
        LabError: the limit passed; the error says what was last missing.
    """
    deadline = time.monotonic() + timeout
    while lack := _ask(lacking):
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s for the lab without success: {lack}")
        time.sleep(WAIT_POLL_SECONDS)


def _ask(lacking: Callable[[], str]) -> str:
    try:
        return lacking()
    except (ServerSilent, CommandRefused) as error:
        return str(error)


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_LIMIT))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
