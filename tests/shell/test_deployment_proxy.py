"""A daemon's proxy begins and ends with its settings, and its parts work without HAProxy as far as they can."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from switchmaster.errors import UsageError
from switchmaster.follow.gate import WaitLimits
from switchmaster.model import Address
from switchmaster.net.haproxy_runtime import ServerMode, ServerRow
from switchmaster.net.watcher import Watcher
from switchmaster.proxy.companion import Companion
from switchmaster.proxy.haproxy_process import HaproxyProgram
from switchmaster.proxy.master_lane import MasterLane
from switchmaster.proxy.node_places import NodePlaces
from switchmaster.proxy.proxy_settings import MasterPorts, ProxySettings
from switchmaster.server import deployment_proxy
from switchmaster.server.api import Metrics, ServedState, shapes
from switchmaster.server.deployment_proxy import DeploymentProxy

NOWHERE = [("127.0.0.1", 1)]
LIMIT = 60.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder whose path is short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="smp-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


def settings(folder: Path, **more: Any) -> ProxySettings:
    return ProxySettings(folder, only=MasterPorts(Address("127.0.0.1", 6379)), **more)


def test_a_proxy_follows_its_settings_and_is_measured(folder: Path) -> None:
    async def test() -> None:
        watcher = Watcher(NOWHERE)
        proxy = DeploymentProxy(watcher, None)
        await proxy.start()
        proxy.beat()
        assert proxy.readings == {}
        await proxy.apply(settings(folder))
        inner = proxy._proxy
        assert inner is not None
        await proxy.apply(settings(folder))
        assert proxy._proxy is inner, "nothing changed"
        proxy.beat()
        text = (await Metrics(ServedState(dict, proxies=lambda: {"kvdb": proxy})).exposition()).decode()
        assert 'switchmaster_proxy_up{deployment="kvdb"} 0.0' in text
        await proxy.apply(None)
        assert proxy.readings == {}
        await watcher.close()

    run(test)


def test_the_api_shows_where_haproxy_leads(folder: Path) -> None:
    async def test() -> None:
        watcher = Watcher(NOWHERE)
        proxy = DeploymentProxy(watcher, settings(folder))
        await proxy.start()
        inner = proxy._proxy
        assert inner is not None
        limits, places = WaitLimits(), NodePlaces(lambda address: address)
        lane = MasterLane("m", inner.program.runtime, places, limits, inner.program.end_old_workers, lambda *_: None)
        inner.lanes["m"] = lane
        proxy.beat()
        [line] = proxy.lines
        shown = shapes.ProxyLine.model_validate(line, strict=True)
        assert (shown.state, shown.address, shown.since, shown.checks) == ("unknown", None, None, [])
        assert (shown.writes, shown.haproxy.pid) == (shapes.Node(host="127.0.0.1", port=6379), None)
        inner.connections = {"w-n-m": 3}
        lane.check(rows_of(lane, Address("10.0.0.1", 6379)), lane.attempts)
        proxy.beat()
        [line] = proxy.lines
        assert line["connections"] == 3
        assert line["checks"] == [{"host": "10.0.0.1", "port": 6379, "master": True}]
        await proxy.close()
        proxy.beat()
        assert proxy.lines == ()
        await watcher.close()

    run(test)


def rows_of(lane: MasterLane, node: Address) -> list[ServerRow]:
    """Return what HAProxy would give with one node, and a spare server."""
    classic = lane.names.classic
    return [
        ServerRow(classic, "c1", node, running=True, mode=ServerMode.READY),
        ServerRow(classic, "c2", Address("192.0.2.1", 1), running=False, mode=ServerMode.MAINT),
    ]


def test_a_folder_in_use_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deployment_proxy, "BEGIN_AGAIN_SECONDS", 0.05)

    async def test() -> None:
        watcher = Watcher(NOWHERE)
        taken = HaproxyProgram("haproxy", folder, lambda: None)
        taken.claim()
        proxy = DeploymentProxy(watcher, settings(folder))
        await proxy.start()
        assert "another switchmaster runs the proxy" in caplog.text
        await taken.close()
        while proxy._proxy is None:
            await asyncio.sleep(0.01)
        await proxy.close()
        await watcher.close()

    run(test)


def test_a_missing_haproxy_is_said_with_what_to_do(folder: Path) -> None:
    async def test() -> None:
        program = HaproxyProgram("/no/such/haproxy", folder, lambda: None)
        with pytest.raises(UsageError, match="apt install haproxy"):
            await program.apply("global\n")
        await program.close()

    run(test)


def test_it_answers_haproxy_only_while_it_knows_where_masters_are(folder: Path) -> None:
    alive = SimpleNamespace(now=True)

    async def asked() -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(folder / "alive"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def test() -> None:
        companion = Companion(folder, lambda: alive.now)
        await companion.start()
        assert await asked() == b"alive\n"
        alive.now = False
        assert await asked() == b""
        await companion.close()

    run(test)


def test_the_server_without_room_keeps_our_connection_alone(folder: Path) -> None:
    async def test() -> None:
        companion = Companion(folder, lambda: True)
        await companion.start()
        wall = str(folder / "wall")
        companion.fill([wall])
        while not companion._open:
            await asyncio.sleep(0.01)
        [ours] = companion._open
        reader, writer = await asyncio.open_unix_connection(wall)
        writer.write(b"SET a b\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert list(companion._open) == [ours]
        companion.fill([wall])
        while list(companion._open) in ([], [ours]) or len(companion._open) != 1:
            await asyncio.sleep(0.01)
        await companion.close()
        while companion._open:
            await asyncio.sleep(0.01)

    run(test)


def test_names_are_resolved_beforehand_and_the_last_answer_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, list[str]] = {"db1": ["10.0.0.1", "10.0.0.9"]}

    async def getaddrinfo(host: str, port: object, **_: object) -> list[tuple[Any, ...]]:
        if host not in answers:
            raise OSError("not found")
        return [(0, 0, 0, "", (one, 0)) for one in answers[host]]

    async def test() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
        places = NodePlaces(lambda address: Address("10.9.9.9", 9) if address.port == 9 else address)
        named, literal = Address("db1", 6379), Address("2001:DB8::1", 6379)
        assert places.at(named) is None
        assert places.at(literal) == Address("2001:db8::1", 6379)
        assert places.at(Address("x", 9)) == Address("10.9.9.9", 9)
        assert places.at(Address("0.0.0.0", 6379)) is None
        assert places.at(Address("fe80::1%eth0", 6379)) is None
        await places.learn([named, literal, Address("gone", 1)])
        assert places.at(named) == Address("10.0.0.1", 6379)
        monkeypatch.setattr("switchmaster.proxy.node_places.KEPT_SECONDS", 0.0)
        answers["db1"] = ["10.0.0.9", "10.0.0.1"]
        await places.learn([named])
        assert places.at(named) == Address("10.0.0.1", 6379), "it stays where it is while that is an answer"
        answers.clear()
        await places.learn([named])
        assert places.at(named) == Address("10.0.0.1", 6379)
        await places.learn([])
        assert places.at(named) is None

    run(test)
