"""
What should happen now, and why: the values that leave the core.

A `Switch` and a `Notice` are for people and for whatever follows the master; a record of `Failover` is for the
account of what happened; the others tell the shell what to open, close or ask.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

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
    """The address believed before; None where none was."""
    new: Address
    epoch: int | None
    """The config epoch; None where the input names none."""
    incarnation: int
    grade: Grade
    cause: Cause
    via: Via
    """Which news decided it."""
    witnesses: tuple[SentinelName, ...]
    """The Sentinels that named or gave the new address, in the order in which they did."""
    why: str
    """The reason in words."""
    at: float
    """Monotonic seconds."""
    time: Wall


class NoticeKind(enum.StrEnum):
    """What is worth saying, though nobody has to follow it."""

    DISAGREEMENT = "disagreement"
    """Two Sentinels give different addresses at one epoch."""
    STALE = "stale"
    """A Sentinel gives an address of an older epoch."""
    SECOND_MASTER = "second-master"
    """A node that should be a replica says that it is a master."""
    ROGUE = "rogue"
    """The promotion of an aborted failover happened after all."""
    MISSED = "missed"
    """The epoch rose without any news: a failover and its way back were missed."""
    NO_FAILOVER = "no-failover"
    """The Sentinels could not fail this master over if it died now."""
    FAILOVER_POSSIBLE = "failover-possible"
    """They can again."""
    NOT_MONITORED = "not-monitored"
    """A Sentinel that the others count does not monitor this master, so it can't vote on it."""
    NOT_FOLLOWED = "not-followed"
    """A Sentinel names a master that cannot be one, that denies it, or that a majority of the Sentinels contradicts."""
    GHOST = "ghost"
    """A Sentinel is counted that answers nobody: it raises the majority, and may be gone for good."""
    SHARED_ID = "shared-id"
    """Several Sentinels have one id: a configuration was copied."""
    TWO_NAMES = "two-names"
    """Sentinels announce one node under two addresses: their ``announce-hostnames`` or ``announce-ip`` differ."""
    REMOVED = "removed"
    """No Sentinel monitors this master any more."""
    LIMIT = "limit"
    """A limit of the core was hit; what it means is in the text."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know."""

    kind: NoticeKind
    deployment: str
    master: str | None
    sentinel: SentinelName | None
    text: str
    at: float
    time: Wall


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask this Sentinel about these masters now: something was said that only its answer can settle."""

    sentinel: SentinelName
    masters: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class StartProbe:
    """Open a connection to this node and ask it ROLE until told to stop."""

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
    """End the link to a Sentinel: it is gone, or it is one that we hear under another name."""

    sentinel: SentinelName
    why: str


Decision: TypeAlias = Switch | Failover | Notice | Ask | StartProbe | StopProbe | Connect | Disconnect
"""Everything that `Watch.decisions` gives."""
