"""
From what the Sentinels said in one turn to what clients are told: the moves, and the events in their order.

`RelayCore.heard` takes what each Sentinel said, before it counts for the belief; `turn` is called once the belief has
moved. Pure: the belief comes as functions, time as an argument.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Protocol

from ..belief.topology import MasterState
from ..model import Address, SentinelName
from ..wire.events import Event, InstanceEvent, SwitchedMaster
from ..wire.facts import Fact, MasterSnapshot, SnapshotEnd
from .event_relay import EventRelay
from .served_masters import Move, RelayPolicy, ServedMasters

__all__ = ["Believing", "RelayCore"]


class Believing(Protocol):
    """What the relay must be able to ask about the belief."""

    def address(self, name: str) -> Address | None:
        """Return where a master is believed to be; None if nothing is known. Cheap."""

    def state(self, name: str) -> MasterState | None:
        """Return everything that is believed about a master."""

    def names(self) -> tuple[str, ...]:
        """Return the masters that at least one Sentinel monitors."""

    def hearing(self) -> bool:
        """Return whether any Sentinel is connected."""

    def established(self) -> bool:
        """Return whether enough Sentinels have answered."""

    def trusted(self, sentinel: SentinelName) -> bool:
        """Return whether the user or a majority names a Sentinel."""

    def last_heard(self, sentinel: SentinelName) -> float | None:
        """Return when a Sentinel's last byte came, in monotonic seconds."""


class RelayCore:
    """
    What clients are told, turn by turn.

    Args:
        belief: answers about the belief.
        policy: when clients are told of a switch.
    """

    def __init__(self, belief: Believing, policy: RelayPolicy) -> None:
        self._belief = belief
        self.masters = ServedMasters(policy, belief.state)
        """What clients are told of each master."""
        self.stream = EventRelay(self.masters.addresses, belief.trusted, belief.last_heard)
        """The events that clients get."""
        self._touched: dict[str, None] = {}
        """Masters that were spoken of in this turn."""
        self._complete = False
        """Whether all masters were looked at since enough Sentinels had answered."""

    def heard(self, sentinel: SentinelName, facts: Iterable[Fact], now: float) -> None:
        """
        Record what a Sentinel said.

        Args:
            sentinel: which.
            facts: what, in order.
            now: monotonic seconds.
        """
        facts = tuple(facts)
        self.stream.heard(sentinel, facts, now)
        for fact in facts:
            if isinstance(fact, MasterSnapshot):
                self.masters.answered(fact, now)
                self._touched[fact.name] = None
            elif isinstance(fact, SnapshotEnd):
                self._touched |= dict.fromkeys(set(self.masters.known()).difference(fact.names))
            elif isinstance(fact, (InstanceEvent, SwitchedMaster)) and fact.master is not None:
                self._touched[fact.master] = None

    def touch(self, name: str) -> None:
        """Record that a master must be looked at in this turn."""
        self._touched[name] = None

    def turn(self, now: float) -> tuple[list[Move], list[Event]]:
        """
        Return what clients must be told now: the moves, and everything to be published, the moves included.

        Args:
            now: monotonic seconds.
        """
        masters = self.masters
        masters.hearing(self._belief.hearing(), now)
        if not self._belief.established():
            return [], []
        if not self._complete:
            self._complete = True
            self._touched |= dict.fromkeys(self._belief.names())
        touched, self._touched = self._touched, {}
        found = [self._look(name, now) for name in dict.fromkeys((*touched, *masters.waiting()))]
        moves = [move for move in found if move is not None]
        return moves, self.stream.turn(moves, now)

    def look_at_all(self, sentinels: Container[SentinelName]) -> None:
        """
        Have the next turn look at all masters, so that nothing is missed that no news has shown.

        Args:
            sentinels: those that are known; what others said is forgotten.
        """
        self.stream.forget(sentinels)
        if self._complete:
            names = self._belief.names()
            self.masters.forget(set(self.masters.known()).difference(names))
            self._touched |= dict.fromkeys((*names, *self.masters.known()))

    def _look(self, name: str, now: float) -> Move | None:
        """Tell a move; what else has changed of a master is described when somebody asks for it."""
        masters, address = self.masters, self._belief.address(name)
        if masters.told(name) == address is not None and not masters.is_waiting(name):
            masters.touch(name, now)
            return None
        return masters.look(name, None if address is None else self._belief.state(name), now)
