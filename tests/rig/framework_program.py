"""
Frameworks that take neither a class nor a pool of ours, at work: a program that a test runs.

``python framework_program.py ours|stock HOST:PORT...`` installs `switchmaster.redis` for the process (or does not),
configures each framework as its documentation says, and uses them all until standard input ends. For each line there it
prints one line: for each framework how often it succeeded, the longest time without success since the last line, and
what failed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

MODE, *SENTINELS = sys.argv[1:]
if MODE == "ours":
    import switchmaster.redis

    switchmaster.redis.install()

import flask  # noqa: E402  after the installation: that is what is tested
import flask_caching  # noqa: E402
import limits  # noqa: E402
import limits.storage  # noqa: E402
from channels_redis.core import RedisChannelLayer  # noqa: E402
from channels_redis.pubsub import RedisPubSubChannelLayer  # noqa: E402
from taskiq import BrokerMessage  # noqa: E402
from taskiq_redis import ListQueueSentinelBroker  # noqa: E402

PAUSE = 0.005
ADDRESSES = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in SENTINELS)]
SENT_AGAIN = 0.2


class Use:
    """What became of one framework's work."""

    def __init__(self) -> None:
        self.done, self.last, self.gap = 0, time.monotonic(), 0.0
        self.failed: list[str] = []

    def succeed(self) -> None:
        now = time.monotonic()
        self.done, self.last, self.gap = self.done + 1, now, max(self.gap, now - self.last)

    def tell(self) -> dict[str, Any]:
        gap, self.gap = max(self.gap, time.monotonic() - self.last), 0.0
        return {"done": self.done, "gap": round(gap, 3), "failed": self.failed[:20], "failures": len(self.failed)}


uses: dict[str, Use] = {}
over = threading.Event()


def in_thread(name: str, work: Callable[[int], object]) -> None:
    """Work in a thread, again and again."""
    use = uses[name] = Use()

    def repeat() -> None:
        number = 0
        while not over.wait(PAUSE):
            number += 1
            try:
                work(number)
                use.succeed()
            except Exception as error:
                use.failed.append(f"{time.time():.3f} {error!r}")

    threading.Thread(target=repeat, name=name).start()


async def in_task(name: str, work: Callable[[int], Awaitable[object]]) -> None:
    """Work in a task, again and again."""
    use, number = uses[name], 0
    while not over.is_set():
        number += 1
        try:
            await work(number)
            use.succeed()
        except Exception as error:
            use.failed.append(f"{time.time():.3f} {error!r}")
        await asyncio.sleep(PAUSE)


def cache_of_flask() -> Callable[[int], object]:
    config = {"CACHE_TYPE": "RedisSentinelCache", "CACHE_REDIS_SENTINELS": ADDRESSES}
    cache = flask_caching.Cache(flask.Flask("program"), config=config)

    def work(number: int) -> None:
        assert cache.cache.set("key", number)

    return work


def limiter() -> Callable[[int], object]:
    storage = limits.storage.storage_from_string(f"redis+sentinel://{','.join(SENTINELS)}/mymaster")
    strategy = limits.strategies.FixedWindowRateLimiter(storage)
    item = limits.parse("1000000/day")
    return lambda _: strategy.hit(item, "user")


async def echo_of_channels(layer: Any, name: str) -> Callable[[int], Awaitable[object]]:
    """Send numbers to a channel and wait for each; what PUBLISH loses in a failover is sent again."""
    channel = await layer.new_channel(name)
    newest = 0
    came = asyncio.Event()

    async def receive() -> None:
        nonlocal newest
        while True:
            try:
                newest = max(newest, (await layer.receive(channel))["number"])
            except Exception as error:
                listener.failed.append(f"{time.time():.3f} {name}: {error!r}")
                await asyncio.sleep(PAUSE)
            came.set()

    receivers.append(asyncio.create_task(receive()))

    async def work(number: int) -> None:
        while newest < number:
            came.clear()
            await layer.send(channel, {"type": "a.message", "number": number})
            with suppress(TimeoutError):
                await asyncio.wait_for(came.wait(), SENT_AGAIN)

    return work


class Tasks:
    """A broker of taskiq: tasks that were taken, and those that came to the worker."""

    def __init__(self) -> None:
        self.broker = ListQueueSentinelBroker(ADDRESSES, "mymaster", queue_name="tasks")
        self.came: set[str] = set()

    async def work(self, number: int) -> None:
        name = f"task-{number}"
        await self.broker.kick(BrokerMessage(task_id=name, task_name="work", message=name.encode(), labels={}))
        taken.add(name)

    async def listen(self) -> None:
        while not over.is_set():
            try:
                async for message in self.broker.listen():
                    self.came.add(bytes(message).decode())
            except Exception as error:
                listener.failed.append(f"{time.time():.3f} {error!r}")
                await asyncio.sleep(PAUSE)


receivers: list[asyncio.Task[None]] = []
taken: set[str] = set()
listener = Use()
tasks: list[Tasks] = []


async def asynchronous() -> None:
    for name in ("channels", "channels pubsub", "taskiq"):
        uses[name] = Use()
    hosts = [{"sentinels": ADDRESSES, "master_name": "mymaster"}]
    core, pubsub = RedisChannelLayer(hosts=hosts), RedisPubSubChannelLayer(hosts=hosts)
    tasks.append(Tasks())
    listening = asyncio.create_task(tasks[0].listen())
    await asyncio.gather(
        in_task("channels", await echo_of_channels(core, "core")),
        in_task("channels pubsub", await echo_of_channels(pubsub, "pubsub")),
        in_task("taskiq", tasks[0].work),
    )
    for receiver in (listening, *receivers):
        receiver.cancel()


def main() -> None:
    in_thread("flask-caching", cache_of_flask())
    in_thread("limits", limiter())
    loop = threading.Thread(target=lambda: asyncio.run(asynchronous()))
    loop.start()
    for _ in sys.stdin:
        missing = sorted(taken - tasks[0].came) if tasks else []
        told = {name: use.tell() for name, use in sorted(uses.items())}
        print(json.dumps({"uses": told, "missing": missing, "listener": listener.failed[:20]}), flush=True)
    over.set()
    loop.join(10)


main()
