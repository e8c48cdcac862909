"""The daemon over real servers, as its clients see it: the belief, the role of a node, the stream, the figures."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import LabFactory
from switchmaster.lab import Lab
from switchmaster.lab.servers import LabServer

pytestmark = pytest.mark.live

LIMIT = 60.0


class Listener:
    """Follows the stream in a thread until either side ends the connection."""

    def __init__(self, url: str, after: int) -> None:
        self.heard: list[tuple[int, dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._listen, args=(url, after), daemon=True)
        self._thread.start()

    def _listen(self, url: str, after: int) -> None:
        id = after
        try:
            headers = {"Last-Event-ID": str(after)}
            with httpx.stream("GET", f"{url}api/v1/stream", headers=headers, timeout=LIMIT) as told:
                for line in told.iter_lines():
                    if line.startswith("id: "):
                        id = int(line[4:])
                    elif line.startswith("data: "):
                        self.heard.append((id, json.loads(line[6:])))
        except httpx.HTTPError:
            return  # the daemon was killed, as the test wants

    def of(self, type: str) -> list[dict[str, Any]]:
        return [line for _, line in self.heard if line["type"] == type]

    def join(self) -> None:
        self._thread.join(LIMIT)


def is_master(url: str, server: LabServer) -> int:
    return httpx.get(f"{url}masters/mymaster/is-master", params={"addr": f"{server.host}:{server.port}"}).status_code


def value(url: str, sample: str) -> float:
    """Return the value of a sample; 0 if there is none."""
    lines = httpx.get(f"{url}metrics").text.splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0.0)


def test_clients_of_a_killed_daemon_miss_none_of_two_failovers(lab_factory: LabFactory, tmp_path: Path) -> None:
    """Clients of the daemon follow two failovers and miss nothing while it is killed."""
    lab: Lab = lab_factory(masters=("mymaster",), down_after_ms=1500)
    words = [f"{host}:{port}" for host, port in lab.sentinel_addresses]
    journal = f"sqlite:///{tmp_path}/journal.db"
    with Daemon(tmp_path / "d", "--journal", journal, *words) as daemon:
        url = daemon.url
        eventually(lambda: httpx.get(f"{url}readyz").status_code == 200, LIMIT)
        first = lab.master("mymaster")
        assert [server for server in lab.nodes("mymaster") if is_master(url, server) == 200] == [first]
        etag = httpx.get(f"{url}api/v1/topology").headers["ETag"]
        listener = Listener(url, 0)
        lab.crash(first)
        eventually(lambda: is_master(url, first) == 503, LIMIT)
        eventually(lambda: any(line["outcome"] == "completed" for line in listener.of("failover")), LIMIT)
        [switch] = listener.of("switch")[:1]
        assert httpx.get(f"{url}api/v1/masters/mymaster").json()["address"] == switch["new"]
        assert httpx.get(f"{url}api/v1/topology", headers={"If-None-Match": etag}).status_code == 200
        eventually(lambda: value(url, "switchmaster_switches_total{") == 1, LIMIT)
        assert value(url, "switchmaster_sentinel_connected{") == 1

        daemon.kill()
        listener.join()
        last = listener.heard[-1][0]
        daemon.start()
        second = Listener(daemon.url, last)
        eventually(lambda: lab.failover("mymaster"), LIMIT)
        # A daemon that was started in the middle may report it without its epoch.
        eventually(lambda: [line for line in second.of("switch") if line["new"] != switch["new"]], LIMIT)
        daemon.stop()
        second.join()
        ids = [id for id, _ in (*listener.heard, *second.heard)]
        assert ids == sorted(set(ids)), "each line once, in order"
        assert second.heard[0][0] == last + 1, "the first line follows the last id"
