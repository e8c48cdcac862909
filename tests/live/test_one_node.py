"""
Events that look like a switch to one Sentinel, and are none: a node with two names, and a Sentinel that catches up.
"""

from __future__ import annotations

import time

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import watcher_log
from switchmaster.belief.failover import Failover
from switchmaster.lab import Lab
from switchmaster.lab.servers import LabServer

pytestmark = pytest.mark.live

SETTLED = 12.0
"""Seconds in which a majority that gives another address would have moved the belief: 10 and a margin."""


def announce_names(lab: Lab, sentinel: LabServer) -> None:
    """Let one Sentinel know the master by a name, and announce names."""
    lab.crash(sentinel)
    lines = sentinel.first_config.replace("127.0.0.1", "localhost").splitlines()
    lines = [
        line.replace("localhost", "127.0.0.1") if line.startswith(("bind", "dir", "logfile")) else line
        for line in lines
    ]
    names = ["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"]
    sentinel.config.write_text("\n".join([*names, *lines]) + "\n")
    lab.restart(sentinel)


@pytest.mark.slow  # it waits longer than a majority must hold another address
@pytest.mark.parametrize("version", ["valkey-9.1", "redis-7.0"])  # 6.2 writes names, and does not load them again
def test_a_master_that_one_sentinel_calls_by_name_is_one_node(version: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip(version).path))
    announce_names(lab, lab.sentinels[0])
    assert lab.sentinel_command(0, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")[0] == "localhost"
    with watcher_log(lab) as told:
        told.wait_until_settled()
        believed = told.watcher.master("mymaster")
        wait(SETTLED)
        assert told.switches() == []
        assert told.watcher.master("mymaster") == believed
        lab.failover(sentinel=1)
        told.wait_for_switch()
        told.wait_until_settled()
        wait(SETTLED)
        [switch] = told.switches()
        assert switch.new.port == lab.master().port


def wait(seconds: float) -> None:
    """Wait for the time in which a false switch would come."""
    began = time.monotonic()
    eventually(lambda: time.monotonic() > began + seconds, seconds + 30, what="the time to pass")


def test_sentinel_that_catches_up_is_no_failover(server: str, lab_factory: LabFactory) -> None:
    """It was restarted with its first configuration, so it announces a switch that all know."""
    lab = lab_factory(binary=server)
    old = lab.master()
    lab.failover(sentinel=1)
    eventually(lambda: lab.master() is not old, what="another master")
    make_ready(lab, old)
    with watcher_log(lab) as told:
        records: list[Failover] = []
        told.watcher.on_failover(records.append)
        lab.restart_sentinel(0, keep_config=False)
        # Its +switch-master is heard if the link is back first; the first answer tells the same.
        new = lab.master().address

        def caught_up() -> bool:
            host, port = lab.sentinel_command(0, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
            return (host, int(port)) == new

        eventually(caught_up, 60, what="the Sentinel to catch up")
        told.wait_until_settled()
        assert told.switches() == []
        assert [record for record in records if record.attempted] == []
