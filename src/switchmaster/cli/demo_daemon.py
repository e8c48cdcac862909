"""
A daemon beside a lab: `switchmaster serve` as a process of its own, for as long as a block lasts.

Enters: the lab's Sentinels and a folder. Leaves: where it serves its dashboard, or why there is none. It listens on
loopback, at its usual port where that is free.
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
"""Tried in this order: the usual port may be another daemon's."""
START_SECONDS: Final = 20.0
"""Seconds until it must serve."""
END_SECONDS: Final = 10.0
"""Seconds that it has to write what waits, before it is killed."""
SERVING: Final = "serving on "
SERVER_PACKAGES: Final = ("uvicorn", "fastapi", "sqlalchemy", "alembic", "pydantic", "prometheus_client")


@dataclass(frozen=True, slots=True)
class DemoDaemon:
    """What came of it."""

    url: str
    """Where the dashboard is; empty where there is none."""
    reason: str
    """Why there is none; empty where there is one."""
    journal: str
    """The journal's URL."""
    pid: int | None


@contextlib.contextmanager
def demo_daemon(sentinels: Sequence[str], folder: Path) -> Iterator[DemoDaemon]:
    """
    Run a daemon for the length of a block.

    Args:
        sentinels: HOST:PORT of each.
        folder: for its journal and its log.

    Yields:
        Where it is; or why there is none, which ends nothing.
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
    # Only what is told here: a configuration of the user's own has nothing to say in a demo.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHMASTER_")}
    environment = {**kept, "SWITCHMASTER_HTTP_LISTEN": listen, "SWITCHMASTER_LOG_FORMAT": "json"}
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "switchmaster", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # ^C is for the demo, which ends it in order
        )


def _await_url(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        for message in _messages(log):
            if message.startswith(SERVING):
                return message.removeprefix(SERVING)
        time.sleep(0.05)
    return ""


def _messages(log: Path) -> Iterator[str]:
    for line in log.read_text("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            yield str(json.loads(line)["message"])


def _last_word(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()
    return next(reversed([*_messages(log)]), lines[-1] if lines else "it said nothing")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
