"""Every program of examples/ does what it says, on one lab that fails over for each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from rig.child import Child
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT = 60.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip(None).path), replicas=1) as lab:
        yield lab


@pytest.fixture
def lab(shared: Lab) -> Lab:
    make_ready(shared)
    return shared


class Program:
    """One example while it runs, and what it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in iter(self.process.stdout.readline, ""))

    def wait_for(self, text: str) -> str:
        return eventually(
            lambda: next((line for line in list(self.lines) if text in line), ""), LIMIT, what=f"{text!r} to be printed"
        )

    def end(self) -> int:
        """Send what ^C sends, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT)


@contextmanager
def running(name: str, lab: Lab, *words: str) -> Iterator[Program]:
    """Run an example; the addresses of the Sentinels are its last arguments."""
    sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
    command = [sys.executable, "-X", "dev", str(EXAMPLES / name), *words, *sentinels]
    with Child(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def fail_over(lab: Lab) -> tuple[str, str]:
    """Fail over; return the old and the new address."""
    old = lab.master()
    lab.failover()
    eventually(lambda: lab.master() is not old, LIMIT, what="another master")
    new = lab.master()
    make_ready(lab, old)
    return f"{old.host}:{old.port}", f"{new.host}:{new.port}"


def test_follow_threads(lab: Lab) -> None:
    with running("follow_threads.py", lab, "mymaster") as program:
        program.wait_for("mymaster is ")
        old, new = fail_over(lab)
        program.wait_for(f"mymaster moved from {old} to {new}: ")
        assert program.end() == 0


def test_follow_asyncio(lab: Lab) -> None:
    with running("follow_asyncio.py", lab) as program:
        program.wait_for("mymaster is ")
        fail_over(lab)
        program.wait_for("mymaster: completed, {")
        stages = [line.removeprefix("mymaster: ").partition(" by ")[0] for line in program.lines if " by " in line]
        assert [stage for stage in stages if stage in ("elected", "selected", "promoted", "switched")] == [
            *("elected", "selected", "promoted", "switched"),
        ]
        assert program.end() == 0


@pytest.mark.parametrize("name", ["write_redis_py.py", "write_asyncio.py"])
def test_writers(name: str, lab: Lab) -> None:
    with running(name, lab, "mymaster", "1000") as program:
        program.wait_for("100 written to")
        _, new = fail_over(lab)
        assert program.process.wait(LIMIT) == 0
        assert repr(int(new.rpartition(":")[2])) in program.lines[-2]
        assert program.lines[-1].startswith("1000 writes, 0 failed")


def test_post_on_failover(lab: Lab) -> None:
    came: list[Any] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with running("post_on_failover.py", lab, f"http://127.0.0.1:{server.server_port}/") as program:
            program.wait_for("watching mymaster")
            old, new = fail_over(lab)
            eventually(lambda: came, LIMIT, what="the POST")
            assert program.end() == 0
        server.shutdown()
    assert [one["text"] for one in came] == [f"mymaster moved from {old} to {new}"]


def test_planned_maintenance(lab: Lab) -> None:
    old = lab.master()
    with running("planned_maintenance.py", lab, "mymaster") as program:
        program.wait_for(f"mymaster moved from {old.host}:{old.port} to ")
        program.wait_for("settled: ")
        assert program.process.wait(LIMIT) == 0
    assert lab.master() is not old
    make_ready(lab, old)


def test_every_example_is_small_and_run_here() -> None:
    programs = sorted(EXAMPLES.glob("*.py"))
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(programs) == 6
    assert [] == [path.name for path in programs if f'"{path.name}"' not in text]
    assert [] == [path.name for path in programs if len(path.read_text(encoding="utf-8").splitlines()) > 40]
