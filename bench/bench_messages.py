"""
Sentinel messages per second and core: typed and folded by us, compared with redis-py's bare PubSub loop.

Both read the same bytes from a socket pair, in the same reads, in the same run; only reading is timed, by the
processor's time, so that other work on the machine does not count. Ours is
`Link`, `Watch.observe` and `Watch.decisions`; redis-py's is its PubSub with hiredis, which returns a dict. The floor is
what no Python program that uses hiredis gets below: hiredis alone, and with one object made for each message.
Streams: all recordings as they arrived (a read holds a few messages), and one recorded crash failover of 1,000
masters with distinct names and addresses (reads of up to 64 KiB), for which no cache is large enough; and messages that
change nothing, since all of it is known already.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import hiredis
import redis
import redis.connection
from redis._parsers import _RESP3Parser

from captured_streams import RECORDINGS, Message, Run, many_masters, messages_of, runs_of, start_address
from figures import Figure, median, report
from peer import Script
from switchmaster.belief.watch import Watch
from switchmaster.link.link import Link
from switchmaster.model import Moment, SentinelName
from switchmaster.wire.facts import Fact, LinkState

REPEATS = 5
GOAL = 1.0
FLOOR_GOAL = 1 / 1.5
UNCHANGED, UNCHANGED_GOAL = 20_000, 250_000
Stream = Sequence[tuple[tuple[str, int], list[Run]]]
"""Recordings, each with the first address of its master."""


class Deployment:
    """One Watch and a live Link for each Sentinel, as the Watcher would have them, without asyncio."""

    def __init__(self, names: Sequence[str], start: tuple[str, int]) -> None:
        self.watch = Watch([SentinelName(name) for name in names])
        self.links = {name: Link(SentinelName(name), rng=lambda: 0.5) for name in names}
        self.switches = 0
        for name, link in self.links.items():
            script = Script(name, {"mymaster": start})
            link.connect(0.0)
            while sent := link.data_to_send():
                for _, data in sent:
                    link.receive_data(script.answer(data), 0.0)
            assert link.state is LinkState.LIVE, link
            self.observe(link, link.events_received())

    def observe(self, link: Link, facts: list[Fact]) -> None:
        moment = Moment(1.0, 1.0)
        for fact in facts:
            self.watch.observe(link.name, fact, moment)
        self.watch.decisions()

    def receive(self, name: str, data: bytes) -> None:
        link = self.links[name]
        link.receive_data(data, 1.0)
        self.observe(link, link.events_received())


def ours(stream: Stream) -> float:
    """Return the seconds that we take to read."""
    spent = 0.0
    for start, runs in stream:
        deployment = Deployment(sorted({run.sentinel for run in runs}), start)
        writer, reader = socket.socketpair()
        with writer, reader:
            for run in runs:
                writer.sendall(run.resp3)
                began = time.process_time()
                left = len(run.resp3)
                while left:
                    data = reader.recv(65536)
                    left -= len(data)
                    deployment.receive(run.sentinel, data)
                spent += time.process_time() - began
        heard = sum(link.counters.events for link in deployment.links.values())
        assert heard == sum(run.count for run in runs), heard
    return spent


class PairConnection(redis.connection.Connection):
    """redis-py's connection over one end of a socket pair, without its handshake."""

    pair: socket.socket

    def _connect(self) -> socket.socket:
        return self.pair

    def on_connect(self) -> None:
        self._parser.on_connect(self)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        self._parser.on_connect(self)


def theirs(stream: Stream, protocol: int, timeout: float | None, parser: type | None = None) -> float:
    """
    Return the seconds that redis-py takes to read.

    Args:
        stream: what is read.
        protocol: 2 or 3.
        timeout: of ``get_message``; None blocks without a poll, as ``listen`` does.
        parser: redis-py's; None for hiredis.
    """
    spent = 0.0
    chosen = {} if parser is None else {"parser_class": parser}
    for _, runs in stream:
        writer, reader = socket.socketpair()
        with writer, reader:
            connection = type("Pair", (PairConnection,), {"pair": reader})
            pool = redis.ConnectionPool(connection_class=connection, protocol=protocol, **chosen)
            pubsub = redis.Redis(connection_pool=pool).pubsub()
            pubsub.psubscribe("*")
            writer.sendall((b">" if protocol == 3 else b"*") + b"3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n")
            assert pubsub.get_message(timeout=1.0)["type"] == "psubscribe"
            for run in runs:
                writer.sendall(run.resp3 if protocol == 3 else run.resp2)
                began = time.process_time()
                for _ in range(run.count):
                    if pubsub.get_message(timeout=timeout) is None:
                        raise AssertionError("redis-py lost a message")
                spent += time.process_time() - began
            pubsub.connection.disconnect()
    return spent


class Slotted:
    """The least that a message can become."""

    __slots__ = ("channel", "payload")

    def __init__(self, channel: bytes, payload: bytes) -> None:
        self.channel = channel
        self.payload = payload


