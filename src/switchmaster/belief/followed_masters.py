"""
The masters of one deployment that are followed: each with its belief and its failovers, and what follows from both.

`Masters.settle` is called after each fact about a master: it hands out what was decided, and notes what the master
waits for and which nodes are asked for it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from ..model import LIMITS, Address, Moment
from .attempts import Attempts
from .decide import Belief
from .decisions import Decision, StartProbe, StopProbe, Switch
from .notices import DeploymentNotices
from .schedule import Schedule
from .topology import MasterState

__all__ = ["FollowedMaster", "Masters", "WatchCounters"]


@dataclass(slots=True)
class WatchCounters:
    """How much was observed and decided in one deployment, for measurements."""

    events: int = 0
    unrecognised: int = 0
    snapshots: int = 0
    switches: int = 0
    not_followed: int = 0
    """Facts about masters that were not asked for, or over a limit."""


@dataclass(slots=True)
class FollowedMaster:
    """One master: who is believed, and its failovers."""

    belief: Belief
    attempts: Attempts
    state: MasterState | None = None
    """The value that was returned last; None if something has changed since."""


class Masters:
    """
    The followed masters, at most `LIMITS.masters`.

    Args:
        only: the names to follow; None for all.
        make: returns a belief and the failovers of a new master, by its name.
        counters: where switches are counted, and facts about other masters.
        notices: where a limit is reported.
        out: takes what was decided; emptied by its owner.
    """

    def __init__(
        self,
        only: Iterable[str] | None,
        make: Callable[[str], FollowedMaster],
        counters: WatchCounters,
        notices: DeploymentNotices,
        out: list[Decision],
    ) -> None:
        self.by_name: dict[str, FollowedMaster] = {}
        """The followed masters; only `follow` adds to them. Every event looks its master up in it."""
        self._only = None if only is None else frozenset(only)
        self._make, self._counters, self._notices, self._out = make, counters, notices, out
        self.schedule = Schedule()
        """When each master that waits for something is due."""
        self.failing: set[str] = set()
        """The masters with an open attempt, as of their last `settle`."""
        self._failing_in_order: list[str] = []
        """The same, in order."""
        self._asked: dict[Address, set[str]] = {}
        """For which masters each node is asked its ROLE: from `StartProbe` to `StopProbe`; never an empty set."""
        self._changed: dict[str, None] = {}
        """Masters that changed since `changed` returned them, the longest waiting first."""

    def follow(self, name: str, moment: Moment) -> FollowedMaster | None:
        """Return the master of that name, created if it is unknown; None if it is not followed, or over the limit."""
        master = self.by_name.get(name)
        if master is not None:
            return master
        if self._only is not None and name not in self._only:
            self._counters.not_followed += 1
            return None
        if len(self.by_name) >= LIMITS.masters:
            self._counters.not_followed += 1
            self._notices.too_many_masters(name, moment)
            return None
        master = self.by_name[name] = self._make(name)
        return master

    def asked_for(self, node: Address, among: frozenset[str] | None) -> list[str]:
        """
        Return the masters for which a node is asked its ROLE, in order.

        Args:
            node: the node.
            among: the masters whose question was answered; None for all.
        """
        asked = self._asked.get(node, set())
        return sorted(asked if among is None else asked & among)

    def settle(self, name: str, master: FollowedMaster) -> None:
        """Hand out what this master has decided, and note what it waits for."""
        self.touch(master)
        belief, attempts = master.belief, master.attempts
        current = attempts.current
        if name in self.failing or current is not None:
            switch = belief.believed.switch
            if switch is not None and switch.epoch is not None and name in self.failing:
                attempts.name_epoch(switch.old, switch.new, switch.epoch)
            attempts.name_silence(belief.down_after)
        self._out += attempts.records()
        for decision in belief.decisions() if belief.pending else ():
            self._out.append(decision)
            if isinstance(decision, Switch):
                self._counters.switches += 1
            elif isinstance(decision, StartProbe):
                self._asked.setdefault(decision.node, set()).add(name)
            elif isinstance(decision, StopProbe):
                self._stop_asking(decision.node, name)
        due, silence = belief.deadline, attempts.deadline
        self.schedule.set(name, silence if due is None or (silence is not None and silence < due) else due)
        if (name in self.failing) is not (current is not None):
            self._fail(name, current is not None)

    def _fail(self, name: str, failing: bool) -> None:
        if failing:
            self.failing.add(name)
            insort(self._failing_in_order, name)
        else:
            self.failing.remove(name)
            del self._failing_in_order[bisect_left(self._failing_in_order, name)]

    def first_failing(self, most: int) -> list[str]:
        """Return up to `most` names of masters with an open attempt, in order."""
        return self._failing_in_order[:most]

    def _stop_asking(self, node: Address, name: str) -> None:
        asked = self._asked.get(node, set())
        asked.discard(name)
        if not asked:
            self._asked.pop(node, None)

    def touch(self, master: FollowedMaster) -> None:
        """Note that the value of this master has to be made again."""
        master.state = None
        self._changed[master.belief.master] = None

    def changed(self, most: int) -> list[str]:
        """Return up to `most` names of masters that changed since they were last returned."""
        names = list(islice(self._changed, most))
        for name in names:
            del self._changed[name]
        return names
