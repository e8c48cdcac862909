"""
Connections that a caller holds through a crash and a planned failover: the caller sees them end, as the library shows
it, and never reads a connection that is subscribed to nothing, or waits for a descriptor that is gone.
"""

from __future__ import annotations

import asyncio
import importlib
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from rig.client_lab import end, in_thread, make_ready
from rig.conditions import eventually
from rig.lab_fixtures import find_or_skip
from switchmaster.lab import Lab

# valkey-py needs an argument that redis-py has deprecated.
pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore:Call to 'get_connection':DeprecationWarning")]

LIMIT = 60.0
SEEN = 5.0
"""Seconds after the switch within which each holder has seen its connection end."""
WAITS: tuple[dict[str, Any], ...] = ({}, {"failover_wait": 0})

Check = Callable[[], None]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(binary=str(find_or_skip("redis-7.0").path), down_after_ms=1000, failover_timeout_ms=5000) as lab:
        yield lab


class Holders:
    """
    All holders of a connection of one client.

    Args:
        lab: the deployment.
        library: which client library.
        client: its pool gives the connections; without a timeout, so that only an end wakes a reader.
    """

    def __init__(self, lab: Lab, library: str, client: Any) -> None:
        self.lab, self.client, self.pool = lab, client, client.connection_pool
        self.lost = importlib.import_module(f"{library}.exceptions").ConnectionError
        self.moved = importlib.import_module(f"switchmaster.{library}").SessionMoved

    def by_hand(self) -> Any:
        """Return a PubSub whose connection was set by hand, as kombu does: no callback subscribes again."""
        listener = self.client.pubsub()
        listener.connection = self.pool.get_connection("_")
        listener.connection.connect()
        listener.psubscribe("c*")
        assert listener.parse_response()[0] == b"psubscribe"
        return listener

    def blocked_reader(self) -> Check:
        return self._ends(self.by_hand().parse_response)

    def late_reader(self) -> Check:
        listener = self.by_hand()
        return lambda: self._raises(listener.parse_response)

    def late_reader_that_does_not_block(self) -> Check:
        listener = self.by_hand()
        return lambda: self._raises(lambda: until_something(lambda: listener.parse_response(block=False, timeout=0.1)))

    def late_subscriber(self) -> Check:
        listener = self.by_hand()
        return lambda: self._raises(lambda: listener.subscribe("more"))

    def late_ping(self) -> Check:
        listener = self.by_hand()
        return lambda: self._raises(listener.ping)

    def own_subscriber(self) -> Check:
        connection = self.pool.get_connection("_")
        connection.send_command("SUBSCRIBE", "channel")
        assert connection.read_response(push_request=True)[0] == b"subscribe"
        return self._ends(lambda: connection.read_response(push_request=True))

    def own_blpop_by_its_descriptor(self) -> Check:
        connection = self.pool.get_connection("_")
        poller = watching(connection)
        connection.send_command("BLPOP", "nothing", 0)

        def check() -> None:
            assert poller.poll(SEEN), "no waiter for the descriptor woke"
            self._raises(connection.read_response)

        return check

    def own_idle_descriptor(self) -> Check:
        connection = self.pool.get_connection("_")
        poller = watching(connection)

        def check() -> None:
            assert poller.poll(SEEN), "no waiter for the descriptor woke"
            self._raises(lambda: connection.send_command("BRPOP", "nothing", 1), self.moved)
            # The holder has seen it; what follows uses another connection.
            assert asked(connection, "PING") in (b"PONG", "PONG")

        return check

    def listener_by_its_descriptor(self) -> Check:
        listener = self.client.pubsub()
        listener.subscribe("channel")
        poller = watching(listener.connection)
        assert listener.get_message(timeout=5)["type"] == "subscribe"

        def check() -> None:
            assert poller.poll(SEEN), "no waiter for the descriptor woke"
            self._raises(lambda: listener.get_message(timeout=5))
            eventually(lambda: (listener.get_message(timeout=1) or {}).get("type") == "subscribe", what="it again")

        return check

    def monitor(self) -> Check:
        # The library's own MONITOR, and one by hand.
        monitor = self.client.monitor()
        monitor.__enter__()
        return self._ends(lambda: [command for command in monitor.listen() if not command])

    def late_monitor(self) -> Check:
        connection = self.pool.get_connection("_")
        assert asked(connection, "MONITOR") == b"OK"
        return lambda: self._raises(lambda: asked(connection, "PING"), self.moved)

    def other_database(self) -> Check:
        connection = self.pool.get_connection("_")
        asked(connection, "SELECT", 5)

        def check() -> None:
            self._raises(lambda: asked(connection, "SET", "wrong", 1), self.moved)
            assert asked(connection, "GET", "wrong") is None

        return check

    def tracking(self) -> Check:
        connection = self.pool.get_connection("_")
        asked(connection, "CLIENT", "TRACKING", "ON")
        return lambda: self._raises(lambda: asked(connection, "GET", "key"), self.moved)

    def plain_commands(self) -> Check:
        connection = self.pool.get_connection("_")
        asked(connection, "GET", "key")

        def check() -> None:
            asked(connection, "SET", "key", 1)

        return check

    def loop(self) -> Check:
        """The same with asyncio: listening by hand, blocked and late."""
        before = self.client.pubsub_numsub("in-loop")[0][1]
        thread, came = in_thread(lambda: asyncio.run(self._listen_in_loop()))
        eventually(lambda: came or self.client.pubsub_numsub("in-loop")[0][1] == before + 2, what="both to listen")

        def check() -> None:
            thread.join(SEEN)
            assert came, "it is still read"
            assert [isinstance(each, self.lost) for each in came[0]] == [True, True], came

        return check

    async def _listen_in_loop(self) -> list[Any]:
        kind = type(self.pool.sentinel_manager)
        module = importlib.import_module(f"{kind.__module__}.asyncio")
        sentinel = module.Sentinel(self.lab.sentinel_addresses, socket_timeout=None)
        client = sentinel.master_for("mymaster", failover_wait=self.pool.route.limits.failover_wait)
        listeners = [await self._by_hand_in_loop(client) for _ in range(2)]
        blocked = asyncio.create_task(listeners[0].parse_response())
        await asyncio.wait([blocked])
        late = asyncio.create_task(listeners[1].parse_response())
        await asyncio.wait([late], timeout=SEEN)
        late.cancel()
        await asyncio.wait([late])
        outcomes = [blocked.exception(), None if late.cancelled() else late.exception()]
        for listener in listeners:
            await listener.aclose()
        client.connection_pool.shared_out = False
        await client.aclose()
        await sentinel.aclose()
        return outcomes

    async def _by_hand_in_loop(self, client: Any) -> Any:
        listener = client.pubsub()
        listener.connection = await client.connection_pool.get_connection("_")
        await listener.connection.connect()
        await listener.subscribe("in-loop")
        assert (await listener.parse_response())[0] == b"subscribe"
        return listener

    def _ends(self, read: Callable[[], Any]) -> Check:
        thread, came = in_thread(read)

        def check() -> None:
            thread.join(SEEN)
            assert isinstance((came or ["it is still read"])[0], self.lost), came

        return check

    def _raises(self, work: Callable[[], Any], kind: type[Exception] | None = None) -> None:
        thread, came = in_thread(work)
        thread.join(SEEN)
        assert isinstance((came or ["it never returned"])[0], kind or self.lost), came


