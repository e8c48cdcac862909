"""
A client that is interrupted anywhere by an unexpected exception: its next commands get the right answers.

Every point at which the interpreter may raise such an exception is tried, one after the other, against a node in a
thread of this process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import switchmaster.redis
from peers.echo_node import EchoingNode, ThreadedSentinel
from peers.faulty_peer import closed_port
from peers.scripted import bulk
from rig.client_lab import attempt, watcher_threads
from rig.conditions import eventually
from rig.interrupts import Interrupted, Point, interrupted, points
from switchmaster.client.observable import Observable
from switchmaster.follow.gate import GateState, Phase, Replicas
from switchmaster.model import Address

# An interrupt may hit a finalizer, or come between a socket and its connection: then Python itself complains.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
LIBRARIES = ("redis", "valkey")
POOL = 50


@pytest.fixture(autouse=True)
def complaints_come_here() -> Iterator[None]:
    """Collect garbage while such complaints are still expected."""
    yield
    gc.collect()


@dataclass
class Rig:
    """A client of an echoing node, which is believed to be the master although there is no Sentinel."""

    client: Any
    node: EchoingNode
    number: int = 0
    """Different in each round, so that no answer fits two commands."""

    def key(self, text: str) -> str:
        return f"{text}-{self.number}"

    def told(self, text: str) -> bytes:
        return self.key(text).encode()


def believe(client: Any, node: EchoingNode) -> None:
    """Set the belief of a client about its master, without any Sentinel."""
    route = client.connection_pool.route
    route.look_again = route.lease.open = lambda: None
    address = node.address
    route.follower.believe(Phase(GateState.OPEN, address, 0.0), Replicas((), frozenset((address,)), address))


@pytest.fixture(params=LIBRARIES)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    library = importlib.import_module(f"switchmaster.{request.param}")
    with EchoingNode() as node:
        sentinel = library.Sentinel([("127.0.0.1", closed_port())], socket_timeout=10.0)
        client = sentinel.master_for("mymaster", max_connections=POOL)
        believe(client, node)
        yield Rig(client, node)
        client.connection_pool.disconnect()


def single(rig: Rig) -> None:
    rig.client.get(rig.key("single"))


def pipeline(rig: Rig) -> None:
    with rig.client.pipeline(transaction=False) as pipe:
        for number in range(3):
            pipe.get(rig.key(f"pipeline{number}"))
        pipe.execute()


def transaction(rig: Rig) -> None:
    with rig.client.pipeline() as pipe:
        pipe.get(rig.key("transaction"))
        pipe.execute()


def watching(rig: Rig) -> None:
    with rig.client.pipeline() as pipe:
        pipe.watch("key")
        pipe.get(rig.key("watched"))
        pipe.multi()
        pipe.get(rig.key("changed"))
        pipe.execute()


def dialling(rig: Rig) -> None:
    rig.client.connection_pool.disconnect()
    rig.client.get(rig.key("dialled"))


WORKS = (single, pipeline, transaction, watching, dialling)


def check(rig: Rig) -> None:
    """Check that commands of every kind get their own answers, and that nothing is held or left over."""
    for text in ("first", "second"):
        assert rig.client.get(rig.key(text)) == rig.told(text)
    with rig.client.pipeline() as pipe:
        pipe.get(rig.key("third")).get(rig.key("fourth"))
        assert pipe.execute() == [rig.told("third"), rig.told("fourth")]
    pool = rig.client.connection_pool
    assert all(
        not one._turn.locked() and one._session.unanswered == 0 and not one._dials()
        for one in pool._available_connections
    )


@pytest.mark.parametrize("work", WORKS)
def test_commands_after_an_interrupt_anywhere_get_their_own_answers(rig: Rig, work: Callable[[Rig], None]) -> None:
    def run() -> None:
        work(rig)

    run()
    hits = 0
    # Python 3.12 traces no instruction of code that was never traced before.
    found = points(run) or points(run)
    for rig.number, point in enumerate(found, 1):
        hits += interrupted(run, point)
        check(rig)
    assert hits > 0.9 * len(found) > 90
    rig.client.connection_pool._forget_lost(gc.collect)
    assert len(rig.client.connection_pool._in_use_connections) == 0


def test_client_that_keeps_its_connection_gets_its_own_answers_after_an_interrupt(rig: Rig) -> None:
    client = rig.client.client()
    assert client.connection is not None

    def run() -> None:
        client.get(rig.key("kept"))

    run()
    for rig.number, point in enumerate(_ours_to_end(points(run)), 1):
        interrupted(run, point)
        assert client.get(rig.key("next")) == rig.told("next")


def test_pipeline_that_watches_gets_its_own_answers_after_an_interrupt(rig: Rig) -> None:
    pipe = rig.client.pipeline()
    pipe.watch("key")

    def run() -> None:
        pipe.get(rig.key("watched"))

    run()
    for rig.number, point in enumerate(points(run), 1):
        interrupted(run, point)
        got = attempt(lambda: pipe.get(rig.key("next")))
        if got != rig.told("next"):  # the watch is lost with its connection
            assert type(got).__name__ in ("WatchError", "TransactionMoved")
            pipe.reset()
            pipe.watch("key")


def test_subscriber_that_was_interrupted_gets_whole_messages(rig: Rig) -> None:
    def run() -> None:
        subscriber.subscribe(rig.key("channel"))
        assert subscriber.get_message(timeout=10.0)["type"] == "subscribe"
        assert subscriber.get_message(timeout=10.0)["data"] == b"hello"

    subscriber = rig.client.pubsub()
    run()
    for rig.number, point in enumerate(_ours_to_end(points(run)), 1):
        interrupted(run, point)
        while (message := subscriber.get_message(timeout=0.0)) is not None:
            assert message["type"] in ("subscribe", "message")
        check(rig)
        subscriber.close()
        subscriber = rig.client.pubsub()


def test_answers_after_a_failing_callback_go_to_no_other_command(rig: Rig) -> None:
    def choke(answer: Any, **_: Any) -> Any:
        raise ValueError(answer)

    rig.client.set_response_callback("ECHO", choke)
    pipe = rig.client.pipeline(transaction=False)
    pipe.echo("bad").get("not for you")
    with pytest.raises(ValueError, match="bad"):
        pipe.execute()
    check(rig)


def asking(sentinel: Any, number: int) -> None:
    sentinel.master_for("mymaster").get(f"asked-{number}")


def ending(sentinel: Any, number: int) -> None:
    assert sentinel.watcher is not None
    sentinel.close()


@pytest.mark.parametrize("work", [asking, ending])
def test_watcher_that_was_interrupted_starts_again_and_ends(
    work: Callable[[Any, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_threads: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", in_threads.append)
    with EchoingNode() as node, ThreadedSentinel() as listening:

        def mapped(address: Address) -> Address:
            return address if address == listening.address else node.address

        def make() -> Any:
            return switchmaster.redis.Sentinel([listening.address], socket_timeout=5.0, address_map=mapped)

        sentinels = [make()]
        work(sentinels[-1], 0)
        found = [point for point in points(lambda: work(make(), 0)) if "redis" not in point[0].co_filename]
        for number, point in enumerate(found, 1):
            sentinels.append(make())
            interrupted(lambda: work(sentinels[-1], number), point)  # noqa: B023  # it is called at once
            client = sentinels[-1].master_for("mymaster")
            assert client.get(f"next-{number}") == f"next-{number}".encode()
            client.connection_pool.shared_out = False
            client.close()
            for sentinel in sentinels:
                sentinel.close()
            del sentinel, client, sentinels[:]
        assert len(found) > 50
    gc.collect()
    eventually(lambda: watcher_threads() == [], what="the end of every Watcher")
    assert in_threads == []


def waiting(view: Observable[object], seen: object) -> None:
    view.wait(seen, time.monotonic() + 0.001)


def test_interrupted_waiter_does_not_keep_others_from_being_woken() -> None:
    view, seen = Observable[object](1), 1
    for point in points(lambda: waiting(view, seen)):
        interrupted(lambda: waiting(view, seen), point)
        woken = threading.Event()

        def wait(woken: threading.Event = woken) -> None:
            view.wait(1, time.monotonic() + 20.0)
            woken.set()

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        view.set(2)
        assert woken.wait(10.0)
        thread.join(10.0)
        view.set(seen)


def _ours_to_end(found: list[Point]) -> list[Point]:
    # redis-py's own locks (an Event of its PubSub, a Condition) may stay held; we can't fix that.
    return [point for point in found if "threading" not in point[0].co_filename]


@pytest.mark.parametrize("library", LIBRARIES)
def test_commands_after_cancelled_ones_get_their_own_answers(library: str) -> None:
    chance = random.Random(7)

    async def main() -> None:
        module = importlib.import_module(f"switchmaster.{library}.asyncio")
        with EchoingNode() as node:
            sentinel = module.Sentinel([("127.0.0.1", closed_port())], socket_timeout=10.0)
            client = sentinel.master_for("mymaster", max_connections=4)
            believe(client, node)
            for number in range(1500):
                task = asyncio.create_task(_in_loop(client, number))
                for _ in range(chance.randrange(8)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert await client.get(f"after-{number}") == f"after-{number}".encode()
            assert len(client.connection_pool._in_use_connections) == 0
            await client.connection_pool.disconnect()

    asyncio.run(main())


async def _in_loop(client: Any, number: int) -> None:
    async with client.pipeline(transaction=number % 2 == 0) as pipe:
        pipe.get(f"cancelled-{number}").get(f"too-{number}")
        await pipe.execute()
    await client.get(f"single-{number}")


def test_interrupt_while_a_number_is_packed_ends_no_process(rig: Rig) -> None:
    def run() -> None:
        rig.client.execute_command("ECHO", rig.key("number"), 1, 2.5)

    packed = rig.client.connection_pool.make_connection().pack_command("SET", "key", 7, 2.5, b"x", "\u00e9")
    assert b"".join(packed) == b"*6\r\n" + b"".join(map(bulk, ("SET", "key", "7", "2.5", b"x", b"\xc3\xa9")))
    run()
    for rig.number, point in enumerate(points(run), 1):
        interrupted(run, point)
        check(rig)


def test_interrupting_exception_reaches_the_caller(rig: Rig) -> None:
    def run() -> None:
        single(rig)

    run()
    point = (points(run) or points(run))[-1]
    assert interrupted(run, point)
    assert issubclass(Interrupted, BaseException)
