"""The relay's socket: what clients can cost is bounded, and what is published reaches those that are subscribed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from rig.relay_scene import RelayScene, request
from rig.scenario import A, B
from switchmaster.errors import UsageError
from switchmaster.lab.certificates import make_certificates
from switchmaster.model import Address
from switchmaster.relay.accounts import Accounts
from switchmaster.relay.event_relay import switch_event
from switchmaster.relay.relay_settings import RelaySettings
from switchmaster.relay.relay_state import RelayState
from switchmaster.relay.served_masters import Move
from switchmaster.relay.server import RelayServer

ANY = Address("127.0.0.1", 0)
LIMIT = 30.0
QUESTION = request("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
ANSWER = b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n27001\r\n"


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


@asynccontextmanager
async def serving(settings: RelaySettings) -> AsyncIterator[RelayServer]:
    state = RelayState(RelayScene().core.masters, Accounts(settings.password, settings.users))
    server = RelayServer(settings, state)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: RelayServer, **options: object) -> Streams:
    return await asyncio.open_connection(*server.address, **options)  # type: ignore[arg-type]


async def ask(streams: Streams, data: bytes, answer: bytes) -> None:
    streams[1].write(data)
    assert await streams[0].readexactly(len(answer)) == answer


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def read_until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    return await reader.readuntil(end)


def test_a_client_is_answered_and_forgotten_when_it_leaves() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY)) as server:
            streams = await connect(server)
            await ask(streams, QUESTION + request("PING"), ANSWER + b"+PONG\r\n")
            assert server.state.clients == 1
            streams[1].close()
            await until(lambda: server.state.clients == 0)
            streams = await connect(server)
            await ask(streams, request("QUIT"), b"+OK\r\n")
            assert await streams[0].read() == b""
            streams[1].close()

    run(test)


def test_published_events_reach_their_subscribers_translated_for_each_range() -> None:
    outside = Address("nat.example", 7002)
    settings = RelaySettings(ANY, address_maps={ip_network("127.0.0.2/32"): {B: outside}})

    async def test() -> None:
        async with serving(settings) as server:
            near, far = await connect(server), await connect(server, local_addr=("127.0.0.2", 0))
            other = await connect(server)
            for streams in (near, far):
                streams[1].write(request("SUBSCRIBE", "+switch-master"))
            other[1].write(request("SUBSCRIBE", "+sdown"))
            await until(lambda: server.state.subscribers == 3)
            server.publish([switch_event(Move("mymaster", A, B))])
            assert b"27001 127.0.0.1 27002\r\n" in await read_until(near[0], b" 27002\r\n")
            assert b"27001 nat.example 7002\r\n" in await read_until(far[0], b" 7002\r\n")
            assert server.state.counters.messages == 2
            near[1].write(request("UNSUBSCRIBE"))
            await until(lambda: server.state.subscribers == 2)
            for streams in (near, far, other):
                streams[1].close()
            await until(lambda: server.state.subscribers == 0)

    run(test)


def test_a_subscriber_that_does_not_read_is_cut_and_counted() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY, output_bytes=100_000)) as server:
            streams = await connect(server)
            await ask(
                streams,
                request("SUBSCRIBE", "+switch-master"),
                b"*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n",
            )
            streams[1].transport.pause_reading()
            event = switch_event(Move("m" * 900, A, B))
            while not server.state.counters.cut:
                server.publish([event] * 100)
                await asyncio.sleep(0)
            await until(lambda: server.state.clients == 0)
            streams[1].close()

    run(test)


def test_one_that_asks_and_does_not_read_is_not_read_either() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY)) as server:
            with socket.create_connection(server.address) as greedy:
                greedy.setblocking(False)
                data, blocked = 1000 * request("SENTINEL", "REPLICAS", "mymaster"), 0
                while blocked < 20:
                    try:
                        greedy.send(data)
                        blocked = 0
                    except BlockingIOError:
                        blocked += 1
                    await asyncio.sleep(0.01)
                answered = server.state.counters.commands
                neighbour = await connect(server)
                await ask(neighbour, QUESTION, ANSWER)
                # Once it reads, its commands are answered again.
                while server.state.counters.commands <= answered + 100:
                    with contextlib.suppress(BlockingIOError):
                        greedy.recv(1 << 20)
                    await asyncio.sleep(0)
                neighbour[1].close()
            await until(lambda: server.state.clients == 0)

    run(test)


def test_too_many_clients_are_turned_away_with_a_servers_error() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY, maxclients=1)) as server:
            first = await connect(server)
            await ask(first, QUESTION, ANSWER)
            second = await connect(server)
            assert await second[0].read() == b"-ERR max number of clients reached\r\n"
            assert server.state.counters.rejected == 1
            await ask(first, QUESTION, ANSWER)
            for streams in (first, second):
                streams[1].close()

    run(test)


def test_a_stranger_is_cut_after_a_while() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY, password="s3cret", auth_timeout=0.2)) as server:
            stranger, friend = await connect(server), await connect(server)
            await ask(friend, request("AUTH", "s3cret"), b"+OK\r\n")
            assert (await stranger[0].read()) == b""
            assert server.state.counters.timed_out == 1
            await ask(friend, QUESTION, ANSWER)
            for streams in (stranger, friend):
                streams[1].close()

    run(test)


def test_tls_is_served_and_needs_its_certificate(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    settings = RelaySettings(ANY, cert=str(files.server), key=str(files.server_key))

    async def test() -> None:
        async with serving(settings) as server:
            context = ssl.create_default_context(cafile=str(files.ca))
            streams = await connect(server, ssl=context, server_hostname="localhost")
            await ask(streams, QUESTION, ANSWER)
            streams[1].close()
        with pytest.raises(UsageError, match="can't be used"):
            await RelayServer(RelaySettings(ANY, cert=str(files.ca), key=str(files.ca)), server.state).start()

    run(test)


def test_an_address_in_use_is_said_in_a_sentence() -> None:
    async def test() -> None:
        async with serving(RelaySettings(ANY)) as server:
            with pytest.raises(UsageError, match=r"can't listen on 127\.0\.0\.1:\d+"):
                await RelayServer(RelaySettings(server.address), server.state).start()

    run(test)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"listen": Address("0.0.0.0", 1)}, "without a password"),
        ({"listen": Address("relay.example", 1)}, "without a password"),
        ({"password": ""}, "is empty"),
        ({"cert": "x"}, "both a certificate and its key"),
        ({"client_ca": "x"}, "only with TLS"),
        ({"maxclients": 0}, "more than 0"),
    ],
)
def test_what_is_unsafe_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RelaySettings(**options)  # type: ignore[arg-type]


def test_the_narrowest_range_of_a_client_counts() -> None:
    wide, narrow, six = ip_network("10.0.0.0/8"), ip_network("10.1.0.0/16"), ip_network("fd00::/8")
    settings = RelaySettings(ANY, address_maps={wide: {}, narrow: {}, six: {}})
    places = ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "fd00::1", "fe80::1%eth0", "192.168.0.1", "")
    assert [settings.range_of(place) for place in places] == [narrow, narrow, wide, six, None, None, None]
