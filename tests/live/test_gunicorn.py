"""
A real gunicorn with greenlets serves through a planned failover and a crash, with and without preloading.

``SWITCHMASTER_TEST_GREEN_CLIENTS=redis`` shows redis-py's.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab
from switchmaster.lab.ports import free_ports

pytest.importorskip("gunicorn")
pytest.importorskip("gevent")
pytestmark = [pytest.mark.live, pytest.mark.slow]  # it goes through four failovers

TESTS = Path(__file__).parent.parent
CLIENTS = os.environ.get("SWITCHMASTER_TEST_GREEN_CLIENTS", "switchmaster")
LIMIT = 40.0
WORKERS = 2


class Visitors:
    """
    Visitors in threads that send the server one request after the other.

    Args:
        port: the server's.
        count: how many.
    """

    def __init__(self, port: int, count: int = 8) -> None:
        self._port = port
        self.good: list[float] = []
        self.bad: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _visit(self) -> None:
        while not self._over.wait(0.01):
            server = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT)
            try:
                server.request("GET", "/")
                answer = server.getresponse()
                said = answer.read().decode()
            except OSError as error:
                self.bad.append((time.time(), repr(error)))
            else:
                self.good.append(time.time()) if answer.status == 200 else self.bad.append((time.time(), said))
            finally:
                server.close()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def failed(self, since: float, until: float) -> list[str]:
        return [said for at, said in self.bad if since <= at < until]

    def longest_gap(self, since: float, until: float) -> float:
        times = [since, *sorted(at for at in self.good if since < at < until), until]
        return max(later - earlier for earlier, later in pairwise(times))


@contextmanager
def gunicorn(lab: Lab, folder: Path, *words: str) -> Iterator[int]:
    (port,) = free_ports(1)
    environment = os.environ | {
        "SENTINELS": " ".join(f"{host}:{port}" for host, port in lab.sentinel_addresses),
        "CLIENTS": CLIENTS,
        "PYTHONPATH": str(TESTS),
    }
    told = [
        "-k",
        "gevent",
        "-w",
        str(WORKERS),
        "-b",
        f"127.0.0.1:{port}",
        "--no-control-socket",
        *words,
        "rig.gunicorn_app",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *told], env=environment, cwd=folder, stdout=log, stderr=log
        )
    try:
        yield port
        process.terminate()
        assert process.wait(LIMIT) == 0, (folder / "log").read_text()[-3000:]
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> str:
    """Return the worker that answers a request; empty if none does."""
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        server.request("GET", "/")
        answer = server.getresponse()
        return answer.read().decode().partition(" ")[0] if answer.status == 200 else ""
    except OSError:
        return ""
    finally:
        server.close()


def all_answer(port: int) -> None:
    """
    Wait until every worker has answered.

    A worker that first looks for its master in the middle of a failover hears no selection, and holds nothing.
    """
    seen: set[str] = set()

    def looked() -> bool:
        seen.add(answers(port))
        return len(seen - {""}) == WORKERS

    eventually(looked, LIMIT, what="all workers to answer")


@pytest.mark.parametrize("words", [(), ("--preload",)], ids=["loaded in each worker", "loaded before the fork"])
def test_server_of_greenlets_keeps_serving(words: tuple[str, ...], tmp_path: Path) -> None:
    binary = str(find_or_skip("redis-7.0").path)
    with (
        Lab(binary=binary, down_after_ms=1000, failover_timeout_ms=5000) as lab,
        gunicorn(lab, tmp_path, *words) as port,
    ):
        all_answer(port)
        visitors = Visitors(port)
        try:
            planned, old = time.time(), lab.master()
            lab.failover()
            eventually(lambda: lab.master() is not old, LIMIT, what="another master")
            goes_on(visitors)
            make_ready(lab, old)
            crashed, old = time.time(), lab.master()
            lab.crash(old)
            eventually(lambda: lab.masters() and lab.master() is not old, LIMIT, what="another master")
            goes_on(visitors)
            end = time.time()
        finally:
            visitors.end()
        for name, since, until in (("planned", planned, crashed), ("crash", crashed, end)):
            failed = visitors.failed(since, until)
            print(words, name, f"{visitors.longest_gap(since, until):.3f} s, {len(failed)} failed", failed)
    if CLIENTS == "switchmaster":
        assert visitors.failed(planned, crashed) == []
        # Requests that the dead master did not answer: one of each visitor.
        assert len(visitors.failed(crashed, end)) <= 8


def goes_on(visitors: Visitors) -> None:
    """Wait until some requests in a row have been answered."""
    since = time.time()
    eventually(
        lambda: len([at for at in visitors.good if at > since]) > 40 and not visitors.failed(time.time() - 0.2, 1e12),
        LIMIT,
        what="the server to go on",
    )
