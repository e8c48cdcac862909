"""
Run some of redis-py's test files through a Sentinel, in a separate pytest, on a lab.

The folder with redis-py's tests, the lab and a selection go in; the report and pytest's output come out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from switchmaster.lab import Lab

from .exclusions import exclusions_for
from .through_sentinel import Report, Setup

OURS, THEIRS = "switchmaster.redis", "redis"
PACKAGES = {
    OURS: ("switchmaster.redis", "switchmaster.redis.asyncio"),
    THEIRS: ("redis.sentinel", "redis.asyncio.sentinel"),
}
"""Modules of `Sentinel`, for threads and for loops."""
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "upstream.through_sentinel", "no:cacheprovider")
LIMIT = 300.0


@dataclass(frozen=True)
class Combination:
    """A selection of tests, and how to run them."""

    files: tuple[str, ...]
    protocol: int
    hiredis: bool
    failover_wait: float | None = None
    """`failover_wait` of our Sentinel; None for its default."""


def run(
    folder: Path,
    lab: Lab,
    package: str,
    what: Combination,
    output: Path,
    sentinels: Sequence[tuple[str, int]] | None = None,
) -> tuple[Report, str]:
    """
    Run the tests; return the report and pytest's output.

    Args:
        folder: where redis-py's ``tests`` are.
        lab: with one master and one replica, used by nothing else meanwhile.
        package: `OURS` or `THEIRS`: the package of the Sentinel.
        what: see `Combination`.
        output: a folder for what is written.
        sentinels: what the clients are to take for Sentinels; None for the lab's own.

    Raises:
        AssertionError: it did not end within the limit, or before any test.
    """
    asked = lab.sentinel_addresses if sentinels is None else sentinels
    said, report = output / "pytest.out", output / "report.json"
    setup = Setup(
        packages=PACKAGES[package],
        sentinels=[(host, port) for host, port in asked],
        ports={6379: lab.master().port, 6380: lab.replicas()[0].port},
        options={} if package == THEIRS or what.failover_wait is None else {"failover_wait": what.failover_wait},
        hiredis=what.hiredis,
        excluded=exclusions_for(package == OURS, what.failover_wait != 0),
        report=str(report),
    )
    with said.open("w") as written:
        try:
            done = subprocess.run(
                _command(lab, what, asked), cwd=folder, env=_environment(setup), timeout=LIMIT,
                stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not done within {LIMIT:g} s; the end is:\n{_end(said)}") from None
    assert report.exists(), f"pytest ended with {done.returncode} before any test:\n{_end(said)}"
    return Report(**json.loads(report.read_text(encoding="utf-8"))), said.read_text(encoding="utf-8")


def _command(lab: Lab, what: Combination, asked: Sequence[tuple[str, int]]) -> list[str]:
    server = "redis://{}:{}".format(*lab.master().address)
    sentinels = ",".join(f"{host}:{port}" for host, port in asked)
    return [
        *(sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".", "-m", "not onlycluster"),
        *(word for plugin in PLUGINS for word in ("-p", plugin)),
        *("-v", "--tb=native", "--show-capture=no", "--disable-warnings", "-rfE"),
        *("--redis-url", f"{server}/0", "--redis-mod-url", server, "--sentinels", sentinels),
        *("--protocol", str(what.protocol), *what.files),
    ]


def _environment(setup: Setup) -> dict[str, str]:
    ours = str(Path(__file__).parent.parent)
    path = os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **setup.to_environment(), "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _end(said: Path) -> str:
    return said.read_text(encoding="utf-8")[-4000:]
