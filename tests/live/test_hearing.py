"""Reports about real Sentinels themselves: lost majorities, TILT, names, ids, Sentinels that do not vote."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import switchmaster
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.cli.demo_daemon import DemoDaemon, demo_daemon
from switchmaster.errors import LabError
from switchmaster.lab import Lab, LabServer
from switchmaster.wire.replies import QuorumReply, parse_ckquorum

pytestmark = pytest.mark.live

MASTER = "mymaster"
LIMIT = 40.0
SRC = str(Path(switchmaster.__file__).parent.parent)


def shown(server: LabServer) -> str:
    return f"127.0.0.1:{server.port}"


def run(*arguments: str) -> str:
    """Run a command of the CLI; return its standard output."""
    kept = {name: value for name, value in os.environ.items() if "SWITCHMASTER" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "switchmaster", *arguments],
        env={**kept, "PYTHONPATH": os.pathsep.join([SRC, kept.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    return done.stdout


def get(beside: DemoDaemon, path: str) -> str:
    with urllib.request.urlopen(beside.url.rstrip("/") + path, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def master_of(beside: DemoDaemon) -> Any:
    return json.loads(get(beside, "/api/v1/masters"))["items"][0]


def connected(beside: DemoDaemon) -> list[Any]:
    """Return the lines of the Sentinels that are heard."""
    return [row for row in json.loads(get(beside, "/api/v1/sentinels"))["items"] if row["connected"]]


def metric(beside: DemoDaemon, name: str, **labels: str) -> float:
    """Return the value of a metric whose labels include these."""
    for line in get(beside, "/metrics").splitlines():
        found = re.fullmatch(rf"switchmaster_{name}{{(.*)}} (\S+)", line)
        if found and all(f'{key}="{value}"' in found[1] for key, value in labels.items()):
            return float(found[2])
    raise LookupError(f"no series of {name} with {labels}")


def logged(folder: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (folder / "daemon.log").read_text().splitlines() if line[:1] == "{"]


def waiting_for(condition: Callable[[], object]) -> None:
    eventually(condition, LIMIT, interval=0.1)


def ckquorum(sentinel: LabServer) -> Any:
    """Return what a Sentinel answers to SENTINEL CKQUORUM; its negative answer is an error."""
    try:
        return sentinel.call("SENTINEL", "CKQUORUM", MASTER)
    except LabError as error:
        return str(error).partition("refused SENTINEL: ")[2]


def test_lost_majority_is_reported_by_every_output_before_and_after_a_crash(
    lab_factory: LabFactory, tmp_path: Path
) -> None:
    lab: Lab = lab_factory(
        masters=(MASTER,),
        sentinels=5,
        quorum=2,
        replicas=1,
        down_after_ms=500,
        binary=str(find_or_skip("redis-7.0").path),
    )
    seed = shown(lab.sentinels[0])
    assert "5 of 5 Sentinels agree" in run("masters", seed, "--format", "pretty")
    with demo_daemon([seed], tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: master_of(beside)["agreement"] == "5 of 5 Sentinels agree")
        assert metric(beside, "master_failover_possible") == 1
        for sentinel in lab.sentinels[2:]:
            lab.crash(sentinel)
        waiting_for(lambda: metric(beside, "master_failover_possible") == 0)
        for sentinel in lab.sentinels[:2]:
            word = parse_ckquorum(ckquorum(sentinel))
            assert isinstance(word, QuorumReply)
            assert (word.reachable, word.usable) == (False, master_of(beside)["electorate"]["answering"])
        lab.crash(lab.master(MASTER))
        waiting_for(lambda: master_of(beside)["health"] == "down")
        text = "no failover possible: 2 of 5 Sentinels answer, 3 are needed"
        assert master_of(beside)["electorate"]["text"] == text
        for sentinel in lab.sentinels[2:]:
            assert any(f"the Sentinel {shown(sentinel)} is lost" in line for line in logged(tmp_path))
        assert f"{MASTER}: {text}" in logged(tmp_path)
        assert run("masters", seed, "--format", "pretty").startswith(f"{MASTER}: {text}\n")
        assert text in run("topology", seed, "--format", "pretty").splitlines()[2]
        watched = run("watch", seed, "--timeout", "0.5", "--format", "pretty")
        assert f"{MASTER}: {text}" in watched.splitlines()[1]


def test_sentinel_that_hung_is_shown_in_tilt_though_its_event_was_missed(
    server: str, lab_factory: LabFactory, tmp_path: Path
) -> None:
    lab = lab_factory(masters=(MASTER,), replicas=1, down_after_ms=1000, binary=server)
    stopped = lab.sentinels[1]
    name = shown(stopped)
    with demo_daemon([shown(each) for each in lab.sentinels], tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: metric(beside, "sentinel_connected", sentinel=name) == 1)
        lab.hang(stopped)
        begun = time.monotonic()
        waiting_for(lambda: metric(beside, "sentinel_connected", sentinel=name) == 0)
        # Two seconds without a tick are the trigger (sentinelCheckTiltCondition()).
        waiting_for(lambda: time.monotonic() > begun + 2.5)
        lab.resume(stopped)
        waiting_for(lambda: metric(beside, "sentinel_tilt", sentinel=name) == 1)
        [row] = [row for row in json.loads(get(beside, "/api/v1/sentinels"))["items"] if row["sentinel"] == name]
        assert row["tilt"]
        assert (row["tilt_since"] is None) == ("6.2" in row["version"])
        assert re.search(rf"{name}  heard .*TILT", run("topology", name, "--format", "pretty"))
        assert any(f"the Sentinel {name} is in TILT" in line for line in logged(tmp_path))
        with contextlib.suppress(LabError):  # Redis 6.2 has no such command: its TILT lasts 30 s
            stopped.call("SENTINEL", "DEBUG", "tilt-period", "100")
            waiting_for(lambda: metric(beside, "sentinel_tilt", sentinel=name) == 0)


def test_one_sentinel_under_two_names_is_heard_once_and_the_second_name_takes_over(
    lab_factory: LabFactory, tmp_path: Path
) -> None:
    lab = lab_factory(masters=(MASTER,), replicas=1, down_after_ms=1000, binary=str(find_or_skip("redis-7.0").path))
    sentinel = lab.sentinels[0]
    names = [f"127.0.0.1:{sentinel.port}", f"localhost:{sentinel.port}"]
    others = [shown(each) for each in lab.sentinels[1:]]
    with demo_daemon(names, tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: len(connected(beside)) == 3 and master_of(beside)["agreement"].startswith("3 of 3"))
        [row] = [row for row in connected(beside) if row["also"]]
        assert sorted([row["sentinel"], *row["also"]]) == sorted(names)
        begun, failures = time.monotonic(), row["failures"]
        waiting_for(lambda: time.monotonic() > begun + 5)
        [row] = [row for row in connected(beside) if row["also"]]
        assert row["failures"] == failures
        assert not [line for line in logged(tmp_path) if "is lost" in line or "heard again" in line]
        # The lab's Sentinel goes and comes back: one of its names is heard again, and the other is parked.
        lab.crash(sentinel)
        waiting_for(lambda: sorted(row["sentinel"] for row in connected(beside)) == sorted(others))
        lab.restart(sentinel)
        waiting_for(lambda: len(connected(beside)) == 3 and any(row["also"] for row in connected(beside)))
        assert master_of(beside)["electorate"]["known"] == 3


def test_sentinels_with_a_copied_id_are_all_heard_and_named_once(lab_factory: LabFactory, tmp_path: Path) -> None:
    lab = lab_factory(masters=(MASTER,), replicas=1, down_after_ms=1000, binary=str(find_or_skip("redis-7.0").path))
    for sentinel in lab.sentinels:
        lab.crash(sentinel)
        sentinel.config.write_text(sentinel.first_config + f"\nsentinel myid {'ab12' * 10}\n")
        lab.restart(sentinel)
    names = sorted(shown(sentinel) for sentinel in lab.sentinels)
    with demo_daemon(names, tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: all(row["shares_id_with"] for row in connected(beside)) and len(connected(beside)) == 3)
        begun = time.monotonic()
        waiting_for(lambda: time.monotonic() > begun + 5)
        assert sorted(row["sentinel"] for row in connected(beside)) == names
        assert {row["failures"] for row in connected(beside)} == {0}
        said = [line for line in logged(tmp_path) if "have the same Sentinel id" in line]
        assert len(said) == 1
        assert all(name in said[0] for name in names)
        assert metric(beside, "sentinel_shares_id", sentinel=names[0]) == 1
        assert master_of(beside)["electorate"]["obstacle"] == "quorum-too-high", "each is alone, by its own count"
        assert run("topology", *names, "--format", "pretty").count("same id as") == 3


def test_unaware_sentinels_and_counted_ghosts_are_named(lab_factory: LabFactory, tmp_path: Path) -> None:
    lab = lab_factory(masters=(MASTER,), replicas=1, down_after_ms=500, binary=str(find_or_skip("redis-7.0").path))
    names = [shown(sentinel) for sentinel in lab.sentinels]
    with demo_daemon(names, tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: master_of(beside)["agreement"] == "3 of 3 Sentinels agree")
        lab.sentinels[2].call("SENTINEL", "REMOVE", MASTER)
        unaware = f"2 of 3 Sentinels agree, {names[2]} does not monitor it"
        waiting_for(lambda: master_of(beside)["agreement"] == unaware)
        waiting_for(lambda: f"{MASTER}: {names[2]} does not monitor it, and can't vote on it" in logged(tmp_path))
        assert unaware in run("topology", names[0], "--format", "pretty")
        assert metric(beside, "master_unaware_sentinels") == 1
        port = str(lab.master(MASTER).port)
        lab.sentinels[2].call("SENTINEL", "MONITOR", MASTER, "127.0.0.1", port, "2")
        waiting_for(lambda: master_of(beside)["agreement"] == "3 of 3 Sentinels agree")
    ghosts = sorted(shown(lab.add_sentinel()) for _ in range(2))
    waiting_for(lambda: all("sentinels=5" in sentinel.call("INFO", "sentinel") for sentinel in lab.sentinels))
    for _ in range(2):
        lab.remove_sentinel(3)
    with demo_daemon(names, tmp_path) as beside:
        assert beside.url, beside.reason
        waiting_for(lambda: master_of(beside)["electorate"]["absent"] == ghosts)
        text = f"{', '.join(ghosts)} are counted and do not answer: if gone for good, run SENTINEL RESET {MASTER}"
        assert text in run("topology", names[0], "--format", "pretty")
        assert master_of(beside)["agreement"] == "3 of 5 Sentinels agree, 2 not heard"
        waiting_for(lambda: any("counted and do" in line for line in logged(tmp_path)))
        for sentinel in lab.sentinels:
            sentinel.call("SENTINEL", "RESET", MASTER)
        waiting_for(lambda: master_of(beside)["electorate"]["absent"] == [])
