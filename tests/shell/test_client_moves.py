"""A connection that has moved by itself stays, however late the Watcher's thread comes to cut what it saw before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import switchmaster.redis
import switchmaster.redis.asyncio
from peers.faulty_peer import FaultyPeer
from rig.client_lab import end, watcher_threads
from rig.conditions import eventually
from rig.scripted_peers import MASTER, Peers
from switchmaster.client.route import Member, Route
from switchmaster.follow.gate import GateState, Phase, Replicas
from switchmaster.model import Address


class Nodes:
    """An old and a new master, and the Sentinel that names the old one."""

    def __init__(self, peers: Peers) -> None:
        self.old, self.before = Address(*peers.add(MASTER)), peers.last
        self.new, self.after = Address(*peers.add(MASTER)), peers.last
        self.sentinels = [peers.add(node=self.old)]

    def switch(self, route: Route) -> None:
        """Let the pool follow the new master, as the Watcher's thread does."""
        route.follower.look = lambda state: None  # type: ignore[method-assign]  # the Sentinel names the old one still
        route.follower._set(Phase(GateState.OPEN, self.new, 0.0, 2), Replicas((), frozenset([self.new]), self.new))


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    peers = Peers()
    yield Nodes(peers)
    eventually(lambda: watcher_threads() == [], what="the end of every Watcher")
    peers.close()


def late(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let something happen once, after connections were found astray and before they are cut."""
    found, todo = Route._astray, [meanwhile]

    def astray(route: Route) -> list[Member]:
        members = found(route)
        if members and todo:
            todo.pop()()
        return members

    monkeypatch.setattr(Route, "_astray", astray)


def test_connection_of_a_thread_that_moved_meanwhile_is_not_cut(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    with switchmaster.redis.Sentinel(nodes.sentinels) as sentinel:
        client = sentinel.master_for("mymaster")
        client.ping()
        late(monkeypatch, client.ping)
        nodes.switch(client.connection_pool.route)
        client.ping()
        check(nodes.after, sentinel)
        end(client)


def test_connection_of_a_task_that_moved_meanwhile_is_not_cut(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def follow() -> None:
        loop = asyncio.get_running_loop()
        async with switchmaster.redis.asyncio.Sentinel(nodes.sentinels) as sentinel:
            client = sentinel.master_for("mymaster")
            await client.ping()
            late(monkeypatch, lambda: asyncio.run_coroutine_threadsafe(client.ping(), loop).result(10))
            await asyncio.to_thread(nodes.switch, client.connection_pool.route)
            await client.ping()
            check(nodes.after, sentinel)
            client.connection_pool.shared_out = False
            await client.aclose()

    asyncio.run(follow())


def check(node: FaultyPeer, sentinel: Any) -> None:
    """Check that a node got one connection, which nobody cut."""
    assert node.accepted == 1
    assert sentinel.counters["connections_cut"] == 0


def test_connection_that_stays_is_cut(nodes: Nodes) -> None:
    with switchmaster.redis.Sentinel(nodes.sentinels) as sentinel:
        client = sentinel.master_for("mymaster")
        client.ping()
        nodes.switch(client.connection_pool.route)
        assert sentinel.counters["connections_cut"] == 1
        client.ping()
        assert (nodes.before.accepted, nodes.after.accepted) == (1, 1)
        end(client)
