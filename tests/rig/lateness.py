"""
The proof that the machine was late, which alone gives a failed live test another try.

Sentinel's own steps are 100 ms apart. Where the machine stands still for half of that, a test of what happens between
two steps can fail without any fault. A process of its own, with a thread bound to each processor, sleeps a little and
records when it woke up too late. A live test that fails is run once more if, and only if, such a span lies within it;
the run's summary counts it as *rerun*, and the report of the failure says how late the machine was.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import suppress

import pytest

LATE = 0.05
"""Seconds by which a thread that does nothing else must have woken up too late."""
KEPT = 1000
"""Spans that are remembered; the oldest are forgotten first."""

PROGRAM = """
import os, sys, threading, time
late, parent = float(sys.argv[1]), os.getppid()
def beat(processor):
    try:
        os.sched_setaffinity(0, {processor})
    except OSError:
        pass
    while os.getppid() == parent:
        due = time.monotonic() + 0.005
        time.sleep(0.005)
        if (now := time.monotonic()) - due > late:
            os.write(1, f"{due} {now}\\n".encode())
for processor in sorted(os.sched_getaffinity(0)):
    threading.Thread(target=beat, args=(processor,)).start()
"""


class Pulse:
    """The process that notices when the machine is late."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(LATE)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self._pipe = self.process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._unread = b""
        self._spans: list[tuple[float, float]] = []

    def longest_since(self, begin: float) -> float:
        """
        Return by how much the machine was late at most.

        Args:
            begin: from this moment on, in monotonic seconds.

        Returns:
            Seconds; 0.0 if it was never late by more than `LATE`.
        """
        with suppress(BlockingIOError):
            while more := os.read(self._pipe, 65536):
                self._unread += more
        *lines, self._unread = self._unread.split(b"\n")
        self._spans = [*self._spans, *((float(due), float(now)) for due, now in map(bytes.split, lines))][-KEPT:]
        return max((now - due for due, now in self._spans if now > begin), default=0.0)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Lateness:
    """The plugin: it gives each live test its second try."""

    def __init__(self) -> None:
        self.pulse = Pulse()
        self._began = time.monotonic()

    def was_late(self) -> bool:
        """Whether the machine was late since the test that runs now began."""
        return self.pulse.longest_since(self._began) > 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        self._began = time.monotonic()

    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        for item in items:
            if item.get_closest_marker("live") is not None:
                item.add_marker(pytest.mark.flaky(reruns=1, condition=self.was_late))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed:
            longest = self.pulse.longest_since(self._began)
            said = f"late by {longest:.3f} s" if longest else f"never late by {LATE} s"
            report.sections.append(("The machine", f"during this test the machine was {said}"))
        return report


def pytest_configure(config: pytest.Config) -> None:
    """Start the pulse in each process that runs tests."""
    if not hasattr(os, "sched_setaffinity") or not config.pluginmanager.hasplugin("rerunfailures"):
        return
    if config.getoption("usepdb"):
        return  # who debugs wants the first failure
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # the workers have their own
    lateness = Lateness()
    config.pluginmanager.register(lateness, "lateness")
    config.add_cleanup(lateness.pulse.end)
