"""
Use everything of the drop-in with whichever version of a client library is imported: a program that tests run.

``python drop_in_check.py LIBRARY VERSION HOST:PORT...`` runs against the Sentinels of a lab: every kind of use with
threads and with asyncio, then a planned failover under writes. On success it exits with 0 and prints one line.
"""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module, metadata
from typing import Any

from rig.conditions import eventually
from rig.writers import Writers

LIMIT = 30.0


def use(client: Any, replica: Any, watch_error: type[Exception]) -> None:
    """Use each feature with threads."""
    assert client.set("walk", "here")
    assert client.get("walk") == b"here"
    assert client.pipeline().set("a", 1).incr("a").execute() == [True, 2]
    assert client.pipeline(transaction=False).get("a").get("walk").execute() == [b"2", b"here"]
    with client.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.incr("a")
        assert pipe.execute() == [3]
        pipe.watch("a")
        client.set("a", 10)
        pipe.multi()
        pipe.incr("a")
        try:
            pipe.execute()
        except watch_error:
            pass
        else:
            raise AssertionError("a key that changed under WATCH was not noticed")
    with client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("channel")
        eventually(lambda: client.pubsub_numsub("channel")[0][1], what="the subscription")
        client.publish("channel", "said")
        message = eventually(lambda: listener.get_message(timeout=0.1), what="a message")
        assert message["data"] == b"said"
    eventually(lambda: replica.get("walk") == b"here", what="the value at a replica")
    assert replica.role()[0] in (b"slave", "slave")


async def use_in_loop(client: Any, replica: Any, watch_error: type[Exception]) -> None:
    """Use each feature with asyncio."""
    assert await client.set("loop", "here")
    assert await client.get("loop") == b"here"
    assert await client.pipeline().set("b", 1).incr("b").execute() == [True, 2]
    assert await client.pipeline(transaction=False).get("b").get("loop").execute() == [b"2", b"here"]
    async with client.pipeline() as pipe:
        await pipe.watch("b")
        pipe.multi()
        pipe.incr("b")
        assert await pipe.execute() == [3]
        await pipe.watch("b")
        await client.set("b", 10)
        pipe.multi()
        pipe.incr("b")
        try:
            await pipe.execute()
        except watch_error:
            pass
        else:
            raise AssertionError("a key that changed under WATCH was not noticed")
    async with asyncio.timeout(LIMIT):
        async with client.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("channel")
            while not (await client.pubsub_numsub("channel"))[0][1]:
                await asyncio.sleep(0.01)
            await client.publish("channel", "said")
            while (message := await listener.get_message(timeout=0.1)) is None:
                pass
            assert message["data"] == b"said"
        while await replica.get("loop") != b"here":
            await asyncio.sleep(0.01)
    assert (await replica.role())[0] in (b"slave", "slave")


async def walk_in_loop(asynchronous: Any, library: Any, addresses: list[tuple[str, int]], master: Any) -> None:
    async with asynchronous.Sentinel(addresses) as sentinel:
        assert await sentinel.discover_master("mymaster") == master
        while not await sentinel.discover_slaves("mymaster"):  # none has a link until it follows the new master
            await asyncio.sleep(0.01)
        client, replica = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
        await use_in_loop(client, replica, library.WatchError)
        await replica.aclose()
        await client.aclose()


def fail_over(threads: Any, asynchronous: Any, library: Any, addresses: list[tuple[str, int]]) -> None:
    """Start a planned failover under writes, and check that it costs none."""
    sentinel, in_loop = threads.Sentinel(addresses), asynchronous.Sentinel(addresses)
    client = sentinel.master_for("mymaster")
    old = sentinel.discover_master("mymaster")
    begin = f"{library.__name__}-{time.time_ns()}"
    with Writers(client, 4, lambda: in_loop.master_for("mymaster"), 4, begin) as writers:
        eventually(lambda: writers.going_on(0.0), what="the writers' beginning")
        leader = (getattr(library, "Redis", None) or library.Valkey)(*addresses[0])
        assert leader.execute_command("SENTINEL", "FAILOVER", "mymaster")
        leader.close()
        eventually(lambda: sentinel.discover_master("mymaster") != old, LIMIT, 0.005, "another master")
        switched = time.monotonic()
        eventually(lambda: writers.going_on(switched), LIMIT, what="every writer to go on")
    assert writers.failed() == [], writers.failed()[:3]
    assert writers.lost(lambda key: client.lrange(key, 0, -1)) == []
    client.close()
    sentinel.close()
    asyncio.run(in_loop.aclose())


def main(name: str, version: str, *sentinels: str) -> None:
    assert metadata.version(name) == version, metadata.version(name)
    addresses = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in sentinels)]
    library = import_module(name)
    threads, asynchronous = import_module(f"switchmaster.{name}"), import_module(f"switchmaster.{name}.asyncio")
    with threads.Sentinel(addresses) as sentinel:
        master = sentinel.discover_master("mymaster")
        # After the last failover a Sentinel takes up to 10 s to see that a replica is in sync again.
        eventually(lambda: sentinel.discover_slaves("mymaster"), LIMIT, what="a replica in sync")
        client, replica = sentinel.master_for("mymaster"), sentinel.slave_for("mymaster")
        use(client, replica, library.WatchError)
        replica.close()
        client.close()
    asyncio.run(walk_in_loop(asynchronous, library, addresses, master))
    fail_over(threads, asynchronous, library, addresses)
    print(f"{name} {version} from {library.__file__}: well")


if __name__ == "__main__":
    main(*sys.argv[1:])
