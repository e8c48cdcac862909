"""
Each feature of a client library through a planned failover of a real deployment, with threads and with asyncio.

One lab goes through many failovers, one after the other; after each test it is made ready for the next one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection
from redis.exceptions import ConnectionError, WatchError
from redis.retry import Retry

import switchmaster.redis
import switchmaster.redis.asyncio
from rig.client_lab import make_ready
from rig.conditions import eventually
from rig.lab_fixtures import LabFactory, find_or_skip
from switchmaster.lab import Lab
from switchmaster.model import Address

pytestmark = pytest.mark.live

LIMIT = 60.0
RETRY = Retry(NoBackoff(), 3)


@pytest.fixture(scope="module")
def module_lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=1000, failover_timeout_ms=5000) as lab:
        yield lab


@pytest.fixture
def lab(module_lab: Lab) -> Iterator[Lab]:
    old = module_lab.master()
    yield module_lab
    make_ready(module_lab, old)
    eventually(lambda: in_step(module_lab), LIMIT, what="replicas that have all that was written")


def in_step(lab: Lab) -> bool:
    """Return whether every replica acknowledges what the master gets: one that was just copied to may not yet."""
    with lab.master().client() as master:
        master.call("PUBLISH", "nobody", "listens")
        return bool(master.call("WAIT", lab.options.replicas, 500) == lab.options.replicas)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def sentinel(request: pytest.FixtureRequest, lab: Lab) -> Iterator[switchmaster.redis.Sentinel]:
    with switchmaster.redis.Sentinel(lab.sentinel_addresses, protocol=request.param) as sentinel:
        yield sentinel
        close_clients(sentinel)


def close_clients(sentinel: switchmaster.redis.Sentinel) -> None:
    """Close every client that a Sentinel has given."""
    for client in sentinel._clients.values():
        client.connection_pool.shared_out = False
        client.close()


def fail_over(lab: Lab, sentinel: Any) -> Address:
    """Order a planned failover and wait until the clients know; return the new address."""
    eventually(lambda: sentinel.watcher.established, what="the Sentinels' first answers")
    old = sentinel.watcher.master("mymaster")
    lab.failover()
    eventually(lambda: sentinel.watcher.master("mymaster") != old, LIMIT, 0.005, "another master")
    new: Address = sentinel.watcher.master("mymaster")
    return new


def in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Begin some work in a thread; what it returns or raises is put into the list."""
    came: list[object] = []

    def run() -> None:
        try:
            came.append(work())
        except Exception as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


def blocked(client: Any, count: int = 1) -> None:
    """Wait until so many clients are blocked at the master."""
    eventually(lambda: client.info("clients")["blocked_clients"] >= count, what="a client to block")


def test_all_features_but_pub_sub_continue(lab: Lab, sentinel: switchmaster.redis.Sentinel) -> None:
    client = sentinel.master_for("mymaster", client_name="tester")
    third = sentinel.master_for("mymaster", db=3)
    texts = sentinel.master_for("mymaster", decode_responses=True)
    single = client.client()
    retrying = sentinel.master_for("mymaster", retry=RETRY, socket_timeout=None)
    plain = sentinel.master_for("mymaster", socket_timeout=None)
    client.flushall()
    client.set("watched", 1)
    third.set("only-here", "3")
    texts.set("text", "ä")
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    assert script(keys=["counted"]) == 1
    lock = client.lock("lock", timeout=60)
    assert lock.acquire()
    single.set("single", 1)
    watching = client.pipeline()
    watching.watch("watched")
    opened = single.execute_command("MULTI")
    waiting = [in_thread(lambda: plain.blpop("nothing", 0)), in_thread(lambda: plain.xread({"stream": "$"}, block=0))]
    through = in_thread(lambda: retrying.blpop("pushed", 0))
    blocked(client, 3)

    fail_over(lab, sentinel)

    for thread, came in waiting:
        thread.join(10)
        assert isinstance(came[0], ConnectionError), came
    client.rpush("pushed", "after")
    through[0].join(10)
    assert through[1] == [(b"pushed", b"after")] or through[1] == [[b"pushed", b"after"]]
    # WATCH: a transaction is never split between two masters.
    watching.multi()
    watching.set("watched", 2)
    with pytest.raises(WatchError):
        watching.execute()
    assert client.get("watched") == b"1"
    assert opened in (b"OK", "OK", True)
    with pytest.raises(switchmaster.redis.TransactionMoved):
        single.set("single", 2)
    assert single.get("single") == b"1"
    assert client.transaction(lambda pipe: pipe.multi() or pipe.incr("watched"), "watched") == [2]
    # All other features.
    assert client.pipeline().set("a", 1).incr("a").execute() == [True, 2]
    assert client.pipeline(transaction=False).get("a").get("watched").execute() == [b"2", b"2"]
    assert script(keys=["counted"]) == 2
    assert lock.owned()
    lock.extend(10)
    lock.release()
    assert third.get("only-here") == b"3"
    assert client.get("only-here") is None
    assert texts.get("text") == "ä"
    assert client.client_getname() in (b"tester", "tester")


