"""
`switchmaster serve` as a process over an existing journal, and clients that ask it over HTTP.

Its Sentinels are three `peer`s. Their deployment has its own name, so that their masters do not mix with the journal's.
Clients keep their connections; on loopback a new connection costs next to nothing.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from switchmaster.lab.ports import free_ports

__all__ = ["Client", "Served", "asked_at_once", "launched", "line_of", "serving", "until_ready"]

PEER = Path(__file__).with_name("peer.py")
PATIENCE = 60.0
"""Seconds for the daemon to be ready, and for an answer."""


class Served:
    """A running daemon."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def resident(self) -> float:
        """Return its resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


class Client:
    """One client connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def get(self, path: str) -> bytes:
        """Get a path; raise if the answer is not 200."""
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300]!r}")
        return body

    def page(self, path: str) -> dict[str, Any]:
        """Get a page of a list."""
        found: dict[str, Any] = json.loads(self.get(path))
        return found

    def close(self) -> None:
        self._connection.close()


@contextmanager
def serving(
    url: str, masters: int, folder: Path, program: tuple[str, ...] = ("-m", "switchmaster", "serve")
) -> Iterator[Served]:
    """Serve a journal and the belief of `masters` masters while the block lasts; `program` may be another."""
    [port] = free_ports(1)
    config = folder / "switchmaster.toml"
    with ExitStack() as stack:
        sentinels = [stack.enter_context(launched(sys.executable, str(PEER), str(masters))) for _ in range(3)]
        named = ", ".join(f'"127.0.0.1:{int(line_of(sentinel))}"' for sentinel in sentinels)
        config.write_text(
            f"[deployments.watched]\nsentinels = [{named}]\nprobe = false\ndiscover = false\n"
            f'[journal]\nurl = "{url}"\nkeep = "99999d"\nkeep_events = "99999d"\nmax_size = "1TB"\n'
            f'[http]\nlisten = "127.0.0.1:{port}"\n',
            encoding="utf-8",
        )
        with (folder / "log").open("wb") as log:
            command = [sys.executable, *program, "--config", str(config)]
            served = Served(stack.enter_context(launched(*command, log=log)), port)
        until_ready(port, masters, folder / "log")
        yield served


@contextmanager
def launched(*command: str, log: Any = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process while the block lasts; it writes to the log, or to a pipe."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log or subprocess.PIPE, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next line that a process writes."""
    assert process.stdout is not None
    return process.stdout.readline()


def until_ready(port: int, masters: int, log: Path) -> None:
    """Wait until the daemon believes all masters."""
    until = time.monotonic() + PATIENCE
    while True:
        client = Client(port)
        try:
            client.get("/readyz")
            if sum(one["masters"] for one in client.page("/api/v1/deployments")["items"]) == masters:
                return
        except (OSError, RuntimeError):
            if time.monotonic() > until:
                raise RuntimeError(f"the daemon was not ready within {PATIENCE:g} s: {log.read_text()}") from None
        finally:
            client.close()
        time.sleep(1.0)  # each question counts all masters


def asked_at_once(port: int, question: Callable[[], str], clients: int, times: int) -> tuple[list[float], float]:
    """
    Ask with several clients at once, each with its own connection and one question at a time.

    Args:
        port: the daemon's.
        question: returns a path, a new one for each question.
        clients: how many.
        times: questions of each client.

    Returns:
        How long each answer took, in ms, and the answers per second.
    """
    begin = threading.Barrier(clients + 1)
    found: list[list[float]] = [[] for _ in range(clients)]
    threads = [threading.Thread(target=_ask, args=(port, question, times, begin, took)) for took in found]
    for thread in threads:
        thread.start()
    begin.wait(PATIENCE)
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - begun
    every = [one for took in found for one in took]
    if len(every) != clients * times:
        raise RuntimeError(f"{clients * times - len(every)} of {clients * times} questions had no answer")
    return every, len(every) / spent


def _ask(port: int, question: Callable[[], str], times: int, begin: threading.Barrier, took: list[float]) -> None:
    client = Client(port)
    client.get(question())
    begin.wait(PATIENCE)
    for _ in range(times):
        path = question()
        begun = time.perf_counter()
        client.get(path)
        took.append((time.perf_counter() - begun) * 1000)
    client.close()
