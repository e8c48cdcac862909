"""
How fast a large log without events is read, compared with ``grep``, which searches it for one of Sentinel's events.

256 MB of ordinary lines, on one core; the first blocks, which are read line by line, are measured separately.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from pathlib import Path

from figures import Figure, median, report
from switchmaster.account.logs.log_reader import WHOLE, LogReader

SIZE = 256 * 1024 * 1024
BLOCK = 4 * 1024 * 1024
REPEATS = 3
GOAL = 100.0
LINES = {
    "Redis 5 and later": (
        b"30259:X 28 Nov 2026 22:17:43.815 * Sentinel new configuration saved on disk\n"
        b"1:M 28 Nov 2026 22:17:43.815 * 100 changes in 300 seconds. Saving...\n"
        b"1:M 28 Nov 2026 22:17:43.815 * Background saving started by pid 1234\n"
        b"1234:C 28 Nov 2026 22:17:43.815 * DB saved on disk\n"
        b"1:M 28 Nov 2026 22:17:43.815 - DB 0: 1000000 keys (3 volatile) in 1048576 slots HT.\n"
        b"1:M 28 Nov 2026 22:17:43.815 - Accepted 10.0.0.1:55123\n"
    ),
    "Valkey's logfmt": (
        b'pid=1 role=primary timestamp="2026-11-28T22:16:10.919+00:00" level=notice message="DB saved on disk"\n'
        b'pid=9 role=sentinel timestamp="2026-11-28T22:16:10.919+00:00" level=notice message="Sentinel new '
        b'configuration saved on disk"\n'
    ),
    "docker's JSON": (
        b'{"log":"1:M 28 Nov 2026 22:17:43.815 * 100 changes in 300 seconds. Saving...\\n","stream":"stdout",'
        b'"time":"2026-11-28T22:17:43.815000000Z"}\n'
    ),
}


def ours(block: bytes) -> tuple[float, float]:
    """Return megabytes a second of processor time, in the large part and in the first blocks."""
    reader = LogReader("log")
    began = time.process_time()
    for _ in range(WHOLE // len(block) + 1):
        reader.feed(block)
    whole = time.process_time() - began
    rounds = SIZE // len(block)
    began = time.process_time()
    for _ in range(rounds):
        reader.feed(block)
    spent = time.process_time() - began
    assert not reader.entries
    return rounds * len(block) / 1e6 / spent, (WHOLE // len(block) + 1) * len(block) / 1e6 / whole


def grep(path: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["grep", "-c", "-F", "+switch-master", str(path)], stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return SIZE / 1e6 / (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure() -> list[Figure]:
    found = []
    for name, lines in LINES.items():
        block = lines * (BLOCK // len(lines))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            path.write_bytes(block * (SIZE // len(block)))
            pairs = [(ours(block), grep(path)) for _ in range(REPEATS)]
        speed, first = median([one[0] for one, _ in pairs]), median([one[1] for one, _ in pairs])
        beside = median([other for _, other in pairs])
        goal = f">= {GOAL:.0f} MB/s"
        shown = f"{speed:.0f} MB/s (the first 8 MB: {first:.0f})"
        found.append(Figure(f"logs, {name}", shown, f"grep -F: {beside:.0f} MB/s", f"{speed / beside:.2f}", goal))
    return found


if __name__ == "__main__":
    report(measure)