def test_connection_introduces_itself_and_each_command_gets_its_own_reply(lab_factory: LabFactory) -> None:
    lab = lab_factory()

    def check(info: dict[str, Any]) -> None:
        assert info["db"] == 3
        if "redis" not in lab.binary.describe():  # CLIENT SETINFO exists in Redis 7.2 and Valkey; an error before
            assert info["lib-name"] == "redis-py"
            assert info["lib-ver"]

    async def in_loop() -> None:
        async with switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses) as sentinel:
            client = sentinel.master_for("mymaster", db=3)
            assert await client.set("key", "loop")
            assert await client.get("key") == b"loop"
            check(await client.client_info())
            await client.aclose()

    with switchmaster.redis.Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.master_for("mymaster", db=3)
        assert client.set("key", "thread")
        assert client.get("key") == b"thread"
        check(client.client_info())
        close_clients(sentinel)
    asyncio.run(in_loop())


def test_held_pipeline_goes_whole_to_the_new_master(lab: Lab, sentinel: switchmaster.redis.Sentinel) -> None:
    client = sentinel.master_for("mymaster")
    client.delete("one", "two")
    stop = threading.Event()

    def work() -> int:
        done = 0
        while not stop.is_set():
            client.pipeline().incr("one").incr("two").execute()
            done += 1
        return done

    thread, came = in_thread(work)
    fail_over(lab, sentinel)
    eventually(lambda: sentinel.counters["commands_held"], what="a pipeline that was held")
    stop.set()
    thread.join(10)
    assert [int(client.get("one")), int(client.get("two"))] == [came[0], came[0]]


def test_subscriptions_move_by_themselves(lab: Lab, sentinel: switchmaster.redis.Sentinel) -> None:
    client = sentinel.master_for("mymaster")
    listener, poller, handled = client.pubsub(), client.pubsub(ignore_subscribe_messages=True), client.pubsub()
    listener.subscribe("channel")
    poller.psubscribe("chan*")
    heard: dict[str, list[Any]] = {"listen": [], "poll": [], "handler": []}
    handled.subscribe(channel=lambda message: heard["handler"].append(message["data"]))
    worker = handled.run_in_thread(sleep_time=0.05, daemon=True)
    stop = threading.Event()

    def listen() -> None:
        for message in listener.listen():
            if message["type"] == "message":
                heard["listen"].append(message["data"])
                if message["data"] == b"last":
                    return

    def poll() -> None:
        while not stop.is_set():
            message = poller.get_message(timeout=0.1)
            if message is not None:
                heard["poll"].append(message["data"])

    threads = [in_thread(listen), in_thread(poll)]
    client.publish("channel", "first")
    eventually(lambda: all(b"first" in got for got in heard.values()), what="the first message")
    fail_over(lab, sentinel)
    counted = "channel"
    eventually(lambda: client.pubsub_numsub(counted)[0][1] == 2 and client.pubsub_numpat() == 1, what="subscriptions")
    # Further channels of a listener that has moved.
    poller.subscribe("later")
    client.publish("channel", "last")
    client.publish("later", "too")
    eventually(lambda: all(b"last" in got for got in heard.values()) and b"too" in heard["poll"], what="the last one")
    stop.set()
    worker.stop()
    for thread, came in threads:
        thread.join(10)
        assert came == [None]
    worker.join(10)


def test_listener_whose_connection_the_server_closes_subscribes_again(sentinel: switchmaster.redis.Sentinel) -> None:
    client = sentinel.master_for("mymaster")
    listener = client.pubsub()
    listener.subscribe("channel")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    host, port = listener.connection._sock.getsockname()
    assert client.client_kill_filter(addr=f"{host}:{port}") == 1
    # Looking for a message finds the end; an error that it raised would count here.
    deadline = time.monotonic() + 10
    while (message := listener.get_message(timeout=0.1)) is None and time.monotonic() < deadline:
        pass
    assert message is not None
    assert message["type"] == "subscribe"
    listener.close()


def test_replicas_are_read_from_and_never_the_one_that_was_promoted(lab_factory: LabFactory) -> None:
    lab = lab_factory(binary=str(find_or_skip("redis-7.0").path), down_after_ms=1000, failover_timeout_ms=5000)
    with switchmaster.redis.Sentinel(lab.sentinel_addresses) as sentinel:
        master, reader = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
        master.set("key", "value")

        def where() -> int:
            # Several at once, so that several replicas are asked.
            pool = reader.connection_pool
            connections = [pool.get_connection() for _ in range(4)]
            ports = [connection.port for connection in connections]
            for connection in connections:
                pool.release(connection)
            return ports

        old, replicas = lab.master(), {replica.port for replica in lab.replicas()}
        assert sorted(sentinel.discover_slaves("mymaster")) == sorted(("127.0.0.1", port) for port in replicas)
        assert sorted(where()) == sorted([*replicas, *replicas])
        eventually(lambda: reader.get("key") == b"value", what="the value at a replica")
        new = fail_over(lab, sentinel)
        # Until a replica follows the new master, reads go to the master itself, which does not count as a replica.
        eventually(lambda: new.port not in where(), LIMIT, what="replicas that follow the new master")
        make_ready(lab, old)
        eventually(lambda: set(where()) == {replica.port for replica in lab.replicas()}, LIMIT, what="both replicas")
        for replica in lab.replicas():
            lab.crash(replica)
        assert reader.get("key") == b"value"
        eventually(lambda: set(where()) == {new.port}, LIMIT, what="reads from the master while no replica follows")
        close_clients(sentinel)


