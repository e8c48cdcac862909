"""A daemon's relay begins and ends with its settings, and its numbers become metrics."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from switchmaster.lab.certificates import make_certificates
from switchmaster.model import Address
from switchmaster.net.watcher import Watcher
from switchmaster.relay.relay_settings import RelaySettings
from switchmaster.relay.relay_state import identity_of
from switchmaster.server import deployment_relay
from switchmaster.server.api import Metrics, ServedState
from switchmaster.server.deployment_relay import DeploymentRelay

NOWHERE = [("127.0.0.1", 1)]
LIMIT = 30.0


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_relay_follows_its_settings_and_is_measured() -> None:
    async def test() -> None:
        watcher = Watcher(NOWHERE)
        relay = DeploymentRelay(watcher, None)
        await relay.start()
        relay.beat()
        assert relay.readings == {}
        await relay.apply(RelaySettings(Address("127.0.0.1", 0)))
        inner = relay._relay
        assert inner is not None
        reader, writer = await asyncio.open_connection(*inner.server.address)
        writer.write(b"SENTINEL GET-MASTER-ADDR-BY-NAME mymaster\r\nSUBSCRIBE +switch-master\r\n")
        assert await reader.readline() == b"*-1\r\n"
        while not inner.state.subscribers:
            await asyncio.sleep(0.01)
        await relay.apply(RelaySettings(Address("127.0.0.1", 0)))
        assert relay._relay is inner, "nothing changed"
        relay.beat()
        state = ServedState(dict, relays=lambda: {"kvdb": relay})
        text = (await Metrics(state).exposition()).decode()
        assert 'switchmaster_relay_subscribers{deployment="kvdb"} 1.0' in text
        assert 'switchmaster_relay_commands_total{deployment="kvdb"} 2.0' in text
        assert 'switchmaster_relay_cut_total{deployment="kvdb",reason="slow"} 0.0' in text
        await relay.apply(None)
        assert await reader.read() is not None
        writer.close()
        assert relay.readings == {}
        await watcher.close()

    run(test)


def test_it_names_the_relays_of_the_other_daemons_once_and_never_itself() -> None:
    own, other, third = (Address("192.0.2.1", port) for port in (1, 2, 3))

    async def test() -> None:
        watcher = Watcher(NOWHERE)
        relay = DeploymentRelay(watcher, None)
        assert relay.announced is None
        relay.found((own, other))
        await relay.apply(RelaySettings(Address("127.0.0.1", 0), announce=own, peers=(third, other)))
        assert relay._relay is not None
        assert relay.announced == own
        assert relay._relay.state.peers == (third, other)
        assert relay._relay.state.identity == identity_of(own)
        relay.found(())
        assert relay._relay.state.peers == (third, other)
        await relay.apply(RelaySettings(Address("127.0.0.1", 0)))
        assert relay.announced is None
        assert relay._relay.state.peers == ()
        relay.found((third,))
        assert relay._relay.state.peers == (third,)
        await relay.close()
        await watcher.close()

    run(test)


def test_a_relay_that_cannot_listen_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deployment_relay, "LISTEN_AGAIN_SECONDS", 0.05)

    async def test() -> None:
        watcher = Watcher(NOWHERE)
        taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        address = Address("127.0.0.1", taken.sockets[0].getsockname()[1])
        relay = DeploymentRelay(watcher, RelaySettings(address))
        await relay.start()
        assert relay._relay is None
        assert "can't listen on" in caplog.text
        taken.close()
        while relay._relay is None:
            await asyncio.sleep(0.01)
        await relay.close()
        await watcher.close()

    run(test)


def test_a_renewed_certificate_is_served_after_a_reload(tmp_path: Path) -> None:
    old, new = make_certificates(made(tmp_path / "old")), make_certificates(made(tmp_path / "new"))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    async def test() -> None:
        watcher = Watcher(NOWHERE)
        settings = RelaySettings(Address("127.0.0.1", 0), cert=str(cert), key=str(key))
        relay = DeploymentRelay(watcher, settings)
        for files in (old, new):
            cert.write_bytes(files.server.read_bytes())
            key.write_bytes(files.server_key.read_bytes())
            await (relay.start() if relay._relay is None else relay.apply(settings))
            assert relay._relay is not None
            context = ssl.create_default_context(cafile=str(files.ca))
            reader, writer = await asyncio.open_connection(
                *relay._relay.server.address, ssl=context, server_hostname="localhost"
            )
            writer.write(b"PING\r\n")
            assert await reader.readline() == b"+PONG\r\n"
            writer.close()
        key.write_text("no key", encoding="utf-8")
        await relay.apply(settings)
        await relay.close()
        await watcher.close()

    run(test)
