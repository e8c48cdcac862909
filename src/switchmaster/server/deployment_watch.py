"""
One deployment, watched for the journal: a Watcher, its ledger, guard, doctor and pulses, and where their output goes.

The Watcher keeps trying if no Sentinel can be reached: a daemon that starts before its Sentinels finds them when they
come up.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import Final

from ..belief.decisions import Notice, Switch
from ..belief.failover import Failover
from ..belief.topology import Topology
from ..journal.entries import Seen, WatchStarted
from ..journal.guard_lease import GuardLease
from ..journal.ledger import Ledger
from ..net.heard import FactsHeard, Heard
from ..net.watcher import Watcher
from ..net.wish_files import state_folder
from ..planned.progress import Conclusion
from ..render import Line
from ..wire.facts import MasterSnapshot
from .backlog import Backlog
from .deployment_doctor import DeploymentDoctor
from .deployment_failover import DeploymentFailover
from .deployment_guard import DeploymentGuard
from .deployment_proxy import DeploymentProxy
from .deployment_pulse import DeploymentPulse
from .deployment_relay import DeploymentRelay
from .link_log import LinkLog
from .loop_load import LATE_SECONDS
from .published_belief import PublishedBelief
from .settings.configuration import DeploymentSettings

__all__ = ["DeploymentWatch"]

SIGHTINGS_LATE: Final = 5
"""How many comparisons of the masters' addresses with the journal's a busy loop may leave out in a row."""


class DeploymentWatch:
    """
    Watches one deployment.

    Args:
        deployment: what to watch, and how.
        put: takes all entries of one turn together; must not block.
        events: whether every event of every Sentinel is kept too.
        generation: the number of this watch in this run, counted over all deployments.
        identity: tells this daemon's guards from others.
        lease: what its guards share with those of other daemons; None if nothing.
        failover_lease: the same for planned failovers.
        acknowledge: called in a thread of its own with each planned failover that is done, and who ordered it.
        noticed: returns the journal's newest notices of this deployment, the newest first; called in other threads.
    """

    def __init__(
        self,
        deployment: DeploymentSettings,
        put: Callable[..., None],
        events: bool = True,
        generation: int = 0,
        identity: str = "",
        lease: GuardLease | None = None,
        failover_lease: GuardLease | None = None,
        acknowledge: Callable[[Conclusion, str], None] = lambda conclusion, by: None,
        noticed: Callable[[], Iterable[Line]] = tuple,
    ) -> None:
        self.deployment = deployment
        arguments = dict(deployment.arguments)
        self.watcher = Watcher(arguments.pop("sentinels"), **arguments)
        self._backlog = Backlog(put, lambda: self.watcher.is_behind)
        """What makes the journal's entries: it comes after the decisions."""
        self.published = PublishedBelief(deployment.name, self.watcher, self._backlog.forced)
        """What other threads read."""
        self._ledger = Ledger(deployment.name, self.watcher.whereabouts, events, generation, drafts=True)
        self.guard = DeploymentGuard(self.watcher, deployment.guard, identity, self._on_guard, self._on_line, lease)
        self.pulse = DeploymentPulse(self.watcher, self._on_line, deployment.measure_pauses)
        self.relay = DeploymentRelay(self.watcher, deployment.relay)
        self.proxy = DeploymentProxy(self.watcher, deployment.proxy)
        self.planned = DeploymentFailover(
            self.watcher,
            state_folder(os.environ),
            deployment.arguments["timeout"],
            self._on_line,
            acknowledge,
            failover_lease,
        )
        self.doctor = DeploymentDoctor(
            deployment.name, deployment.arguments, deployment.doctor, self._on_guard, noticed
        )
        self._put = put
        self._answered: set[str] = set()
        """The masters that a Sentinel has answered about in this turn."""
        self._established = False
        self._links = LinkLog(deployment.name)
        self._links_seen = 0
        """The roster's change counter when the links were last logged."""
        self._left_out = 0
        """How many of these comparisons were left out in a row."""
        self._listeners: list[Callable[[Notice], None]] = []

    def on_guard_notice(self, callback: Callable[[Notice], None]) -> None:
        """Call back with each notice of the guard and the doctor; those of the Watcher have callbacks of their own."""
        self._listeners.append(callback)

    async def start(self) -> None:
        """Start watching; do not wait for any Sentinel."""
        self._put(WatchStarted(self.deployment.name))
        watcher = self.watcher
        watcher.on_facts(self._on_facts)
        watcher.on_event(self._on_event)
        watcher.on_failover(self._on_failover)
        watcher.on_switch(self._on_switch)
        watcher.on_notice(self._on_notice)
        watcher.on_change(self._end_turn)
        self.published.follow()
        await self.relay.start()
        await self.proxy.start()
        await watcher.start(wait=False)
        self.guard.start()
        self.planned.start()
        self.doctor.start()

    async def close(self) -> None:
        """Stop watching, after putting everything that was decided."""
        await self.planned.close()
        await self.doctor.close()
        await self.guard.close()
        await self.relay.close()
        await self.proxy.close()
        await self.pulse.close()
        await self.watcher.close()
        self.published.close()
        self._backlog.finish()

    @property
    def topology(self) -> Topology:
        """The belief now."""
        return self.watcher.topology

    async def apply(self, deployment: DeploymentSettings) -> None:
        """
        Take settings that need no new Watcher: of pauses, the relay, the proxy, the guard and the doctor.

        What an operator said of the guard is forgotten.
        """
        self.deployment = deployment
        self.pulse.wanted = deployment.measure_pauses
        await self.guard.apply(deployment.guard)
        await self.relay.apply(deployment.relay)
        await self.proxy.apply(deployment.proxy)
        await self.doctor.apply(deployment.doctor)

    def beat(self, late: float = 0.0) -> None:
        """
        Hand over to other threads what changes without a callback, and to the journal where masters are now.

        Args:
            late: seconds by which this call is late. It is called about once a second.
        """
        self._look_on(late)
        self.published.beat()
        self.pulse.beat()
        self.guard.beat()
        self.relay.beat()
        self.proxy.beat()

    def keep_events(self, events: bool) -> None:
        """Keep every event of every Sentinel from now on, or none."""
        self._ledger.events = events

    def look_again(self, masters: Iterable[str]) -> None:
        """Put the addresses of these masters again, although nothing changed."""
        names = tuple(masters)
        self._ledger.resight(names)
        self.published.changed.update(names)

    def _end_turn(self) -> None:
        if self.watcher.established and not self._established:
            self._established = True
            self._look(self.watcher.masters())
        if self.watcher.roster_changes != self._links_seen:
            self._links_seen = self.watcher.roster_changes
            self._links.look(self.watcher.sentinels)
        self._backlog.add(self._ledger.end_turn, time.time(), self._answered)
        self._answered = set()
        self._backlog.end_turn()

    def _look(self, masters: Iterable[str]) -> None:
        self._backlog.add(self._ledger.sightings, masters, time.time())

    def _on_facts(self, heard: FactsHeard) -> None:
        self._answered.update(fact.name for fact in heard.facts if isinstance(fact, MasterSnapshot))

    def _on_event(self, heard: Heard) -> None:
        now = asyncio.get_running_loop().time()
        self._backlog.add(self._ledger.event, heard.sentinel, heard.event, now, heard.time)

    def _on_failover(self, record: Failover) -> None:
        self._backlog.add(self._ledger.failover, record)

    def _on_switch(self, switch: Switch) -> None:
        self._backlog.add(self._ledger.switch, switch)

    def _on_notice(self, notice: Notice) -> None:
        self._backlog.add(self._ledger.notice, notice)

    def _on_guard(self, notice: Notice) -> None:
        self._backlog.add(self._ledger.notice, notice)
        for listener in self._listeners:
            listener(notice)
        # Within a turn of the Watcher, the turn's end comes first and keeps the order.
        asyncio.get_running_loop().call_soon(self._backlog.end_turn)

    def _on_line(self, line: Line) -> None:
        self._put(Seen(time.time(), line))

    def _look_on(self, late: float) -> None:
        if late > LATE_SECONDS and self._left_out < SIGHTINGS_LATE:
            self._left_out += 1
            return
        self._left_out = 0
        if self._established and self.published.changed:
            # Only masters that changed: comparing 10,000 each second would take some hundredths of a core.
            changed = sorted(self.published.changed)
            self.published.changed.clear()
            self._look(changed)
            self._backlog.end_turn()
