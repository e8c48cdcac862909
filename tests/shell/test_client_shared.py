"""The Watcher that all clients of a process share: its locks, its leases, and connections after its end."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis.backoff import NoBackoff
from redis.retry import Retry

import switchmaster.redis
from peers.echo_node import EchoingNode
from peers.faulty_peer import closed_port
from rig.client_lab import attempt
from switchmaster.belief.topology import SentinelState, Topology
from switchmaster.follow.gate import GateState, Phase, Replicas
from switchmaster.model import Address
from switchmaster.wire.facts import LinkState
from switchmaster.wire.refusal import Refusal

LIMIT = 10.0
ELSEWHERE = Address("127.0.0.1", 1)


@pytest.fixture
def sentinel() -> Iterator[switchmaster.redis.Sentinel]:
    sentinel = switchmaster.redis.Sentinel([("127.0.0.1", closed_port())], socket_timeout=0.5)
    yield sentinel
    watcher = sentinel._shared._watcher
    sentinel.close()
    if watcher is not None:
        watcher.close()


def at(address: Address) -> tuple[Phase, Replicas]:
    """Return the gate's values for a master without replicas."""
    return Phase(GateState.OPEN, address, 0.0), Replicas((), frozenset((address,)), address)


def under(lock: Any, work: Callable[[], object]) -> bool:
    """Whether some work ends in a thread that already holds a lock, as during a garbage collection."""

    def run() -> None:
        with lock:
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    return not thread.is_alive()


@pytest.mark.parametrize("which", ["loop", "route", "follower", "tally"])
def test_last_lease_may_end_in_a_garbage_collection_under_any_lock(
    sentinel: switchmaster.redis.Sentinel, which: str
) -> None:
    route = sentinel.master_for("mymaster").connection_pool.route
    route.lease.open()
    watcher = sentinel.watcher
    follower = route.follower
    follower.believe(*at(ELSEWHERE))
    member = Member()
    route.add(member)
    locks = {"loop": watcher._thread._lock, "route": route._lock, "follower": follower._lock}

    def end() -> None:
        route.lease.close()
        sentinel.close()
        follower.forget()
        route._cut([member])

    try:
        assert under(locks.get(which, sentinel.tally._lock), end)
    finally:
        watcher.close()


class Member:
    """A connection as a pool sees it."""

    target = ELSEWHERE

    def __init__(self) -> None:
        self.cuts = 0

    def cut(self) -> None:
        self.cuts += 1


@pytest.mark.parametrize("kind", ["master_for", "slave_for"])
def test_connections_are_left_alone_while_the_master_is_unknown(
    sentinel: switchmaster.redis.Sentinel, kind: str
) -> None:
    route = getattr(sentinel, kind)("mymaster").connection_pool.route
    member = Member()
    route.add(member)
    route.follower.believe(*at(ELSEWHERE))
    cut_before = member.cuts
    route.follower.forget()
    assert member.cuts == cut_before
    route.follower.believe(*at(Address("127.0.0.1", 2)))
    assert member.cuts > cut_before


def test_one_connection_goes_ahead_and_is_cut_if_the_master_does_not_follow(
    sentinel: switchmaster.redis.Sentinel,
) -> None:
    route = sentinel.master_for("mymaster").connection_pool.route
    here, there = ELSEWHERE, Address("127.0.0.1", 2)
    member = Member()
    member.target = there
    route.add(member)
    held = Phase(GateState.HELD, here, 0.0, next=there)
    replicas = Replicas((there,), frozenset((here, there)), here)
    route.follower.believe(held, replicas)
    assert member.cuts == 0
    assert (route.admits(there), route.serves(there), route.serves(here)) == (True, False, True)
    assert [route.goes_ahead(held) for _ in range(3)] == [True, False, False]
    route.follower.believe(Phase(GateState.OPEN, here, 0.0), replicas)
    assert member.cuts == 1
    assert route.goes_ahead(Phase(GateState.HELD, here, 0.0, next=there))


def test_end_of_the_last_lease_leaves_nothing_that_looks_known(sentinel: switchmaster.redis.Sentinel) -> None:
    shared = sentinel._shared
    watcher = sentinel.watcher
    follower = shared.follower("mymaster")
    follower.believe(*at(ELSEWHERE))
    sentinel.close()
    watcher.close()
    assert follower.phases.current.gate is GateState.UNKNOWN
    assert (shared.hearing, shared._watcher) == (False, None)


