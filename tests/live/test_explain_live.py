"""`switchmaster explain` on real servers: why the master would not fail over, that it would, and that it does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import SERVERS, LabFactory, find_or_skip
from switchmaster.cli.group import cli
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

MASTER = "mymaster"
LIMIT = 40.0
PULSE = "name=switchmaster-pulse"


def explain(lab: Lab, *more: str) -> tuple[int, dict[str, Any]]:
    words = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
    done = CliRunner().invoke(
        cli, ["explain", MASTER, *words, *more, "--format", "json"], env={"SWITCHMASTER_CONFIG": None}
    )
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def hindrances(line: dict[str, Any]) -> set[str]:
    return {one for leader in line["leaders"] for one in leader["hindrances"]}


def hostport(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def keep_pauses(lab: Lab, folder: Path) -> str:
    """Let a daemon measure the nodes for a moment, and return its configuration."""
    config = folder / "switchmaster.toml"
    sentinels = ", ".join(f'"{hostport(address)}"' for address in lab.sentinel_addresses)
    config.write_text(
        f'[deployments.lab]\nsentinels = [{sentinels}]\nmeasure_pauses = true\n[journal]\nurl = "sqlite:///{folder}/j.db"\n',
        encoding="utf-8",
    )
    with Daemon(folder / "daemon", "--config", str(config)) as daemon:

        def measured() -> bool:
            clients = [str(node.call("CLIENT", "LIST")) for node in lab.nodes(MASTER)]
            lines = [next((line for line in text.splitlines() if PULSE in line), "") for text in clients]
            return all("cmd=ping" in line and " age=0 " not in line for line in lines)

        eventually(measured, LIMIT)
        daemon.stop()
    return str(config)


@pytest.mark.parametrize("which", SERVERS if os.environ.get("SWITCHMASTER_TEST_SERVERS") == "all" else SERVERS[:1])
def test_forecast_names_what_is_wrong_and_who_is_promoted(lab_factory: LabFactory, tmp_path: Path, which: str) -> None:
    """On one server; ``make proofs`` sets SWITCHMASTER_TEST_SERVERS=all: on each."""
    binary = str(find_or_skip(which).path)
    lab = lab_factory(masters=(MASTER,), binary=binary, down_after_ms=1000, node_lines=("replica-priority 0",))
    lab.wait_until_settled()

    # A moment's pauses show nothing yet, and that is told.
    code, line = explain(lab, "--down-after", "--measure", "2", "--config", keep_pauses(lab, tmp_path))
    assert (code, line["present"], line["advised"]) == (1, 1.0, None)
    assert line["nodes"] == sorted(hostport(node.address) for node in lab.nodes(MASTER))
    assert line["pauses"]["measured"] + line["pauses"]["left_out"] > 0
    assert line["journal"]["false_suspicions"] == 0

    master, heir = lab.master(MASTER), lab.replicas(MASTER)[0]
    first, second, _ = lab.sentinels

    # No replica may be promoted.
    code, line = explain(lab)
    assert (code, line["would"], hindrances(line)) == (1, "no", {"no-good-replica"})
    failed = {check["rule"] for check in line["leaders"][0]["candidates"][0]["checks"] if not check["passed"]}
    assert failed == {"priority"}
    code, line = explain(lab, "--if-dies", hostport(master.address))
    assert (code, line["fate"]) == (1, "lost")

    # One of them may: Sentinel learns of it with its next INFO.
    heir.call("CONFIG", "SET", "replica-priority", "10")
    assert eventually(lambda: explain(lab)[1]["would"] == "yes", LIMIT)
    code, line = explain(lab)
    assert (code, line["winners"]) == (0, [{"host": heir.address[0], "port": heir.address[1]}])
    assert [leader["usable"] for leader in line["leaders"]] == [3, 3, 3]
    promoted = next(step for step in line["steps"]["crash"] if step["stage"] == "promoted")
    assert promoted["earliest"] > 1.0
    code, line = explain(lab, "--if-dies", hostport(heir.address))
    assert (code, line["fate"], line["replicas_lost"][0]["port"]) == (1, "unprotected", heir.address[1])
    code, line = explain(lab, *(word for one in (first, second) for word in ("--if-dies", hostport(one.address))))
    assert (code, line["fate"]) == (1, "unprotected")
    assert line["sentinels_lost"] == sorted(map(hostport, (first.address, second.address)))

    # A dead Sentinel counts, and two are a majority of three: the master's death shows it.
    lab.crash(first)
    assert eventually(lambda: {leader["usable"] for leader in explain(lab)[1]["leaders"]} == {0, 2}, LIMIT)
    code, line = explain(lab)
    assert (code, line["would"], hindrances(line)) == (0, "yes", {"silent"})
    lab.crash(master)
    assert eventually(lambda: [one.address for one in lab.masters(MASTER)] == [heir.address], LIMIT)

    # One of three is none.
    lab.crash(second)
    assert eventually(lambda: {"no-quorum", "no-majority"} <= hindrances(explain(lab)[1]), LIMIT)
    code, line = explain(lab)
    assert (code, line["would"]) == (1, "no")
    left = next(leader for leader in line["leaders"] if leader["known"])
    assert (left["known"], left["usable"], left["needed"]) == (3, 1, 2)
    assert left["ckquorum"].startswith("NOQUORUM 1 usable")
