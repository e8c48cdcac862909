"""
Frameworks that take neither a class nor a pool of ours, at work: a program that a test runs.

``python framework_program.py ours|stock HOST:PORT...`` installs `switchmaster.redis` for the process (or does not),
configures each framework as its documentation says, and uses them all until standard input ends; `framework_work` says
what it prints. Names of keys and queues hold the first argument, so that both can run beside each other.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
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
from fastapi import FastAPI, Request  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from framework_work import Tasks, Use, answer, in_task, in_thread, serve_in_task  # noqa: E402
from slowapi import Limiter, _rate_limit_exceeded_handler  # noqa: E402
from slowapi.errors import RateLimitExceeded  # noqa: E402
from taskiq import BrokerMessage  # noqa: E402
from taskiq_redis import ListQueueSentinelBroker  # noqa: E402

ADDRESSES = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in SENTINELS)]
LIMITS_URL = f"redis+sentinel://{','.join(SENTINELS)}/mymaster"


def start_cache_of_flask() -> None:
    config = {
        "CACHE_TYPE": "RedisSentinelCache",
        "CACHE_REDIS_SENTINELS": ADDRESSES,
        "CACHE_KEY_PREFIX": f"{MODE}-flask-caching-",
    }
    cache = flask_caching.Cache(flask.Flask("program"), config=config)

    def work(number: int) -> None:
        assert cache.cache.set(str(number), number)

    in_thread("Flask-Caching", work, Use(lambda number: cache.cache.get(str(number)) == number))


def start_limiter() -> None:
    """Count one hit for each of many users, who may have no more: a hit that is there refuses the next."""
    storage = limits.storage.storage_from_string(LIMITS_URL)
    strategy = limits.strategies.FixedWindowRateLimiter(storage)
    item = limits.parse("1/day")
    user = f"{MODE}-limits-{{}}".format
    in_thread(
        "limits",
        lambda number: strategy.hit(item, user(number)),
        Use(lambda number: not strategy.test(item, user(number))),
    )


def start_limiter_of_an_application() -> None:
    limiter, app = Limiter(key_func=lambda request: request.headers["user"], storage_uri=LIMITS_URL), FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    @app.get("/")
    @limiter.limit("1/day")
    async def home(request: Request) -> str:
        return "here"

    client = TestClient(app).__enter__()

    def status(number: int) -> int:
        return int(client.get("/", headers={"user": f"{MODE}-slowapi-{number}"}).status_code)

    in_thread("slowapi", status, Use(lambda number: status(number) == 429))


class Channel(Tasks):
    """A channel of a layer of channels: messages that were sent, and those that were received."""

    def __init__(self, layer: Any, name: str) -> None:
        super().__init__()
        self.layer, self.name = layer, name

    async def run(self) -> None:
        """Send and receive on one channel."""
        channel = await self.layer.new_channel(MODE)

        async def receive() -> None:
            while True:
                self.come((await self.layer.receive(channel))["number"])

        async def work(number: int) -> None:
            await self.layer.send(channel, {"type": "a.message", "number": number})

        receivers.append(asyncio.create_task(serve_in_task(self, receive)))
        await in_task(self.name, work, self)


class TaskiqTasks(Tasks):
    """A broker of taskiq, and its listener."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = ListQueueSentinelBroker(ADDRESSES, "mymaster", queue_name=f"{MODE}-taskiq")

    async def work(self, number: int) -> None:
        message = str(number)
        await self.broker.kick(BrokerMessage(task_id=message, task_name="work", message=message.encode(), labels={}))

    async def listen(self) -> None:
        async for message in self.broker.listen():
            self.come(int(bytes(message)))


receivers: list[asyncio.Task[None]] = []


async def asynchronous() -> None:
    hosts = [{"sentinels": ADDRESSES, "master_name": "mymaster"}]
    tasks = TaskiqTasks()
    receivers.append(asyncio.create_task(serve_in_task(tasks, tasks.listen)))
    works: list[Awaitable[None]] = [
        Channel(RedisChannelLayer(hosts=hosts, prefix=MODE), "channels").run(),
        Channel(RedisPubSubChannelLayer(hosts=hosts, prefix=MODE), "channels pubsub").run(),
        in_task("taskiq", tasks.work, tasks),
    ]
    await asyncio.gather(*works)
    for receiver in receivers:
        receiver.cancel()


def main() -> None:
    starts: list[Callable[[], None]] = [start_cache_of_flask, start_limiter, start_limiter_of_an_application]
    for start in starts:
        start()
    threading.Thread(target=lambda: asyncio.run(asynchronous()), daemon=True).start()
    answer()


main()
