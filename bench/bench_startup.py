"""
How long the command line and the drop-in take to start: whole processes, in turns, as multiples of ``python -c pass``.

``history`` reads a journal; ``master`` asks three Sentinels of a lab, and then again while the first of them hangs: it
accepts connections and answers nothing. The imports of the drop-in stand beside those of redis-py. All of Python's code
is compiled before, as in an installed package, whatever ``PYTHONDONTWRITEBYTECODE`` says.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from figures import Figure, median, report
from switchmaster.journal.writer import Writer
from switchmaster.lab import Lab

PASS = (sys.executable, "-c", "pass")
CLI = (str(Path(sys.executable).with_name("switchmaster")),)
LIMIT = 30.0


def seconds(command: Sequence[str]) -> float:
    """Return how long a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT)
    return time.perf_counter() - begun


def in_turns(rounds: int, *commands: Sequence[str]) -> list[float]:
    """Return the median of each command; they take turns, so that a busy moment hits all of them."""
    for command in commands:
        seconds(command)  # the first one reads files into the cache
    taken = [[seconds(command) for command in commands] for _ in range(rounds)]
    return [median(column) for column in zip(*taken, strict=True)]


def measure(options: argparse.Namespace) -> list[Figure]:
    found = []
    with tempfile.TemporaryDirectory(prefix="switchmaster-bench-") as folder:
        url = f"sqlite:///{folder}/journal.db"
        writer = Writer(url, "0" * 32, "bench")
        writer.open()
        writer.close(LIMIT)
        history = (*CLI, "history", "--journal", url, "--format", "json")
        version = (*CLI, "version")
        alone, *took = in_turns(options.rounds, PASS, version, history)
        for what, one, goal in zip(("version", "history"), took, ("", "<= 12"), strict=True):
            found.append(multiple(f"`switchmaster {what}`, the whole process", one, alone, goal))
    found += of_master(options.rounds)
    theirs, ours = in_turns(
        options.rounds,
        (sys.executable, "-c", "import redis.sentinel"),
        (sys.executable, "-c", "import switchmaster.redis"),
    )
    beside = f"import redis.sentinel: {theirs * 1e3:.0f} ms"
    found.append(
        Figure("`import switchmaster.redis`", f"{ours * 1e3:.0f} ms", beside, f"{ours / theirs:.2f}", "<= 1.15")
    )
    return found


def of_master(rounds: int) -> list[Figure]:
    with Lab(binary="redis-7.0", down_after_ms=60_000) as lab:
        words = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
        command = (*CLI, "master", "mymaster", *words)
        alone, well = in_turns(rounds, PASS, command)
        lab.hang(lab.sentinels[0])
        mute, _ = in_turns(rounds, command, PASS)
        lab.resume(lab.sentinels[0])
    return [
        multiple("`switchmaster master NAME`, the whole process, three Sentinels that answer", well, alone, "<= 8"),
        Figure(
            "the same, the first Sentinel mute",
            f"{mute * 1e3:.0f} ms",
            f"all answer: {well * 1e3:.0f} ms",
            f"{mute / well:.2f}",
        ),
    ]


def multiple(what: str, took: float, alone: float, goal: str) -> Figure:
    beside = f"python -c pass: {alone * 1e3:.0f} ms"
    return Figure(what, f"{took * 1e3:.0f} ms", beside, f"{took / alone:.1f}", goal)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long the command line takes to start.")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each command (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for bench/results.py")
    options = parser.parse_args()
    os.environ.pop("SWITCHMASTER_CONFIG", None)
    with tempfile.TemporaryDirectory(prefix="switchmaster-bench-") as compiled:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = compiled
        report(partial(measure, options))


if __name__ == "__main__":
    main()
