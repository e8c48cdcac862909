"""The HTTP server: what it binds, how long it waits for a client, and how it ends."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from faulty import run, until
from served import ANY_PORT, Told, listening, served
from switchmaster.core.model import Address
from switchmaster.errors import UsageError
from switchmaster.server.api import Http, HttpServer


async def opened(server: HttpServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert server.address is not None
    return await asyncio.open_connection(*server.address)


async def said(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection, in whichever way."""
    async with asyncio.timeout(10):
        try:
            return await reader.read(-1)
        except ConnectionError:
            return b""


def test_request_is_answered_and_its_connection_kept() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state) as server, httpx.AsyncClient() as client:
            for _ in range(3):
                assert (await client.get(f"{server.url}api/v1/status")).status_code == 200
            assert len(server._server.server_state.connections) == 1

    run(go)


def test_client_that_never_ends_its_header_is_cut_off() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state, header_time=0.2) as server:
            silent, silent_out = await opened(server)
            slow, slow_out = await opened(server)
            slow_out.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
            second, second_out = await opened(server)
            second_out.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\n")
            assert await said(silent) == await said(slow) == b""
            assert (await said(second)).startswith(b"HTTP/1.1 200")
            assert server.cut == {"header": 3}
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
def test_header_that_is_none_is_refused(header: bytes) -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state, header_time=1) as server:
            reader, writer = await opened(server)
            writer.write(header)
            answer = await said(reader)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), answer[:100]
            writer.transport.abort()

    run(go)


def test_balancer_that_speaks_http_1_0_without_a_host_is_answered() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state) as server:
            for node, status in (("10.0.1.1:6379", b"200"), ("10.0.1.2:6379", b"503")):
                reader, writer = await opened(server)
                writer.write(f"GET /masters/mymaster1/is-master?addr={node} HTTP/1.0\r\n\r\n".encode())
                assert (await said(reader)).startswith(b"HTTP/1.1 " + status)
                writer.close()

    run(go)


def test_client_that_takes_nothing_of_an_answer_is_cut_off() -> None:
    async def go() -> None:
        async def large(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x" * 32_000_000})

        _, state = served(Told())
        async with listening(large, state, stall_time=0.2) as server:
            reader, writer = await opened(server)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda: server.cut["stalled"])
            await until(lambda: not server._server.server_state.connections)
            writer.transport.abort()
            assert reader is not None

    run(go)


def test_one_connection_too_many_is_answered_503() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state, connections=3) as server:
            held = [await opened(server) for _ in range(2)]
            await until(lambda: len(server._server.server_state.connections) == 2)
            reader, writer = await opened(server)
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 503")
            for _, out in [*held, (reader, writer)]:
                out.transport.abort()
            await until(lambda: not server._server.server_state.connections)
            async with httpx.AsyncClient() as client:
                assert (await client.get(f"{server.url}livez")).status_code == 200

    run(go)


def test_port_that_is_taken_is_a_sentence() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state) as server:
            assert server.address is not None
            with pytest.raises(UsageError, match=r"can't listen on 127\.0\.0\.1:\d+: Address already in use"):
                await HttpServer(app, Http(server.address)).start()
        with pytest.raises(UsageError, match="can't listen on"):
            await HttpServer(app, Http(Address("192.0.2.1", 1), token="t")).start()

    run(go)


def test_ipv6_is_served() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state, Http(Address("::1", 0))) as server, httpx.AsyncClient() as client:
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
        app, state = served(Told())
        settings = Http(ANY_PORT, cert=str(cert), key=str(key))
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


def test_server_that_is_closed_leaves_its_port() -> None:
    async def go() -> None:
        app, state = served(Told())
        async with listening(app, state) as server:
            address = server.address
        assert address is not None
        async with listening(app, state, Http(address)) as again:
            assert again.address == address

    run(go)
