"""A failed test does not wait for the processes that it started."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rig.child import Child

pytestmark = pytest.mark.timeout(60)

ENDLESS = [sys.executable, "-c", "import time; time.sleep(3600)"]


def test_block_that_fails_ends_its_process() -> None:
    with pytest.raises(AssertionError, match="what the test says"), Child(ENDLESS) as process:
        raise AssertionError("what the test says")
    assert process.returncode == -9


def test_block_that_waited_too_long_ends_its_process() -> None:
    with pytest.raises(subprocess.TimeoutExpired), Child(ENDLESS, stdout=subprocess.PIPE, text=True) as process:
        process.communicate(timeout=0.01)
    assert process.returncode == -9


def test_block_that_ends_well_leaves_its_process_to_end_by_itself() -> None:
    with Child([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as process:
        pass
    assert process.returncode == 1  # its input ended
