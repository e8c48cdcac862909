"""
For every test run: fixtures, a header, asyncio's debug mode, strict skips.

With SWITCHMASTER_TEST_REQUIRE=all, as in CI, a test that would be skipped fails, and says what was missing. What kinds
of tests there are, and what each proves: `rig`.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

if importlib.util.find_spec("rig") is not None:
    pytest_plugins = ["rig.lab_fixtures", "rig.lateness"]

TESTS = Path(__file__).parent
PORTS_EACH = 5000
REQUIRE_ALL = os.environ.get("SWITCHMASTER_TEST_REQUIRE") == "all"

# No deadline: two cores are shared with servers; pytest-timeout is the limit.
hypothesis.settings.register_profile("switchmaster", deadline=None, print_blob=True)
hypothesis.settings.load_profile("switchmaster")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the workers of xdist apart: each has its own ports for labs, and its own folder for a published lab."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or importlib.util.find_spec("switchmaster.lab") is None:
        return
    from switchmaster.lab import ports

    # Another worker's lab must not take the port of a crashed server before it restarts.
    lowest = ports.LOWEST + int(worker.removeprefix("gw")) % 4 * PORTS_EACH
    ports.LOWEST, ports._outgoing = lowest, lambda: lowest + PORTS_EACH
    runtime = tempfile.TemporaryDirectory(prefix=f"switchmaster-{worker}-")
    os.environ["XDG_RUNTIME_DIR"] = runtime.name
    config.add_cleanup(runtime.cleanup)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Return the servers that the live tests will use, and how to repeat what hypothesis does."""
    seed = config.getoption("hypothesis_seed", None)
    repeat = f"{seed}" if seed is not None else "random; a failing example prints how to repeat it"
    return [f"servers: {_servers()}", f"hypothesis seed: {repeat}"]


def _servers() -> str:
    try:
        from switchmaster.lab.binaries import find_binaries
    except ImportError as error:
        return f"not known ({error})"
    found = find_binaries()
    return ", ".join(f"{binary.describe()} ({binary.path})" for binary in found) or "none found"


@pytest.fixture(autouse=True, scope="session")
def _pytests_of_tests_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Each pytest that starts closes the folder of all temporary folders to other users, such as PostgreSQL's.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(tmp_path_factory.mktemp("pytests"))


@pytest.fixture(autouse=True)
def _asyncio_debug(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not for tests of the CLI, which read standard error, where asyncio then logs.
    # Not for live tests, which measure times.
    folder = request.path.relative_to(TESTS).parts[0] if TESTS in request.path.parents else ""
    if folder in ("unit", "shell") and not request.path.stem.startswith("test_cli"):
        monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")


def _fail_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{reason} (SWITCHMASTER_TEST_REQUIRE=all lets nothing be skipped)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a skipped test if everything is required, and make hostile captured text encodable."""
    report = yield
    _fail_skip(report)
    # Lone surrogates in hostile names would end a worker of xdist that sends what was captured.
    sendable = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    report.sections = sendable
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, object, object]:
    """Fail a skipped module if everything is required."""
    report = yield
    _fail_skip(report)
    return report