HOLDERS = [
    Holders.blocked_reader,
    Holders.late_reader,
    Holders.late_reader_that_does_not_block,
    Holders.late_subscriber,
    Holders.late_ping,
    Holders.own_subscriber,
    Holders.own_blpop_by_its_descriptor,
    Holders.own_idle_descriptor,
    Holders.listener_by_its_descriptor,
    Holders.monitor,
    Holders.late_monitor,
    Holders.other_database,
    Holders.tracking,
    Holders.plain_commands,
    Holders.loop,
]


def asked(connection: Any, *words: Any) -> Any:
    connection.send_command(*words)
    return connection.read_response()


def watching(connection: Any) -> select.epoll:
    poller = select.epoll()
    poller.register(connection._sock, select.EPOLLIN)
    return poller


def until_something(read: Callable[[], Any]) -> Any:
    """Read until there is anything but silence; an error is raised."""
    over = time.monotonic() + SEEN
    while not (came := read()) and time.monotonic() < over:
        time.sleep(0.01)
    return came


@contextmanager
def holders(lab: Lab, library: str, **options: Any) -> Iterator[Holders]:
    module = importlib.import_module(f"switchmaster.{library}")
    sentinel = module.Sentinel(lab.sentinel_addresses)
    client = sentinel.master_for("mymaster", socket_timeout=None, **options)
    try:
        yield Holders(lab, library, client)
    finally:
        end(client)


@pytest.mark.parametrize("kind", ["planned", "crash"])
def test_holder_of_a_connection_sees_it_end(lab: Lab, kind: str) -> None:
    old = lab.master()
    with ExitStack() as stack:
        everybody = [
            stack.enter_context(holders(lab, library, **options))
            for library in ("redis", "valkey")
            for options in WAITS
        ]
        checks = [
            (f"{holds.__name__} of {each.lost.__module__}, {each.pool.route.limits}", holds(each))
            for each in everybody
            for holds in HOLDERS
        ]
        watcher = everybody[0].pool.sentinel_manager.watcher
        eventually(lambda: watcher.established, what="the Sentinels' first answers")
        address = watcher.master("mymaster")
        lab.failover() if kind == "planned" else lab.crash(old)
        eventually(lambda: watcher.master("mymaster") != address, LIMIT, what="another master")
        failures = []
        for name, check in checks:
            try:
                check()
            except AssertionError as error:
                failures.append(f"{name}: {error}")
        assert not failures, "\n".join(failures)
    if old.alive:
        make_ready(lab, old)
