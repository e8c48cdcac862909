"""
A balancer's request while hostile clients hold as many connections as they can: how late its answer is, and how late
the loop that listens to Sentinels.

A daemon watches three Sentinels and serves on loopback. A balancer asks `is-master` over a new connection each time, as
HAProxy does, alone and then beside `hostile_clients` from the same address. The daemon's loop measures itself every
10 ms.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from daemon_process import serving
from figures import Figure, percentile, report

CROWD = IDLE, SLOW, STREAMS = 1_000, 300, 200
SECONDS = 15.0
EVERY = 0.005
"""Seconds between two questions."""
BEAT = 0.01
ASK = b"GET /masters/shard-00000/is-master?addr=10.0.0.1:6379 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GOAL = 50
RISE = 2.0
"""Seconds for the crowd to connect before anything is measured."""


def ask(port: int) -> tuple[float, bool]:
    """Ask once; return how long it took in ms, and whether the answer was 200."""
    begun = time.perf_counter()
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as balancer:
            balancer.sendall(ASK)
            while data := balancer.recv(65536):
                answer += data
    except OSError:
        pass
    return (time.perf_counter() - begun) * 1e3, answer.startswith(b"HTTP/1.1 200")


def asked(port: int) -> tuple[list[float], int]:
    """Ask for `SECONDS`; return how long each answer took in ms, and how many were not 200."""
    until = time.monotonic() + SECONDS
    found = []
    while time.monotonic() < until:
        found.append(ask(port))
        time.sleep(EVERY)
    return [took for took, _ in found], sum(not well for _, well in found)


async def daemon(config: Path) -> None:
    """Run a daemon whose loop records how late each beat is; a line on stdin prints those since the last line."""
    from switchmaster.server.daemon import Daemon
    from switchmaster.server.interpreter import tune_interpreter
    from switchmaster.server.settings.configuration import read_configuration

    late: list[float] = []

    async def beat() -> None:
        while True:
            wanted = time.perf_counter() + BEAT
            await asyncio.sleep(BEAT)
            late.append((time.perf_counter() - wanted) * 1e3)

    def tell() -> None:
        sys.stdin.readline()
        found = late[:]
        del late[:]
        Path(config).with_suffix(".late").write_text(json.dumps(found), encoding="ascii")

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), tell)
    beside = [asyncio.create_task(each) for each in (beat(), tune_interpreter())]
    await Daemon(lambda: read_configuration(config)).run()
    for each in beside:
        each.cancel()


def lateness(process: subprocess.Popen[bytes], folder: Path) -> list[float]:
    """Return how late the daemon's loop was since the last call, in ms for each beat."""
    assert process.stdin is not None
    told = folder / "switchmaster.late"
    told.unlink(missing_ok=True)
    process.stdin.write(b"\n")
    process.stdin.flush()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            found: list[float] = json.loads(told.read_text("ascii"))
        except (OSError, ValueError):
            time.sleep(0.05)
        else:
            return found
    raise RuntimeError("the daemon's loop did not answer within 10 s")


def row(what: str, alone: list[float], beside: list[float], more: str = "") -> Figure:
    def told(found: list[float]) -> str:
        return f"p50 {percentile(found, 0.5):.1f}, p99 {percentile(found, 0.99):.1f}, max {max(found):.1f} ms"

    ratio = f"p99 {percentile(beside, 0.99) / max(percentile(alone, 0.99), 0.01):.1f}"
    return Figure(what, told(beside) + more, f"alone: {told(alone)}", ratio, f"p99 <= {GOAL} ms")


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        command = (str(Path(__file__).resolve()), "daemon")
        with serving(f"sqlite:///{folder}/journal.db", 1, folder, command) as served:
            lateness(served.process, folder)
            alone, _ = asked(served.port)
            late_alone = lateness(served.process, folder)
            crowd = subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("hostile_clients.py")),
                    str(served.port),
                    *map(str, CROWD),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            time.sleep(RISE)
            lateness(served.process, folder)
            beside, failed = asked(served.port)
            late_beside = lateness(served.process, folder)
            ended: dict[str, Any] = json.loads(crowd.communicate(timeout=30)[0])
    name = f"{IDLE:,} idle, {SLOW} slow and {STREAMS} stream connections beside"
    return [
        row(f"is-master over a new connection, {name}", alone, beside, f"; {failed} of {len(beside)} failed"),
        row("lateness of the loop that listens to Sentinels meanwhile", late_alone, late_beside),
        Figure("connections of the crowd that were ended, a second",
               ", ".join(f"{kind} {count / (SECONDS + RISE):.0f}" for kind, count in sorted(ended.items()))),
    ]  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["daemon"]:
        asyncio.run(daemon(Path(sys.argv[sys.argv.index("--config") + 1])))
    else:
        report(measure)
