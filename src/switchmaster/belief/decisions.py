"""
What should happen now, and why: the values that leave the core.

A `Switch` is for whatever follows the master, a `Notice` for people, a `Failover` for the record of what happened; the
others tell the shell what to open, close or ask.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ..model import Address, Cause, Grade, SentinelName, Via, Wall
from .failover import Failover

__all__ = [
    "Ask",
    "Connect",
    "Decision",
    "Disconnect",
    "Notice",
    "NoticeKind",
    "StartProbe",
    "StopProbe",
    "Switch",
]


@dataclass(frozen=True, slots=True)
class Switch:
    """
    The decision that a master's address changed; one for each (deployment, master, incarnation, epoch, address).
    """

    deployment: str
    master: str
    old: Address | None
    """The address that was believed before; None if there was none."""
    new: Address
    epoch: int | None
    """The config epoch; None if no fact names it."""
    incarnation: int
    grade: Grade
    cause: Cause
    via: Via
    """The news that decided it."""
    witnesses: tuple[SentinelName, ...]
    """The Sentinels that named or gave the new address, in order."""
    why: str
    """The reason in words."""
    at: float
    """Monotonic seconds."""
    time: Wall


class NoticeKind(enum.StrEnum):
    """What a person should know, though nothing is to be followed."""

    DISAGREEMENT = "disagreement"
    """Two Sentinels give different addresses at one epoch."""
    STALE = "stale"
    """A Sentinel gives an address of an older epoch."""
    SECOND_MASTER = "second-master"
    """A node that should be a replica says that it is a master."""
    ROGUE = "rogue"
    """The promotion of an aborted failover was carried out after all."""
    MISSED = "missed"
    """The epoch rose and the address is the same: a failover and one back were missed."""
    NO_FAILOVER = "no-failover"
    """The Sentinels can't fail this master over now."""
    FAILOVER_POSSIBLE = "failover-possible"
    """They can again."""
    NOT_MONITORED = "not-monitored"
    """A Sentinel that the others count does not monitor this master, so it can't vote on it."""
    NOT_FOLLOWED = "not-followed"
    """A Sentinel names a master that can't be one, that denies it, or that a majority of the Sentinels contradicts."""
    GHOST = "ghost"
    """A Sentinel that answers no other is still counted: it raises the majority, and may be gone for good."""
    SHARED_ID = "shared-id"
    """Several Sentinels have one id: a configuration was copied."""
    TWO_NAMES = "two-names"
    """Sentinels announce one node under two addresses: their ``announce-hostnames`` or ``announce-ip`` differ."""
    REMOVED = "removed"
    """No Sentinel monitors this master any longer."""
    MASTER_RESTARTED = "master-restarted"
    """A master came back as another process within ``down-after-milliseconds``; Sentinel says no more than +reboot."""
    MASTER_EMPTY = "master-came-back-empty"
    """It came back without its data, while replicas still held some."""
    GUARD_ORDERED = "guard-ordered"
    """The guard proved a master's death and ordered a failover."""
    GUARD_WOULD_ORDER = "guard-would-order"
    """It would have, in a dry run."""
    GUARD_REFUSED = "guard-refused"
    """It found a master dead, or in doubt, and did not order a failover."""
    GUARD_VERIFIED = "guard-verified"
    """The failover that it ordered came."""
    GUARD_IN_VAIN = "guard-in-vain"
    """Nothing came of its order: the matter is Sentinel's."""
    DOCTOR_FOUND = "doctor-found"
    """A rule of the doctor fires that did not at the inspection before."""
    DOCTOR_MENDED = "doctor-mended"
    """It fires no longer."""
    LIMIT = "limit"
    """A limit of the core was reached; the text says what follows."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know; nothing follows from it."""

    kind: NoticeKind
    deployment: str
    master: str | None
    sentinel: SentinelName | None
    text: str
    at: float
    time: Wall


class Ask(NamedTuple):
    """Ask this Sentinel about these masters now (none: all), since only its answer can settle what was said."""

    sentinel: SentinelName
    masters: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class StartProbe:
    """Open a connection to this node and ask for its ROLE until `StopProbe`."""

    node: Address
    master: str
    why: str


@dataclass(frozen=True, slots=True)
class StopProbe:
    """Close that connection."""

    node: Address
    master: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Start a link to a Sentinel that the others know."""

    sentinel: SentinelName
    address: Address
    why: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the link to a Sentinel: it is gone, or it is heard under another name."""

    sentinel: SentinelName
    why: str


Decision: TypeAlias = Switch | Failover | Notice | Ask | StartProbe | StopProbe | Connect | Disconnect
"""Everything that `Watch.decisions` returns."""
