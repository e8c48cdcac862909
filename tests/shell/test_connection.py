"""Connections over real sockets, to peers that drip, stall, cut, flood and lie."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from peers.faulty_peer import FaultyPeer, Talk, closed_port, run, speak, until
from peers.scripted import NO_HELLO, NOPERM, published, resp
from switchmaster.link.link import Link
from switchmaster.model import Address
from switchmaster.net.dial import DialTarget, Tls
from switchmaster.net.sentinel_connection import SentinelConnection
from switchmaster.net.shell import TURN_BYTES, ring_at
from switchmaster.wire.events import NewEpoch
from switchmaster.wire.facts import Fact, LinkChange, LinkState, MasterSnapshot, SnapshotEnd

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


# Well-behaved peers.


@pytest.mark.parametrize("refuse", [{}, {"HELLO": NO_HELLO}, {"PSUBSCRIBE *": NOPERM}])
def test_connection_becomes_live_takes_a_snapshot_and_hears_events(refuse: dict[str, bytes]) -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            peer.sentinel.refuse.update(refuse)
            async with Talk(DialTarget(peer.address)) as talk:
                await until(lambda: SnapshotEnd(("mymaster",)) in talk.facts)
                resp3 = "HELLO" not in refuse
                peer.writers[-1].write(published("+new-epoch", "7", resp3))
                await until(lambda: NewEpoch("+new-epoch", "7", 7) in talk.facts)
                assert peer.accepted == (1 if resp3 else 2)
            assert talk.reasons == ["it was closed by this program"]

    run(test)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connection_dials_names_and_both_families(host: str) -> None:
    async def test() -> None:
        try:
            peer = FaultyPeer(host=host)
            await peer.__aenter__()
        except OSError as error:
            pytest.skip(f"no {host} here: {error}")
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(peer)
            for name in (host, "localhost"):
                target = DialTarget(Address(name, peer.address.port))
                if name == "localhost" and host == "::1" and not resolves_to(name, host):
                    continue
                async with Talk(target) as talk:
                    await until(lambda talk=talk: talk.live)  # type: ignore[misc]

    run(test)


def resolves_to(name: str, host: str) -> bool:
    return any(info[4][0] == host for info in socket.getaddrinfo(name, None))


def test_facts_come_in_the_turn_of_the_loop_in_which_the_bytes_came() -> None:
    """No task runs between the socket and the callback; other clients lose time there."""
    in_turn: list[bool] = []

    async def test() -> None:
        async with FaultyPeer() as peer:
            receiving = False

            def on_data(stream: int, data: bytes, now: float) -> None:
                nonlocal receiving
                receiving = True
                asyncio.get_running_loop().call_soon(end_of_turn)
                whole(stream, data, now)

            def end_of_turn() -> None:
                nonlocal receiving
                receiving = False

            def hear(name: str, facts: list[Fact], now: float) -> None:
                if any(isinstance(fact, MasterSnapshot) for fact in facts):
                    in_turn.append(receiving)

            link = Link("peer:1", rng=lambda: 0.5)  # type: ignore[arg-type]
            connection = SentinelConnection(link, lambda: DialTarget(peer.address), hear)
            whole = connection._on_data
            connection._on_data = on_data  # type: ignore[method-assign]
            connection.start()
            await until(lambda: in_turn)
            await connection.close()

    run(test)
    assert in_turn == [True]


def test_callback_that_asks_gets_its_answer() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:
            snapshots: list[Fact] = []

            def hear(name: str, facts: list[Fact], now: float) -> None:
                found = [fact for fact in facts if isinstance(fact, MasterSnapshot)]
                snapshots.extend(found)
                if found and len(snapshots) < 3:
                    connection.ask(["mymaster"])

            link = Link("peer:1", rng=lambda: 0.5)  # type: ignore[arg-type]
            connection = SentinelConnection(link, lambda: DialTarget(peer.address), hear)
            connection.ask()
            connection.start()
            await until(lambda: len(snapshots) == 3)
            await connection.close()

    run(test)


def test_callback_that_raises_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with FaultyPeer() as peer:

            def hear(name: str, facts: list[Fact], now: float) -> None:
                raise RuntimeError("of the user")

            link = Link("peer:1", rng=lambda: 0.5)  # type: ignore[arg-type]
            connection = SentinelConnection(link, lambda: DialTarget(peer.address), hear)
            with caplog.at_level(logging.ERROR, "switchmaster"):
                connection.start()
                await until(lambda: link.counters.rounds == 1)
            assert link.state is LinkState.LIVE
            assert connection.callback_errors >= 3
            await connection.close()

    run(test)
    assert "the callback for facts of peer:1 failed" in caplog.text


# Badly behaved peers.


async def stay_silent(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    await asyncio.sleep(3600)


async def drip(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    answers = peer.sentinel.answer(await reader.read(65536))
    for byte in answers:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def drip_events_for_ever(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    writer.write(b"$100000\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


async def stall_in_the_snapshot(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    while data := await reader.read(65536):
        answers = peer.sentinel.answer(data)
        if b"REPLICAS" in data:
            writer.write(answers[: len(answers) // 2])
            await asyncio.sleep(3600)
        writer.write(answers)


async def hang_up(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    await reader.read(65536)


async def cut_in_a_frame(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    writer.write(peer.sentinel.answer(await reader.read(65536))[:20])
    await writer.drain()


async def be_http(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    await reader.read(65536)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await reader.read()


async def talk_nonsense(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    writer.write(bytes(range(256)) * 10)
    await reader.read()


async def send_a_huge_frame(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
    writer.write(b"$99999999\r\n")
    while True:
        writer.write(b"x" * 1_000_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (stay_silent, "silent for 0.3 s"),
        (drip, "too slowly"),
        (drip_events_for_ever, "too slowly"),
        (stall_in_the_snapshot, "too slowly"),
        (hang_up, "closed the connection"),
        (cut_in_a_frame, "closed the connection"),
        (be_http, "HTTP server"),
        (talk_nonsense, "does not speak RESP"),
        (send_a_huge_frame, "without ending a reply"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_bad_peer_is_left_in_bounded_time_and_dialled_again(behaviour: Callable[..., object], reason: str) -> None:
    async def test() -> None:
        async with FaultyPeer(behaviour) as peer:  # type: ignore[arg-type]
            began = time.monotonic()
            # A huge frame is 16 MB through two sockets and one loop, which takes a while.
            timeout = 3.0 if behaviour is send_a_huge_frame else 0.3
            async with Talk(DialTarget(peer.address), timeout=timeout) as talk:
                await until(lambda: talk.reasons, timeout=timeout * 5 + 2)
                assert reason in talk.reasons[0]
                assert time.monotonic() - began < timeout * 5 + 2
                await until(lambda: peer.accepted > 1)

    run(test)


def test_half_open_connection_is_found_by_ping() -> None:
    async def deaf(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        while data := await reader.read(65536):
            if b"PING" in data:
                await asyncio.sleep(3600)
            writer.write(peer.sentinel.answer(data))

    async def test() -> None:
        async with (
            FaultyPeer(deaf) as peer,
            Talk(DialTarget(peer.address), timeout=0.2, ping_interval=0.1) as talk,
        ):
            await until(lambda: talk.reasons, timeout=3)
            assert talk.reasons[0].startswith("silent for 0.")

    run(test)


def test_timers_of_quiet_links_ring_together_and_never_late() -> None:
    deadlines = [1001.0001 + at * 0.003 for at in range(16)]
    assert len({ring_at(deadline, deadline - 1.0) for deadline in deadlines}) == 1
    for after in (0.001, 0.05, 0.3, 0.99, 5.0):
        rings = [deadline - ring_at(deadline, deadline - after) for deadline in deadlines]
        # A near deadline is kept to the moment; to a far one it rings several times.
        assert all(0 <= early <= (0.0 if after < 0.1 else max(0.05, after - 0.95)) for early in rings)


def test_connection_comes_back_after_a_crash_with_a_whole_snapshot() -> None:
    async def test() -> None:
        async with FaultyPeer() as peer, Talk(DialTarget(peer.address)) as talk:
            for lives in (1, 2, 3):
                await until(lambda lives=lives: talk.live == lives)  # type: ignore[misc]
                await until(
                    lambda lives=lives: talk.facts.count(SnapshotEnd(("mymaster",))) == lives  # type: ignore[misc]
                )
                peer.cut()

    run(test)


def test_link_that_a_callback_hurries_when_it_ended_is_dialled_again() -> None:
    """Its old stream is still open in that turn, and must not be taken for the new one."""

    async def deaf_at_first(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        if peer.accepted == 1:
            await asyncio.sleep(3600)
        while data := await reader.read(65536):
            writer.write(peer.sentinel.answer(data))

    async def test() -> None:
        async with FaultyPeer(deaf_at_first) as peer:

            def hear(name: str, facts: list[Fact], now: float) -> None:
                if any(isinstance(fact, LinkChange) and fact.state is LinkState.DOWN for fact in facts):
                    connection.hurry()

            link = Link("peer:1", rng=lambda: 0.5, timeout=0.2)  # type: ignore[arg-type]
            connection = SentinelConnection(link, lambda: DialTarget(peer.address), hear)
            connection.start()
            await until(lambda: link.state is LinkState.LIVE)
            assert peer.accepted == 2
            await connection.close()

    run(test)


def test_flood_of_events_arrives_whole_and_in_order() -> None:
    count = 20_000

    async def flood(peer: FaultyPeer, reader: Reader, writer: Writer) -> None:
        speaking = asyncio.ensure_future(speak(peer, reader, writer))
        await until(lambda: any("SENTINELS" in said for _, said in peer.sentinel.commands))
        writer.write(b"".join(published("+new-epoch", str(number)) for number in range(count)))
        await speaking

    async def test() -> None:
        async with FaultyPeer(flood) as peer, Talk(DialTarget(peer.address)) as talk:
            await until(lambda: talk.link.counters.events == count)
            heard = [fact.epoch for fact in talk.facts if isinstance(fact, NewEpoch)]
            assert heard == list(range(count))
            assert talk.live == 1

    run(test)


# Attempts that fail.


def test_answer_that_has_come_is_not_late_because_this_program_is_busy() -> None:
    """The names of thousands of masters are one answer; here it takes longer to read them than a Sentinel has."""
    names = ["mymaster", *(f"{number:0990}" for number in range(50))]

    async def test() -> None:
        async with FaultyPeer() as peer:
            peer.sentinel.refuse["ROLE"] = resp(["sentinel", names])
            talk = Talk(DialTarget(peer.address), timeout=1.0)
            whole = talk.connection._on_data

            def on_data(stream: int, data: bytes, now: float) -> None:
                if len(data) >= TURN_BYTES:
                    time.sleep(0.25)  # the program is busy: nothing is waited for
                whole(stream, data, now)

            talk.connection._on_data = on_data  # type: ignore[method-assign]
            async with talk:
                await until(lambda: SnapshotEnd(("mymaster",)) in talk.facts, timeout=30.0)
            assert talk.reasons == ["it was closed by this program"]

    run(test)


def test_closed_port_is_reported_briefly() -> None:
    async def test() -> None:
        async with Talk(DialTarget(Address("127.0.0.1", closed_port()))) as talk:
            await until(lambda: len(talk.reasons) >= 2)
            assert talk.reasons[0] == "connection refused"

    run(test)


def test_unknown_name_is_reported() -> None:
    async def test() -> None:
        async with Talk(DialTarget(Address("no such host.invalid", 26379))) as talk:
            await until(lambda: talk.reasons)
            assert "no such host.invalid cannot be resolved" in talk.reasons[0]

    run(test)


def test_dial_that_raises_is_a_failed_attempt() -> None:
    async def test() -> None:
        def dial() -> DialTarget:
            raise RuntimeError("no idea where it is")

        reasons: list[Fact] = []
        link = Link("peer:1", rng=lambda: 0.5)  # type: ignore[arg-type]
        connection = SentinelConnection(link, dial, lambda name, facts, now: reasons.extend(facts))
        connection.start()
        await until(lambda: reasons)
        await connection.close()
        assert "no idea where it is" in str(reasons[0])

    run(test)


def test_attempt_that_hangs_is_given_up_after_the_timeout() -> None:
    async def test() -> None:
        with socket.socket() as full:
            # A listener that accepts nothing and whose queue is full answers no SYN.
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            with contextlib.ExitStack() as stack:
                for _ in range(4):
                    waiting = stack.enter_context(socket.socket())
                    waiting.setblocking(False)
                    waiting.connect_ex(full.getsockname())
                target = DialTarget(Address(*full.getsockname()))
                async with Talk(target, timeout=0.2) as talk:
                    await until(lambda: talk.reasons, timeout=5)
                    assert talk.reasons[0] == "timed out after 0.2 s"

    run(test)


@pytest.mark.parametrize("moment", ["dialling", "greeting", "live", "down"])
def test_close_leaves_nothing_at_any_moment(moment: str) -> None:
    async def test() -> None:
        async with FaultyPeer(stay_silent if moment == "greeting" else speak) as peer:
            port = closed_port() if moment == "down" else peer.address.port
            async with Talk(DialTarget(Address("127.0.0.1", port))) as talk:
                expected = {"greeting": LinkState.GREETING, "live": LinkState.LIVE, "down": LinkState.DOWN}
                if moment != "dialling":
                    await until(lambda: talk.link.state is expected[moment])

    run(test)


def test_connection_that_never_started_can_be_closed() -> None:
    async def test() -> None:
        link = Link("peer:1", rng=lambda: 0.5)  # type: ignore[arg-type]
        await SentinelConnection(link, lambda: DialTarget(Address("127.0.0.1", 1)), lambda *_: None).close()

    run(test)


# TLS.


class Certificates:
    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        own = authority.issue_cert("127.0.0.1", "sentinel.test")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.configure_cert(self.context)
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        authority.cert_pem.write_to_path(self.ca)
        own.cert_chain_pems[0].write_to_path(self.cert)
        own.private_key_pem.write_to_path(self.key)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("server_name", [None, "sentinel.test"])
def test_connection_speaks_tls(certificates: Certificates, server_name: str | None) -> None:
    async def test() -> None:
        tls = Tls(ca_file=certificates.ca, cert_file=certificates.cert, key_file=certificates.key)
        async with (
            FaultyPeer(context=certificates.context) as peer,
            Talk(DialTarget(peer.address, tls.context(), server_name)) as talk,
        ):
            await until(lambda: talk.live)

    run(test)


@pytest.mark.parametrize(
    ("tls", "name", "reason"),
    [
        (Tls(), None, "TLS: certificate verify failed: unable to get local issuer certificate"),
        ("own", "another.test", "TLS: certificate verify failed: Hostname mismatch"),
    ],
)
def test_certificate_that_does_not_verify_is_reported(
    certificates: Certificates, tls: Tls | str, name: str | None, reason: str
) -> None:
    async def test() -> None:
        options = tls if isinstance(tls, Tls) else Tls(ca_file=certificates.ca)
        async with (
            FaultyPeer(context=certificates.context) as peer,
            Talk(DialTarget(peer.address, options.context(), name)) as talk,
        ):
            await until(lambda: talk.reasons)
            assert reason in talk.reasons[0]

    run(test)


def test_plain_peer_is_reported_when_tls_was_wanted() -> None:
    async def test() -> None:
        async with (
            FaultyPeer(be_http) as peer,
            Talk(DialTarget(peer.address, Tls(verify=False).context())) as talk,
        ):
            await until(lambda: talk.reasons)
            assert talk.reasons[0] == "TLS: it does not speak TLS on this port"

    run(test)


def test_silence_in_the_tls_handshake_is_bounded() -> None:
    async def test() -> None:
        async with FaultyPeer(stay_silent) as peer:
            target = DialTarget(peer.address, Tls(verify=False).context())
            async with Talk(target, timeout=0.2) as talk:
                await until(lambda: talk.reasons, timeout=3)
                assert talk.reasons[0] == "timed out after 0.2 s"

    run(test)
