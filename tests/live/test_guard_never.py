"""
What a guard never takes for a death, on real servers that have a network each: silence, partitions, its own troubles.

The guard runs in a network of its own. In each test something happens that costs it, or others, their connections; the
guard looks into it and orders nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chaos.star_lab import Scattered
from rig.conditions import eventually
from rig.guarding import Guarding, guarding
from rig.lab_fixtures import find_or_skip
from rig.netns import Network, lacking
from rig.star_network import StarNetwork
from switchmaster.lab import FaultyProxy, Lab, LabServer
from switchmaster.net.guard import DRY_NAME

pytestmark = [pytest.mark.live, pytest.mark.slow]

NODES, SENTINELS = 3, 3
HELD = 1.5
"""Seconds for which each trouble lasts: six times the grace, ten times what a sample takes."""


@dataclass
class Scene:
    """The servers, the network that joins them, and the guard with its own arm of it."""

    lab: Scattered
    star: StarNetwork
    guard: Guarding
    home: Network

    @property
    def master(self) -> LabServer:
        return self.lab.master()


@contextmanager
def a_scene(*, aof: bool = False, **policy: object) -> Iterator[Scene]:
    if reason := lacking():
        pytest.skip(reason)
    options = {"node_lines": ("appendonly yes",)} if aof else {}
    with StarNetwork(NODES + SENTINELS + 1) as star, star.hub.entered():
        home = star.arms[-1]
        binary = str(find_or_skip("redis-7.0").path)
        with Scattered(
            star, binary=binary, masters=("mymaster",), down_after_ms=30_000, failover_timeout_ms=60_000, **options
        ) as lab:
            with home.entered():
                begun = guarding(lab.sentinel_addresses, **policy)
                guard = begun.__enter__()
            try:
                guard.wait_until_ready(NODES)
                yield Scene(lab, star, guard, home)
            finally:
                begun.__exit__(None, None, None)


def holds(scene: Scene, until: Callable[[], object] = lambda: True, what: str = "") -> None:
    """Check that nothing is ordered while the trouble lasts, and that the guard has noticed what it can notice."""
    end = time.monotonic() + HELD
    while time.monotonic() < end:
        assert scene.guard.orders == [], scene.guard.notices()
        time.sleep(0.05)
    eventually(until, 10, what=what or "the guard to have noticed")
    assert scene.guard.orders == [], scene.guard.notices()


@pytest.fixture(scope="module")
def calm() -> Iterator[Scene]:
    """A scene that each test leaves as it found it."""
    with a_scene() as scene:
        yield scene


@pytest.fixture
def scene(calm: Scene) -> Iterator[Scene]:
    old = calm.master
    yield calm
    calm.guard.wait_until_ready(NODES)
    assert calm.master is old
    assert calm.guard.orders == []


def test_stopped_master_is_silent_and_not_dead(scene: Scene) -> None:
    scene.lab.hang(scene.master)
    try:
        holds(scene)
    finally:
        scene.lab.resume(scene.lab.nodes("mymaster")[0])


def test_host_that_is_cut_off_is_silent_and_not_dead(scene: Scene) -> None:
    server = scene.master
    scene.lab.isolate(server)
    try:
        holds(scene)
    finally:
        scene.lab.rejoin(server)


def test_guard_that_is_cut_off_itself_orders_nothing(scene: Scene) -> None:
    scene.star.isolate(scene.home)
    try:
        holds(scene)
    finally:
        scene.star.rejoin(scene.home)


def test_guard_and_a_minority_that_are_cut_off_order_nothing(scene: Scene) -> None:
    sentinel = scene.lab.sentinels[0]
    scene.star.isolate(scene.home)
    scene.lab.isolate(sentinel)
    try:
        holds(scene)
    finally:
        scene.star.rejoin(scene.home)
        scene.lab.rejoin(sentinel)


def test_master_that_refuses_the_guard_alone_is_not_dead(scene: Scene) -> None:
    """A packet filter that rejects what the guard sends: its connection is reset, and each new one refused."""
    walks = scene.guard.count("walks")
    # The master's address is the guard's own for a while, and nothing listens there.
    scene.home.ip("addr", "add", f"{scene.master.host}/32", "dev", "lo")
    try:
        with scene.master.client() as client:
            for line in str(client.call("CLIENT", "LIST")).splitlines():
                if "name=switchmaster-guard-" in line:
                    client.call("CLIENT", "KILL", "ID", line.split()[0].removeprefix("id="))
        holds(scene, lambda: scene.guard.count("walks") > walks and scene.guard.notices("guard-refused"))
    finally:
        scene.home.ip("addr", "del", f"{scene.master.host}/32", "dev", "lo")
    told = scene.guard.notices("guard-refused")[-1]["text"]
    # One may say for seconds that it is disconnected from a master that is new to it.
    assert re.search("[01] of 3 Sentinels (is|are) disconnected from it, which is no majority", told), told


def asks(client: Any, name: str) -> bool:
    """Whether a client of this name has sent something in the last second; one that was cut off stays listed."""
    listed = str(client.call("CLIENT", "LIST")).splitlines()
    return any(f" name={name}" in line and " idle=0 " in line for line in listed)


def test_master_without_room_for_clients_is_not_dead(scene: Scene) -> None:
    with scene.master.client() as client:
        # An earlier trouble has ended the guard's connection, and what is not there can't be lost. It asks each second.
        eventually(lambda: asks(client, DRY_NAME), 30, what="the guard's connection")
        eventually(lambda: scene.guard.status["phase"] == "watching", 30, what="the end of an earlier walk")
        walks = scene.guard.count("walks")
        (_, before) = client.call("CONFIG", "GET", "maxclients")
        client.call("CONFIG", "SET", "maxclients", "1")
        client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try:
            holds(scene, lambda: scene.guard.count("walks") > walks)
        finally:
            client.call("CONFIG", "SET", "maxclients", before)


def test_sentinel_that_restarts_is_no_evidence(scene: Scene) -> None:
    sentinel = scene.lab.sentinels[1]
    scene.lab.crash(sentinel)
    holds(scene)
    scene.lab.restart(sentinel)


def test_replicas_that_are_all_dead_are_no_evidence(scene: Scene) -> None:
    replicas = [scene.lab.replicas("mymaster")[0], scene.lab.replicas("mymaster")[1]]
    for replica in replicas:
        scene.lab.crash(replica)
    holds(scene)
    for replica in replicas:
        scene.lab.restart(replica)


def test_guard_that_was_stopped_itself_trusts_nothing_that_it_reads(scene: Scene) -> None:
    scene.guard.pause()
    time.sleep(3.0)  # as long as it is stopped
    scene.guard.resume()
    holds(scene)


def test_master_with_a_file_that_restarts_within_the_grace_is_left_alone() -> None:
    """An orderly restart with an append-only file: it is back, with its data, before the second sample."""
    with a_scene(aof=True, grace=5.0) as scene:
        master = scene.master
        with master.client() as client:
            for number in range(100):
                client.call("SET", f"key:{number}", "x")
        walks = scene.guard.count("walks")
        scene.lab.crash(master)
        scene.lab.restart(master)
        holds(scene, lambda: scene.guard.count("walks") > walks and scene.guard.notices("master-restarted"))
        assert int(master.call("DBSIZE")) == 100
        assert scene.master is master


def test_master_behind_a_proxy_is_never_judged() -> None:
    """Through an address map nothing is the node's own: what refuses there may be the proxy."""
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=30_000) as lab:
        master = lab.master()
        with FaultyProxy(master.address) as proxy:
            mapped = [[[*master.address], [*proxy.address]]]
            with guarding(lab.sentinel_addresses, options={"address_map": mapped}) as guard:
                eventually(lambda: len(guard.status["reports"]) == 3, 30, what="the guard to know all nodes")
                assert "it can't be dialled at its own address from here" in guard.status["outlook"]
                lab.crash(master)
                eventually(lambda: guard.count("walks") > 0, 10, what="it to look into it")
                time.sleep(HELD)
                assert guard.orders == [], guard.notices()