def floor(stream: Stream, make: Callable[[bytes, bytes], object] | None) -> float:
    """Return the seconds that hiredis takes to read, with an object for each message if `make` is given."""
    spent = 0.0
    for _, runs in stream:
        parsed = hiredis.Reader(notEnoughData=Ellipsis)
        writer, reader = socket.socketpair()
        with writer, reader:
            for run in runs:
                writer.sendall(run.resp3)
                began = time.process_time()
                left = len(run.resp3)
                while left:
                    data = reader.recv(65536)
                    left -= len(data)
                    parsed.feed(data)
                    while (frame := parsed.gets()) is not Ellipsis:
                        if make is not None:
                            make(frame[2], frame[3])
                spent += time.process_time() - began
    return spent


def unchanged() -> Stream:
    """Return what three Sentinels say of one replica again and again, though all of it is known."""
    replica = "slave 127.0.0.1:2 127.0.0.1 2 @ mymaster 127.0.0.1 1"
    channels = ("+sdown", "+reboot", "+fix-slave-config", "+role-change")
    texts = [(each, f"{replica} new reported role is slave" if "role" in each else replica) for each in channels]
    messages = [Message(f"sentinel-{number // 100 % 3}", *texts[number % len(texts)]) for number in range(UNCHANGED)]
    return [(("127.0.0.1", 1), runs_of(messages))]


def recordings() -> Stream:
    streams = map(messages_of, RECORDINGS)
    return [(start_address(messages), runs_of(messages)) for messages in streams]


def thousand_masters() -> Stream:
    return [(("127.0.0.1", 1), runs_of(many_masters(1000)))]


def compare(what: str, stream: Stream) -> list[Figure]:
    messages = sum(run.count for _, runs in stream for run in runs)
    loops: dict[str, Callable[[], float]] = {
        "ours": partial(ours, stream),
        "redis-py RESP3": partial(theirs, stream, 3, None),
        "redis-py RESP2": partial(theirs, stream, 2, None),
        "redis-py RESP3, get_message(timeout=0)": partial(theirs, stream, 3, 0.0),
        "redis-py without hiredis, RESP3": partial(theirs, stream, 3, None, _RESP3Parser),
        "the floor, hiredis alone": partial(floor, stream, None),
        "the floor, hiredis and one slotted object": partial(floor, stream, Slotted),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(REPEATS):
        for name, loop in loops.items():
            gc.collect()
            rates[name].append(messages / loop())
    mine = rates.pop("ours")
    figures = []
    for name, other in rates.items():
        ratio = median([a / b for a, b in zip(mine, other, strict=True)])
        shown = f"{name}: {median(other):,.0f}/s"
        goal = f">= {FLOOR_GOAL:.2f}" if "floor" in name else f">= {GOAL:g}"
        figures.append(Figure(what, f"{median(mine):,.0f}/s", shown, f"{ratio:.2f}", goal))
    return figures


def repeated(stream: Stream) -> list[Figure]:
    """Return how many messages that change nothing are read in a second, also beside the floor."""
    mine, least = [], []
    for _ in range(REPEATS):
        gc.collect()
        mine.append(UNCHANGED / ours(stream))
        least.append(UNCHANGED / floor(stream, Slotted))
    what, rate = "messages that change nothing", f"{median(mine):,.0f}/s"
    ratio = median([a / b for a, b in zip(mine, least, strict=True)])
    beside = f"the floor, hiredis and one slotted object: {median(least):,.0f}/s"
    return [
        Figure(what, rate, goal=f">= {UNCHANGED_GOAL:,}"),
        Figure(what, rate, beside, f"{ratio:.2f}", f">= {FLOOR_GOAL:.2f}"),
    ]


def parts(stream: Stream) -> Figure:
    """Return which part of our time is reading and typing, without the fold."""
    shares = []
    for _ in range(3):
        whole = ours(stream)
        observe, Deployment.observe = Deployment.observe, _count_only
        try:
            shares.append(1 - ours(stream) / whole)
        finally:
            Deployment.observe = observe
    return Figure("of that, folding into the Topology, 1,000 masters", f"{median(shares):.0%}")


def _count_only(self: Deployment, link: Link, facts: list[Fact]) -> None:
    pass


def measure() -> list[Figure]:
    recorded, many = recordings(), thousand_masters()
    count = sum(run.count for _, runs in recorded for run in runs)
    return [
        *compare(f"messages, {count} recorded, in the reads in which they came", recorded),
        *compare("messages, a failover of 1,000 masters at once", many),
        parts(many),
        *repeated(unchanged()),
    ]


def profile() -> None:
    import cProfile

    many = thousand_masters()
    cProfile.runctx("ours(many)", globals(), {"many": many}, sort="tottime")


if __name__ == "__main__":
    profile() if "--profile" in sys.argv[1:] else report(measure)
