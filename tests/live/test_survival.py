"""What a Watcher survives on real servers: Sentinels that die, links that are cut silently, readers that sleep."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from rig.watcher_log import watcher_log
from switchmaster.errors import NoSentinelReachable
from switchmaster.lab import FaultyProxy, Lab
from switchmaster.model import Address, Cause
from switchmaster.net import watcher as asynchronous
from switchmaster.sync import Watcher
from switchmaster.wire.facts import LinkState

pytestmark = pytest.mark.live

TIMEOUT = 1.0
BOUND = 2.0 + 3 * TIMEOUT
"""Seconds after which the belief is right again: the longest pause between two attempts, and three timeouts."""
SLACK = 1.0
MASTER = "mymaster"


@pytest.fixture(scope="module")
def binary() -> str:
    return str(find_or_skip("redis-7.0").path)


@pytest.fixture(scope="module")
def calm(binary: str) -> Iterator[Lab]:
    """A lab that each test leaves unchanged."""
    with Lab(binary=binary, replicas=1) as lab:
        yield lab


def within(seconds: float, condition: Callable[[], object], what: str) -> float:
    began = time.monotonic()
    eventually(condition, seconds + SLACK, what=what)
    return time.monotonic() - began


def live(watcher: Watcher) -> set[str]:
    states = watcher.topology.sentinels.values()
    return {str(state.name) for state in states if state.state is LinkState.LIVE}


def names(lab: Lab) -> set[str]:
    return {f"{host}:{port}" for host, port in lab.sentinel_addresses}


def test_each_sentinel_is_killed_and_restarted_during_a_failover(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary, failover_timeout_ms=3000)
    old = Address(*lab.master().address)
    with watcher_log(lab) as told:
        lab.crash(lab.master())
        for index in range(3):
            lab.restart_sentinel(index)
        switch = told.wait_for_switch()
        within(BOUND, lambda: live(told.watcher) == names(lab), "all Sentinels")
        told.wait_until_settled()
        assert (switch.old, switch.cause) == (old, Cause.FAILOVER)
        epochs = [one.epoch for one in told.switches()]
        assert len(epochs) == len(set(epochs))
        assert [one.old for one in told.switches()] == [old, *(one.new for one in told.switches()[:-1])]
        assert told.watcher.master(MASTER) == lab.master().address


def test_silently_cut_connection_is_detected_and_restored(calm: Lab) -> None:
    with FaultyProxy(calm.sentinel_addresses[0]) as proxy:
        mapping = {Address(*calm.sentinel_addresses[0]): Address(*proxy.address)}
        seeds = calm.sentinel_addresses
        with Watcher(seeds, address_map=mapping, timeout=TIMEOUT) as watcher:
            name = f"{seeds[0][0]}:{seeds[0][1]}"
            within(BOUND, lambda: live(watcher) == names(calm), "all Sentinels")
            assert proxy.counters.accepted == 1
            proxy.stall()
            within(BOUND, lambda: name not in live(watcher), "the silence to be noticed")
            assert watcher.topology.sentinels[name].reason  # type: ignore[index]
            assert watcher.master(MASTER) == calm.master().address
            proxy.pass_()
            within(BOUND, lambda: name in live(watcher), "the Sentinel to be heard again")
            assert watcher.counters["switches"] == 0


def test_belief_is_right_again_within_the_bound_after_all_sentinels_were_down(
    binary: str, lab_factory: LabFactory
) -> None:
    lab = lab_factory(binary=binary)
    with watcher_log(lab, timeout=TIMEOUT) as told:
        before = told.watcher.master(MASTER)
        for sentinel in lab.sentinels:
            lab.crash(sentinel)
        within(BOUND, lambda: not live(told.watcher), "the loss of all")
        assert told.watcher.master(MASTER) == before
        for sentinel in lab.sentinels:
            lab.restart(sentinel)
        within(BOUND, lambda: live(told.watcher) == names(lab), "all Sentinels")
        assert told.watcher.master(MASTER) == lab.master().address == before
        assert told.switches() == []
        lab.failover()
        told.wait_for_switch()
        told.wait_until_settled()
        assert told.watcher.master(MASTER) == lab.master().address
        assert len(told.switches()) == 1


def test_stale_sentinel_never_moves_the_belief_back(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary)
    old = Address(*lab.master().address)
    with watcher_log(lab) as told:
        lab.failover(sentinel=1)
        new = told.wait_for_switch().new
        told.wait_until_settled()
        stale = lab.sentinels[0]
        lab.restart_sentinel(0, keep_config=False)
        view = f"{stale.host}:{stale.port}"

        def opinion() -> Address | None:
            return next(one.address for one in told.watcher.state(MASTER).opinions if one.sentinel == view)

        eventually(lambda: view in live(told.watcher), what="the stale Sentinel")
        told.wait_for("+switch-master", count=4)
        eventually(lambda: opinion() == new, 20, what="the stale Sentinel to catch up")
        assert told.watcher.master(MASTER) == new == lab.master().address
        assert [switch.old for switch in told.switches()] == [old]
        fresh = Watcher(lab.sentinel_addresses)
        with fresh:
            assert fresh.master(MASTER) == new


def test_one_seed_is_enough_and_an_added_sentinel_is_found(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary, replicas=1)
    with Watcher(lab.sentinel_addresses[:1], timeout=TIMEOUT) as watcher:
        within(BOUND, lambda: live(watcher) == names(lab), "all Sentinels")
        assert [state.seed for state in watcher.topology.sentinels.values()].count(True) == 1
        added = lab.add_sentinel()
        # The others hear of it within about two seconds, and publish +sentinel.
        within(BOUND, lambda: f"{added.host}:{added.port}" in live(watcher), "the added Sentinel")
    with Watcher(lab.sentinel_addresses[:1], discover=False) as alone:
        assert {str(name) for name in alone.topology.sentinels} == {f"{h}:{p}" for h, p in lab.sentinel_addresses[:1]}


def test_replaced_set_of_sentinels_is_found_through_its_name(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary)
    service = Address("sentinels.example", 26379)
    behind = [Address(*lab.sentinel_addresses[0])]

    def resolve(announced: Address) -> Address:
        # As a name service does; it is queried again with every attempt.
        return behind[0] if announced == service else announced

    with Watcher([service], address_map=resolve, timeout=TIMEOUT) as watcher:
        gone = list(lab.sentinels)
        others = [lab.add_sentinel() for _ in range(3)]
        behind[0] = Address(*others[0].address)
        for sentinel in gone:
            lab.crash(sentinel)
        wanted = {f"{sentinel.host}:{sentinel.port}" for sentinel in others}
        # The first of them is known by the service's name, and is heard once.
        within(2 * BOUND, lambda: len(live(watcher) & wanted) >= 2 and str(service) in live(watcher), "the new set")
        assert watcher.master(MASTER) == lab.master().address
        assert len(watcher.state(MASTER).opinions) >= 3


def test_remove_and_monitor_on_all_sentinels_is_followed(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary, replicas=1, down_after_ms=60_000)
    old, node = Address(*lab.master().address), lab.replicas()[0]
    with watcher_log(lab) as told:
        node.call("REPLICAOF", "NO", "ONE")
        for sentinel in lab.sentinels:
            with sentinel.client() as client:
                client.call("SENTINEL", "REMOVE", MASTER)
                client.call("SENTINEL", "MONITOR", MASTER, node.host, node.port, 2)
        lab.server("mymaster-1").call("REPLICAOF", node.host, node.port)
        switch = told.wait_for_switch()
        eventually(lambda: told.settled(), what="agreement")
        assert (switch.old, switch.new, switch.cause) == (old, Address(*node.address), Cause.RECONFIGURED)
        assert len(told.switches()) == 1
        assert told.watcher.master(MASTER) == lab.master().address


def test_slow_reader_is_told_what_it_missed_and_gets_the_newest_topology(binary: str, lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=binary)
    with watcher_log(lab, queue=10) as told:
        before = told.watcher.counters["events"]
        events, changes = told.watcher.events(), told.watcher.changes()
        changes.next(5)
        lab.failover()
        told.wait_for_switch()
        told.wait_until_settled()
        told.wait_for("+failover-end")
        said = told.watcher.counters["events"] - before
        eventually(lambda: events.missed > 0)
        assert changes.next(5).masters[MASTER].address == lab.master().address
        # Sentinels may publish more meanwhile; missed and waiting events are never fewer than those published.
        assert 0 < said - 10 <= events.missed
        assert told.watcher.counters["feeds_missed"] >= events.missed
        assert events.next(1) is not None


def sockets() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
        except FileNotFoundError:
            continue
    return {one for one in found if "socket:" in one}


def test_close_leaves_no_task_thread_or_socket(calm: Lab) -> None:
    async def watch() -> None:
        before = sockets()
        watcher = asynchronous.Watcher(calm.sentinel_addresses)
        async with watcher:
            switches = watcher.switches()
            assert len(sockets() - before) >= 2
            assert len(asyncio.all_tasks()) == 1  # between two attempts there is no task, but ours
            waiting = asyncio.create_task(anext(switches, None))
            await asyncio.sleep(0)
        assert await waiting is None
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert sockets() == before

    before, threads = sockets(), set(threading.enumerate())
    asyncio.run(watch(), debug=True)
    with Watcher(calm.sentinel_addresses):
        assert len(set(threading.enumerate()) - threads) == 1
    assert sockets() == before
    assert set(threading.enumerate()) == threads


def test_data_node_is_not_taken_for_a_sentinel(calm: Lab) -> None:
    node = calm.master()
    began = time.monotonic()
    with pytest.raises(NoSentinelReachable, match="Sentinel") as caught:
        Watcher([node.address], timeout=TIMEOUT).start()
    assert time.monotonic() - began < 2 * TIMEOUT + SLACK
    assert list(caught.value.reasons) == [f"{node.host}:{node.port}"]
    assert "data node" in str(caught.value) or "no Sentinel" in caught.value.reasons[f"{node.host}:{node.port}"]
    with Watcher([node.address, *calm.sentinel_addresses], timeout=TIMEOUT) as watcher:
        assert watcher.master(MASTER) == node.address
