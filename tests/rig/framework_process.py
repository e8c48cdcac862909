"""
The programs of frameworks, `framework_program` and `framework_given`, as processes of a test or a benchmark.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Collection
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from rig.conditions import eventually
from switchmaster.lab import Lab

RIG = Path(__file__).parent
LIMIT = 90.0
END_LIMIT = 30.0
GOING_ON = 10
"""Successes after which a framework goes on again."""
INSTALLED = {"Flask-Caching", "channels", "channels pubsub", "limits", "slowapi", "taskiq"}
GIVEN = {
    *("Django's cache", "FastAPI", "Flask-Session", "aiocache", "django-redis"),
    *("Dramatiq", "Huey", "RQ", "redis-lock"),
}
PROGRAMS = {"framework_program.py": INSTALLED, "framework_given.py": GIVEN}
"""What each must have at work with our classes; more where it is installed (arq, redis-om)."""
PUBLISHED = {"channels pubsub"}
"""Those whose messages are published: what nobody hears is lost, in any failover."""
IMPORTED = (
    *("aiocache", "channels_redis", "django_redis", "dramatiq", "fastapi", "flask_caching", "flask_session", "httpx"),
    *("huey", "limits", "redis_lock", "rq", "slowapi", "taskiq_redis"),
)


def lacking_frameworks() -> list[str]:
    """Return the frameworks' modules that are not installed."""
    return [name for name in IMPORTED if importlib.util.find_spec(name) is None]


class FrameworkProcess:
    """
    One of the programs at work.

    Args:
        name: of its file.
        mode: whose classes it uses: ``ours`` or ``stock``.
        lab: the deployment.
        errors: the file for what it says.
        stack: ends it.
        pause: seconds between two operations of a framework.
    """

    def __init__(self, name: str, mode: str, lab: Lab, errors: Path, stack: ExitStack, pause: float = 0.02) -> None:
        sentinels = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        self.name, self.mode, self._errors = name, mode, errors
        self._expected = PROGRAMS[name] - ({"Django's cache"} if mode == "stock" else set())
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, str(RIG / name), mode, *sentinels],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=os.environ | {"SWITCHMASTER_FRAMEWORKS_PAUSE": str(pause)},
            )
        stack.callback(self.end)

    def _ask(self, words: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{self.name} {self.mode} has ended: {self._errors.read_text()[-2000:]}"
        told: dict[str, Any] = json.loads(line)
        return told

    def tell(self) -> dict[str, Any]:
        """Return what became of each framework's work until now; gaps since the last call."""
        told: dict[str, Any] = self._ask("")["uses"]
        return told

    def lateness(self) -> float:
        """Return the seconds by which the program was late at most since `lost` was called."""
        late: float = self._ask("")["late"]
        return late

    def lost(self) -> dict[str, int | None]:
        """Return how many acknowledged writes of each framework since the last call are not there."""
        told: dict[str, int | None] = self._ask("check")["uses"]
        return told

    def wait_until_all_go_on(self, limit: float = LIMIT, required: bool = True) -> dict[str, Any]:
        """
        Wait for more successes of each.

        Args:
            limit: seconds.
            required: whether it is an error if the limit passes.

        Returns:
            what each had, with the longest gap since the last telling.
        """
        before = self.tell()
        gaps = {name: use["gap"] for name, use in before.items()}
        now: dict[str, Any] = {}

        def behind() -> list[str]:
            return [n for n in now if now[n]["done"] <= before.get(n, {"done": 0})["done"] + GOING_ON]

        def going_on() -> bool:
            now.update(self.tell())
            gaps.update({name: max(gaps.get(name, 0.0), use["gap"]) for name, use in now.items()})
            return self._expected <= set(now) and not behind()

        try:
            eventually(going_on, limit, 0.1, what=f"every framework to go on: {self.name} {self.mode}")
        except AssertionError as error:
            if required:
                late, absent = {name: now[name] for name in behind()}, self._expected - set(now)
                raise AssertionError(f"{error} {absent} {late} {self._errors.read_text()[-1500:]}") from None
        return {name: {**use, "gap": gaps[name]} for name, use in now.items()}

    def missing(self) -> dict[str, set[int]]:
        """Return the tasks that were sent and not carried out."""
        return {name: set(use.get("missing", ())) for name, use in self.tell().items()}

    def wait_for_tasks(self, limit: float, without: Collection[str] = ()) -> dict[str, set[int]]:
        """
        Wait until the tasks that are missing now have come.

        Args:
            limit: seconds; it is no error if they pass.
            without: frameworks whose tasks may be lost.

        Returns:
            the tasks that are still missing.
        """
        left = {name: numbers for name, numbers in self.missing().items() if name not in without}

        def have_come() -> bool:
            now = self.missing()
            left.update({name: numbers & now[name] for name, numbers in left.items()})
            return not any(left.values())

        with suppress(AssertionError):
            eventually(have_come, limit, 0.2)
        return left

    def end(self) -> None:
        """End it; by force if a framework's own threads keep it."""
        try:
            self.process.communicate(timeout=END_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
