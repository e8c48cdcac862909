"""A daemon's relay begins and ends with its settings, and its numbers become metrics."""

from __future__ import annotations

import asyncio

from switchmaster.model import Address
from switchmaster.net.watcher import Watcher
from switchmaster.relay.relay_settings import RelaySettings
from switchmaster.server.api import Metrics, ServedState
from switchmaster.server.deployment_relay import DeploymentRelay

NOWHERE = [("127.0.0.1", 1)]
LIMIT = 30.0


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

    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())
