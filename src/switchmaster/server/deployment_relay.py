"""
The relay of one deployment in the daemon: begun if one is configured, replaced when its settings change.

Where several daemons share a journal, the relay names the others' to its clients, as a Sentinel names the other
Sentinels.

It lives in the Watcher's loop. What other threads read are the numbers that this loop hands over with each `beat`. A
relay that can't listen keeps nothing else from working: it is logged, and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from ..errors import SwitchmasterError
from ..model import Address
from ..net.watcher import Watcher
from ..relay.relay import Relay
from ..relay.relay_settings import RelaySettings

__all__ = ["DeploymentRelay"]

_log = logging.getLogger("switchmaster.relay")

LISTEN_AGAIN_SECONDS: Final = 5.0
"""Seconds between two attempts to listen."""


class DeploymentRelay:
    """
    Serves one deployment's belief in Sentinel's protocol.

    Args:
        watcher: of the deployment.
        settings: of the relay; None for no relay.
    """

    def __init__(self, watcher: Watcher, settings: RelaySettings | None) -> None:
        self._watcher, self._settings = watcher, settings
        self._relay: Relay | None = None
        self._trying: asyncio.Task[None] | None = None
        self._found: tuple[Address, ...] = ()
        """The other daemons' relays, as the journal gives them."""
        self.readings: Mapping[str, float] = {}
        """Numbers for the metrics, by name, as of the last `beat`; empty without a relay. Any thread may read it."""

    async def start(self) -> None:
        """Begin to listen, if a relay is configured; if it can't, go on trying."""
        if self._settings is not None and not await self._listen(self._settings):
            self._trying = asyncio.create_task(
                self._listen_later(self._settings), name="switchmaster: listen for relay"
            )

    async def _listen(self, settings: RelaySettings) -> bool:
        relay = Relay(self._watcher, settings)
        try:
            await relay.start()
        except SwitchmasterError as error:
            deployment = self._watcher.deployment
            _log.error("the relay of %s: %s; it is tried again every %g s", deployment, error, LISTEN_AGAIN_SECONDS)
            return False
        self._relay = relay
        self._name_peers()
        _log.info("the relay of %s listens on %s", self._watcher.deployment, relay.server.address)
        return True

    async def _listen_later(self, settings: RelaySettings) -> None:
        while True:
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)
            if await self._listen(settings):
                return

    async def apply(self, settings: RelaySettings | None) -> None:
        """
        Take the settings of a reload.

        If they changed, clients are cut and come again; otherwise the files of TLS alone are read again, for new
        connections.
        """
        if settings != self._settings:
            await self.close()
            self._settings = settings
            await self.start()
        elif self._relay is not None:
            try:
                self._relay.server.renew_certificate()
            except SwitchmasterError as error:
                _log.error("%s; the old one stays", error)

    async def close(self) -> None:
        """Stop listening, and end all connections of clients."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
            self._trying = None
        relay, self._relay = self._relay, None
        if relay is not None:
            await relay.close()
        self.readings = {}

    @property
    def announced(self) -> Address | None:
        """Where clients on other machines reach this relay; None while they can't, or if that is not known."""
        return self._relay.settings.announced if self._relay is not None else None

    def found(self, relays: tuple[Address, ...]) -> None:
        """
        Name the other daemons' relays to clients, beside those of the settings.

        Args:
            relays: as the shared journal gives them.
        """
        self._found = relays
        self._name_peers()

    def _name_peers(self) -> None:
        relay = self._relay
        if relay is not None:
            settings = relay.settings
            own = (settings.listen, settings.announced)
            peers = dict.fromkeys((*settings.peers, *self._found))
            relay.state.peers = tuple(peer for peer in peers if peer not in own)

    def beat(self) -> None:
        """Hand over the numbers; called about once a second."""
        if self._relay is None:
            return
        state, stream = self._relay.state, self._relay.core.stream
        self.readings = asdict(state.counters) | {
            "clients": state.clients,
            "subscribers": state.subscribers,
            "stale": state.masters.stale,
            "switches": state.masters.moves,
            "passed": stream.passed,
            "withheld": stream.withheld,
            "handovers": stream.handovers,
        }
