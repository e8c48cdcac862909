"""
One Watcher for a whole process: which clients share it, when it begins and ends, and its use by threads and loops.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import switchmaster.redis
import switchmaster.redis.asyncio
import switchmaster.valkey
from rig.client_lab import (
    attempt,
    blocked,
    check_went_through,
    end,
    in_thread,
    leaving_nothing,
    sockets,
    wait_for_subscribers,
    watcher_threads,
)
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

pytestmark = pytest.mark.live

LIMIT = 60.0
Sentinel, AsyncSentinel = switchmaster.redis.Sentinel, switchmaster.redis.asyncio.Sentinel


@pytest.fixture(scope="module")
def module_lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=3000, failover_timeout_ms=5000) as lab:
        yield lab


@pytest.fixture
def lab(module_lab: Lab) -> Iterator[Lab]:
    with leaving_nothing(module_lab):
        yield module_lab


@pytest.fixture
def often() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# -- sharing and lifetime ---------------------------------------------------------------------------


def test_watcher_is_shared_for_the_same_settings(lab: Lab) -> None:
    addresses = lab.sentinel_addresses
    one, same = Sentinel(addresses), Sentinel(addresses[::-1])
    in_loop, other_library = AsyncSentinel(addresses), switchmaster.valkey.Sentinel(addresses)
    stranger = Sentinel(addresses, password="another")
    assert one.watcher is same.watcher is in_loop.watcher is other_library.watcher
    assert stranger.watcher is not one.watcher
    assert len(watcher_threads()) == 2
    client = one.master_for("mymaster")
    assert client.ping()
    assert client.connection_pool.route.shared.watcher is one.watcher
    wait_for_subscribers(lab, 2)
    for sentinel in (same, other_library, stranger):
        sentinel.close()
    asyncio.run(in_loop.aclose())
    wait_for_subscribers(lab, 1)
    one.close()
    assert client.ping()
    wait_for_subscribers(lab, 1)
    client.close()


def test_watcher_starts_with_the_first_use_ends_with_the_last_and_starts_again(lab: Lab) -> None:
    sentinel = Sentinel(lab.sentinel_addresses)
    client = sentinel.master_for("mymaster")
    assert watcher_threads() == []
    for _ in range(3):
        # At once after the end, repeatedly: nothing of the previous one must count, even while it is still ending.
        before = watcher_threads()
        assert client.ping()
        [thread] = set(watcher_threads()) - set(before)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
        assert sentinel.discover_master("mymaster") == lab.master().address
        assert len(set(watcher_threads()) - set(before)) == 1
        sentinel.close()
        assert client.ping()
        client.close()
        sentinel.close()
    eventually(lambda: watcher_threads() == [], what="the end")


def test_watcher_ends_when_its_last_holder_is_collected(lab: Lab) -> None:
    def use() -> Any:
        sentinel = Sentinel(lab.sentinel_addresses)
        Sentinel(lab.sentinel_addresses).discover_master("mymaster")
        return sentinel.master_for("mymaster")

    client = use()
    assert client.ping()
    gc.collect()
    assert len(watcher_threads()) == 1
    del client
    gc.collect()
    eventually(lambda: watcher_threads() == [], what="the end")


def test_holders_may_be_collected_at_any_moment(lab: Lab) -> None:
    # Garbage is collected wherever an object is made, also while a lock is held; here as often as possible.
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            sentinel = Sentinel(lab.sentinel_addresses)
            assert sentinel.master_for("mymaster").ping()

    before = gc.get_threshold()
    gc.set_threshold(20, 2, 2)
    threads = [threading.Thread(target=churn, daemon=True) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        stop.wait(2.0)
    finally:
        gc.set_threshold(*before)
        stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive(), "a thread waits for itself"


def test_last_lease_may_end_under_any_lock(lab: Lab) -> None:
    # As the garbage collector does once in a long while.
    sentinel = Sentinel(lab.sentinel_addresses)
    client = sentinel.master_for("mymaster")
    route = client.connection_pool.route
    ended: list[object] = []

    def end_all() -> None:
        for lock in (route.follower._lock, route._lock, route.tally._lock, route.shared.watcher._thread._lock):
            assert client.ping()
            with lock:
                route.lease.close()
            ended.append(lock)

    thread = threading.Thread(target=end_all, daemon=True)
    thread.start()
    thread.join(20)
    assert len(ended) == 4
    end(client)
    sentinel.close()


def test_twenty_threads_at_once_start_one_watcher(lab: Lab) -> None:
    together = threading.Barrier(20)
    made: list[Any] = []
    failed: list[Exception] = []

    def make() -> None:
        together.wait(10)
        try:
            sentinel = Sentinel(lab.sentinel_addresses)
            client = sentinel.master_for("mymaster")
            client.incr("twenty")
            made.append((sentinel, client, sentinel.watcher))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert len({id(watcher) for *_, watcher in made}) == len(watcher_threads()) == 1
    wait_for_subscribers(lab, 1)
    for sentinel, client, _ in made:
        sentinel.close()
        client.close()


def test_lease_may_end_while_another_thread_holds_the_lock_and_waits(lab: Lab) -> None:
    # As the garbage collector does in the Watcher's own thread while that is being started.
    sentinel = Sentinel(lab.sentinel_addresses)
    assert sentinel.master_for("mymaster").ping()
    shared = sentinel._shared
    with shared._lock:
        ending, _ = in_thread(sentinel.master_for("mymaster").connection_pool.route.lease.close)
        ending.join(20)
        assert not ending.is_alive(), "a thread waits for one that waits for it"
        assert len(watcher_threads()) == 1
    # The next holder of the lock does the work.
    other = Sentinel(lab.sentinel_addresses)
    other.master_for("mymaster")
    eventually(lambda: watcher_threads() == [], what="the Watcher's end")
    end(sentinel.master_for("mymaster"))


def test_threads_that_use_one_client_first_together_hold_one_lease(lab: Lab, often: None) -> None:
    for _ in range(5):
        sentinel, together = Sentinel(lab.sentinel_addresses), threading.Barrier(20)
        given: list[Any] = []

        def use(sentinel: Any = sentinel, together: Any = together, given: list[Any] = given) -> None:
            together.wait(10)
            client = sentinel.master_for("mymaster")
            given.append(client)
            assert client.ping()

        for thread, came in [in_thread(use) for _ in range(20)]:
            thread.join(20)
            assert came == [None]
        assert len(set(map(id, given))) == 1
        # It is shared, so none of its users ends the commands of others; the Sentinel ends it for all.
        given[0].close()
        assert len(watcher_threads()) == 1
        sentinel.close()
        eventually(lambda: watcher_threads() == [], what="the Watcher's end")
        end(given[0])


def test_client_is_the_same_for_the_same_arguments(lab: Lab) -> None:
    with Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.master_for("mymaster", socket_timeout=5, db=1)
        assert sentinel.master_for("mymaster", db=1, socket_timeout=5) is client
        assert sentinel.master_for("mymaster", db=2, socket_timeout=5) is not client
        assert sentinel.slave_for("mymaster", socket_timeout=5, db=1) is not client
        assert sentinel.master_for("mymaster", redis_class=type("Mine", (type(client),), {})) is not client

    async def in_loop() -> None:
        async with AsyncSentinel(lab.sentinel_addresses) as sentinel:
            client = sentinel.master_for("mymaster", db=1)
            assert sentinel.master_for("mymaster", db=1) is client
            assert sentinel.master_for("mymaster", db=2) is not client

    asyncio.run(in_loop())


def test_no_holder_of_a_shared_client_ends_the_commands_of_another(lab: Lab) -> None:
    sentinel = Sentinel(lab.sentinel_addresses)
    mine, theirs = sentinel.master_for("mymaster"), sentinel.master_for("mymaster")
    probe = Sentinel(lab.sentinel_addresses).master_for("mymaster")
    waiting, came = in_thread(lambda: mine.blpop("pushed", 20))
    blocked(lab)
    theirs.close()
    with mine:
        assert mine.ping()
    sentinel.close()
    probe.rpush("pushed", "through")
    probe.close()
    waiting.join(20)
    assert came == [(b"pushed", b"through")]
    end(mine)


def test_end_of_the_last_lease_leaves_a_command_in_flight_alone(lab: Lab) -> None:
    sentinel = Sentinel(lab.sentinel_addresses)
    mine = sentinel.master_for("mymaster")
    assert sentinel.master_for("mymaster") is mine
    waiting, came = in_thread(lambda: mine.blpop("pushed", 20))
    blocked(lab)
    sentinel.close()
    eventually(lambda: watcher_threads() == [], what="the Watcher's end")
    lab.master().call("RPUSH", "pushed", "through")
    waiting.join(20)
    assert came == [(b"pushed", b"through")]
    end(mine)


def test_command_that_is_interrupted_leaves_no_answer_to_the_next(lab: Lab) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    sentinel = Sentinel(lab.sentinel_addresses, socket_timeout=10)
    client = sentinel.master_for("mymaster")
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        in_thread(lambda: (blocked(lab), os.kill(os.getpid(), signal.SIGUSR1)))
        with pytest.raises(Interrupted):
            client.blpop("nothing", timeout=5)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert client.ping() is True
    end(client)


def test_no_holder_in_a_loop_ends_the_commands_of_another(lab: Lab) -> None:
    async def within() -> None:
        sentinel = AsyncSentinel(lab.sentinel_addresses)
        mine, theirs = sentinel.master_for("mymaster"), sentinel.master_for("mymaster")
        waiting = asyncio.create_task(mine.blpop("pushed", 20))
        await asyncio.to_thread(blocked, lab)
        await theirs.aclose()
        async with mine:
            assert await mine.ping()
        await sentinel.aclose()
        await asyncio.to_thread(lab.master().call, "RPUSH", "pushed", "through")
        assert tuple(await waiting) == (b"pushed", b"through")
        mine.connection_pool.shared_out = False
        await mine.aclose()

    asyncio.run(within())


def test_close_leaves_no_thread_socket_or_task(lab: Lab) -> None:
    before = sockets()

    async def in_loop() -> None:
        sentinel = AsyncSentinel(lab.sentinel_addresses)
        client, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
        await asyncio.gather(*(client.incr("n") for _ in range(10)), reader.get("n"))
        listener = client.pubsub()
        await listener.subscribe("channel")
        await listener.aclose()
        await reader.aclose()
        await client.aclose()
        await sentinel.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(in_loop(), debug=True)
    sentinel = Sentinel(lab.sentinel_addresses)
    client, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
    client.incr("n")
    reader.get("n")
    with client.pubsub() as listener:
        listener.subscribe("channel")
    reader.close()
    client.close()
    sentinel.close()
    eventually(lambda: watcher_threads() == [], what="the Watcher's end")
    eventually(lambda: sockets() <= before, what="the end of every socket")


# -- loops ------------------------------------------------------------------------------------------


def test_loops_in_several_threads_share_one_watcher_and_follow(lab: Lab) -> None:
    begun = threading.Barrier(5)
    told: list[Any] = []

    async def work(number: int) -> dict[str, Any]:
        async with AsyncSentinel(lab.sentinel_addresses) as sentinel:
            client, errors, after = sentinel.master_for("mymaster"), [], 0
            old = await sentinel.discover_master("mymaster")
            await client.incr(f"loop-{number}")
            await asyncio.to_thread(begun.wait, 20)
            async with asyncio.timeout(LIMIT):
                while after < 20:
                    try:
                        await client.incr(f"loop-{number}")
                    except Exception as error:
                        errors.append(repr(error))
                    after += await sentinel.discover_master("mymaster") != old
                    await asyncio.sleep(0.002)
            new = await sentinel.discover_master("mymaster")
            await client.aclose()
            return {"errors": errors, "lost": [], "moved": new != old, "new": list(new)}

    threads = [
        threading.Thread(target=lambda number=number: told.append(attempt(lambda: asyncio.run(work(number)))))  # type: ignore[misc]
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    begun.wait(20)
    assert len(watcher_threads()) == 1
    wait_for_subscribers(lab, 1)
    lab.failover()
    for thread in threads:
        thread.join(LIMIT)
    assert len(told) == 4
    for one in told:
        check_went_through(one, lab)


def test_one_sentinel_serves_one_loop_after_the_other(lab: Lab) -> None:
    sentinel = AsyncSentinel(lab.sentinel_addresses)

    async def use(number: int) -> int:
        client = sentinel.master_for("mymaster")
        listener = client.pubsub()
        await listener.subscribe("channel")
        count: int = await client.incr("runs")
        await listener.aclose()
        await client.aclose()
        return count - number

    # Each loop's client is the last that needs the Watcher, which ends with it; no loop waits for that end.
    assert len({asyncio.run(use(number)) for number in range(5)}) == 1
    eventually(lambda: watcher_threads() == [], what="the end of each loop's Watcher")
    # If the Sentinel needs it too, it is one for all loops.
    watcher, [thread] = sentinel.watcher, watcher_threads()
    assert len({asyncio.run(use(number)) for number in range(5)}) == 1
    assert sentinel.watcher is watcher
    assert watcher_threads() == [thread]
    asyncio.run(sentinel.aclose())
