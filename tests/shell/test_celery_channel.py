"""A consumer of kombu with our transport goes on after its connections end, in kombu's event loop and without it."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

kombu = pytest.importorskip("kombu")
pytest.importorskip("celery")

from kombu.asynchronous import Hub  # noqa: E402
from kombu.transport import redis as transport  # noqa: E402
from kombu.utils import eventio  # noqa: E402

import switchmaster.celery as ours  # noqa: E402
import switchmaster.redis  # noqa: E402
from peers.echo_node import EchoingNode  # noqa: E402
from peers.scripted import bulk, push  # noqa: E402
from rig.conditions import eventually  # noqa: E402
from switchmaster.follow.gate import GateState, Phase, Replicas  # noqa: E402

BODY = base64.b64encode(b"1").decode()


class Node(EchoingNode):
    """A master with one queue; a BRPOP waits until there is a message, and one message answers it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.subscribed = self.stored = 0

    def _answer(self, words: list[bytes], resp3: bool) -> bytes:
        match words[0].upper():
            case b"BRPOP" if self.messages:
                return b"*2\r\n" + bulk(words[1]) + bulk(self.messages.pop())
            case b"BRPOP":
                return b""
            case b"PSUBSCRIBE":
                self.subscribed += 1
                return b"".join(push("psubscribe", each, n, resp3=resp3) for n, each in enumerate(words[1:], 1))
            case b"HSET" | b"ZADD":
                self.stored += 1
            case b"ZRANGE":
                return b"*0\r\n"
        return super()._answer(words, resp3)

    def end_all(self) -> None:
        ended = set(self.open)
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        # A thread that is late would still read its BRPOP, and answer it with the next message.
        eventually(lambda: not ended & self.open, 30, what="the end of the connections")


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as node:
        yield node


@pytest.fixture
def connection(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a connection whose master is believed without any Sentinel."""
    sentinel: Any = switchmaster.redis.Sentinel([("127.0.0.1", 1)])
    pool_class = ours._Pool

    def pool(*arguments: Any, **options: Any) -> Any:
        made = pool_class(*arguments, **options)
        made.route.look_again = made.route.lease.open = lambda: None
        phase = Phase(GateState.OPEN, node.address, 0.0)
        made.route.follower.believe(phase, Replicas((), frozenset((node.address,)), node.address))
        return made

    monkeypatch.setattr(ours, "_Pool", pool)
    monkeypatch.setattr(ours.Channel, "_sentinel", lambda self, arguments: sentinel)
    options = {"master_name": "mymaster"}
    with kombu.Connection(
        "sentinel://127.0.0.1:1", transport="switchmaster.celery:Transport", transport_options=options
    ) as connection:
        yield connection
        node.end_all()  # kombu would wait for the answer to its last BRPOP


def message(tag: str) -> str:
    """Return a message as kombu's senders write it."""
    properties = {
        "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": "queue"},
        "delivery_tag": tag,
    }
    kind = {"content-encoding": "utf-8", "content-type": "application/json", "headers": {}}
    return json.dumps({"body": BODY, **kind, "properties": properties})


def drained(connection: Any) -> Callable[[], None]:
    def turn() -> None:
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=0.1)

    return turn


def looped(connection: Any, hub: Any) -> Callable[[], None]:
    connection.register_with_event_loop(hub)
    hub.propagate_errors = connection.connection_errors
    hub.call_repeatedly(0.05, lambda: None)  # so that a turn of the loop ends
    loop = hub.create_loop()
    return lambda: next(loop)


@pytest.mark.parametrize("how", ["drained", "looped", "greenlets"])
def test_consumer_goes_on_after_its_connections_end(
    connection: Any, node: Node, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "greenlets":
        monkeypatch.setattr(transport, "poll", eventio._select)
    came: list[str] = []
    fanout = kombu.Queue("news", kombu.Exchange("news", "fanout"), auto_delete=True)
    channel = connection.default_channel
    hub = Hub()
    with kombu.Consumer(
        channel, [kombu.Queue("queue"), fanout], on_message=lambda one: (came.append(one.delivery_tag), one.ack())
    ):
        turn = looped(connection, hub) if how == "looped" else drained(connection)

        def arrives(tag: str) -> bool:
            turn()
            return tag in came

        node.messages.append(message("first"))
        eventually(lambda: arrives("first"), 30)
        eventually(lambda: (turn(), node.subscribed)[1] > 0, 30)
        for number in range(3):
            before = node.subscribed
            node.end_all()
            node.messages.append(message(f"after {number}"))
            eventually(lambda tag=f"after {number}": arrives(tag), 30)
            eventually(lambda before=before: (turn(), node.subscribed)[1] > before, 30)
            if how == "greenlets":  # select, unlike epoll, goes on with the number of a closed socket
                used = {each.connection._sock.fileno() for each in (channel.client, channel.subclient)}
                assert connection.transport.cycle.poller._rfd == set(connection.transport.cycle._fd_to_chan) == used
        assert channel is connection.default_channel
        assert came == ["first", "after 0", "after 1", "after 2"]
    hub.close()


def test_acknowledgement_whose_answer_was_lost_is_repeated(connection: Any, node: Node) -> None:
    channel = connection.default_channel
    steps: list[str] = []

    class Qos(ours.UnackedMessages):
        def _remove_from_indices(self, delivery_tag: Any, pipe: Any = None) -> Any:
            steps.append(delivery_tag)
            if len(steps) == 1:
                raise switchmaster.redis.StaleMaster("mymaster", "a node", "nothing")
            return super()._remove_from_indices(delivery_tag, pipe)

    Qos(channel).ack("a task")
    assert steps == ["a task", "a task"]
