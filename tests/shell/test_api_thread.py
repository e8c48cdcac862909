"""The HTTP server in its own thread: what is handed over to it, how it ends, and what a crowd can't delay."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from peers.faulty_peer import FaultyPeer, until
from rig.api_rig import ANY_PORT, FakeDeployment, FileJournal, served
from switchmaster.errors import UnknownMaster, UsageError
from switchmaster.model import Address
from switchmaster.net.watcher import Watcher
from switchmaster.server.api import HttpConnections, HttpServer, HttpSettings, HttpThread, ServedState
from switchmaster.server.published_belief import PublishedBelief

IDLE, SLOW, STREAMS = 300, 60, 80
IS_MASTER = "masters/mymaster1/is-master?addr=10.0.1.1:6379"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    kept = FileJournal(tmp_path)
    yield kept
    kept.close()


@asynccontextmanager
async def threaded(state: ServedState, app: object) -> AsyncIterator[HttpThread]:
    server = HttpThread(HttpServer(app, HttpSettings(ANY_PORT), state.connections), state)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.close()
        assert not any(thread.name == "switchmaster-http" for thread in threading.enumerate())


def test_only_changed_masters_are_handed_over() -> None:
    async def go() -> None:
        async with FaultyPeer() as peer:
            watcher = Watcher([peer.address], discover=False, probe=False)
            published = PublishedBelief("kvdb", watcher, {})
            published.follow()
            with pytest.raises(UnknownMaster):
                published.state("mymaster1")
            await watcher.start()
            try:
                [name] = watcher.masters()
                await until(lambda: published.masters() == (name,))
                assert published.state(name) is watcher.state(name)
                assert (published.hearing, published.established) == (True, True)
                assert published.topology.masters == watcher.topology.masters
                assert published.topology.sentinels == watcher.topology.sentinels
                assert published.topology is published.topology
                published.beat()
                assert published.links().keys() == watcher.links().keys()
                assert published.counters["snapshots"] > 0
                assert not watcher.changed(10).masters  # all were handed over
                watcher.refresh()
                await until(lambda: published.topology.version > 1)
            finally:
                await watcher.close()
                published.close()

    asyncio.run(go())


def test_request_is_answered_while_the_main_loop_is_blocked() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with threaded(state, app) as server:
            answers: list[int] = []
            asking = threading.Thread(target=lambda: answers.append(httpx.get(server.url + IS_MASTER).status_code))
            asking.start()
            asking.join(20)  # blocks this loop
            assert answers == [200]

    asyncio.run(go())


def test_livez_reports_a_stuck_main_loop() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with threaded(state, app) as server, httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("livez")).status_code == 200
            state.turn(0.25)
            assert (await client.get("livez")).status_code == 200
            assert "switchmaster_listening_late_seconds 0.25" in (await client.get("metrics")).text
            state.turned = time.monotonic() - 11
            stuck = await client.get("livez")
            assert (stuck.status_code, stuck.text) == (503, "stuck\n")

    asyncio.run(go())


def test_port_in_use_is_raised_where_the_thread_is_started() -> None:
    async def go() -> None:
        app, state = served(FakeDeployment())
        async with threaded(state, app) as server:
            settings = HttpSettings(Address("127.0.0.1", port_of(server.url)))
            with pytest.raises(UsageError, match="can't listen on"):
                await HttpThread(HttpServer(app, settings), state).start()

    asyncio.run(go())


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


async def hold(url: str, kind: str) -> None:
    """Hold a connection of one kind, again and again."""
    header = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(url))
            try:
                if kind == "stream":
                    writer.write(header + b"\r\n")
                for letter in header * 10 if kind == "slow" else b"":
                    if writer.is_closing():
                        break
                    writer.write(bytes([letter]))
                    await asyncio.sleep(0.1)
                while await reader.read(65536):
                    pass
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.5)


def asked(url: str) -> bytes:
    """Send a request as a balancer does, over its own connection; it blocks, so that no busy loop delays its steps."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=20) as balancer:
        balancer.sendall(f"GET /{IS_MASTER} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        while data := balancer.recv(65536):
            answer += data
    return answer


def test_crowd_from_the_balancers_address_delays_no_answer_to_it(journal: FileJournal) -> None:
    async def go() -> None:
        app, state = served(FakeDeployment(), kept=journal)
        state.connections = HttpConnections(most=64, most_of_peer=32)
        async with threaded(state, app) as server:
            kinds = ["idle"] * IDLE + ["slow"] * SLOW + ["stream"] * STREAMS
            crowd = [asyncio.create_task(hold(server.url, kind)) for kind in kinds]
            await until(lambda: state.connections.cut["peer"] > 20 and state.connections.refused["peer"], 60)
            for _ in range(40):
                assert (await asyncio.to_thread(asked, server.url)).startswith(b"HTTP/1.1 200")
            counts = state.connections.counts()
            assert counts["idle"] + counts["trusted"] <= 32
            assert counts["asking"] <= 32
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            async with httpx.AsyncClient(timeout=20) as client:
                text = (await client.get(server.url + "metrics")).text
            cut = next(
                line for line in text.splitlines() if line.startswith('switchmaster_http_cut_total{reason="peer"}')
            )
            assert float(cut.rpartition(" ")[2]) > 20
            await until(lambda: state.stream.clients == 0)

    asyncio.run(go())
