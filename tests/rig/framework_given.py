"""
Frameworks that take a client, a pool or a class, at work with ours or with redis-py's own: a program that a test runs.

``python framework_given.py ours|stock HOST:PORT...`` gives each framework what docs/how-to/frameworks.md says, and uses
them all until standard input ends; `framework_work` says what it prints. Frameworks of tasks have a worker here, too.
Names of keys and queues hold the first argument, so that both can run beside each other. arq and redis-om are used
where they are installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import threading
from collections.abc import Awaitable
from importlib import import_module
from typing import Any

MODE, *SENTINELS = sys.argv[1:]
PACKAGE = {"ours": "switchmaster.redis", "stock": "redis.sentinel"}[MODE]
ASYNC_PACKAGE = {"ours": "switchmaster.redis.asyncio", "stock": "redis.asyncio.sentinel"}[MODE]
Sentinel = import_module(PACKAGE).Sentinel
AsyncSentinel = import_module(ASYNC_PACKAGE).Sentinel

import aiocache  # noqa: E402
import django  # noqa: E402
import dramatiq  # noqa: E402
import fastapi  # noqa: E402
import flask  # noqa: E402
import flask_session  # noqa: E402
import httpx  # noqa: E402
import redis_lock  # noqa: E402
import rq  # noqa: E402
import rq.timeouts  # noqa: E402
from django.conf import settings  # noqa: E402
from dramatiq.brokers.redis import RedisBroker  # noqa: E402
from framework_work import (  # noqa: E402
    Tasks,
    Use,
    answer,
    in_task,
    in_thread,
    kept_in_task,
    over,
    serve,
    serve_in_task,
)
from huey import RedisHuey  # noqa: E402
from huey.consumer import Consumer  # noqa: E402
from redis.backoff import NoBackoff  # noqa: E402
from redis.retry import Retry  # noqa: E402

ADDRESSES = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in SENTINELS)]
SOCKET_TIMEOUT = 5.0


def client(socket_timeout: float | None = SOCKET_TIMEOUT, **options: Any) -> Any:
    """Return a client of its own for each framework, as each would have in a process of its own."""
    return Sentinel(ADDRESSES, socket_timeout=socket_timeout, **options).master_for("mymaster")


# -- Django -----------------------------------------------------------------------------------------------------------


def start_caches_of_django() -> None:
    """Start the work of Django's own cache (which knows no Sentinel by itself) and of django-redis."""
    own = {
        "BACKEND": "switchmaster.django.RedisCache",
        "LOCATION": f"redis+sentinel://{','.join(SENTINELS)}/mymaster/0",
        "KEY_PREFIX": f"{MODE}-own",
    }
    other = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://mymaster/0",
        "KEY_PREFIX": f"{MODE}-other",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "SENTINELS": ADDRESSES,
            "CONNECTION_POOL_CLASS": f"{PACKAGE}.SentinelConnectionPool",
        },
    }
    caches = {"default": own, "other": other} if MODE == "ours" else {"default": other, "other": other}
    settings.configure(CACHES=caches, DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory")
    django.setup()
    from django.core.cache import caches as made

    def start(framework: str, name: str) -> None:
        in_thread(
            framework,
            lambda number: made[name].set(str(number), number),
            Use(lambda number: made[name].get(str(number)) == number),
        )

    start("django-redis", "other")
    if MODE == "ours":
        start("Django's cache", "default")


# -- sessions, locks, models, caches ----------------------------------------------------------------------------------


def start_sessions_of_flask() -> None:
    """Begin a session for each number, and keep its browser to ask what the session holds."""
    app = flask.Flask("program")
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client(), SESSION_KEY_PREFIX=f"{MODE}-session:")
    app.testing = True  # so that an error is raised here
    flask_session.Session(app)

    @app.get("/<int:number>")
    def home(number: int) -> str:
        flask.session["number"] = number
        return "here"

    @app.get("/kept")
    def kept() -> str:
        return str(flask.session.get("number"))

    browsers: dict[int, Any] = {}

    def work(number: int) -> None:
        browser = app.test_client()
        assert browser.get(f"/{number}").status_code == 200
        browsers[number] = browser

    def is_kept(number: int) -> bool:
        said: str = browsers[number].get("/kept").text
        del browsers[number]
        return said == str(number)

    in_thread("Flask-Session", work, Use(is_kept))


def start_lock() -> None:
    used = client()

    def work(_: int) -> None:
        with redis_lock.Lock(used, f"{MODE}-lock", expire=5):
            pass

    in_thread("redis-lock", work)


def start_model() -> None:
    os.environ.setdefault("REDIS_OM_URL", "redis://127.0.0.1:1")
    from redis_om import HashModel, NotFoundError

    used = client(decode_responses=True)
    keys: dict[int, str] = {}

    class Thing(HashModel, index=True):
        number: int

        class Meta:
            database = used

    def work(number: int) -> None:
        keys[number] = str(Thing(number=number).save().pk)

    def kept(number: int) -> bool:
        try:
            return bool(Thing.get(keys[number]).number == number)
        except NotFoundError:
            return False

    in_thread("redis-om", work, Use(kept))


