"""
One deployment, watched for the journal: a Watcher, its ledger, and where what they say goes.

The Watcher comes up by itself and goes on trying where no Sentinel can be reached: a daemon that starts before its
Sentinels do finds them when they come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from ..belief.decisions import Notice, Switch
from ..belief.failover import Failover
from ..belief.topology import MasterState, Topology
from ..errors import UnknownMaster, WatcherClosed
from ..journal.entries import Entry, WatchStarted
from ..journal.ledger import Ledger
from ..net.watcher import Heard, Watcher
from .link_log import LinkLog
from .published_belief import PublishedBelief
from .settings.configuration import DeploymentSettings

__all__ = ["DeploymentWatch"]

SIGHTING_SECONDS: Final = 1.0
"""Seconds between two looks at where the masters are."""


class DeploymentWatch:
    """
    Watches one deployment.

    Args:
        deployment: which, and how.
        put: takes what is to be kept, that of one turn at once; must not block.
        events: whether each event of each Sentinel is kept too.
        generation: counts the watchings of this run.
    """

    def __init__(
        self, deployment: DeploymentSettings, put: Callable[..., None], events: bool = True, generation: int = 0
    ) -> None:
        self.deployment = deployment
        arguments = dict(deployment.arguments)
        self.watcher = Watcher(arguments.pop("sentinels"), **arguments)
        self.published = PublishedBelief(deployment.name, self.watcher)
        """What other threads read of it."""
        self._ledger = Ledger(deployment.name, self._state, events, generation)
        self._put = put
        self._turn: list[Entry] = []
        """What this turn has to keep."""
        self._established = False
        self._links = LinkLog(deployment.name)
        self._links_seen = 0
        """The changes of the roster up to which the links were reported."""
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch; does not wait for any Sentinel."""
        self._put(WatchStarted(self.deployment.name))
        watcher = self.watcher
        watcher.on_event(self._on_event)
        watcher.on_failover(self._on_failover)
        watcher.on_switch(self._on_switch)
        watcher.on_notice(self._on_notice)
        watcher.on_change(self._end_turn)
        self.published.follow()
        await watcher.start(wait=False)
        self._looking = asyncio.create_task(self._look_on(), name=f"switchmaster: look at {self.deployment.name}")

    async def close(self) -> None:
        """Stop watching; all that was decided has been put."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self.watcher.close()
        self.published.close()
        self._flush()

    @property
    def topology(self) -> Topology:
        """What is believed now."""
        return self.watcher.topology

    def keep_events(self, events: bool) -> None:
        """Keep each event of each Sentinel from now on, or keep none."""
        self._ledger.events = events

    def look_again(self, masters: Iterable[str]) -> None:
        """Tell the journal again where these masters are, though nothing has changed."""
        self._ledger.resight(masters)

    def _state(self, master: str) -> MasterState | None:
        try:
            return self.watcher.state(master)
        except (UnknownMaster, WatcherClosed):
            return None

    def _flush(self) -> None:
        if self._turn:
            self._put(*self._turn)
            self._turn = []

    def _end_turn(self) -> None:
        if self.watcher.established and not self._established:
            self._established = True
            self._look()
        if self.watcher.roster_changes != self._links_seen:
            self._links_seen = self.watcher.roster_changes
            self._links.look(self.watcher.sentinels)
        self._turn += self._ledger.end_turn(time.time())
        self._flush()

    def _look(self) -> None:
        self._turn += self._ledger.sightings(self.watcher.masters(), time.time())

    def _on_event(self, heard: Heard) -> None:
        now = asyncio.get_running_loop().time()
        self._turn += self._ledger.event(heard.sentinel, heard.event, now, heard.time)

    def _on_failover(self, record: Failover) -> None:
        self._turn += self._ledger.failover(record)

    def _on_switch(self, switch: Switch) -> None:
        self._turn += self._ledger.switch(switch)

    def _on_notice(self, notice: Notice) -> None:
        self._turn += self._ledger.notice(notice)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(SIGHTING_SECONDS)
            if self._established:
                self._look()
                self._flush()
