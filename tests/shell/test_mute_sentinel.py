"""A Sentinel that accepts connections and answers nothing keeps no command waiting that a majority can answer."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from peers.sentinel_thread import SentinelThread

LIMIT = 60.0
PATIENCE = 600
"""Seconds that the command would wait for a Sentinel: much longer than the test does."""


@pytest.fixture
def words() -> Iterator[list[str]]:
    """Return three Sentinels, the first of them mute."""
    with ExitStack() as stack:
        mute = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        others = []
        for number in (1, 2):
            peer = SentinelThread()
            stack.callback(peer.close)
            peer.peer.sentinel.replies = peer.peer.sentinel.replies | {"SENTINEL MYID": f"{number:040x}"}
            others.append(str(peer.peer.address))
        yield [f"127.0.0.1:{mute.getsockname()[1]}", *others]


def test_the_master_is_printed_as_soon_as_a_majority_agrees(words: list[str]) -> None:
    command = [sys.executable, "-m", "switchmaster", "master", "mymaster", *words, "--answer-timeout", str(PATIENCE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(":") == 1
