"""
What happened while no daemon heard a Sentinel, told from the epoch and the address alone.

Exact: the old and the new address, the epochs, between which two moments. Not known: when, how often, who led, why.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..model import Address
from ..render import Line, iso
from .entries import Sighting, SwitchSeen
from .merge import Observation, address_line

__all__ = ["NUMBERS", "Missed", "missed_failover", "missed_switch"]

NUMBERS: Final = -(2**61)
"""Accounts of missed failovers are numbered from here down by their epoch, so that each is told once."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A switch that nobody recorded."""

    incarnation: int
    old: Address | None
    """None where only the epoch was missed: the switch was recorded without one."""
    epoch_before: int | None
    after: float
    """When the master was last known to be at the old address, in seconds since 1970."""


def missed_failover(found: Sighting, missed: Missed) -> Observation:
    """Return the account of the last failover that was missed; ``epochs`` tell how many there may have been."""
    away: Line = {
        "after": iso(missed.after),
        "before": iso(found.time),
        "epochs": [missed.epoch_before, found.epoch],
    }
    return Observation(
        deployment=found.deployment,
        master=found.master,
        number=NUMBERS - (found.epoch or 0),
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
        earliest=missed.after,
        line={"away": away},
    )


def missed_switch(found: Sighting, missed: Missed) -> SwitchSeen:
    """Return the switch that was missed, as it would have been decided."""
    line: Line = {
        "type": "switch",
        "time": iso(found.time),
        "deployment": found.deployment,
        "master": found.master,
        "old": address_line(missed.old),
        "new": address_line(found.address),
        "epoch": found.epoch,
        "grade": "agreed" if found.agreed else "announced",
        "cause": "failover",
        "witnesses": [],
        "why": f"its epoch had risen from {missed.epoch_before} to {found.epoch} before we listened",
        "via": "missed",
        "incarnation": missed.incarnation,
    }
    moment = found.time if missed.old is not None else missed.after
    return SwitchSeen(moment, found.deployment, found.master, found.address, found.epoch, missed.incarnation, (), line)
