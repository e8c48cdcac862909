"""
How firmly a belief stands against a majority that gives another address: rule 4 of `decide`.

Epochs order what Sentinels say, but they begin at 0 again when a master is removed and monitored again. A majority then
gives another address at no higher epoch. Whether it is followed depends on how it came to say so, for how long it has,
and on which Sentinels confirmed the belief.
"""

from __future__ import annotations

from typing import Final

from ..model import Address, Cause
from .believed import BelievedMaster
from .views import View

__all__ = ["ABANDONED", "SETTLE", "UNSEEN", "Standing"]

SETTLE: Final = 10.0
"""Seconds for which a majority must give an address of no higher epoch before that counts as a new incarnation: five
hello periods, in each of which a stale Sentinel would have caught up."""

UNSEEN: Final = 30.0
"""The same if no Sentinel announced the belief: Sentinels that know the node demote it within two INFO periods."""

ABANDONED: Final = 5.0
"""The same if the leader fell silent before it announced the belief. Had it seen the promotion (by INFO, every second),
the others would know of it by its hello (at once, and every 2 s). Otherwise they never will."""


class Standing:
    """
    Whether the believed node is still to be confirmed, and for how long a majority against it must hold.

    Args:
        believed: what is believed; only read.
    """

    def __init__(self, believed: BelievedMaster) -> None:
        self._believed = believed
        self.confirming: Address | None = None
        """
        The believed node while only its own ROLE speaks for it: it is asked until a Sentinel announces it.

        The fields below are about this node, and without meaning where it is None.
        """
        self._undone = False
        """It is a replica again."""
        self._silent = False
        """It gave no answer when it was last asked."""
        self._left: Address | None = None
        """The other node that the leader which promoted it announces."""

    def begin(self, confirming: Address | None) -> None:
        """
        Record that another address is believed.

        Args:
            confirming: the node, where only its own ROLE speaks for it; else None.
        """
        self.confirming = confirming
        self._undone = self._silent = False
        self._left = None

    def confirmed(self) -> None:
        """Record that a Sentinel announced the belief."""
        self.confirming = None

    def answered(self, role: str | None) -> None:
        """Record the ROLE of the node to be confirmed, or None if it gave none."""
        # A lost connection undoes nothing; a node that stays silent has less time.
        self._silent = role is None
        self._undone = self._undone if self._silent else role != "master"

    def demoted(self) -> None:
        """Record that a Sentinel makes the node to be confirmed a replica."""
        self._undone = True

    def left(self, node: Address) -> None:
        """Record that the leader announces another: its failover ended so (sentinelResetMasterAndChangeAddress())."""
        self._left = node

    def held_since(self, view: View) -> float:
        """Return since when a Sentinel contradicts the belief, in monotonic seconds: not before that began."""
        return max(view.since, self._believed.since)

    def deadlines(self, group: list[View]) -> list[float]:
        """Return when a group will have contradicted the belief for long enough, in monotonic seconds."""
        if not group:
            return []
        held = max(self.held_since(view) for view in group)
        return [held + SETTLE] if self.confirming is None else [held + ABANDONED, held + SETTLE, held + UNSEEN]

    def firm(self, now: float) -> bool:
        """Return whether the node to be confirmed answers as a master, so that only another node's proof moves us."""
        return (
            self.confirming is not None
            and not self._silent
            and not self._undone
            and now < self._believed.since + UNSEEN
        )

    def incarnation_cause(self, group: list[View], abandoned: bool, now: float) -> Cause | None:
        """
        Return why a new incarnation begins at a group's address.

        Args:
            group: a majority that gives one address, which is not the belief; empty if there is none.
            abandoned: whether the leader that chose the node to be confirmed is not heard and has not announced it.
            now: monotonic seconds.

        Returns:
            The cause, or None while the belief stands.
        """
        if not group:
            return None
        if all(view.fresh for view in group):
            return Cause.RECONFIGURED
        if any(view.sdown for view in group):
            return None
        if (self._undone or self._left == group[0].address) and self.confirming is not None:
            return Cause.FAILOVER
        # A promotion that no Sentinel announced stands until the node itself falls, but not for ever.
        patience = SETTLE if self.confirming is None or self._silent else ABANDONED if abandoned else UNSEEN
        return Cause.UNKNOWN if all(now >= self.held_since(view) + patience for view in group) else None