async def work_with_cache() -> None:
    cache = aiocache.RedisCache(namespace=f"{MODE}-aiocache")
    cache.client = AsyncSentinel(ADDRESSES, socket_timeout=SOCKET_TIMEOUT).master_for("mymaster")

    async def kept(number: int) -> bool:
        return bool(await cache.get(str(number)) == number)

    await in_task("aiocache", lambda number: cache.set(str(number), number), Use(kept_in_task(kept)))


async def work_with_application() -> None:
    """An application of FastAPI, asked in this process, which writes with a client for asyncio."""
    used = AsyncSentinel(ADDRESSES, socket_timeout=SOCKET_TIMEOUT).master_for("mymaster")
    app = fastapi.FastAPI()

    @app.put("/{number}")
    async def put(number: int) -> None:
        await used.set(f"{MODE}-fastapi-{number}", number)

    @app.get("/{number}")
    async def get(number: int) -> str:
        return ((await used.get(f"{MODE}-fastapi-{number}")) or b"").decode()

    browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://program")

    async def work(number: int) -> None:
        (await browser.put(f"/{number}")).raise_for_status()

    async def kept(number: int) -> bool:
        return bool((await browser.get(f"/{number}")).json() == str(number))

    await in_task("FastAPI", work, Use(kept_in_task(kept)))


# -- tasks ------------------------------------------------------------------------------------------------------------


def start_dramatiq() -> None:
    tasks, broker = Tasks(), RedisBroker(client=client(), namespace=f"{MODE}-dramatiq")
    actor = dramatiq.actor(tasks.come, broker=broker, actor_name="come")
    in_thread("Dramatiq", lambda number: actor.send(number), tasks)
    dramatiq.Worker(broker, worker_threads=1, worker_timeout=50).start()


def start_huey() -> None:
    tasks, huey = Tasks(), RedisHuey(f"{MODE}-huey", results=False, connection_pool=client().connection_pool)
    task = huey.task()(tasks.come)
    in_thread("Huey", lambda number: task(number), tasks)

    class InThread(Consumer):
        def _set_signal_handlers(self) -> None:
            """Leave the signals to the program."""

    consumer = InThread(huey, workers=1, periodic=False)
    for process in (consumer.scheduler, *(each for _, each in consumer.worker_threads)):
        process.start()


def start_rq() -> None:
    tasks, again = rq_tasks, rq.Retry(max=3)
    queue = rq.Queue(f"{MODE}-rq", connection=client(None))
    in_thread("RQ", lambda number: queue.enqueue("framework_given_rq.come", number, result_ttl=0, retry=again), tasks)

    class InThread(rq.SimpleWorker):
        death_penalty_class = rq.timeouts.TimerDeathPenalty

        def _install_signal_handlers(self) -> None:
            """Leave the signals to the program."""

    def run() -> None:
        # RQ's worker ends when an answer is lost, and leaves the job that it has just taken: docs/how-to/rq.md.
        connection = client(None, retry=Retry(NoBackoff(), 1))
        InThread([queue], connection=connection).work(logging_level="ERROR")

    serve(tasks, "RQ", run)


rq_tasks = Tasks()
"""RQ imports a task by its name, which leads here."""


async def work_with_arq() -> None:
    from arq.connections import ArqRedis
    from arq.worker import Worker, func

    tasks, name = Tasks(), f"{MODE}-arq"

    def pool() -> Any:
        return AsyncSentinel(ADDRESSES).master_for("mymaster", redis_class=ArqRedis)

    async def come(_: object, number: int) -> None:
        tasks.come(number)

    async def run() -> None:
        worker = Worker(
            [func(come, name="come")],
            queue_name=name,
            redis_pool=pool(),
            handle_signals=False,
            poll_delay=0.05,
            keep_result=0,
            job_timeout=5,  # and 10 s are how long nobody runs a job whose worker was interrupted
        )
        await worker.async_run()

    sender = pool()

    async def send(number: int) -> None:
        # arq takes every WatchError for a job that exists already, and enqueues nothing.
        assert await sender.enqueue_job("come", number, _queue_name=name), "not enqueued: None instead of a job"

    running = asyncio.create_task(serve_in_task(tasks, run))
    await in_task("arq", send, tasks)
    running.cancel()


async def asynchronous() -> None:
    works: list[Awaitable[None]] = [work_with_cache(), work_with_application()]
    if importlib.util.find_spec("arq"):  # it asks for a redis-py below 6
        works.append(work_with_arq())
    await asyncio.gather(*works)


def main() -> None:
    sys.modules["framework_given_rq"] = type(sys)("framework_given_rq")
    sys.modules["framework_given_rq"].come = rq_tasks.come
    start_caches_of_django()
    start_sessions_of_flask()
    start_lock()
    if importlib.util.find_spec("redis_om"):  # it brings types for redis-py that are wrong for this one
        start_model()
    start_dramatiq()
    start_huey()
    start_rq()
    threading.Thread(target=lambda: asyncio.run(asynchronous()), daemon=True).start()
    answer()
    over.set()


main()
