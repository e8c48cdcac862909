"""
Two masters whose nodes have different passwords and users: each switch is decided by the node's own ROLE.

Redis alone: Valkey 9.1 may start a second failover by itself.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.daemons import Daemon
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import FAILOVER_LIMIT, check_one_switch_each_epoch, watcher_logs
from switchmaster import NodeAccess
from switchmaster.journal import open_reader
from switchmaster.lab import Lab
from switchmaster.lab.lab_client import LabCredentials
from switchmaster.model import Address, Grade, Via

pytestmark = pytest.mark.live

M1, M2 = MASTERS = ("mymaster1", "mymaster2")
ONE, TWO = NodeAccess(password="s3cret-one"), NodeAccess("asker", "s3cret-ask")


@pytest.fixture
def lab(lab_factory: LabFactory) -> Lab:
    """Yield a lab: a password for the nodes of M1; for those of M2 another, and a user with the right to ROLE only."""
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), masters=MASTERS, replicas=1, failover_timeout_ms=3000)
    for node in lab.nodes(M2):
        node.call("ACL", "SETUSER", "asker", "on", ">s3cret-ask", "-@all", "+role")
    for master, password in ((M1, "s3cret-one"), (M2, "s3cret-two")):
        lab.sentinel_set(master, "auth-pass", password)
        for node in lab.nodes(master):
            node.call("CONFIG", "SET", "masterauth", password, "requirepass", password)
            node.credentials = LabCredentials(password)
    lab.wait_until_settled()
    return lab


def address_of(lab: Lab, master: str) -> Address:
    return Address(*lab.master(master).address)


def test_a_master_with_the_right_access_has_its_switch_proved_by_the_node(lab: Lab) -> None:
    """A switch is proved by the node itself for each master whose own access is right."""
    old = {master: address_of(lab, master) for master in MASTERS}
    right = {"node_access": {M1: ONE, M2: TWO}}
    swapped = {"node_access": {M1: TWO, M2: ONE}}
    partly = {"node_password": "s3cret-one", "node_access": {M2: NodeAccess("asker", "s3cret-wrong")}}
    with watcher_logs(lab, right, swapped, partly) as told:
        for master in MASTERS:
            lab.failover(master)
            switches = [one.wait_for_switch(master) for one in told]
            for one in told:
                one.wait_until_settled(master)
                check_one_switch_each_epoch(lab, one, old[master], master)
                assert "s3cret" not in repr(one.log) + repr(one.watcher)
            by_role = [switch.via is Via.ROLE and switch.grade is Grade.PROMOTED for switch in switches]
            assert by_role == [True, False, master == M1], switches
            for switch in switches:
                if switch.via is not Via.ROLE:
                    assert (switch.via, switch.grade) == (Via.PROMOTED, Grade.ANNOUNCED), switch
                    assert "password" in switch.why, switch
        for master in MASTERS:
            node = address_of(lab, master)
            assert [one.watcher.role(node, master).role for one in told] == [
                "master",
                None,
                "master" if master == M1 else None,
            ]


FILE = """
[deployments.kvdb]
sentinels = [{sentinels}]
[deployments.kvdb.node]
password_file = "one"
[deployments.kvdb.nodes.{m2}]
username = "asker"
password_file = "ask"
[journal]
url = "sqlite:///{folder}/journal.db"
"""


def subscriptions(lab: Lab) -> list[set[str]]:
    """Return for each Sentinel the ids of our connections there that hear its events."""
    told = [sentinel.call("CLIENT", "LIST").splitlines() for sentinel in lab.sentinels]
    return [{row.split()[0] for row in rows if "name=switchmaster" in row and " psub=1 " in row} for rows in told]


def test_daemon_takes_a_new_password_of_one_masters_nodes_without_a_reload(lab: Lab, tmp_path: Path) -> None:
    file, secret = tmp_path / "switchmaster.toml", tmp_path / "ask"
    sentinels = ", ".join(f'"{host}:{port}"' for host, port in lab.sentinel_addresses)
    file.write_text(FILE.format(sentinels=sentinels, m2=M2, folder=tmp_path), encoding="utf-8")
    (tmp_path / "one").write_text("s3cret-one\n", encoding="utf-8")
    secret.write_text("s3cret-wrong\n", encoding="utf-8")
    with Daemon(tmp_path / "d", "--config", str(file)) as daemon:
        reader = open_reader(f"sqlite:///{tmp_path}/journal.db")

        def fail_over(master: str, count: int = 1) -> list[str]:
            """Return the grades of all switches of a master, oldest first, after one more."""
            lab.failover(master)
            eventually(lambda: len(grades(master)) == count, FAILOVER_LIMIT, what=f"switch {count} of {master}")
            return grades(master)

        def grades(master: str) -> list[str]:
            return [line["grade"] for line in reader.switches(master=master).items][::-1]

        eventually(lambda: len(reader.masters()) == 2, FAILOVER_LIMIT, what="both masters to be known")
        before = eventually(lambda: all(found := subscriptions(lab)) and found, what="every Sentinel to be heard")
        old = lab.master(M2)
        assert fail_over(M1) == ["promoted"]
        assert fail_over(M2) == ["announced"]
        secret.write_text("s3cret-ask\n", encoding="utf-8")
        daemon.signal(signal.SIGHUP)  # which changes nothing
        daemon.wait_for("reloaded; new connections for: no deployment")
        assert subscriptions(lab) == before
        make_ready(lab, old, M2)
        assert fail_over(M2, 2) == ["announced", "promoted"]
        reader.close()
        assert daemon.stop() == -signal.SIGTERM
    assert "s3cret" not in daemon.log.read_text("utf-8") + daemon.out.read_text("utf-8")
    assert b"s3cret" not in (tmp_path / "journal.db").read_bytes()
