"""The haproxy action against a real HAProxy: servers move, old sessions end, and no name begins a command."""

from __future__ import annotations

import asyncio
import csv
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rig.conditions import eventually
from rig.programs import program_or_skip
from rig.reactions import HOSTILE, NODES, follow_two_switches, run, wish
from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import HaproxyRuntime, ServerMode, set_address, set_mode
from switchmaster.react.action_kinds import AttemptFailed, GiveUp
from switchmaster.react.haproxy_action import HaproxyAction

pytestmark = pytest.mark.live

LIMIT = 60.0
CONFIGURATION = """\
global
    stats socket {folder}/admin.sock level admin
    stats socket {folder}/user.sock level user
defaults
    mode tcp
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen m1
    bind {folder}/m1.sock
    server master 127.0.0.1:1
listen m2
    bind {folder}/m2.sock
    option redispatch
    option allbackups
    timeout queue 5m
    server master 127.0.0.1:1
    server spare {folder}/spare.sock maxconn 1 backup
backend last-m1
    server master 127.0.0.1:1
"""


class RunningHaproxy:
    """One HAProxy, with a server for the master m1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(folder=folder))
        with (folder / "log").open("wb") as log:
            words = [program_or_skip("haproxy"), "-db", "-f", str(file)]
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def row(self, backend: str = "m1") -> tuple[Address | None, ServerMode]:
        [row] = asyncio.run(HaproxyRuntime(self.folder / "admin.sock", LIMIT).servers(backend))
        return row.address, row.mode

    def ask(self, *commands: str) -> None:
        asyncio.run(HaproxyRuntime(self.folder / "admin.sock", LIMIT).ask(*commands))

    def waiting(self, backend: str) -> int:
        """Return how many connections wait in a backend's queue."""
        answer = asyncio.run(HaproxyRuntime(self.folder / "admin.sock", LIMIT).ask("show stat"))
        rows = csv.DictReader(answer[2:].splitlines())
        return sum(int(row["qcur"]) for row in rows if (row["pxname"], row["svname"]) == (backend, "BACKEND"))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHaproxy]:
    running = RunningHaproxy(tmp_path_factory.mktemp("haproxy"))
    try:
        eventually(running.row, LIMIT, what="HAProxy to answer")
        yield running
    finally:
        running.close()


def of(haproxy: RunningHaproxy, **more: Any) -> HaproxyAction:
    given = {"at": haproxy.folder / "admin.sock", "backend": "{master}", "server": "master"}
    return HaproxyAction(**{**given, **more})


def applied(action: HaproxyAction, number: int, master: str = "m1", **more: Any) -> str:
    return asyncio.run(action.apply(wish(number, master, **more), run()))


def test_server_moves_and_is_read_back(haproxy: RunningHaproxy) -> None:
    action = of(haproxy)
    assert "shows" in asyncio.run(action.compare(wish(1), run()))
    assert "sessions were ended" in applied(action, 1)
    assert haproxy.row() == (NODES[1], ServerMode.READY)
    assert "is right already" in applied(action, 1)
    assert asyncio.run(action.compare(wish(1), run())) == ""
    applied(action, 2, new=Address("fd00::6", 6380))
    assert haproxy.row() == (Address("fd00::6", 6380), ServerMode.READY)
    haproxy.ask(set_mode("m1", "master", ServerMode.MAINT))
    assert "fd00::6]:6380, maint" in asyncio.run(action.compare(wish(1), run()))


def test_sessions_with_the_old_master_end(haproxy: RunningHaproxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as old, socket.socket(socket.AF_UNIX) as client:
        haproxy.ask(
            set_address("m1", "master", Address(*old.getsockname())), set_mode("m1", "master", ServerMode.READY)
        )
        client.settimeout(LIMIT)
        client.connect(str(haproxy.folder / "m1.sock"))
        old.settimeout(LIMIT)
        accepted, _ = old.accept()
        with accepted:
            accepted.settimeout(LIMIT)
            applied(of(haproxy), 1)
            assert accepted.recv(1) == client.recv(1) == b""


def test_sessions_that_have_waited_end_too(haproxy: RunningHaproxy) -> None:
    """HAProxy 2.6 leaves them out of those that it ends with their server."""
    with ExitStack() as stack:
        old = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        spare = stack.enter_context(socket.socket(socket.AF_UNIX))
        spare.bind(str(haproxy.folder / "spare.sock"))
        spare.listen()
        haproxy.ask(
            set_address("m2", "master", Address(*old.getsockname())), set_mode("m2", "master", ServerMode.MAINT)
        )
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for one in (*clients, old, spare):
            one.settimeout(LIMIT)
        # The first fills the backup server, and the second waits until the server is ready.
        clients[0].connect(str(haproxy.folder / "m2.sock"))
        stack.enter_context(spare.accept()[0])
        clients[1].connect(str(haproxy.folder / "m2.sock"))
        eventually(lambda: haproxy.waiting("m2") == 1, LIMIT, what="the second client to wait")
        haproxy.ask(set_mode("m2", "master", ServerMode.READY))
        accepted = stack.enter_context(old.accept()[0])
        accepted.settimeout(LIMIT)
        applied(of(haproxy), 1, "m2")
        assert accepted.recv(1) == clients[1].recv(1) == b""


@pytest.mark.parametrize("master", [HOSTILE, "m1; shutdown frontend m1", "m1/master addr 6.6.6.6\n", "", "a b", "<<"])
def test_hostile_name_begins_no_command(haproxy: RunningHaproxy, master: str) -> None:
    before = haproxy.row()
    with pytest.raises(GiveUp, match="is no name"):
        applied(of(haproxy), 1, master)
    for host in (HOSTILE, "10.0.0.1; shutdown frontend m1", "10.0.0.1 port 1"):
        with pytest.raises((AttemptFailed, GiveUp)):
            applied(of(haproxy), 1, new=Address(host, 1))
    assert haproxy.row() == before


def test_socket_is_tested_without_a_change(haproxy: RunningHaproxy) -> None:
    before = haproxy.row()
    assert "nothing was changed" in asyncio.run(of(haproxy).test())
    assert "nothing was changed" in asyncio.run(of(haproxy, backend="m1").test())
    for more, words in (
        ({"at": haproxy.folder / "user.sock"}, "has not the level admin"),
        ({"at": haproxy.folder / "none.sock"}, "No such file"),
        ({"backend": "none"}, "the backend none"),
        ({"backend": "m1", "server": "none"}, "has no server none"),
    ):
        with pytest.raises(AttemptFailed, match=words):
            asyncio.run(of(haproxy, **more).test())
    assert haproxy.row() == before


def test_newest_switch_comes_last_although_the_first_was_slow(haproxy: RunningHaproxy, tmp_path: Path) -> None:
    action = of(haproxy, backend="last-{master}")
    assert follow_two_switches(tmp_path, action) == [(1, "superseded"), (2, "done")]
    assert haproxy.row("last-m1") == (NODES[2], ServerMode.READY)
