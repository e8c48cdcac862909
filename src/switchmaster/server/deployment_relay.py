"""
The relay of one deployment in the daemon: begun if one is configured, replaced when its settings change.

It lives in the Watcher's loop. What other threads read are the numbers that this loop hands over with each `beat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from ..net.watcher import Watcher
from ..relay.relay import Relay
from ..relay.relay_settings import RelaySettings

__all__ = ["DeploymentRelay"]


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
        self.readings: Mapping[str, float] = {}
        """Numbers for the metrics, by name, as of the last `beat`; empty without a relay. Any thread may read it."""

    async def start(self) -> None:
        """
        Begin to listen, if a relay is configured.

        Raises:
            UsageError: the address can't be listened on, or a TLS file can't be used.
        """
        if self._settings is not None:
            relay = Relay(self._watcher, self._settings)
            await relay.start()
            self._relay = relay

    async def apply(self, settings: RelaySettings | None) -> None:
        """Take other settings: clients are cut and come again, unless nothing changed."""
        if settings != self._settings:
            await self.close()
            self._settings = settings
            await self.start()

    async def close(self) -> None:
        """Stop listening, and end all connections of clients."""
        relay, self._relay = self._relay, None
        if relay is not None:
            await relay.close()
        self.readings = {}

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
