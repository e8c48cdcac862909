"""Run `guard_program` beside a lab, and read what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rig.conditions import eventually

TESTS = Path(__file__).parent.parent
LIMIT = 30.0


class Guarding:
    """What a guard's process has said so far, and how to stop it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in list(self.lines) if line["type"] == kind]

    def notices(self, *kinds: str) -> list[dict[str, Any]]:
        return [line for line in self.of("notice") if not kinds or line["kind"] in kinds]

    @property
    def status(self) -> dict[str, Any]:
        """The last one."""
        return next((line for line in reversed(list(self.lines)) if line["type"] == "status"), {})

    def count(self, name: str) -> int:
        return int(self.status.get("counts", {}).get(name, 0))

    @property
    def orders(self) -> list[dict[str, Any]]:
        return self.notices("guard-ordered", "guard-would-order")

    def wait_until_ready(self, nodes: int) -> None:
        """Wait until it would act, and knows every node."""
        eventually(
            lambda: self.status["outlook"] == [] and len(self.status["reports"]) == nodes,
            LIMIT,
            what="the guard to be ready",
        )

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def guarding(
    sentinels: Iterable[tuple[str, int]], identity: str = "test", options: dict[str, Any] | None = None, **policy: Any
) -> Iterator[Guarding]:
    """
    Run a guard while the block lasts, in the network of the calling thread.

    Args:
        sentinels: their addresses.
        identity: the guard's.
        options: of its Watcher.
        policy: fields of its policy; armed by default.
    """
    asked = {"sentinels": list(sentinels), "identity": identity, "options": options or {}, "policy": policy}
    process = subprocess.Popen(
        [sys.executable, "-m", "rig.guard_program", json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    guard = Guarding(process)
    try:
        yield guard
    finally:
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()
            process.wait()
            guard.reader.join(LIMIT)
            process.stdout.close()
