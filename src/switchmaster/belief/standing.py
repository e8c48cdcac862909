"""
How firmly a belief stands against a majority that says otherwise: rules 4 and 5 of `decide`.

Epochs order what Sentinels say, but they begin at 0 again where a master is removed and monitored anew. Then a
majority gives another address at an epoch that is not higher. Whether it is followed depends on how it came to
say so, on how long it has, and on who confirmed the belief.
"""

from __future__ import annotations

from typing import Final

from ..model import Address, Cause
from .believed import BelievedMaster
from .views import View

__all__ = ["ABANDONED", "SETTLE", "UNSEEN", "Standing"]

SETTLE: Final = 10.0
"""Seconds for which a majority must hold to an address of no higher epoch before it counts as a new
incarnation: five hello periods, in each of which a stale Sentinel would have caught up."""

UNSEEN: Final = 30.0
"""The same where nobody announced the belief: Sentinels that know the node demote it within two INFO periods."""

ABANDONED: Final = 5.0
"""The same where the leader fell silent before it announced the belief: had it seen the promotion (by INFO, every
second), the others would know of it by its hello (at once, and every 2 s). Otherwise nobody ever will."""


class Standing:
    """
    Whether the believed node is still to be confirmed, and for how long a majority against it must hold.

    Args:
        believed: what is believed; only read.
    """

    def __init__(self, believed: BelievedMaster) -> None:
        self._believed = believed
        self.confirming: Address | None = None
        """The node that was believed by its ROLE alone, and is asked on until a Sentinel announces it."""
        self._undone = False
        """The node to be confirmed is a replica again."""
        self._silent = False
        """The node to be confirmed gave no answer when it was last asked."""
        self._left: Address | None = None
        """The other node that the leader follows that promoted the node to be confirmed."""

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
        """Take that a Sentinel announced the belief."""
        self.confirming = None

    def answered(self, role: str | None) -> None:
        """Take the ROLE of the node to be confirmed, or None where it gave none."""
        # A connection that is lost undoes nothing; who stays silent has less time.
        self._silent = role is None
        self._undone = self._undone if self._silent else role != "master"

    def demoted(self) -> None:
        """Take that a Sentinel makes the node to be confirmed a replica."""
        self._undone = True

    def left(self, node: Address) -> None:
        """Take that the leader announces another: that ended its failover (sentinelResetMasterAndChangeAddress)."""
        self._left = node

    def held_since(self, view: View) -> float:
        """Return since when a Sentinel says otherwise: not before there was a belief to say it against."""
        return max(view.since, self._believed.since)

    def deadlines(self, group: list[View]) -> list[float]:
        """Return when a group that holds to its word has done so for long enough."""
        if not group:
            return []
        held = max(self.held_since(view) for view in group)
        return [held + SETTLE] if self.confirming is None else [held + ABANDONED, held + SETTLE, held + UNSEEN]

    def firm(self, now: float) -> bool:
        """Return whether the node to be confirmed answers as a master, so that only proof of another moves us."""
        return (
            self.confirming is not None
            and not self._silent
            and not self._undone
            and now < self._believed.since + UNSEEN
        )

    def incarnation_cause(self, group: list[View], abandoned: bool, now: float) -> Cause | None:
        """
        Return why epochs begin anew at a group's address.

        Args:
            group: a majority that gives one address, which is not the belief; empty where there is none.
            abandoned: whether the leader that chose the node to be confirmed is not heard, and has not announced it.
            now: the moment, in monotonic seconds.

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
        # What was promoted and announced by nobody stands until the node itself falls, but not for ever.
        patience = SETTLE if self.confirming is None or self._silent else ABANDONED if abandoned else UNSEEN
        return Cause.UNKNOWN if all(now >= self.held_since(view) + patience for view in group) else None
