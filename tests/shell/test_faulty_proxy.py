"""The lab's faulty proxy, against a plain echo server."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from rig.conditions import eventually
from switchmaster.errors import LabError, UsageError
from switchmaster.lab import FaultyProxy


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except OSError:
            pass


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[:2]
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: tuple[str, int]) -> Iterator[FaultyProxy]:
    with FaultyProxy(echo) as proxy:
        yield proxy


def dial(proxy: FaultyProxy) -> socket.socket:
    return socket.create_connection(proxy.address, timeout=5)


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = client.recv(size - len(data))
        assert piece, f"end of file after {data!r}"
        data += piece
    return data


def silent(client: socket.socket, seconds: float = 0.2) -> bool:
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_proxy_forwards_and_counts_both_directions(proxy: FaultyProxy) -> None:
    with dial(proxy) as client:
        client.sendall(b"x" * 200_000)
        assert receive(client, 200_000) == b"x" * 200_000
        eventually(lambda: proxy.counters.bytes_down == 200_000)
    assert proxy.counters.bytes_up == 200_000
    assert proxy.counters.accepted == 1
    eventually(lambda: proxy.open_connections == 0)


def test_proxy_passes_an_end_of_file_on(proxy: FaultyProxy) -> None:
    with dial(proxy) as client:
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 4) == b"last"
        assert client.recv(1) == b""


def test_proxy_moves_no_byte_when_it_stalls_and_delivers_them_when_it_passes(proxy: FaultyProxy) -> None:
    with dial(proxy) as client, dial(proxy) as other:
        client.sendall(b"before")
        assert receive(client, 6) == b"before"
        proxy.stall()
        client.sendall(b"held")
        other.shutdown(socket.SHUT_WR)
        with dial(proxy) as late:
            late.sendall(b"late")
            assert [silent(client), silent(other), silent(late)] == [True, True, True]
            assert proxy.counters.bytes_up == 6
            proxy.pass_()
            assert receive(client, 4) == b"held"
            assert receive(late, 4) == b"late"
        assert other.recv(1) == b""


def test_proxy_resets_open_connections_when_it_cuts(proxy: FaultyProxy) -> None:
    with dial(proxy) as client:
        client.sendall(b"x")
        receive(client, 1)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert proxy.counters.cut == 1
    with dial(proxy) as again:
        again.sendall(b"y")
        assert receive(again, 1) == b"y"


def test_proxy_ends_connections_in_order_when_it_cuts_without_reset(proxy: FaultyProxy) -> None:
    with dial(proxy) as client:
        client.sendall(b"x")
        receive(client, 1)
        proxy.cut(reset=False)
        assert client.recv(1) == b""


def test_proxy_refuses_new_connections_only_when_told(proxy: FaultyProxy) -> None:
    with dial(proxy) as client:
        client.sendall(b"x")
        receive(client, 1)
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            dial(proxy)
        client.sendall(b"y")
        assert receive(client, 1) == b"y"
    proxy.pass_()
    with dial(proxy) as again:
        again.sendall(b"z")
        assert receive(again, 1) == b"z"


def test_proxy_takes_its_time_when_it_drips(proxy: FaultyProxy) -> None:
    proxy.drip(200)
    with dial(proxy) as client:
        began = time.monotonic()
        client.sendall(b"x" * 100)
        receive(client, 100)
        assert time.monotonic() - began >= 0.4


def test_proxy_delivers_small_pieces_when_it_chops(proxy: FaultyProxy) -> None:
    proxy.chop(3)
    with dial(proxy) as client:
        client.sendall(b"0123456789")
        first = client.recv(100)
        assert len(first) < 10
        assert first + receive(client, 10 - len(first)) == b"0123456789"


def test_proxy_resets_a_client_when_the_upstream_resets() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        FaultyProxy(server.getsockname()) as proxy,
        dial(proxy) as client,
    ):
        upstream, _ = server.accept()
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        upstream.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_proxy_resets_clients_when_the_upstream_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()
    with FaultyProxy(nobody) as proxy, dial(proxy) as client:
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        assert proxy.counters.unreachable == 1


def test_proxy_leaves_no_thread_and_no_port_when_it_is_closed(echo: tuple[str, int]) -> None:
    before = set(threading.enumerate())
    with FaultyProxy(echo) as proxy, dial(proxy) as client:
        client.sendall(b"x")
        receive(client, 1)
        proxy.stall()
        proxy.close()
        proxy.close()
        assert client.recv(1) == b""
    # The echo server's own thread for that connection ends by itself.
    eventually(lambda: not {one.name for one in set(threading.enumerate()) - before})
    with pytest.raises(ConnectionRefusedError):
        dial(proxy)
    with pytest.raises(LabError, match="not running"):
        proxy.stall()


def test_proxy_refuses_a_pace_that_never_ends(proxy: FaultyProxy) -> None:
    with pytest.raises(UsageError):
        proxy.drip(0)
    with pytest.raises(UsageError):
        proxy.chop(0)
