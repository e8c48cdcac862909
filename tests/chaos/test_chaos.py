"""
A minute of chaos among real servers: every report matches what happened.

Always the same faults. ``make chaos SECONDS=... SEED=...`` does it for any length, with new ones each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.lab_fixtures import find_or_skip

pytestmark = [
    pytest.mark.live,
    # slow: faults take their time, and more of them find more.
    pytest.mark.slow,
    pytest.mark.timeout(400),
]

SEED = 3
"""Its first minute has faults of nodes, Sentinels and links, failovers of every kind, and a liar."""
SECONDS = 60
TESTS = Path(__file__).parents[1]


def test_reports_match_what_happened(tmp_path: Path) -> None:
    # Not on 6.2, where a Sentinel that lost its configuration stays a ghost.
    binary = find_or_skip(None)
    if binary.kind == "redis" and binary.version < (7,):
        binary = find_or_skip("redis-7.0")
    transcript = tmp_path / "transcript"
    # In a process of its own, as `make chaos`: what other tests left in this one's memory is no growth of the product.
    command = [sys.executable, "-m", "chaos", "--seconds", str(SECONDS), "--seed", str(SEED)]
    command += ["--server", str(binary.path), "--alone", "--transcript", str(transcript)]
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout + transcript.read_text(encoding="utf-8") * transcript.exists()
    assert "switches" in done.stdout, done.stdout
