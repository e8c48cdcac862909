"""
Where each master was last known to be: which incarnation that is, and what was missed since.

Observers count incarnations from 0 when they start; the journal goes on counting. `LastKnown` keeps the difference for
each master. A sighting with a higher epoch than the journal's is a switch that no daemon recorded: missed while away.
One with a lower epoch, or with the same epoch and another address, comes from a stale Sentinel or begins a new
incarnation. It begins one only if a majority says so, `SETTLED` seconds or more after the last change, when no Sentinel
can still be behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, select

from .entries import Sighting
from .master_rows import MasterRow, MasterRows
from .missed import Missed
from .schema import deployments
from .switch_rows import SwitchRows

__all__ = ["LastKnown"]

SETTLED: Final = 30.0
"""Seconds: fifteen hello periods, and more than `belief.standing.SETTLE`."""


class LastKnown:
    """The masters' last known places, and how this observer's count of incarnations differs from the journal's."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, str], int] = {}
        self._new: dict[tuple[str, str], int] = {}
        self._restarted: set[str] = set()
        """Deployments whose offsets this transaction dropped."""
        self._doubted: set[tuple[str, str]] = set()

    def commit(self) -> None:
        """Keep what the transaction has learned."""
        if self._restarted:
            self._offsets = {key: n for key, n in self._offsets.items() if key[0] not in self._restarted}
        self._offsets |= self._new
        self._new.clear()
        self._restarted.clear()

    def rollback(self) -> None:
        """Forget it."""
        self._new.clear()
        self._restarted.clear()

    def restart(self, deployment: str) -> None:
        """Forget the offsets of a deployment: its observer counts from 0 again."""
        self._restarted.add(deployment)
        self._new = {key: offset for key, offset in self._new.items() if key[0] != deployment}

    def doubted(self) -> set[tuple[str, str]]:
        """Return, and forget, the masters whose sighting could not be judged yet."""
        doubted, self._doubted = self._doubted, set()
        return doubted

    def incarnation(self, rows: MasterRows, deployment: str, master: str, local: int) -> int:
        """Return the journal's number of an observer's incarnation."""
        offset = self._offset(deployment, master)
        if offset is None:
            head = rows.get(deployment, master)
            offset = self._new[deployment, master] = 0 if head is None else head.incarnation - local
        return offset + local

    def knows(self, deployment: str, master: str) -> bool:
        """Return whether `incarnation` needs no row."""
        return self._offset(deployment, master) is not None

    def _offset(self, deployment: str, master: str) -> int | None:
        key = (deployment, master)
        return self._new.get(key, None if deployment in self._restarted else self._offsets.get(key))

    def move(self, rows: MasterRows, deployment: str, master: str, place: MasterRow) -> None:
        """Record where a master is now; an earlier place or incarnation changes nothing."""
        head = rows.get(deployment, master)
        if head is not None:
            known = (head.incarnation, -1 if head.epoch is None else head.epoch)
            if (place.incarnation, known[1] if place.epoch is None else place.epoch) < known:
                return
            if place._replace(since=head.since) == head:
                return
        rows.put(deployment, master, place)

    def sight(self, connection: Connection, rows: MasterRows, switches: SwitchRows, seen: Sighting) -> Missed | None:
        """
        Compare where a master is with where it was last known to be, and record it.

        Returns:
            What was missed; None if nothing was.
        """
        incarnation = self.incarnation(rows, seen.deployment, seen.master, seen.incarnation)
        head = rows.get(seen.deployment, seen.master)
        missed = None
        if head is not None and head.incarnation == incarnation:
            if head.epoch is not None and seen.epoch is None:
                return None  # an address without an epoch can't be compared with one that has an epoch
            if _contradicts(seen, head):
                if not seen.agreed or seen.time < head.since + SETTLED:
                    self._doubted.add((seen.deployment, seen.master))
                    return None
                incarnation += 1
                self._new[seen.deployment, seen.master] = incarnation - seen.incarnation
            else:
                missed = _missed(connection, switches, seen, head)
        place = MasterRow(incarnation, seen.epoch, seen.address, seen.time)
        self.move(rows, seen.deployment, seen.master, place)
        return missed


def _contradicts(seen: Sighting, head: MasterRow) -> bool:
    """Return whether a sighting has a lower epoch than the journal's, or the same epoch with another address."""
    if head.epoch is None or seen.epoch is None:
        return False
    return seen.epoch < head.epoch or (seen.epoch == head.epoch and seen.address != head.address)


def _missed(connection: Connection, switches: SwitchRows, seen: Sighting, head: MasterRow) -> Missed | None:
    """Return what no daemon recorded between the last known place of a master and a later one."""
    same = head.address == seen.address
    if same and head.epoch is None and seen.epoch is not None:
        # The last switch was recorded without its epoch, which is known now.
        lacks = _recorded(switches, replace(seen, epoch=None), head.incarnation)
        return Missed(head.incarnation, None, None, head.since) if lacks else None
    if (same and head.epoch == seen.epoch) or _recorded(switches, seen, head.incarnation):
        return None
    after = min(seen.time, max(head.since, _heard(connection, seen.deployment)))
    return Missed(head.incarnation, head.address, head.epoch, after)


def _recorded(switches: SwitchRows, seen: Sighting, incarnation: int) -> bool:
    return bool(switches.at(seen.deployment, seen.master, incarnation, seen.epoch, seen.address))


def _heard(connection: Connection, deployment: str) -> float:
    heard = connection.scalar(select(deployments.c.heard).where(deployments.c.deployment == deployment))
    return 0.0 if heard is None else float(heard)
