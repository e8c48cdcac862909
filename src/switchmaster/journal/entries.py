"""
What is put into the journal: plain values, made by the ledger, written by the store.

Nothing here knows a database. ``observer`` is added by the writer: one run of one daemon writes them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..model import Address, SentinelName
from ..render import Line
from .merge import Observation

__all__ = ["Alive", "Entry", "Seen", "Sighting", "SwitchSeen", "WatchStarted"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that is only kept and told: an event, a notice, what the daemon or an action did."""

    time: float
    """Seconds since 1970."""
    line: Line
    """Its ``type`` is what readers of the stream choose by."""

    @property
    def droppable(self) -> bool:
        """Whether it goes first when the queue is full: there are many events, and each tells little."""
        return bool(self.line["type"] == "event")


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a master is believed to be: compared with where it was last known to be."""

    time: float
    deployment: str
    master: str
    address: Address
    epoch: int | None
    incarnation: int
    """The observer's own count, from 0."""
    agreed: bool
    """Whether a majority of the Sentinels says so: only then may epochs have begun anew."""


@dataclass(frozen=True, slots=True)
class SwitchSeen:
    """A switch that was decided, or one more witness of it."""

    time: float
    deployment: str
    master: str
    new: Address
    epoch: int | None
    incarnation: int
    """The observer's own count, from 0."""
    witnesses: tuple[SentinelName, ...]
    line: Line


@dataclass(frozen=True, slots=True)
class Alive:
    """The daemon lives, and hears a Sentinel of these deployments."""

    time: float
    deployments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """A deployment is watched anew: from here on its incarnations are counted from 0 again."""

    deployment: str


Entry: TypeAlias = "Seen | Sighting | SwitchSeen | Observation | Alive | WatchStarted"
"""Everything that the writer takes."""
