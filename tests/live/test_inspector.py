"""A deployment inspected whole: real servers, with their passwords, a mute Sentinel, and rights that are lacking."""

from __future__ import annotations

import asyncio

import pytest

from rig.lab_fixtures import LabFactory
from switchmaster.doctor.inspection import Inspection
from switchmaster.lab import Lab
from switchmaster.model import Address
from switchmaster.net.inspector import Inspector
from switchmaster.wire.refusal import Refusal

PASSWORD = "a-node-password"
OF_SENTINELS = "a-sentinel-password"


def inspect(lab: Lab, first: int = 1, **more: object) -> Inspection:
    given = [Address(*address) for address in lab.sentinel_addresses[:first]]
    access = {"password": OF_SENTINELS, "node_password": PASSWORD, "timeout": 20.0, **more}
    inspector = Inspector(given, **access)  # type: ignore[arg-type]
    return asyncio.run(inspector.inspect())


@pytest.mark.parametrize("which", ["redis-6.2", "valkey-9.1"])
def test_whole_deployment_is_found_from_one_sentinel(which: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=which, password=PASSWORD, sentinel_password=OF_SENTINELS, masters=("one", "two"))
    lab.wait_until_settled()
    found = inspect(lab)
    assert {str(one.address) for one in found.sentinels} == {f"{h}:{p}" for h, p in lab.sentinel_addresses}
    assert [one.given for one in found.sentinels] == [True, False, False]
    assert found.masters == ("one", "two")
    for name in found.masters:
        one = found.of_master(name)
        assert len(one.answers) == 3
        assert one.known_sentinels == 3
        assert one.master is not None
        assert one.master.is_master()
        assert one.address == Address(*lab.master(name).address)
        assert {node.following() for node in one.replicas} == {one.address}
        for node in one.nodes.values():
            assert node.settings is not None
            assert PASSWORD not in repr(node.settings)
            assert node.setting("requirepass") == node.setting("masterauth") != ""
            assert node.clock_ahead is not None
            assert abs(node.clock_ahead) < 30
            assert node.dialled_ip == "127.0.0.1"
    newer = all(one.version >= (7,) for one in found.nodes)
    users = {user for node in found.nodes for user in node.sentinel_users}
    assert users == {"default"}
    asked = [right for node in found.nodes for rights in node.sentinel_users.values() for right in rights.values()]
    assert all(asked)
    assert bool(asked) == newer


def test_mute_sentinel_and_lacking_rights_are_told_and_cost_nothing_else(lab_factory: LabFactory) -> None:
    lab = lab_factory(
        sentinel_password=OF_SENTINELS,
        password=PASSWORD,
        sentinel_users=("user default on >a-sentinel-password ~* &* +@all -sentinel|ckquorum -sentinel|failover",),
    )
    lab.wait_until_settled()
    mute, *_ = lab.sentinels
    lab.hang(mute)
    try:
        found = inspect(lab, 3, timeout=5.0)
    finally:
        lab.resume(mute)
    silent = next(one for one in found.sentinels if one.address == Address(*mute.address))
    assert not silent.answered
    assert "timed out" in silent.reason
    others = [one for one in found.sentinels if one is not silent]
    assert all(one.answered and one.lacks("SENTINEL", "CKQUORUM") for one in others)
    assert [one.may_failover for one in others] == [False, False]
    assert len(found.of_master("mymaster").nodes) == 3
    assert all(node.answered for node in found.nodes)
    wrong = inspect(lab, 1, node_password="wrong")
    assert {node.refusal for node in wrong.nodes} == {Refusal.PASSWORD}
    assert {node.info for node in wrong.nodes} == {None}
