"""
What happened while no daemon was connected to a Sentinel, concluded from the epoch and the address alone.

Exact: the old and the new address, the epochs, and two moments between which it happened. Unknown: when exactly, how
often, which Sentinel led it, and why.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..account.record import Away, Observation, SwitchRecord, to_microseconds
from ..model import Address
from .entries import Sighting, SwitchSeen

__all__ = ["MISSED_NUMBERS", "Missed", "missed_failover", "missed_switch"]

MISSED_NUMBERS: Final = -(2**61)
"""Observations of missed failovers are numbered from here down by their epoch, so that each is recorded once."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A switch that no daemon recorded."""

    incarnation: int
    old: Address | None
    """None if only the epoch was missed: the switch was recorded without one."""
    epoch_before: int | None
    after: float
    """When the master was last known to be at the old address, in seconds since 1970."""


def missed_failover(found: Sighting, missed: Missed) -> Observation:
    """Return the observation of the last failover that was missed; its ``epochs`` say how many there may have been."""
    return Observation(
        deployment=found.deployment,
        master=found.master,
        number=MISSED_NUMBERS - (found.epoch or 0),
        incarnation=missed.incarnation,
        old=missed.old,
        new=found.address,
        epoch=found.epoch,
        kind=None,
        outcome="completed",
        attempted=True,
        closed=True,
        missed=True,
        started=found.time,
        heard=found.time,
        away=Away(missed.after, to_microseconds(found.time), (missed.epoch_before, found.epoch)),
    )


def missed_switch(found: Sighting, missed: Missed) -> SwitchSeen:
    """Return the switch that was missed, as it would have been decided."""
    switch = SwitchRecord(
        time=to_microseconds(found.time),
        deployment=found.deployment,
        master=found.master,
        old=missed.old,
        new=found.address,
        epoch=found.epoch,
        grade="agreed" if found.agreed else "announced",
        cause="failover",
        witnesses=(),
        why=_why(found, missed),
        via="missed",
        incarnation=missed.incarnation,
    )
    return SwitchSeen(found.time if missed.old is not None else missed.after, switch)


def _why(found: Sighting, missed: Missed) -> str:
    if missed.old is None:
        return f"it was recorded without an epoch, and is at epoch {found.epoch}"
    if missed.epoch_before is None or found.epoch is None:
        at = "an unknown epoch" if found.epoch is None else f"epoch {found.epoch}"
        return f"its address changed while no daemon was connected, and is at {at}"
    return f"its epoch rose from {missed.epoch_before} to {found.epoch} while no daemon was connected"
