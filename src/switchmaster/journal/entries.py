"""
What is put into the journal: plain values, made by the ledger, written by the store.

Nothing here knows a database. The writer adds the observer: one run of one daemon writes all of its entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ..account.record import Observation, SwitchRecord
from ..model import Address
from ..render import Line

__all__ = ["Alive", "Draft", "Entry", "RelayPlace", "Seen", "Sighting", "SwitchSeen", "WatchStarted"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that is only kept and streamed: an event, a notice, what the daemon or an action did."""

    time: float
    """Seconds since 1970."""
    line: Line
    """Readers of the stream choose by its ``type``."""

    @property
    def droppable(self) -> bool:
        """Whether it is dropped first when the queue is full: there are many events, and each says little."""
        return bool(self.line["type"] == "event")


class Draft(NamedTuple):
    """
    An event or an observation that is made when it is written, in the writer's thread.

    A failover brings a new observation with each piece of news, and most are replaced while they wait. When many
    masters fail over at once, the thread that decides has no time for either.
    """

    make: Callable[[], Seen | Observation]
    """Returns it; what it is made of never changes, so that any thread may call it, several times too."""
    observation: tuple[str, str, int] | None = None
    """The deployment, the master and the number of an observation; None of an event."""

    @property
    def droppable(self) -> bool:
        """Whether it is dropped first when the queue is full, as `Seen.droppable`."""
        return self.observation is None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a master is believed to be; the store compares it with where it was last known to be."""

    time: float
    """Seconds since 1970."""
    deployment: str
    master: str
    address: Address
    epoch: int | None
    incarnation: int
    """The observer's own count, from 0."""
    agreed: bool
    """Whether a majority of the Sentinels gives this address: only then can it begin a new incarnation."""


@dataclass(frozen=True, slots=True)
class SwitchSeen:
    """A switch that was decided, or one more witness of it."""

    time: float
    """Seconds since 1970."""
    switch: SwitchRecord
    """Its ``incarnation`` is the observer's own count, from 0; the store adds the observer."""


@dataclass(frozen=True, slots=True)
class RelayPlace:
    """Where clients reach a relay."""

    deployment: str
    address: Address


@dataclass(frozen=True, slots=True)
class Alive:
    """The daemon is alive, and connected to a Sentinel of each of these deployments."""

    time: float
    """Seconds since 1970."""
    deployments: tuple[str, ...]
    relays: tuple[RelayPlace, ...] = ()
    """Its relays that other daemons' relays may name to their clients."""


@dataclass(frozen=True, slots=True)
class WatchStarted:
    """The daemon starts to watch a deployment: from here on its incarnations count from 0 again."""

    deployment: str


Entry: TypeAlias = "Seen | Sighting | SwitchSeen | Observation | Draft | Alive | WatchStarted"
"""Everything that the writer takes."""
