"""
What the guard's orders are worth, judged by the truth of the world: who lives, who is connected, what is held.

1. The guard orders a failover only for a master that is dead, or was when its last witness answered; never while a
   majority of the Sentinels has had a connection to it for as long. Or for one that came back without its data while a
   replica holds more.
2. It never orders two failovers for one death, nor one that was not decided.
3. A guard that does not act orders nothing.
4. In a calm run no Sentinel begins a failover of its own for a death for which the guard has ordered one, once it can
   know of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from switchmaster.belief.decisions import Notice, NoticeKind
from switchmaster.guard.policy import Arming
from switchmaster.model import Address

from .deployment import Deployment
from .instance import Monitored, State
from .sentinel import Sentinel
from .watcher import WatcherProcess
from .world import World

__all__ = ["GuardTruth"]

ANSWERED: Final = 0.16
"""Seconds by which the oldest answer in a sample is older than the order: `Policy.evidence_timeout`, and a little."""
ON_THE_WAY: Final = 2.1
"""Seconds after which an order was given up by who sent it; a Sentinel that was stopped carries it out all the same."""
SAME_DEATH: Final = 20.0
"""Seconds after an order in which another failover of that master counts as one for the same death."""

UNHEARD: Final = 0.15
"""Seconds after an order in which others may not know of it: the Sentinel asks for their votes with its next timer."""


class GuardTruth:
    """
    The judge of one run's guard.

    Args:
        world: the world.
        deployment: its servers.
        broken: called with each broken invariant.
    """

    def __init__(self, world: World, deployment: Deployment, broken: Callable[[str], None]) -> None:
        self._world, self._deployment, self._broken = world, deployment, broken
        self._decided: dict[tuple[str, Address, int], float] = {}
        """When an order was decided, by the master's name, address, and how often it had died."""
        self.calm = False
        """Whether no fault touches the Sentinels."""
        self._executed: dict[tuple[str, Address, int], tuple[Sentinel, float]] = {}
        """Which Sentinel carried out an order, and when, by the same."""

    def told(self, process: WatcherProcess, notice: Notice) -> None:
        """Judge what a guard has told, at the moment of its decision."""
        self._world.counts[f"guard: {notice.kind}"] += 1
        if notice.kind is not NoticeKind.GUARD_ORDERED or notice.master is None or process.guard is None:
            return
        core = process.guard._guarded[notice.master].core
        walk = core._walk
        if walk is None or core.policy.arming is not Arming.ARMED:
            return self._broken(f"an order by a guard that is {core.policy.arming}")
        node = self._world.nodes[walk.node]
        key = (notice.master, walk.node, node.deaths)
        if key in self._decided:
            self._broken(f"a second order for one death of {walk.node}")
        self._decided[key] = self._world.clock.now
        if walk.empty:
            self._world.counts["guard: orders for an empty master"] += 1
            held = max(each.keys for each in self._deployment.groups[notice.master])
            if node.persists or node.deaths == 0:
                self._broken(f"{walk.node} holds {node.keys} keys of {held}, and was taken for empty")
            elif node.keys >= held:
                self._world.counts["guard: orders for an empty master that came too late"] += 1
        elif node.alive and self._world.clock.now - node.started_at > ANSWERED:
            connected = self._connected(notice.master, walk.node)
            self._broken(f"an order for {walk.node}, which lives: {connected} Sentinels are connected to it")

    def _connected(self, name: str, address: Address) -> int:
        masters = [each.masters.get(name) for each in self._deployment.sentinels if each.alive]
        return sum(each is not None and each.address == address and each.connected for each in masters)

    def execute(self, sentinel: Sentinel, master: Monitored) -> None:
        """Judge an order that a Sentinel carries out."""
        node, now = self._world.nodes[master.address], self._world.clock.now
        key = (master.name, master.address, node.deaths)
        at = self._decided.get(key)
        if at is None or now - at > ON_THE_WAY + 2 * sum(self._world.network.slow.values()):
            if any(name == master.name for name, _, _ in self._decided):
                self._world.counts["guard: orders that a stopped Sentinel carried out late"] += 1
            else:
                self._broken(f"{sentinel.name} is ordered to fail {master.name} over, and no guard has decided that")
        elif key in self._executed:
            self._broken(f"{sentinel.name} is ordered to fail {master.name} over a second time for one death")
        self._executed[key] = sentinel, now

    def heard(self, sentinel: Sentinel, channel: str) -> None:
        """Count a failover that another Sentinel begins of a master that died once."""
        if channel != "+try-failover":
            return
        now = self._world.clock.now
        for (name, address, deaths), (asked, at) in self._executed.items():
            master = sentinel.masters.get(name)
            trying = master is not None and master.address == address and master.state is State.WAIT_START
            recent = now - max(self._decided.values(), default=0.0) < SAME_DEATH
            same = self._world.nodes[address].deaths == deaths
            if trying and recent and same and sentinel is not asked:
                self._world.counts["guard: failovers by others after an order"] += 1
                if self.calm and master is not None and master.odown and now - at > UNHEARD:
                    self._broken(f"{sentinel.name} begins another failover for one death of {address}")
