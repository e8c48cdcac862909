"""Passwords of Sentinels and nodes rotated under a client and under the daemon: the next failover costs nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import redis.credentials
import redis.sentinel

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import end, make_ready, wait_for_subscribers
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import FAILOVER_LIMIT
from rig.writers import Writers
from switchmaster.journal import open_reader
from switchmaster.lab import Lab
from switchmaster.model import Grade

pytestmark = pytest.mark.live

USERS = {"sentinel_users": ("user asker on >s0 ~* &* +@all",), "node_users": ("user asker on >n0 ~* &* +@all",)}


class Provider(redis.credentials.CredentialProvider):
    """Returns the current password."""

    def __init__(self, password: str) -> None:
        self.password = password

    def get_credentials(self) -> tuple[str, str]:
        return "asker", self.password

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


@pytest.fixture
def lab(lab_factory: LabFactory) -> Lab:
    return lab_factory(binary=str(find_or_skip("redis-7.0").path), replicas=1, failover_timeout_ms=5000, **USERS)


def rotate(lab: Lab, sentinels: str, nodes: str) -> None:
    """Remove the old passwords, and end every connection that used them."""
    for server, password in [*((s, sentinels) for s in lab.sentinels), *((n, nodes) for n in lab.nodes())]:
        server.call("ACL", "SETUSER", "asker", "resetpass", f">{password}")
        server.call("CLIENT", "KILL", "USER", "asker")


def test_clients_and_their_watcher_take_rotated_passwords_from_the_provider(lab: Lab) -> None:
    of_sentinels, of_nodes = Provider("s0"), Provider("n0")
    given: dict[str, Any] = {
        "sentinel_kwargs": {"credential_provider": of_sentinels},
        "credential_provider": of_nodes,
        "socket_timeout": 1.0,
    }
    sentinel = switchmaster.redis.Sentinel(lab.sentinel_addresses, **given)
    client = sentinel.master_for("mymaster")
    stock = redis.sentinel.Sentinel(lab.sentinel_addresses, **given).master_for("mymaster")
    assert client.set("k", 1)
    assert stock.set("k", 1)
    wait_for_subscribers(lab, 1)
    of_sentinels.password, of_nodes.password = "s1", "n1"
    rotate(lab, "s1", "n1")
    eventually(lambda: stock.set("k", 2), what="stock's next command")
    wait_for_subscribers(lab, 1)
    old = lab.master()

    def make_client() -> Any:
        return switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses, **given).master_for("mymaster")

    with Writers(client, 2, make_client, 2) as writers:
        eventually(lambda: writers.going_on(0.0), what="the writers' beginning")
        lab.failover()
        eventually(lambda: sentinel.counters["switches"] == 1, FAILOVER_LIMIT, what="the switch to be noticed")
        moved = max(log.acknowledged[-1][1] for log in writers.all)
        eventually(lambda: writers.going_on(moved), FAILOVER_LIMIT, what="every writer to go on")
    assert writers.failed() == []
    master = lab.master()
    assert master is not old
    assert writers.lost(lambda key: master.call("LRANGE", key, 0, -1)) == []
    assert sentinel.watcher.state("mymaster").grade >= Grade.PROMOTED
    make_ready(lab, old)
    end(client)


FILE = """
[deployments.kvdb]
sentinels = [{sentinels}]
[deployments.kvdb.sentinel]
username = "asker"
password_file = "sentinel"
[deployments.kvdb.node]
username = "asker"
password_file = "node"
[journal]
url = "sqlite:///{folder}/journal.db"
"""


def test_daemon_reads_its_password_files_again_with_each_connection(lab: Lab, tmp_path: Path) -> None:
    sentinels = ", ".join(f'"{host}:{port}"' for host, port in lab.sentinel_addresses)
    file = tmp_path / "switchmaster.toml"
    file.write_text(FILE.format(sentinels=sentinels, folder=tmp_path), encoding="utf-8")
    for name, word in (("sentinel", "s0\n"), ("node", "n0\n")):
        (tmp_path / name).write_text(word, encoding="utf-8")
    with Daemon(tmp_path / "d", "--config", str(file)) as daemon:
        reader = open_reader(f"sqlite:///{tmp_path}/journal.db")
        eventually(lambda: reader.masters(), FAILOVER_LIMIT, what="the master to be known")
        wait_for_subscribers(lab, 1)
        rotate(lab, "s1", "n1")  # before the files: the daemon is refused at first
        eventually(lambda: all(s.call("ACL", "LOG") for s in lab.sentinels), what="every Sentinel to refuse it")
        for name, word in (("sentinel", "s1\n"), ("node", "n1\n")):
            (tmp_path / name).write_text(word, encoding="utf-8")
        wait_for_subscribers(lab, 1)
        lab.failover()
        eventually(lambda: reader.switches(master="mymaster").items, FAILOVER_LIMIT, what="the switch")
        assert [line["grade"] for line in reader.switches(master="mymaster").items] == ["promoted"]
        reader.close()
        assert daemon.stop() == -signal.SIGTERM
