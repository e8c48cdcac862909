"""
Processes: those that we started, those that another lab started, and the guardian of ours.

A signal goes only to a process that is proven to be the intended one, because the system reuses pids: its start time
must match. No wait is without a limit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from switchmaster.errors import LabError
from switchmaster.lab import guardian

__all__ = ["ForeignProcess", "Guardian", "OwnedProcess", "Process", "ProcessFacts", "process_facts"]

PROC = Path("/proc")
REAP_TIMEOUT = 10.0
END_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the system says about a pid."""

    started: str
    """Start time in the system's own units; together with the pid it identifies a process."""

    state: str
    """One letter, as in ps: R, S, T (stopped), Z (exited, not yet reaped)..."""

    @property
    def alive(self) -> bool:
        """Whether it has not exited (a stopped process is alive)."""
        return self.state not in "ZX"

    @property
    def stopped(self) -> bool:
        """Whether it is stopped by SIGSTOP."""
        return self.state in "Tt"


def process_facts(pid: int) -> ProcessFacts | None:
    """Return what the system says about a pid (from /proc, or else ps); None if there is no such process."""
    if not (PROC / "self" / "stat").exists():
        return _facts_from_ps(pid)
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field, the name in parentheses, may contain blanks and parentheses: count from its end.
    fields = stat.rpartition(")")[2].split()
    return ProcessFacts(started=fields[19], state=fields[0])


def _facts_from_ps(pid: int) -> ProcessFacts | None:
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ProcessFacts(started=" ".join(said[1:]), state=said[0][0]) if said else None


class Process(Protocol):
    """What a lab server needs from its process."""

    @property
    def pid(self) -> int:
        """The process id."""

    @property
    def alive(self) -> bool:
        """Whether it has not exited; a stopped process is alive."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; do nothing if the process has exited."""

    def wait(self, timeout: float = REAP_TIMEOUT) -> int | None:
        """Wait for the exit; return the exit code if known. Raise LabError after `timeout` seconds."""


class OwnedProcess:
    """
    A process that we start, in a session of its own: ^C on the terminal does not reach it.

    Args:
        command: the program and its arguments.
        output: where its standard output and standard error go.

    Raises:
        LabError: the program can't be started.
    """

    def __init__(self, command: Sequence[str], output: IO[bytes]) -> None:
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise LabError(f"could not start {command[0]}: {error.strerror or error}") from error
        facts = process_facts(self.pid)
        self.started = facts.started if facts else ""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it has not exited."""
        return self._popen.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; Popen knows whether the pid is still ours."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = REAP_TIMEOUT) -> int | None:
        """Wait for the exit and reap the process."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"process {self.pid} did not end within {timeout:g} s") from error


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A process of another parent; every signal first checks that the pid is still the same process."""

    pid: int
    started: str

    @property
    def facts(self) -> ProcessFacts | None:
        """What the system says, if the pid is still the same process."""
        facts = process_facts(self.pid)
        return facts if facts and facts.started == self.started else None

    @property
    def alive(self) -> bool:
        """Whether it has not exited."""
        facts = self.facts
        return facts is not None and facts.alive

    def signal(self, number: signal.Signals) -> None:
        """Send a signal if it is alive."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float = REAP_TIMEOUT) -> int | None:
        """Wait for the exit; only the parent knows the exit code."""
        deadline = time.monotonic() + timeout
        while self.alive:
            if time.monotonic() > deadline:
                raise LabError(f"process {self.pid} did not end within {timeout:g} s")
            time.sleep(END_POLL_SECONDS)
        return None


class Guardian:
    """
    A separate process that kills the servers if the lab dies without cleaning up.

    Args:
        folder: the folder that it then removes too, or None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        if folder is not None:
            self._tell(f"={folder}")

    def add(self, pid: int) -> None:
        """Add a server."""
        self._tell(f"+{pid}")

    def remove(self, pid: int) -> None:
        """Remove a server that was reaped."""
        self._tell(f"-{pid}")

    def dismiss(self) -> None:
        """End the guardian: the lab has cleaned up."""
        self._tell(".")
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._popen.wait(REAP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(REAP_TIMEOUT)

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._popen.stdin is not None  # we asked for a pipe
        return self._popen.stdin

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._pipe.write(os.fsencode(line) + b"\n")
            self._pipe.flush()
