"""
A program of greenlets that uses two deployments; tests/live/test_greenlets.py runs it as a process.

Its argument is JSON: what to patch, which clients to use, the Sentinels of both deployments, the file that ends it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

ASKED: dict[str, Any] = json.loads(sys.argv[1])
FRAMEWORK, _, HOW = ASKED["patch"].partition(" ")


def patch() -> None:
    """Monkey-patch as the test asks."""
    if FRAMEWORK == "gevent":
        options = {name: False for name in HOW.split() if name != "late"}
        importlib.import_module("gevent.monkey").patch_all(**options)
    else:
        importlib.import_module("eventlet").monkey_patch()


if "late" not in HOW:
    patch()

import asyncio  # noqa: E402
import time  # noqa: E402

import switchmaster.redis  # noqa: E402
import switchmaster.sync  # noqa: E402


class Program:
    """The greenlets' work and its results."""

    def __init__(self) -> None:
        self.errors: list[tuple[float, str, str]] = []
        self.gaps: list[tuple[str, float, float]] = []
        self.switches: list[str] = []
        self.woken: list[float] = []
        self.stalls: list[tuple[float, float]] = []

    def write(self, client: Any, key: str) -> None:
        """Write forever; record long pauses between two writes."""
        number, last = 0, time.time()
        while True:
            try:
                client.set(key, number + 1)
                number += 1
            except Exception as error:
                self.errors.append((time.time(), key, f"{type(error).__name__}: {error}"))
            else:
                now = time.time()
                if now - last > 0.02:
                    self.gaps.append((key, last, now - last))
                last = now
            time.sleep(0.005)

    def block(self, client: Any) -> None:
        """Wait forever for an element that never comes; record when the wait ends."""
        while True:
            try:
                client.blpop("nothing", 0)
            except Exception:
                self.woken.append(time.time())
                time.sleep(0.005)

    def hear(self, watcher: Any) -> None:
        """Follow a Watcher's switches."""
        for switch in watcher.switches():
            self.switches.append(str(switch.new))

    def tick(self) -> None:
        """Record when the hub was blocked."""
        last = time.monotonic()
        while True:
            time.sleep(0.005)
            now = time.monotonic()
            if now - last > 0.1:
                self.stalls.append((time.time(), now - last))
            last = now


def spawn(*work: Any) -> None:
    """Start a greenlet."""
    importlib.import_module(FRAMEWORK).spawn(*work)


def main() -> None:
    program = Program()
    ours = ASKED["library"] == "switchmaster"
    library = switchmaster.redis if ours else importlib.import_module("redis.sentinel")
    patient = {"socket_timeout": 30}
    first, second = (library.Sentinel([tuple(one) for one in each], **patient) for each in ASKED["sentinels"])
    with_password = first.master_for("mymaster", client_name="another", username=None)
    watcher = switchmaster.sync.Watcher([tuple(one) for one in ASKED["sentinels"][0]])
    if ours:
        watcher.start()
        first.master_for("mymaster").ping()
    if "late" in HOW:
        patch()
    for number in range(4):
        spawn(program.write, first.master_for("mymaster"), f"a{number}")
    spawn(program.write, second.master_for("mymaster"), "b0")
    spawn(program.tick)
    if ours:
        spawn(program.hear, watcher)
    if "socket" not in HOW:
        spawn(program.block, with_password)
    ran = asyncio.run(asyncio.sleep(0.01, "ran"))
    while not os.path.exists(ASKED["end"]):
        time.sleep(0.02)
    report = {name: getattr(program, name) for name in ("errors", "gaps", "switches", "woken", "stalls")}
    if ours:
        report["counters"] = first.counters
        report["role"] = watcher.role(watcher.master("mymaster")).role
        watcher.close()
    print(json.dumps(report | {"ran": ran}))
    sys.stdout.flush()


main()
