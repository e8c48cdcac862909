"""
How long `switchmaster doctor` takes as an operator runs it: a process that starts, asks everything, judges and prints.

On real servers with 3 Sentinels and 9 nodes, all well and with one Sentinel that stands still; and on 300 masters with
900 nodes that one process plays with the answers of real ones (`fleet_peer`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from figures import Figure, median, report
from switchmaster.lab import Lab

REPEATS = 5
REPEATS_OF_MANY = 3
MASTERS = 300
GOAL, GOAL_MUTE, GOAL_MANY = 2.0, 3.0, 10.0


def doctor(sentinels: Iterable[str]) -> tuple[float, dict[str, object]]:
    """Return the seconds that one run takes, and the last line that it prints."""
    words = [sys.executable, "-m", "switchmaster", "doctor", *sentinels, "--format", "json", "--fail-on", "never"]
    began = time.perf_counter()
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began, json.loads(done.stdout.splitlines()[-1])


def figure(what: str, sentinels: list[str], repeats: int, goal: float, nodes: int) -> Figure:
    runs = [doctor(sentinels) for _ in range(repeats)]
    assert all(said["nodes"] == nodes for _, said in runs), runs[-1]
    asking = median([float(str(said["seconds"])) for _, said in runs])
    return Figure(what, f"{median([took for took, _ in runs]):.2f} s", f"asking: {asking:.2f} s", "", f"< {goal:g} s")


def measure() -> list[Figure]:
    figures = []
    with Lab(masters=("one", "two", "six"), down_after_ms=60_000) as lab:
        lab.wait_until_settled()
        words = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        figures.append(figure("doctor, 3 Sentinels and 9 nodes", words, REPEATS, GOAL, 9))
        lab.hang(lab.sentinels[0])
        figures.append(figure("doctor, one of 3 Sentinels mute", words, REPEATS, GOAL_MUTE, 9))
        lab.resume(lab.sentinels[0])
    peer = Path(__file__).parent / "fleet_peer.py"
    with subprocess.Popen(
        [sys.executable, str(peer), str(MASTERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        words = [f"127.0.0.1:{port}" for port in process.stdout.readline().split()]
        figures.append(figure(f"doctor, {MASTERS} masters", words, REPEATS_OF_MANY, GOAL_MANY, 3 * MASTERS))
        assert process.stdin is not None
        process.stdin.close()
    return figures


if __name__ == "__main__":
    report(measure)
