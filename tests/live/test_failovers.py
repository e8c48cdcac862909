"""
Failovers of real servers: one Switch each, first, and correct by the nodes' own ROLE.

Valkey 9.1 may start a second failover by itself about 1 s after the first if down-after is short; so it is longer here,
and checks go by epoch.
"""

from __future__ import annotations

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import FAILOVER_LIMIT, WatcherLog, check_one_switch_each_epoch, watcher_log, watcher_logs
from switchmaster.belief.decisions import Switch
from switchmaster.lab import Lab
from switchmaster.model import Address, Grade, Via
from switchmaster.net.dial import Tls
from switchmaster.net.heard import Heard

pytestmark = pytest.mark.live

NODE = {"node_password": "np"}


def down_after(server: str) -> int:
    return 3000 if find_or_skip(server).kind == "valkey" else 1000


def check_first(told: WatcherLog, switch: Switch, master: str = "mymaster") -> None:
    """Check that the Switch comes no later than the first +switch-master, and before +promoted-slave if the node proved
    it."""
    announced = told.wait_for("+switch-master", master=master)
    assert switch.time is not None
    if switch.via is Via.SWITCH:
        assert told.log.index(switch) == told.log.index(announced) + 1
        return
    assert told.is_before(switch, announced)
    assert switch.time < announced.time
    if switch.via is Via.ROLE:
        assert told.is_before(switch, told.wait_for("+promoted-slave", master=master))


def check_by_role(told: WatcherLog, switch: Switch) -> None:
    assert (switch.via, switch.grade) == (Via.ROLE, Grade.PROMOTED), switch
    assert "the node itself answers ROLE master" in switch.why
    check_first(told, switch)


def check_announced(told: WatcherLog, switch: Switch) -> None:
    """Without the node's ROLE, the leader's announcement is decided when the first other Sentinel follows, or
    before."""
    assert (switch.via, switch.grade) == (Via.PROMOTED, Grade.ANNOUNCED), switch
    followed = [one for one in told.heard("+switch-master") if one.sentinel != switch.witnesses[0]]
    # Events of one turn have one time, and are reported before the decisions on them.
    assert switch.time is not None
    assert switch.time <= followed[0].time


def address_of(lab: Lab, master: str = "mymaster") -> Address:
    return Address(*lab.master(master).address)


def test_crash_gives_one_switch_by_the_earliest_evidence(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, password="np", down_after_ms=down_after(server))
    old = address_of(lab)
    with watcher_logs(lab, NODE, {"node_password": "wrong"}, {"probe": False}) as told:
        lab.crash(lab.master())
        by_role, refused, without = [one.wait_for_switch() for one in told]
        for one in told:
            one.wait_until_settled()
        check_by_role(told[0], by_role)
        check_announced(told[1], refused)
        assert "password" in refused.why
        check_announced(told[2], without)
        assert by_role.time < refused.time
        assert by_role.time < without.time
        for one in told:
            check_one_switch_each_epoch(lab, one, old)


def test_hang_gives_one_switch_and_the_old_master_does_not_come_back(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, down_after_ms=down_after(server))
    hung, old = lab.master(), address_of(lab)
    with watcher_log(lab) as told:
        lab.hang(hung)
        check_by_role(told, told.wait_for_switch())
        told.wait_until_settled()
        lab.resume(hung)
        eventually(lambda: hung in lab.masters(), what="the old master, which still thinks it is one")
        told.wait_for("-role-change")
        told.wait_until_settled()
        check_one_switch_each_epoch(lab, told, old)


def test_planned_failover_gives_one_switch(server: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=server, down_after_ms=down_after(server))
    old = address_of(lab)
    with watcher_log(lab) as told:
        lab.failover(sentinel=1)
        check_by_role(told, told.wait_for_switch())
        told.wait_until_settled()
        check_one_switch_each_epoch(lab, told, old)
        assert not told.heard("+sdown")


