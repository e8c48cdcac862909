"""
The time that a query of the Sentinels takes: at most `socket_timeout`, and next to nothing if one of them answers.

The scripted Sentinels are silent, slow, behind, or so full that no client can connect.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis.exceptions

import switchmaster.redis
import switchmaster.redis.asyncio
from peers.faulty_peer import Behaviour, FaultyPeer, closed_port, speak
from rig.client_lab import watcher_threads
from rig.conditions import eventually
from rig.scripted_peers import MASTER, REPLICA, Peers, name_master
from switchmaster.client.watcher_settings import question_limit_of
from switchmaster.errors import AccessRefused

SLACK = 0.25
"""Seconds that a busy machine may add."""
LONG = 2.0
"""A socket_timeout that is long compared with an answer "at once"."""
KINDS = ["threads", "asyncio"]


async def closed_proxy(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer everything with an error sentence."""
    while await reader.read(65536):
        writer.write(b"-ERR this emigrant proxy is closed\r\n")


async def silent(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything and answer nothing."""
    while await reader.read(65536):
        pass


async def only_asked(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer questions, but not the greeting of a link that wants to subscribe."""
    number = peer.accepted - 1
    while data := await reader.read(65536):
        if b"HELLO" in data:
            return await silent(peer, reader, writer)
        writer.write(peer.sentinel.answer(data, number))


def after(seconds: float) -> Behaviour:
    async def slow(peer: FaultyPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await speak(peer, reader, writer)

    return slow


@pytest.fixture
def peers() -> Iterator[Peers]:
    peers = Peers()
    yield peers
    eventually(lambda: watcher_threads() == [], what="the end of every Watcher")
    peers.close()


@pytest.fixture
def full() -> Iterator[tuple[str, int]]:
    """An address where connections are neither made nor refused: its accept queue is full."""
    with contextlib.ExitStack() as opened:
        server = opened.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()


def timed(kind: str, addresses: list[tuple[str, int]], name: str = "mymaster", **options: Any) -> tuple[Any, float]:
    """Return the result or the error of a new Sentinel, and the seconds that it took."""

    async def in_loop() -> tuple[Any, float]:
        sentinel = switchmaster.redis.asyncio.Sentinel(addresses, **options)
        began = time.monotonic()
        try:
            found: Any = await sentinel.discover_master(name)
        except Exception as error:
            found = error
        taken = time.monotonic() - began
        await sentinel.aclose()
        return found, taken

    if kind == "asyncio":
        return asyncio.run(in_loop())
    with switchmaster.redis.Sentinel(addresses, **options) as sentinel:
        began = time.monotonic()
        try:
            found: Any = sentinel.discover_master(name)
        except Exception as error:
            found = error
        return found, time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quiet", [1, 2])
def test_silent_sentinel_costs_nothing_if_another_answers(peers: Peers, kind: str, quiet: int) -> None:
    master = peers.add(MASTER)
    addresses = [peers.add(silent) for _ in range(quiet)]
    addresses += [peers.add(node=master) for _ in range(3 - quiet)]
    found, taken = timed(kind, addresses, socket_timeout=LONG)
    assert found == master
    assert taken < LONG / 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [0.1, 0.7])
def test_silence_of_all_is_an_error_after_the_socket_timeout(peers: Peers, kind: str, limit: float) -> None:
    error, taken = timed(kind, [peers.add(silent) for _ in range(3)], socket_timeout=limit)
    assert isinstance(error, switchmaster.redis.NoSentinelReachable)
    assert isinstance(error, redis.sentinel.MasterNotFoundError)
    assert limit <= taken < limit + SLACK
    assert len(error.reasons) == 3
    assert str(error).startswith(f"no Sentinel could be reached within {limit:g} s")


@pytest.mark.parametrize("kind", KINDS)
def test_connecting_is_included(full: tuple[str, int], kind: str) -> None:
    error, taken = timed(kind, [full], socket_timeout=0.2)
    assert isinstance(error, switchmaster.redis.NoSentinelReachable)
    assert 0.2 <= taken < 0.2 + SLACK


@pytest.mark.parametrize("kind", KINDS)
def test_refusal_is_raised_at_once(kind: str) -> None:
    error, taken = timed(kind, [("127.0.0.1", closed_port())], socket_timeout=LONG)
    assert isinstance(error, switchmaster.redis.NoSentinelReachable)
    assert "connection refused" in str(error)
    assert taken < LONG / 4


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_a_peer_do_not_pass_for_a_lack_of_rights(peers: Peers, kind: str) -> None:
    """Missing rights lead to redis-py's own way of discovery; ``emigrant`` contains ``grant``."""
    error, _ = timed(kind, [peers.add(closed_proxy)], socket_timeout=0.3)
    assert isinstance(error, switchmaster.redis.NoSentinelReachable)
    assert not isinstance(error, AccessRefused)
    assert "this emigrant proxy is closed" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_question_waits_for_no_link(peers: Peers, kind: str) -> None:
    master = peers.add(MASTER)
    found, taken = timed(kind, [peers.add(only_asked, master) for _ in range(3)], socket_timeout=0.5)
    assert found == master
    assert taken < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_node_that_hangs_takes_only_the_rest_of_the_time(peers: Peers, kind: str) -> None:
    hung = peers.add(silent)
    found, taken = timed(kind, [peers.add(node=hung)], socket_timeout=0.3)
    assert found == hung
    assert 0.3 <= taken < 0.3 + SLACK


@pytest.mark.parametrize("kind", KINDS)
def test_sentinel_that_is_behind_is_not_believed_against_the_node_s_own_word(peers: Peers, kind: str) -> None:
    old, new = peers.add(REPLICA), peers.add(MASTER)
    addresses = [peers.add(node=old), peers.add(after(0.3), new), peers.add(after(0.3), new)]
    for each in addresses[1:]:
        raise_epoch(peers, each)
    found, taken = timed(kind, addresses, socket_timeout=LONG)
    assert found == new
    assert taken < LONG / 2


def raise_epoch(peers: Peers, address: tuple[str, int]) -> None:
    peer = next(peer for peer in peers._peers if (peer.address.host, peer.address.port) == address)
    row: Any = peer.sentinel.replies["SENTINEL MASTERS"][0]  # type: ignore[index]
    row[row.index("config-epoch") + 1] = str(int(row[row.index("config-epoch") + 1]) + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_node_that_denies_it_is_stale_if_no_other_sentinel_answers(peers: Peers, kind: str) -> None:
    old = peers.add(REPLICA)
    error, taken = timed(kind, [peers.add(node=old), peers.add(silent), peers.add(silent)], socket_timeout=0.4)
    assert isinstance(error, switchmaster.redis.StaleMaster)
    assert taken < 0.4 + SLACK


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quiet", [0, 2])
def test_master_that_no_sentinel_monitors_is_unknown(peers: Peers, kind: str, quiet: int) -> None:
    addresses = [peers.add() for _ in range(3 - quiet)] + [peers.add(silent) for _ in range(quiet)]
    error, taken = timed(kind, addresses, "other", socket_timeout=0.3)
    assert isinstance(error, switchmaster.redis.UnknownMaster)
    assert taken < 0.3 + SLACK


@pytest.mark.parametrize("kind", KINDS)
def test_other_sentinels_are_counted_by_the_first_answer_too(peers: Peers, kind: str) -> None:
    master = peers.add(MASTER)
    addresses = [peers.add(only_asked, master)]
    assert timed(kind, addresses, min_other_sentinels=2)[0] == master
    error, _ = timed(kind, addresses, min_other_sentinels=3)
    assert isinstance(error, redis.sentinel.MasterNotFoundError)
    assert "min_other_sentinels" in str(error)


def test_first_command_goes_to_the_first_answer_and_later_ones_move(peers: Peers) -> None:
    """The first command goes to the master that the first Sentinel names; later ones move once enough are connected."""
    master = peers.add(MASTER)
    addresses = [peers.add(silent), peers.add(silent), peers.add(node=master)]
    with switchmaster.redis.Sentinel(addresses, socket_timeout=LONG) as sentinel:
        client, began = sentinel.master_for("mymaster"), time.monotonic()
        assert client.ping()
        assert time.monotonic() - began < LONG / 4
        follower = client.connection_pool.route.follower
        assert follower.early is not None
        # The links have their own timeout: after it the one Sentinel that answers is enough.
        eventually(lambda: follower.early is None, 2 * LONG, what="the Watcher's own belief")
        assert sentinel.discover_master("mymaster") == master
        client.close()


def test_memory_is_not_overruled_by_an_answer_without_a_link(peers: Peers) -> None:
    old, new = peers.add(MASTER), peers.add(MASTER)
    with switchmaster.redis.Sentinel([peers.add(node=old)], socket_timeout=0.3) as sentinel:
        eventually(lambda: sentinel.discover_master("mymaster") == old and sentinel.watcher.hearing, what="the master")
        peer = peers.last
        name_master(peer.sentinel.replies, new)
        peer.behaviour = only_asked
        peers.call(peer.cut)
        eventually(lambda: not sentinel.watcher.hearing, what="the silence to be noticed")
        # With equal epochs it is unknown which of the two is newer.
        with pytest.raises(switchmaster.redis.NoSentinelReachable, match=f"it names {new[0]}:{new[1]}"):
            sentinel.discover_master("mymaster")


def test_questions_of_many_at_once_are_one_to_each_sentinel(peers: Peers) -> None:
    addresses = [peers.add(silent) for _ in range(2)]
    with switchmaster.redis.Sentinel(addresses, socket_timeout=0.5) as sentinel:

        def ask() -> None:
            with pytest.raises(switchmaster.redis.NoSentinelReachable):
                sentinel.discover_master("mymaster")

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    # A link, a question, and another attempt after half a second.
    assert all(peer.accepted <= 5 for peer in peers._peers)


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({}, 1.0),
        ({"socket_timeout": 0.1}, 0.1),
        ({"socket_timeout": 0.1, "sentinel_kwargs": {"socket_timeout": 0.3}}, 0.3),
        ({"socket_timeout": 0.1, "sentinel_kwargs": {"password": "p"}}, 0.1),
        ({"socket_timeout": None, "sentinel_kwargs": {"socket_timeout": None}}, 1.0),
    ],
)
def test_limit_is_the_users_timeout_for_sentinels_or_else_for_all(options: dict[str, Any], limit: float) -> None:
    sentinel = switchmaster.redis.Sentinel([("127.0.0.1", 1)], **options)
    assert question_limit_of(sentinel) == limit
    assert sentinel.master_for("mymaster").connection_pool.route.question_limit == limit


def test_short_limits_share_a_watcher_whose_links_are_more_patient() -> None:
    one, other = (switchmaster.redis.Sentinel([("127.0.0.1", 1)], socket_timeout=seconds) for seconds in (0.1, 0.2))
    assert one._shared is other._shared
    assert one._shared.settings.timeout == 0.5
