"""Peers that are no Sentinels, or that refuse: a clear sentence, within the bound, and the good ones still work."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import pytest

from peers.faulty_peer import FaultyPeer, closed_port, run, until
from switchmaster.errors import NoSentinelReachable, UnknownMaster
from switchmaster.model import LIMITS, Address
from switchmaster.net.watcher import Watcher
from switchmaster.wire.facts import LinkState

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
TIMEOUT = 0.4
SLACK = 0.5
WRONG_PASSWORD = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


async def silence(_: FaultyPeer, reader: Reader, __: Writer) -> None:
    while await reader.read(65536):
        pass


async def web(_: FaultyPeer, reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def flood(_: FaultyPeer, reader: Reader, writer: Writer) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def hang_up(_: FaultyPeer, reader: Reader, writer: Writer) -> None:
    await reader.read(65536)


async def refused(watcher: Watcher) -> NoSentinelReachable:
    began = time.monotonic()
    with pytest.raises(NoSentinelReachable) as caught:
        await watcher.start()
    assert time.monotonic() - began < 2 * TIMEOUT + SLACK
    return caught.value


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(silence, "silent for|no answer"), (web, "HTTP server"), (flood, "not speak RESP"), (hang_up, "closed")],
)
def test_peer_that_is_no_sentinel_is_named_with_its_reason(
    behaviour: Callable[[FaultyPeer, Reader, Writer], Awaitable[None]], reason: str
) -> None:
    async def test() -> None:
        async with FaultyPeer(behaviour) as peer:
            error = await refused(Watcher([peer.address], timeout=TIMEOUT))
            assert list(error.reasons) == [str(peer.address)]
            assert re.search(reason, error.reasons[str(peer.address)]), error.reasons
            assert str(peer.address) in str(error)

    run(test)


def test_refused_port_is_named_at_once() -> None:
    async def test() -> None:
        ports = [("127.0.0.1", closed_port()) for _ in range(2)]
        began = time.monotonic()
        error = await refused(Watcher(ports, timeout=30.0))
        assert time.monotonic() - began < SLACK
        assert set(error.reasons.values()) == {"connection refused"}

    run(test)


def test_wrong_password_is_called_so_and_not_shown() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            peer.sentinel.refuse.update({"HELLO": WRONG_PASSWORD, "AUTH": WRONG_PASSWORD})
            watcher = Watcher([peer.address], password="tops3cret", timeout=TIMEOUT)
            error = await refused(watcher)
            assert "password" in error.reasons[str(peer.address)]
            assert "tops3cret" not in f"{error} {error!r} {watcher!r} {watcher.topology}"

    run(test)


def test_one_good_sentinel_among_bad_ones_is_enough() -> None:
    async def test() -> None:
        async with FaultyPeer() as good, FaultyPeer(silence) as mute, FaultyPeer(web) as http:
            closed = Address("127.0.0.1", closed_port())
            peers = [closed, mute.address, http.address, good.address]
            watcher = Watcher(peers, discover=False, timeout=TIMEOUT)
            began = time.monotonic()
            async with watcher:
                assert time.monotonic() - began < 2 * TIMEOUT + SLACK
                assert watcher.master("mymaster").port
                await until(lambda: all(s.reason for s in bad_of(watcher, good.address)))
                states = {s.name: s.state for s in watcher.topology.sentinels.values()}
                assert states[str(good.address)] is LinkState.LIVE  # type: ignore[index]
                assert len(bad_of(watcher, good.address)) == 3

    def bad_of(watcher: Watcher, good: Address) -> list:  # type: ignore[type-arg]
        return [s for s in watcher.topology.sentinels.values() if s.name != str(good)]

    run(test)


def test_start_waits_while_a_sentinel_answers_about_further_masters() -> None:
    seconds = 1.0

    async def slowly(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        while data := await reader.read(65536):
            await asyncio.sleep(0.4 * seconds)
            writer.write(peer.sentinel.answer(data, peer.accepted - 1))

    async def test() -> None:
        names = [f"m{number:03}" for number in range(5 * LIMITS.batch)]
        async with FaultyPeer(slowly) as peer:
            peer.sentinel.masters = names
            began = time.monotonic()
            async with Watcher([peer.address], discover=False, probe=False, timeout=seconds) as watcher:
                assert time.monotonic() - began > 2 * seconds
                assert watcher.masters() == tuple(names)

    run(test)


def test_unknown_master_is_refused_with_those_that_are_known() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer, Watcher([peer.address], discover=False, timeout=5) as watcher:
            for name in ("other", "", "my master\n", "\udcff"):
                with pytest.raises(UnknownMaster, match="they monitor 'mymaster'") as caught:
                    watcher.master(name)
                assert caught.value.name == name
                assert caught.value.known == ("mymaster",)
                assert "\n" not in str(caught.value)

    run(test)


def test_followed_master_that_no_sentinel_knows_is_unknown() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            watcher = Watcher([peer.address], masters=["other"], discover=False, timeout=TIMEOUT)
            began = time.monotonic()
            async with watcher:
                assert time.monotonic() - began < 2 * TIMEOUT + SLACK
                with pytest.raises(UnknownMaster, match="'other'"):
                    watcher.master("other")

    run(test)
