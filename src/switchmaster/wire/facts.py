"""
Facts: everything that a conversation with a Sentinel or a node can bring.

A fact is an `Event` (published), a part of a snapshot (answered), a change of a link, or a `Probe` (a data node's
answer to ROLE). Facts come in the order in which the peer said them. They are values: a fact holds neither its source
nor its time, which are arguments of `Watch.observe`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias

from ..model import Address, RunId
from .events import Event
from .refusal import Refusal
from .replies import MasterReply, ReplicaReply, SentinelReply

__all__ = ["Condition", "Fact", "LinkChange", "LinkState", "MasterSnapshot", "Probe", "SnapshotEnd"]


class LinkState(enum.StrEnum):
    """Where one conversation with a Sentinel stands."""

    DOWN = "down"
    """No connection; the next attempt is due at the link's deadline."""
    CONNECTING = "connecting"
    """The shell is opening a connection."""
    GREETING = "greeting"
    """Connected; HELLO, AUTH and the subscription are under way."""
    LIVE = "live"
    """Subscribed: this Sentinel's events are heard. A snapshot follows at once."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link changed its state."""

    state: LinkState
    reason: str = ""
    """Why it went down, or why a live link is not subscribed, as the end of a sentence; empty otherwise. Never holds a
    secret."""
    run_id: RunId | None = None
    """The Sentinel's own id, once the link is live and if SENTINEL MYID is allowed."""
    version: str = ""
    """``redis 7.0.15`` or ``valkey 9.1.2``, once known."""
    process: str = ""
    """The id of its process (``run_id`` of INFO), which two names of one Sentinel share and two Sentinels never do;
    empty if it is not known."""
    can_ask: bool = True
    """False if an ACL refuses the snapshot: then this Sentinel brings events only."""
    refusal: Refusal | None = None
    """For a link that went down because the Sentinel refuses us: `Refusal.PASSWORD`, or `Refusal.PERMISSION` if the
    rights allow nothing useful. None for every other reason."""


@dataclass(frozen=True, slots=True)
class MasterSnapshot:
    """
    One Sentinel's answers about one master, asked in one write.

    `address` comes from SENTINEL GET-MASTER-ADDR-BY-NAME and the epoch from SENTINEL MASTER. That pair is right on the
    leader too, between ``+promoted-slave`` and its own ``+switch-master``, when SENTINEL MASTER shows the old address
    with the new epoch.
    """

    name: str
    address: Address
    config_epoch: int
    reply: MasterReply
    replicas: tuple[ReplicaReply, ...] | None
    """None if an ACL refuses SENTINEL REPLICAS, or it was not asked."""
    sentinels: tuple[SentinelReply, ...] | None
    """The other Sentinels; None if refused or not asked."""
    usable: int | None = None
    """How many Sentinels answer, this one included, by SENTINEL CKQUORUM: asked if `sentinels` is refused."""


@dataclass(frozen=True, slots=True)
class Condition:
    """
    The state of the Sentinel itself, by INFO: its events say so only to clients that were listening.

    Source: genSentinelInfoString() in sentinel.c.
    """

    tilt: bool
    tilt_seconds: int | None = None
    """Seconds since it entered TILT; None outside of TILT, and before Redis 7.0."""
    simulates_failures: bool = False
    """SENTINEL SIMULATE-FAILURE is on: it crashes in its next failover."""
    scripts_waiting: int = 0
    """The number of notification and reconfiguration scripts that wait to run."""


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """A whole snapshot is complete: this Sentinel monitors these masters and no others."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """
    A data node's answer to ROLE, or why there is none.

    Source: roleCommand() in replication.c; the first element is ``master`` or ``slave`` in all versions.
    """

    node: Address
    role: str | None
    """``master``, ``slave``, ``sentinel``, or None if the node gave no answer."""
    reason: str = ""
    """Why there is no answer, or none that a data node gives, as the end of a sentence; else empty."""
    following: Address | None = None
    """For a replica: the master that it follows."""
    link_up: bool | None = None
    """For a replica: whether its link to that master is ``connected``."""
    ended: bool = False
    """It had answered, and has ended the connection: the transaction that promotes a replica kills all its clients
    (``CLIENT KILL TYPE normal`` in sentinelSendSlaveOf()). It is asked again at once."""
    masters: frozenset[str] | None = None
    """The only masters that this answer concerns; None for all masters for which this node is asked."""


Fact: TypeAlias = Event | Condition | MasterSnapshot | SnapshotEnd | LinkChange | Probe
"""Everything that `Watch.observe` takes."""
