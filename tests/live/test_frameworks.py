"""
Frameworks that take neither a class nor a pool follow the master after `switchmaster.redis.install()`.

Flask-Caching, limits, channels_redis with both layers, and taskiq, configured as their documentation says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

PROGRAM = Path(__file__).parent.parent / "rig" / "framework_program.py"
FRAMEWORKS = {"channels", "channels pubsub", "flask-caching", "limits", "taskiq"}
LIMIT = 60.0


class Program:
    """The program at work."""

    def __init__(self, lab: Lab) -> None:
        sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), "ours", *sentinels],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def tell(self) -> dict[str, Any]:
        """Return what became of each framework's work until now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def wait_until_all_go_on(self) -> None:
        """Wait until each framework has succeeded ten times more."""
        before = {name: use["done"] for name, use in self.tell()["uses"].items()}

        def going_on() -> bool:
            uses = self.tell()["uses"]
            return set(uses) == FRAMEWORKS and all(use["done"] > before.get(name, 0) + 10 for name, use in uses.items())

        eventually(going_on, LIMIT, what="every framework to go on")

    def end(self) -> None:
        self.process.communicate(timeout=LIMIT)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), replicas=2, down_after_ms=1000) as lab:
        yield lab


def test_frameworks_follow_after_an_installation(lab: Lab) -> None:
    pytest.importorskip("channels_redis")
    program = Program(lab)
    try:
        program.wait_until_all_go_on()
        old = lab.master()
        lab.failover()
        eventually(lambda: lab.master() is not old, LIMIT, what="another master")
        program.wait_until_all_go_on()
        told = program.tell()
        assert {name: use["failed"] for name, use in told["uses"].items() if use["failed"]} == {}, told
        eventually(lambda: program.tell()["missing"] == [], LIMIT, what="every task at the worker")
        make_ready(lab, old)
        old = lab.master()
        lab.crash(old)
        eventually(lambda: any(each is not old for each in lab.masters()), LIMIT, what="a successor")
        program.wait_until_all_go_on()
    finally:
        program.end()
