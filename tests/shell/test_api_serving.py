"""The HTTP server: what it binds, how long it waits for a client, and how it ends."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from peers.faulty_peer import run, until
from rig.api_rig import ANY_PORT, FakeDeployment, listening, served
from switchmaster.errors import UsageError
from switchmaster.model import Address
from switchmaster.server.api import HttpConnections, HttpServer, HttpSettings


async def opened(server: HttpServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert server.address is not None
    return await asyncio.open_connection(*server.address)


async def begun(server: HttpServer, first: bytes = b"GET / HTTP/1.1\r\n", **more: Any) -> Any:
    """Open a connection and send something: before that the kernel does not hand it over."""
    assert server.address is not None
    reader, writer = await asyncio.open_connection(*server.address, **more)
    writer.write(first)
    return reader, writer


async def said(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection in any way."""
    async with asyncio.timeout(10):
        try:
            return await reader.read(-1)
        except ConnectionError:
            return b""


def test_request_is_answered_and_its_connection_kept() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state) as server, httpx.AsyncClient() as client:
            for _ in range(3):
                assert (await client.get(f"{server.url}api/v1/status")).status_code == 200
            assert len(server._server.server_state.connections) == 1

    run(go)


def test_client_that_never_ends_its_header_is_cut_off() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state, header_time=0.2) as server:
            silent, silent_out = await opened(server)
            slow, slow_out = await opened(server)
            slow_out.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
            second, second_out = await opened(server)
            second_out.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\n")
            assert await said(silent) == await said(slow) == b""
            assert (await said(second)).startswith(b"HTTP/1.1 200")
            assert server.connections.cut == {"header": 3}
            for writer in (silent_out, slow_out, second_out):
                writer.transport.abort()

    run(go)


@pytest.mark.parametrize(
    "header",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"* 3\r\n$4\r\nPING\r\n\r\n",
    ],
    ids=["long path", "many headers", "no Host", "two Hosts", "TLS", "another protocol"],
)
def test_malformed_header_is_refused(header: bytes) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state, header_time=1) as server:
            reader, writer = await opened(server)
            writer.write(header)
            answer = await said(reader)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), answer[:100]
            writer.transport.abort()

    run(go)


def test_balancer_that_speaks_http_1_0_without_a_host_is_answered() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state) as server:
            for node, status in (("10.0.1.1:6379", b"200"), ("10.0.1.2:6379", b"503")):
                reader, writer = await opened(server)
                writer.write(f"GET /masters/mymaster1/is-master?addr={node} HTTP/1.0\r\n\r\n".encode())
                assert (await said(reader)).startswith(b"HTTP/1.1 " + status)
                writer.close()

    run(go)


def test_client_that_reads_nothing_of_an_answer_is_cut_off() -> None:
    async def go() -> None:
        async def large(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 32_000_000})

        _, state = served(FakeDeployment())
        async with listening(large, state, stall_time=0.2) as server:
            reader, writer = await opened(server)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: server.connections.cut["stalled"])
            await until(lambda: not server._server.server_state.connections)
            writer.transport.abort()
            assert reader is not None

    run(go)


def test_oldest_idle_connection_is_closed_for_a_new_one() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        state.connections = HttpConnections(most=3)
        async with listening(app, state) as server:
            held = [await begun(server) for _ in range(4)]
            assert await said(held[0][0]) == b""
            reader, writer = await opened(server)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await said(reader)).startswith(b"HTTP/1.1 200")
            assert await said(held[1][0]) == b""
            assert state.connections.cut == {"idle": 2}
            assert (state.connections.counts()["idle"], state.connections.refused) == (2, {})
            for _, out in [*held, (reader, writer)]:
                out.transport.abort()
            await until(lambda: not any(state.connections.counts().values()))

    run(go)


def test_idle_connection_with_a_token_outlives_those_without() -> None:
    async def go() -> None:
        app, state = served(
            FakeDeployment(), settings=(settings := HttpSettings(ANY_PORT, token="act", read_token="look"))
        )
        state.connections = HttpConnections(most=2)
        async with listening(app, state, settings) as server:
            trusted, trusted_out = await opened(server)
            ask = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer look\r\n\r\n"
            trusted_out.write(ask)
            assert (await trusted.readline()).startswith(b"HTTP/1.1 200")
            await until(lambda: state.connections.counts()["trusted"] == 1)
            strangers = [await begun(server) for _ in range(10)]
            await until(lambda: state.connections.cut["idle"] == 9)
            trusted_out.write(ask)
            await until(lambda: b"HTTP/1.1 200" in trusted._buffer)  # type: ignore[attr-defined]
            for _, out in [*strangers, (trusted, trusted_out)]:
                out.transport.abort()

    run(go)


