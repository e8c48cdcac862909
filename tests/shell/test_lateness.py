"""A failed live test gets another try only where the machine was proved to be late."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rig.lateness import LATE

TESTS = Path(__file__).parent.parent

FIRST_FAILS = """
import os, signal, time, pytest
@pytest.mark.{mark}
def test_of_servers(pytestconfig, tmp_path_factory):
    pulse = pytestconfig.pluginmanager.getplugin("lateness").pulse
    tried = tmp_path_factory.getbasetemp() / "tried"
    if {stops}:
        os.kill(pulse.process.pid, signal.SIGSTOP)
        time.sleep({late} * 3)
        os.kill(pulse.process.pid, signal.SIGCONT)
        limit = time.monotonic() + 20
        while not pulse.longest_since(0.0) and time.monotonic() < limit:
            time.sleep(0.005)
    tried.write_text(tried.read_text() + "again" if tried.exists() else "once")
    assert tried.read_text() == "onceagain"
"""


def run(folder: Path, mark: str, stops: bool) -> str:
    """Run a test that fails at its first try, while the pulse is stopped (or not); return what pytest said."""
    (folder / "test_it.py").write_text(FIRST_FAILS.format(mark=mark, stops=stops, late=LATE))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n live: real servers\n other: something else\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "rig.lateness", "-p", "no:cacheprovider", "-q", "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_ADDOPTS": "", "PYTEST_XDIST_WORKER": ""},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_second_try_where_the_machine_was_late(tmp_path: Path) -> None:
    said = run(tmp_path, "live", stops=True)
    assert "1 passed, 1 rerun" in said, said


@pytest.mark.parametrize(("mark", "stops"), [("live", False), ("other", True)])
def test_no_second_try_without_proof_or_for_other_tests(tmp_path: Path, mark: str, stops: bool) -> None:
    for _ in range(5):  # a machine that is late by itself just now is a proof
        said = run(tmp_path, mark, stops)
        if "rerun" not in said:
            break
    assert "1 failed" in said
    assert "rerun" not in said
    assert stops or "never late by 0.05 s" in said
