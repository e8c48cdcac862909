"""An event that comes alone takes the short way to callbacks; all else about it is as for any other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from peers.faulty_peer import FaultyPeer, run, until
from peers.scripted import published
from switchmaster import Heard, Watcher
from switchmaster.link.link import Link
from switchmaster.model import SentinelName
from switchmaster.net.dial import DialTarget
from switchmaster.net.sentinel_connection import SentinelConnection
from switchmaster.wire.events import Event, NewEpoch
from switchmaster.wire.facts import Fact, LinkState, MasterSnapshot

ALONE, TOGETHER = published("+new-epoch", "1"), published("+new-epoch", "2") + published("+new-epoch", "3")


def epochs(facts: list[Fact]) -> list[int]:
    return [fact.epoch for fact in facts if isinstance(fact, NewEpoch)]


class Heards:
    """What one connection passed on, and by which way."""

    def __init__(self, peer: FaultyPeer, on_event: Callable[[Event], None] = lambda event: None) -> None:
        self.alone: list[Fact] = []
        self.all: list[Fact] = []
        self.link = Link(SentinelName("peer:1"), rng=lambda: 0.5)
        self._on_event = on_event
        self.connection = SentinelConnection(self.link, lambda: DialTarget(peer.address), self._facts, self._event)

    def _facts(self, name: SentinelName, facts: list[Fact], now: float) -> None:
        self.all += facts

    def _event(self, name: SentinelName, event: Event, now: float) -> None:
        assert name == "peer:1"
        self.alone.append(event)
        self.all.append(event)
        self._on_event(event)

    async def live(self) -> None:
        self.connection.start()
        await until(lambda: self.link.counters.rounds == 1)


async def write(peer: FaultyPeer, data: bytes) -> None:
    peer.writers[-1].write(data)
    await peer.writers[-1].drain()


def test_event_is_passed_on_once_and_in_order() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            heard = Heards(peer)
            await heard.live()
            for number, data in enumerate((ALONE, TOGETHER, ALONE[:30], ALONE[30:], ALONE), 1):
                due = heard.link.counters.bytes_received + len(data)
                await write(peer, data)
                await until(lambda due=due: heard.link.counters.bytes_received >= due)
                assert heard.link.state is LinkState.LIVE, number
            assert epochs(heard.all) == [1, 2, 3, 1, 1]
            assert epochs(heard.alone) == [1, 1], "those that came whole, and in a read of their own"
            assert heard.link.counters.events == 5
            await heard.connection.close()

    run(test)


def test_callback_that_asks_gets_its_answer() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            heard = Heards(peer, lambda event: heard.connection.ask(["mymaster"]))
            await heard.live()
            heard.all.clear()
            await write(peer, ALONE)
            await until(lambda: any(isinstance(fact, MasterSnapshot) for fact in heard.all))
            await heard.connection.close()

    run(test)


def test_callback_that_raises_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:

            def fail(event: Event) -> None:
                raise RuntimeError("of the user")

            heard = Heards(peer, fail)
            await heard.live()
            with caplog.at_level(logging.ERROR, "switchmaster"):
                await write(peer, ALONE)
                await until(lambda: heard.connection.callback_errors == 1)
            await write(peer, TOGETHER)
            await until(lambda: epochs(heard.all) == [1, 2, 3])
            await heard.connection.close()

    run(test)
    assert "the callback for facts of peer:1 failed" in caplog.text


def test_connection_that_is_mute_or_closed_in_the_callback_says_nothing_more() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            heard = Heards(peer, lambda event: heard.connection.mute())
            await heard.live()
            await write(peer, ALONE)
            await until(lambda: heard.alone)
            await write(peer, ALONE)
            await until(lambda: heard.link.counters.events == 2)
            assert epochs(heard.all) == [1]
            closing: list[asyncio.Task[None]] = []
            other = Heards(peer, lambda event: closing.append(asyncio.ensure_future(other.connection.close())))
            await other.live()
            await write(peer, ALONE)
            await until(lambda: closing and closing[0].done())
            assert not other.connection.sockets()
            await heard.connection.close()

    run(test)


def test_watcher_tells_an_event_that_comes_alone_to_every_reader_once() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            heard: list[Heard] = []
            facts: list[Fact] = []
            async with Watcher([tuple(peer.address)], probe=False, discover=False) as watcher:
                watcher.on_event(heard.append)
                watcher.on_facts(lambda item: facts.extend(item.facts))
                await until(lambda: watcher.established)
                await write(peer, ALONE)
                await until(lambda: heard)
                await write(peer, TOGETHER)
                await until(lambda: len(heard) == 3)
                assert epochs([item.event for item in heard]) == epochs(facts) == [1, 2, 3]
                assert {item.sentinel for item in heard} == {str(peer.address)}

    run(test)
