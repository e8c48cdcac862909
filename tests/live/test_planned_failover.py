"""Planned failovers of real servers by the command line: done and verified, refused, killed in the middle, and two."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import switchmaster
from rig.child import Child
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import find_or_skip
from switchmaster import Watcher
from switchmaster.lab import Lab, LabServer
from switchmaster.net.planned_failover import PlannedFailover
from switchmaster.planned.progress import Conclusion, Ending
from switchmaster.planned.request import FailoverRequest

pytestmark = [pytest.mark.live, pytest.mark.slow]

SRC = str(Path(switchmaster.__file__).parent.parent)
NAME = "mymaster"
LIMIT = 100.0
TOKEN = "act-1234"
EARLY_MS = "500"
"""How often the Sentinels of these labs send INFO: a changed priority is seen soon."""


def start(lab: Lab, *arguments: str, state: Path, verb: str = "failover") -> Child:
    kept = {name: value for name, value in os.environ.items() if "SWITCHMASTER" not in name}
    cool = ["--cool-down", "0"] if verb == "failover" else []
    paths = os.pathsep.join([SRC, kept.get("PYTHONPATH", "")])
    return Child(
        [sys.executable, "-m", "switchmaster", verb, NAME, *words(lab), *cool, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, "PYTHONPATH": paths, "SWITCHMASTER_STATE": str(state)},
    )


def run(lab: Lab, *arguments: str, state: Path) -> tuple[int, list[dict[str, Any]], str]:
    """Return the exit code, the lines of standard output, and standard error."""
    with start(lab, *arguments, state=state) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert "Traceback" not in err, err
    return process.returncode, [json.loads(line) for line in out.splitlines()], err


def words(lab: Lab) -> list[str]:
    return [f"{host}:{port}" for host, port in lab.sentinel_addresses]


def shown(server: LabServer) -> str:
    return f"{server.address[0]}:{server.address[1]}"


def priority(server: LabServer) -> str:
    return str(server.call("CONFIG", "GET", "replica-priority")[1])


def all_see_priority(lab: Lab, wanted: str) -> bool:
    """Tell whether every Sentinel has seen this priority on every replica."""
    rows = [row for sentinel in lab.sentinels for row in sentinel.call("SENTINEL", "REPLICAS", NAME)]
    return {row[row.index("slave-priority") + 1] for row in rows} == {wanted}


def of(kind: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    [found] = [line for line in lines if line["type"] == kind]
    return found


def as_it_should_be(lab: Lab, new: LabServer) -> None:
    """Check by the nodes themselves that there is one master, which all others follow."""
    assert {server.name for server in lab.masters()} == {new.name}
    for node in lab.nodes(NAME):
        if node is not new:
            assert node.call("ROLE")[:3] == ["slave", new.host, new.port]


@pytest.fixture(scope="module")
def labs() -> Iterator[dict[str, Lab]]:
    """Keep one lab of each kind for all tests."""
    with ExitStack() as stack:
        yield _Labs(stack)


class _Labs(dict[str, Lab]):
    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, server: str) -> Lab:
        found = self._stack.enter_context(Lab(binary=str(find_or_skip(server).path), down_after_ms=2000))
        if server != "redis-6.2":
            for sentinel in found.sentinels:
                sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", EARLY_MS)
        self[server] = found
        return found


@pytest.fixture
def lab(labs: dict[str, Lab]) -> Lab:
    return labs["redis-7.0"]


def test_failover_without_good_replica_is_refused(lab: Lab, tmp_path: Path) -> None:
    master, replicas = lab.master(), lab.replicas()
    for replica in replicas:
        lab.hang(replica)
    try:
        code, lines, err = run(lab, "--yes", state=tmp_path)
    finally:
        for replica in replicas:
            lab.resume(replica)
    assert code == 1, err
    assert not of("plan", lines)["possible"]
    assert "in-sync" in [check["id"] for check in lines[0]["checks"] if check["result"] == "refused"]
    assert lab.master() is master


def test_failover_without_a_terminal_wants_yes(lab: Lab, tmp_path: Path) -> None:
    code, lines, err = run(lab, state=tmp_path)
    assert (code, lines) == (2, [])
    assert "add --yes" in err


def test_if_master_of_another_node_does_nothing(lab: Lab, tmp_path: Path) -> None:
    code, lines, _ = run(lab, "--yes", "--wait", "--if-master", shown(lab.replicas()[0]), state=tmp_path)
    assert code == 0
    assert not of("plan", lines)["needed"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_priority_is_put_back_after_the_terminal_is_gone(lab: Lab, tmp_path: Path, number: signal.Signals) -> None:
    wanted, master = lab.replicas()[-1], lab.master()
    # One Sentinel does not see the changed priority, so that the run waits. All must have forgotten an earlier run.
    eventually(lambda: all_see_priority(lab, "100"), LIMIT, what="every Sentinel to see the first priorities")
    lab.sentinels[0].call("SENTINEL", "DEBUG", "INFO-PERIOD", "60000")
    try:
        with start(lab, "--yes", "--wait", "--to", shown(wanted), state=tmp_path) as process:
            eventually(lambda: priority(wanted) == "99", LIMIT, what="the priority to be changed")
            process.send_signal(number)
            process.communicate(timeout=LIMIT)
    finally:
        lab.sentinels[0].call("SENTINEL", "DEBUG", "INFO-PERIOD", EARLY_MS)
    assert process.returncode != 0
    if number is signal.SIGKILL:
        assert (priority(wanted), len(list(tmp_path.iterdir()))) == ("99", 1)
        code, _, err = run(lab, "--put-back", state=tmp_path)
        assert code == 0, err
        assert "put back the replica priorities" in err
    assert (priority(wanted), list(tmp_path.iterdir())) == ("100", [])
    assert lab.master() is master


def test_wanted_replica_becomes_the_master_and_nothing_is_lost(lab: Lab, tmp_path: Path) -> None:
    wanted = lab.replicas()[-1]
    code, lines, err = run(lab, "--yes", "--wait", "--to", shown(wanted), "--canary", "--wait-replicas", state=tmp_path)
    assert code == 0, err
    done, canary = of("planned", lines), of("canary", lines)
    assert (done["ending"], done["new"]["port"], done["failover"]["kind"]) == ("done", wanted.port, "manual")
    assert (canary["lost"], canary["reasons"]) == (0, []), canary
    as_it_should_be(lab, wanted)
    assert [priority(node) for node in lab.nodes(NAME)] == ["100"] * 3
    assert list(tmp_path.iterdir()) == []


def test_of_two_operators_one_moves_the_master(lab: Lab, tmp_path: Path) -> None:
    request = FailoverRequest(NAME, cool_down=0.0, timeout=LIMIT)

    async def both() -> list[Conclusion]:
        async with Watcher(lab.sentinel_addresses) as one, Watcher(lab.sentinel_addresses) as two:
            runs = [PlannedFailover(each, request, tmp_path, lambda said: None, 5.0) for each in (one, two)]
            plans = [await each.plan(wait=LIMIT) for each in runs]
            assert [plan.refusals for plan in plans] == [(), ()]
            ends = await asyncio.gather(*(each.carry_out(plan) for each, plan in zip(runs, plans, strict=True)))
            for each in runs:
                await each.close()
            return ends

    ends = asyncio.run(both())
    assert sorted(each.ending for each in ends) == [Ending.DONE, Ending.REFUSED], [each.reason for each in ends]
    as_it_should_be(lab, lab.master())


def test_coordinated_failover_is_done_and_verified(labs: dict[str, Lab], tmp_path: Path) -> None:
    lab = labs["valkey-9.1"]
    old = lab.master()
    code, lines, err = run(lab, "--yes", "--wait", "--wait-replicas", "--coordinated", state=tmp_path)
    assert code == 0, err
    done = of("planned", lines)
    assert (done["ending"], done["old"]["port"], done["failover"]["kind"]) == ("done", old.port, "coordinated")
    as_it_should_be(lab, next(node for node in lab.nodes(NAME) if node.port == done["new"]["port"]))


@contextmanager
def restarting(lab: Lab) -> Iterator[str]:
    """Yield a command that has a node restarted, as a service manager would."""

    class Restart(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            port = int(self.rfile.readline())
            lab.restart(next(node for node in lab.nodes(NAME) if node.port == port))
            self.wfile.write(b"done")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Restart) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        where = f"socket.create_connection(('127.0.0.1', {server.server_address[1]}))"
        code = f"import socket; s = {where}; s.sendall(b'{{port}}\\n'); assert s.recv(9) == b'done'"
        yield shlex.join([sys.executable, "-c", code])
        server.shutdown()


def test_rolling_restart_restarts_every_node_and_moves_the_master(labs: dict[str, Lab], tmp_path: Path) -> None:
    lab = labs["redis-6.2"]
    old, before = lab.master(), {node.port: node.pid for node in lab.nodes(NAME)}
    with restarting(lab) as command, start(lab, "--yes", "--each", command, state=tmp_path, verb="rolling") as process:
        out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    done = of("planned", [json.loads(line) for line in out.splitlines()])
    assert (done["ending"], len(done["restarted"]), done["restarted"][-1]["port"]) == ("done", 3, old.port)
    assert all(node.pid != before[node.port] for node in lab.nodes(NAME))
    as_it_should_be(lab, next(node for node in lab.nodes(NAME) if node.port == done["new"]["port"]))


def test_rolling_restart_stops_at_a_command_that_fails(labs: dict[str, Lab], tmp_path: Path) -> None:
    lab = labs["redis-6.2"]
    master = lab.master()
    with start(lab, "--yes", "--each", "false {port}", state=tmp_path, verb="rolling") as process:
        out, err = process.communicate(timeout=LIMIT)
    done = of("planned", [json.loads(line) for line in out.splitlines()])
    assert (process.returncode, done["ending"]) == (6, "stopped"), err
    assert "ended with 1" in done["reason"]
    assert lab.master() is master


def test_daemon_carries_out_an_order_and_acknowledges_it(labs: dict[str, Lab], tmp_path: Path) -> None:
    lab = labs["valkey-9.1"]
    journal = f"sqlite:///{tmp_path}/journal.db"
    state = {"SWITCHMASTER_STATE": str(tmp_path / "state"), "SWITCHMASTER_HTTP_TOKEN": TOKEN}
    with Daemon(tmp_path / "daemon", *words(lab), "--journal", journal, **state) as daemon:
        path = f"{daemon.url}api/v1/masters/{NAME}/planned-failover"
        eventually(lambda: httpx.get(f"{daemon.url}api/v1/masters/{NAME}").is_success, LIMIT, what="the master")

        def ask(method: str, json: Any = None) -> dict[str, Any]:
            found = httpx.request(method, path, json=json, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=LIMIT)
            assert found.is_success, found.text
            line: dict[str, Any] = found.json()
            return line

        eventually(lambda: ask("POST", {"dry_run": True})["plan"]["possible"], LIMIT, what="nothing to refuse")
        assert ask("POST", {"confirm": NAME, "by": "ada"})["running"]
        eventually(lambda: not ask("GET")["running"], LIMIT, what="the failover to end")
        ended = ask("GET")["conclusion"]
        assert ended["ending"] == "done", ended
        kept = f"{daemon.url}api/v1/failovers"
        eventually(lambda: httpx.get(kept).json()["items"][0]["acknowledged"], LIMIT, what="its acknowledgement")
    as_it_should_be(lab, next(node for node in lab.nodes(NAME) if node.port == ended["new"]["port"]))