class InTheMidstOfATurn:
    """A Watcher that has just learned of every master; readers see it after the end of the turn."""

    def __init__(self, end_turn: Callable[[], None]) -> None:
        self._end_turn = end_turn

    @property
    def topology(self) -> Topology:
        self._end_turn()
        heard = SentinelState("127.0.0.1:1", None, "", LinkState.LIVE, "", True, False)
        return Topology("default", {}, {heard.name: heard}, 1)

    def masters(self) -> tuple[str, ...]:
        return ("mymaster",)

    def soon(self, call: object) -> bool:
        """Never called."""
        return True

    def close(self, wait: bool = True) -> None:
        """Close nothing."""


def test_question_between_a_sentinels_answer_and_the_followers_is_answered(
    sentinel: switchmaster.redis.Sentinel,
) -> None:
    """A query between a Sentinel's answer and the followers' update finds the master."""
    shared = sentinel._shared
    follower = shared.follower("mymaster")
    shared._begun = True
    shared._watcher = InTheMidstOfATurn(lambda: follower.believe(*at(ELSEWHERE)))  # type: ignore[assignment]
    question = shared.inquire(follower, time.monotonic() + LIMIT)
    next(question)
    shared.hearing = shared._established = True
    with pytest.raises(StopIteration) as done:
        next(question)
    assert done.value.value is None


class DialledAgain(InTheMidstOfATurn):
    """A Watcher whose only Sentinel has refused its questions, and is dialled again for another caller."""

    idle, hearing, established = True, False, False
    state, reason, refusal = LinkState.DOWN, "it refuses", Refusal.PERMISSION

    def become(self, state: LinkState, reason: str) -> None:
        self.state, self.reason, self.refusal = state, reason, None  # type: ignore[assignment]

    @property
    def topology(self) -> Topology:
        only = SentinelState("127.0.0.1:1", None, "", self.state, self.reason, True, False, refusal=self.refusal)
        return Topology("default", {}, {only.name: only}, 1)


def test_refusal_is_remembered_while_the_sentinel_is_dialled_again(sentinel: switchmaster.redis.Sentinel) -> None:
    """Only for a refusal the Sentinels are asked as redis-py asks; of many callers one always finds them dialled."""
    shared = sentinel._shared
    follower = shared.follower("mymaster")
    watcher = DialledAgain(lambda: None)
    shared._begun, shared._watcher = True, watcher  # type: ignore[assignment]
    shared._look()
    before = shared._failure(follower, 0.1, None)
    watcher.become(LinkState.CONNECTING, "")
    after = shared._failure(follower, 0.1, None)
    assert shared.refuses(before)
    assert shared.refuses(after)
    assert str(after) == str(before)
    watcher.become(LinkState.DOWN, "connection refused")
    assert not shared.refuses(shared._failure(follower, 0.1, None))


@pytest.mark.parametrize("wait", [0.0, 0.3])
def test_callers_retry_is_used_to_connect_if_we_do_not_wait(wait: float) -> None:
    tried: list[Exception] = []

    class Counting(Retry):
        def __deepcopy__(self, memo: object) -> Counting:
            return self

        def call_with_retry(self, do: Any, fail: Any, *more: Any, **options: Any) -> Any:
            def note(error: Exception, *count: int) -> None:
                tried.append(error)
                fail(error, *count)

            return super().call_with_retry(do, note, *more, **options)

    sentinel = switchmaster.redis.Sentinel([("127.0.0.1", closed_port())], socket_timeout=0.5, failover_wait=wait)
    client = sentinel.master_for("mymaster", retry=Counting(NoBackoff(), 2))
    watcher = sentinel.watcher
    with pytest.raises(switchmaster.redis.NoSentinelReachable):
        client.connection_pool.get_connection()
    assert len(tried) == (3 if wait == 0 else 0)
    client.close()
    sentinel.close()
    watcher.close()


def test_finalizer_that_uses_a_client_works_even_if_its_pool_is_garbage_too() -> None:
    answers: list[object] = []

    class Owner:
        def __init__(self, client: Any) -> None:
            self.client, self.itself = client, self

        def __del__(self) -> None:
            answers.append(attempt(lambda: self.client.get("last")))

    with EchoingNode() as node:
        sentinel = switchmaster.redis.Sentinel([("127.0.0.1", closed_port())], socket_timeout=5.0)
        client = sentinel._make(True, "mymaster", sentinel.client_class, sentinel.pool_class, {})
        route = client.connection_pool.route
        route.look_again = route.lease.open = lambda: None
        route.follower.believe(*at(node.address))
        client.connection_pool.itself = client.connection_pool
        Owner(client)
        del client
        gc.collect()
        sentinel.close()
    assert answers == [b"last"]