def test_client_side_cache_serves_nothing_old(lab_factory: LabFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    # redis-py keeps this to Redis from 7.4 on; Valkey can do it as well.
    monkeypatch.setattr(CacheProxyConnection, "DEFAULT_SERVER_NAME", "valkey")
    lab = lab_factory(binary=str(find_or_skip("valkey-9.1").path), down_after_ms=3000)
    with switchmaster.redis.Sentinel(lab.sentinel_addresses, protocol=3) as sentinel:
        cached = sentinel.master_for("mymaster", cache_config=CacheConfig())
        plain = sentinel.master_for("mymaster")
        plain.set("key", "old")
        assert [cached.get("key"), cached.get("key")] == [b"old", b"old"]
        assert cached.get_cache().size == 1
        new = fail_over(lab, sentinel)
        with redis.Redis(new.host, new.port) as direct:
            direct.set("key", "new")
        assert cached.get("key") == b"new"
        plain.set("key", "newer")
        eventually(lambda: cached.get("key") == b"newer", what="the invalidation from the new master")
        close_clients(sentinel)


def run(test: Callable[[Any], Coroutine[Any, Any, None]], lab: Lab, **options: Any) -> None:
    async def within() -> None:
        async with switchmaster.redis.asyncio.Sentinel(lab.sentinel_addresses, **options) as sentinel:
            await test(sentinel)

    asyncio.run(within())


async def fail_over_in_loop(lab: Lab, sentinel: Any) -> None:
    await asyncio.to_thread(fail_over, lab, sentinel)


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_all_features_continue_in_a_loop(lab: Lab, protocol: int) -> None:
    async def test(sentinel: Any) -> None:
        client = sentinel.master_for("mymaster", socket_timeout=None)
        await client.flushall()
        await client.set("watched", 1)
        script = client.register_script("return redis.call('INCR', KEYS[1])")
        assert await script(keys=["counted"]) == 1
        lock = client.lock("lock", timeout=60)
        assert await lock.acquire()
        watching = client.pipeline()
        await watching.watch("watched")
        waiting = [asyncio.create_task(client.blpop("nothing", 0)) for _ in range(3)]
        retrying = sentinel.master_for("mymaster", retry=switchmaster_retry(), socket_timeout=None)
        through = asyncio.create_task(retrying.blpop("pushed", 0))
        listener = client.pubsub(ignore_subscribe_messages=True)
        await listener.subscribe("channel")
        heard: list[bytes] = []

        async def listen() -> None:
            async for message in listener.listen():
                heard.append(message["data"])
                if message["data"] == b"last":
                    return

        listening = asyncio.create_task(listen())
        async with asyncio.timeout(10):
            while (await client.info("clients"))["blocked_clients"] < 4:
                await asyncio.sleep(0.01)

        await fail_over_in_loop(lab, sentinel)

        async with asyncio.timeout(30):
            for came in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(came, ConnectionError), came
            await client.rpush("pushed", "after")
            assert list(await through) == [b"pushed", b"after"]
            watching.multi()
            watching.set("watched", 2)
            with pytest.raises(WatchError):
                await watching.execute()
            assert await client.get("watched") == b"1"
            assert await client.pipeline().set("a", 1).incr("a").execute() == [True, 2]
            assert await script(keys=["counted"]) == 2
            assert await lock.owned()
            await lock.release()
            while (await client.pubsub_numsub("channel"))[0][1] < 1:
                await asyncio.sleep(0.01)
            await client.publish("channel", "last")
            await listening
        assert heard == [b"last"]
        await listener.aclose()
        for each in (client, retrying):
            await each.aclose()

    run(test, lab, protocol=protocol)


def switchmaster_retry() -> Any:
    from redis.asyncio.retry import Retry as InLoop

    return InLoop(NoBackoff(), 3)


def test_no_slot_of_a_small_pool_is_lost(lab: Lab) -> None:
    with switchmaster.redis.Sentinel(lab.sentinel_addresses) as sentinel:
        client = sentinel.master_for("mymaster", max_connections=4)
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                with suppress(ConnectionError):  # this test itself causes "Too many connections"
                    client.incr("n")

        threads = [in_thread(work) for _ in range(8)]
        fail_over(lab, sentinel)
        began = time.monotonic()
        eventually(lambda: sentinel.counters["commands_held"], what="commands that were held")
        stop.set()
        for thread, came in threads:
            thread.join(20)
            assert came == [None]
        pool = client.connection_pool
        connections = [pool.get_connection() for _ in range(4)]
        for connection in connections:
            pool.release(connection)
        assert time.monotonic() - began < LIMIT
        close_clients(sentinel)
