"""What a Watcher tells of what it hears: each event by itself, and everything that a Sentinel says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..model import SentinelName
from ..wire.events import Event
from ..wire.facts import Condition, Fact, LinkChange, MasterSnapshot, Probe, SnapshotEnd

__all__ = ["NOT_PUBLISHED", "FactsHeard", "Heard"]

NOT_PUBLISHED: Final = frozenset({LinkChange, Condition, MasterSnapshot, SnapshotEnd, Probe})
"""The kinds of facts that nobody published."""


@dataclass(slots=True, unsafe_hash=True, init=False)
class Heard:
    """An event, with the Sentinel that published it and the time when it arrived."""

    sentinel: Final[SentinelName]
    event: Final[Event]
    time: Final[float]
    """Seconds since 1970."""

    def __init__(self, sentinel: SentinelName, event: Event, time: float) -> None:  # quicker than a frozen one's
        self.sentinel = sentinel
        self.event = event
        self.time = time


@dataclass(frozen=True, slots=True)
class FactsHeard:
    """Everything that one Sentinel said at once: events, answers and the state of its link, in order."""

    sentinel: SentinelName
    facts: tuple[Fact, ...]
    now: float
    """Monotonic seconds, by the loop's clock."""