def test_coordinated_failover_gives_one_switch(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("valkey-9.1").path), down_after_ms=3000)
    old = address_of(lab)
    with watcher_log(lab) as told, told.watcher.failovers() as records:
        lab.failover(coordinated=True)
        check_first(told, told.wait_for_switch())
        told.wait_until_settled()
        check_one_switch_each_epoch(lab, told, old)
        eventually(lambda: records.next(1).kind.value == "coordinated", what="a coordinated record")


def test_two_masters_on_the_same_sentinels_give_a_switch_each(server: str, lab_factory: LabFactory) -> None:
    names = ("mymaster1", "mymaster2")
    lab = lab_factory(
        binary=server,
        masters=names,
        replicas=1,
        sentinels=2,
        quorum=2,
        down_after_ms=down_after(server),
        failover_timeout_ms=3000,
    )
    old = {name: address_of(lab, name) for name in names}
    with watcher_log(lab) as told:
        assert told.watcher.masters() == names
        for name in names:
            lab.crash(lab.master(name))
        for name in names:
            check_first(told, told.wait_for_switch(name), name)
            told.wait_until_settled(name, sentinels=2)
        for name in names:
            check_one_switch_each_epoch(lab, told, old[name], name)


ASKS = "-@all +ping +hello +psubscribe +subscribe +info +role +sentinel +client"
USERS = {
    "halves": f"user halves on >pw resetchannels &+* &-* {ASKS}",
    "named": f"user named on >pw resetchannels &+switch-master {ASKS}",
    "mute": "user mute on >pw resetchannels &* -@all +ping +hello +psubscribe",
}


def test_switch_is_known_over_tls_with_passwords_whatever_the_acl_allows(lab_factory: LabFactory) -> None:
    lab = lab_factory(
        binary=str(find_or_skip("redis-7.0").path),
        tls=True,
        password="np",
        sentinel_password="sp",
        node_users=("user asker on >ask -@all +role",),
        sentinel_users=tuple(USERS.values()),
    )
    assert lab.certificates is not None
    tls = Tls(ca_file=lab.certificates.ca)
    node = {"node_tls": tls, "node_username": "asker", "node_password": "ask", "tls": tls}
    users = [{"username": user, "password": "pw"} for user in USERS]
    old = address_of(lab)
    with watcher_logs(lab, {**node, "password": "sp"}, *({**node, **user} for user in users)) as told:
        lab.failover()
        whole, halves, named, mute = [one.wait_for_switch() for one in told]
        for one in told:
            eventually(lambda one=one: one.agreed(), FAILOVER_LIMIT, what="agreement")  # type: ignore[misc]
            [switch] = one.switches()
            assert (switch.old, switch.new) == (old, address_of(lab))
        for one, switch in ((told[0], whole), (told[1], halves)):
            check_by_role(one, switch)
        # A user who can't list the nodes gives none of them a password.
        assert (mute.via, mute.grade) == (Via.PROMOTED, Grade.ANNOUNCED)
        assert "none is sent before a majority of the Sentinels lists it" in mute.why
        # A user who hears nothing before that asks the node then, and waits for its answer.
        assert (named.via, named.grade) == (Via.SWITCH, Grade.PROMOTED)
        assert 0 <= named.time - told[2].wait_for("+switch-master").time < 1.0
        assert {item.event.channel for item in told[2].log if isinstance(item, Heard)} == {"+switch-master"}
        refusals = [one.watcher.counters["link_resp_errors"] for one in told]
        assert refusals[0] == 0 < refusals[1] < refusals[2]


@pytest.mark.parametrize("options", [{"host": "::1"}, {"hostnames": True}], ids=["ipv6", "names"])
def test_switch_is_known_by_ipv6_and_by_names(lab_factory: LabFactory, options: dict[str, object]) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), **options)
    old = address_of(lab)
    with watcher_log(lab) as told:
        assert told.watcher.master("mymaster") == old
        assert old.host == lab.options.announced_host
        lab.failover()
        check_by_role(told, told.wait_for_switch())
        told.wait_until_settled()
        check_one_switch_each_epoch(lab, told, old)
