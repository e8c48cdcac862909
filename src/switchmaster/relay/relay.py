"""
One relay: a Watcher's belief, served to clients as a Sentinel would.

`Relay` listens to a running Watcher, in its loop. At the end of each turn it publishes what has changed (`relay_core`),
before anything else happens in that loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from ..belief.decisions import Switch
from ..belief.topology import MasterState
from ..errors import SwitchmasterError
from ..model import SentinelName
from ..net.heard import FactsHeard
from ..net.watcher import Watcher
from ..wire.facts import LinkState
from .accounts import Accounts
from .relay_core import RelayCore
from .relay_settings import RelaySettings
from .relay_state import RelayState, identity_of
from .served_masters import Move
from .server import RelayServer

__all__ = ["Relay"]

_log = logging.getLogger("switchmaster.relay")

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at all masters."""
DESCRIBED_AT_ONCE: Final = 200
"""Masters that are described in one look beside those that clients ask for."""


class Relay:
    """
    Serves a Watcher's belief in Sentinel's own protocol.

    Args:
        watcher: of the deployment; it need not run yet.
        settings: where to listen, and for which clients.
        on_move: called with each move that clients were told of, in the loop; must not block.
    """

    def __init__(
        self, watcher: Watcher, settings: RelaySettings, on_move: Callable[[Move], None] = lambda _: None
    ) -> None:
        self._watcher, self.settings, self._on_move = watcher, settings, on_move
        self.core = RelayCore(_WatcherBelief(watcher), settings.policy)
        """What clients are told."""
        self.state = RelayState(
            self.core.masters,
            Accounts(settings.password, settings.users),
            identity_of(settings.announce or settings.listen),
            settings.peers,
            settings.listen.port,
            time.monotonic(),
        )
        """What INFO says."""
        self.server = RelayServer(settings, self.state)
        self._endings: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._described: SentinelName | None = None
        """The Sentinel whose version INFO has."""

    def __repr__(self) -> str:
        return f"<Relay at {self.server.address}>"

    async def start(self) -> None:
        """
        Listen, and follow the Watcher.

        Raises:
            UsageError: the address can't be listened on, or a TLS file can't be used.
        """
        await self.server.start()
        watcher = self._watcher
        self._endings = [
            watcher.on_facts(self._on_facts),
            watcher.on_switch(self._on_switch),
            watcher.on_change(self._on_turn),
        ]
        self._look_at_all()

    async def close(self) -> None:
        """Stop following, and end all connections of clients."""
        for end in self._endings:
            end()
        if self._timer is not None:
            self._timer.cancel()
        await self.server.close()

    def _on_facts(self, heard: FactsHeard) -> None:
        self.core.heard(heard.sentinel, heard.facts, heard.now)

    def _on_switch(self, switch: Switch) -> None:
        self.core.touch(switch.master)

    def _on_turn(self) -> None:
        moves, events = self.core.turn(time.monotonic())
        if self.core.stream.chosen != self._described:
            self._describe_server()
        self.server.publish(events)
        for move in moves:
            _log.info("clients are told that %s moved from %s to %s", move.master, move.old, move.new)
            self._on_move(move)

    def _look_at_all(self) -> None:
        """Find what no news has shown: masters that are gone, a belief that has become stale."""
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_at_all)
        sentinels = self._watcher.sentinels
        self.core.look_at_all(sentinels)
        self._on_turn()
        self.core.masters.settle(DESCRIBED_AT_ONCE)
        self._describe_server()
        stream = self.core.stream
        self.state.heard = sum(one.state is LinkState.LIVE for one in sentinels.values())
        self.state.known = len(sentinels)
        self.state.events = {"passed": stream.passed, "withheld": stream.withheld, "handovers": stream.handovers}

    def _describe_server(self) -> None:
        """Say in HELLO and INFO what the Sentinel is whose stream is passed on."""
        self._described = self.core.stream.chosen
        chosen = self._watcher.sentinels.get(self._described) if self._described is not None else None
        if chosen is not None and " " in chosen.version:
            self.state.server, _, self.state.version = chosen.version.partition(" ")


class _WatcherBelief:
    """A Watcher's belief, as `RelayCore` asks for it."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.address = watcher.address
        self.names = watcher.masters
        self.trusted = watcher.votes

    def state(self, name: str) -> MasterState | None:
        try:
            return self._watcher.state(name)
        except SwitchmasterError:
            return None

    def hearing(self) -> bool:
        return self._watcher.hearing

    def established(self) -> bool:
        return self._watcher.established

    def last_heard(self, sentinel: SentinelName) -> float | None:
        silence, _ = self._watcher.links().get(sentinel, (None, None))
        return None if silence is None else time.monotonic() - silence
