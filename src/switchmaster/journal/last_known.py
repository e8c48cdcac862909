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
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from ..model import Address
from .entries import Sighting
from .missed import Missed
from .schema import ANY_EPOCH, deployments, masters, switches

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
        self._offsets = {key: n for key, n in self._offsets.items() if key[0] not in self._restarted} | self._new
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

    def incarnation(self, connection: Connection, deployment: str, master: str, local: int) -> int:
        """Return the journal's number of an observer's incarnation."""
        key = (deployment, master)
        offset = self._new.get(key, None if deployment in self._restarted else self._offsets.get(key))
        if offset is None:
            head = _head(connection, deployment, master)
            offset = self._new[key] = 0 if head is None else head.incarnation - local
        return offset + local

    def move(
        self,
        connection: Connection,
        deployment: str,
        master: str,
        incarnation: int,
        epoch: int | None,
        address: Address,
        time: float,
    ) -> None:
        """Record where a master is now; an earlier place or incarnation changes nothing."""
        head = _head(connection, deployment, master)
        place = {"incarnation": incarnation, "epoch": epoch, "host": address.host, "port": address.port}
        if head is None:
            key = {"deployment": deployment, "master": master}
            connection.execute(insert(masters).values(**key, **place, since=time))
            return
        known = (head.incarnation, -1 if head.epoch is None else head.epoch)
        same = (head.host, head.port) == (place["host"], place["port"])
        if (incarnation, known[1] if epoch is None else epoch) < known or (
            same and (incarnation, epoch) == (head.incarnation, head.epoch)
        ):
            return
        connection.execute(
            update(masters)
            .where(masters.c.deployment == deployment, masters.c.master == master)
            .values(**place, since=time)
        )

    def sight(self, connection: Connection, seen: Sighting) -> Missed | None:
        """
        Compare where a master is with where it was last known to be, and record it.

        Returns:
            What was missed; None if nothing was.
        """
        incarnation = self.incarnation(connection, seen.deployment, seen.master, seen.incarnation)
        head = _head(connection, seen.deployment, seen.master)
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
                missed = _missed(connection, seen, head)
        self.move(connection, seen.deployment, seen.master, incarnation, seen.epoch, seen.address, seen.time)
        return missed


def _contradicts(seen: Sighting, head: Row[Any]) -> bool:
    """Return whether a sighting has a lower epoch than the journal's, or the same epoch with another address."""
    if head.epoch is None or seen.epoch is None:
        return False
    return bool(seen.epoch < head.epoch or (seen.epoch == head.epoch and seen.address != (head.host, head.port)))


def _missed(connection: Connection, seen: Sighting, head: Row[Any]) -> Missed | None:
    """Return what no daemon recorded between the last known place of a master and a later one."""
    same = (head.host, head.port) == seen.address
    if same and head.epoch is None and seen.epoch is not None:
        # The last switch was recorded without its epoch, which is known now.
        lacks = _recorded(connection, replace(seen, epoch=None), head.incarnation)
        return Missed(head.incarnation, None, None, head.since) if lacks else None
    if (same and head.epoch == seen.epoch) or _recorded(connection, seen, head.incarnation):
        return None
    after = min(seen.time, max(head.since, _heard(connection, seen.deployment)))
    return Missed(head.incarnation, Address(head.host, head.port), head.epoch, after)


def _head(connection: Connection, deployment: str, master: str) -> Row[Any] | None:
    return connection.execute(
        select(masters).where(masters.c.deployment == deployment, masters.c.master == master)
    ).first()


def _recorded(connection: Connection, seen: Sighting, incarnation: int) -> bool:
    return (
        connection.execute(
            select(switches.c.id).where(
                switches.c.deployment == seen.deployment,
                switches.c.master == seen.master,
                switches.c.incarnation == incarnation,
                switches.c.epoch <= ANY_EPOCH if seen.epoch is None else switches.c.epoch == seen.epoch,
                switches.c.host == seen.address.host,
                switches.c.port == seen.address.port,
            )
        ).first()
        is not None
    )


def _heard(connection: Connection, deployment: str) -> float:
    heard = connection.scalar(select(deployments.c.heard).where(deployments.c.deployment == deployment))
    return 0.0 if heard is None else float(heard)