def test_peer_with_too_many_connections_loses_only_its_own() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        state.connections = HttpConnections(most=20, most_of_peer=4)
        async with listening(app, state) as server:
            other, other_out = await begun(server, b"GET ", local_addr=("127.0.0.2", 0))
            await until(lambda: state.connections.counts()["idle"] == 1)
            many = [await begun(server) for _ in range(30)]
            await until(lambda: state.connections.cut["peer"] == 26)
            other_out.write(b"/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await other.readline()).startswith(b"HTTP/1.1 200")
            assert set(state.connections.cut) == {"peer"}
            for _, out in [*many, (other, other_out)]:
                out.transport.abort()

    run(go)


def test_health_is_answered_while_every_other_slot_is_taken() -> None:
    async def go() -> None:
        release = asyncio.Event()
        app, state = served(FakeDeployment())

        async def slow(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                await release.wait()
            await app(scope, receive, send)

        state.connections = HttpConnections(most=3, most_of_peer=3)
        async with listening(slow, state) as server, httpx.AsyncClient(base_url=server.url) as client:
            held = [await opened(server) for _ in range(3)]
            for _, writer in held:
                writer.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: state.connections.counts()["asking"] == 3)
            for path in ("livez", "readyz", "masters/mymaster1/is-master?addr=10.0.1.1:6379"):
                assert (await client.get(path)).status_code == 200
            more = await client.get("api/v1/status")
            assert (more.status_code, more.headers["Retry-After"], more.headers["Connection"]) == (503, "1", "close")
            assert "too many requests from your address" in more.json()["detail"]
            assert state.connections.refused == {"peer": 1}
            release.set()
            for _, writer in held:
                writer.transport.abort()
            assert (await client.get("api/v1/status")).status_code == 200

    run(go)


def test_missing_handshake_counts_as_an_idle_connection(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ours = trustme.CA().issue_cert("localhost")
    ours.private_key_pem.write_to_path(key)
    ours.cert_chain_pems[0].write_to_path(cert)

    async def go() -> None:
        app, state = served(FakeDeployment())
        state.connections = HttpConnections(most=2)
        async with listening(
            app, state, HttpSettings(ANY_PORT, cert=str(cert), key=str(key)), header_time=0.3
        ) as server:
            held = [await begun(server, b"\x16") for _ in range(4)]
            for reader, writer in held:
                assert await said(reader) == b""
                writer.transport.abort()
            assert state.connections.cut == {"idle": 2, "header": 2}
            assert not any(state.connections.counts().values())

    run(go)


def test_client_that_drips_its_header_or_an_unread_body_is_cut_off() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())

        async def drip(writer: asyncio.StreamWriter) -> None:
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.02)

        async with listening(app, state, header_time=1.0) as server:
            slow = [await opened(server) for _ in range(2)]
            slow[0][1].write(b"GET /livez HTTP/1.1\r\nHost: ")
            slow[1][1].write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
            dripping = [asyncio.create_task(drip(writer)) for _, writer in slow]
            # Read now: what is unread when the connection is reset is lost.
            assert (await slow[1][0].readline()).startswith(b"HTTP/1.1 200")
            assert await said(slow[0][0]) == b""
            await said(slow[1][0])
            assert state.connections.cut == {"header": 2}
            for task in dripping:
                task.cancel()
            for _, writer in slow:
                writer.transport.abort()

    run(go)


def test_port_in_use_is_reported_in_a_sentence() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state) as server:
            assert server.address is not None
            with pytest.raises(UsageError, match=r"can't listen on 127\.0\.0\.1:\d+: Address already in use"):
                await HttpServer(app, HttpSettings(server.address)).start()
        with pytest.raises(UsageError, match="can't listen on"):
            await HttpServer(app, HttpSettings(Address("192.0.2.1", 1), token="t")).start()

    run(go)


def test_ipv6_is_served() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state, HttpSettings(Address("::1", 0))) as server, httpx.AsyncClient() as client:
            assert server.url.startswith("http://[::1]:")
            assert (await client.get(f"{server.url}api/v1/status")).status_code == 200

    run(go)


def test_https_is_served_with_a_certificate_that_can_be_renewed(tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def issue() -> ssl.SSLContext:
        authority = trustme.CA()
        ours = authority.issue_cert("localhost")
        ours.private_key_pem.write_to_path(key)
        ours.cert_chain_pems[0].write_to_path(cert)
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    async def status(server: HttpServer, trusting: ssl.SSLContext) -> int:
        assert server.address is not None
        async with httpx.AsyncClient(verify=trusting) as client:
            return (await client.get(f"https://localhost:{server.address.port}/livez")).status_code

    async def go() -> None:
        first = issue()
        app, state = served(FakeDeployment())
        settings = HttpSettings(ANY_PORT, cert=str(cert), key=str(key))
        async with listening(app, state, settings) as server:
            assert server.url.startswith("https://")
            assert await status(server, first) == 200
            second = issue()
            server.renew_certificate()
            assert await status(server, second) == 200
            with pytest.raises(httpx.ConnectError):
                await status(server, first)
            cert.write_text("none")
            with pytest.raises(UsageError, match="can't use the certificate"):
                server.renew_certificate()
            assert await status(server, second) == 200
        with pytest.raises(UsageError, match="can't use the certificate"):
            await HttpServer(app, settings).start()

    run(go)


def test_closed_server_frees_its_port() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with listening(app, state) as server:
            address = server.address
        assert address is not None
        async with listening(app, state, HttpSettings(address)) as again:
            assert again.address == address

    run(go)
