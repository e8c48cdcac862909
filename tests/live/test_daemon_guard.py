"""The guard of a daemon over real servers: a dry run, armed by a reload that keeps all connections; a failover."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from rig.conditions import eventually
from rig.daemons import SRC, Daemon
from rig.lab_fixtures import LabFactory

pytestmark = pytest.mark.live

LIMIT = 60.0
PATH = "api/v1/masters/mymaster/guard"


def written(folder: Path, sentinels: list[tuple[str, int]], armed: str) -> str:
    named = ", ".join(f'"{host}:{port}"' for host, port in sentinels)
    file = folder / "switchmaster.toml"
    file.write_text(
        f"[deployments.kvdb]\nsentinels = [{named}]\nguard = {{ armed = {armed} }}\n"
        f'[journal]\nurl = "sqlite:///{folder}/journal.db"\n',
        encoding="utf-8",
    )
    return str(file)


def guard(url: str) -> dict[str, Any]:
    line: dict[str, Any] = httpx.get(url + PATH).json()
    return line


def notices(url: str) -> dict[str, str]:
    items = httpx.get(f"{url}api/v1/events", params={"type": "notice", "limit": 1000}).json()["items"]
    return {line["kind"]: line["text"] for line in items}


def explain(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "switchmaster", "guard", "explain", "mymaster", "--url", url, "--format", "pretty"]
    environment = {**os.environ, "PYTHONPATH": SRC}
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment, check=False)


def test_dry_run_is_armed_by_a_reload_and_fails_over_at_once(tmp_path: Path, lab_factory: LabFactory) -> None:
    lab = lab_factory(down_after_ms=30_000)
    config = written(tmp_path, lab.sentinel_addresses, '"dry-run"')
    with Daemon(tmp_path / "daemon", "--config", config) as daemon:
        url = daemon.url
        eventually(lambda: guard(url).get("would_ask"), LIMIT, what="the guard to know whom it would ask")
        before = guard(url)
        assert (before["arming"], before["would_act"]) == ("dry-run", False)
        assert explain(url).returncode == 1

        written(tmp_path, lab.sentinel_addresses, "true")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for("new connections for: no deployment")
        eventually(lambda: guard(url)["would_act"], LIMIT, what="the guard to be armed")
        told = explain(url)
        assert (told.returncode, "SENTINEL FAILOVER mymaster" in told.stdout) == (0, True), told.stdout

        old = lab.master()
        lab.crash(old)
        eventually(lambda: "guard-verified" in notices(url), LIMIT, what="the failover that the guard ordered")
        said = notices(url)
        assert f"{old.host}:{old.port} is dead" in said["guard-ordered"]
        assert daemon.wait_for("is asked for a failover", kind="guard-ordered")
        after = guard(url)
        assert (after["counts"]["orders"], after["counts"]["verified"]) == (1, 1)
        assert after["address"] != before["address"]
        [failover] = eventually(
            lambda: httpx.get(f"{url}api/v1/failovers").json()["items"], LIMIT, what="the failover in the journal"
        )
        assert failover["old"]["port"] == old.port
        assert 'switchmaster_guard_orders_total{deployment="kvdb",master_name="mymaster"} 1.0' in (
            httpx.get(f"{url}metrics").text
        )
        assert daemon.stop() == -signal.SIGTERM
