"""
A daemon next to a lab: `switchmaster serve` as a process of its own, for the length of a block.

It listens on loopback, on its usual port if that is free. If it can't run, the block runs without it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["DemoDaemon", "demo_daemon"]

LISTEN_ADDRESSES: Final = ("127.0.0.1:8370", "127.0.0.1:0")
"""Tried in this order: another daemon may use the usual port."""
START_SECONDS: Final = 20.0
"""Seconds within which it must serve."""
END_SECONDS: Final = 10.0
"""Seconds that it has to write what waits before it is killed."""
SERVER_PACKAGES: Final = ("uvicorn", "fastapi", "sqlalchemy", "alembic", "pydantic", "prometheus_client")


@dataclass(frozen=True, slots=True)
class DemoDaemon:
    """The running daemon, or why there is none."""

    url: str
    """The dashboard's URL; empty if no daemon runs."""
    reason: str
    """Why no daemon runs; empty if one does."""
    journal: str
    """The journal's URL."""
    pid: int | None


@contextlib.contextmanager
def demo_daemon(sentinels: Sequence[str], folder: Path) -> Iterator[DemoDaemon]:
    """
    Run a daemon for the length of a block.

    Args:
        sentinels: HOST:PORT of each.
        folder: the folder of its journal and its log.

    Yields:
        The daemon, or the reason why there is none; that is no error.
    """
    journal = f"sqlite:///{folder / 'journal.db'}"
    if any(importlib.util.find_spec(name) is None for name in SERVER_PACKAGES):
        yield DemoDaemon("", "it needs: pip install 'switchmaster[server]'", journal, None)
        return
    process, url = None, ""
    for listen in LISTEN_ADDRESSES:
        process = _start([*sentinels, "--journal", journal], listen, folder / "daemon.log")
        url = _await_url(process, folder / "daemon.log")
        if url:
            break
        _end(process)
    assert process is not None
    reason = "" if url else f"it did not serve within {START_SECONDS:.0f} s: {_last_word(folder / 'daemon.log')}"
    try:
        yield DemoDaemon(url, reason, journal, process.pid if url else None)
    finally:
        _end(process)


def _start(words: Sequence[str], listen: str, log: Path) -> subprocess.Popen[bytes]:
    # The user's own variables must not configure the demo.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHMASTER_")}
    environment = {**kept, "SWITCHMASTER_HTTP_LISTEN": listen, "SWITCHMASTER_LOG_FORMAT": "json"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "switchmaster", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # ^C goes to the demo, which stops the daemon in order
        )


def _await_url(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        for url in _logged(log, "url"):
            return url
        time.sleep(0.05)
    return ""


def _logged(log: Path, field: str) -> Iterator[str]:
    """Yield the values of a field in the lines of the JSON log that have it."""
    for line in log.read_text("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            yield str(json.loads(line)[field])


def _last_word(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return next(reversed([*_logged(log, "message")]), lines[-1] if lines else "it wrote nothing")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
