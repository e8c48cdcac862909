"""
What the core is told: everything that a conversation with a Sentinel or a node can bring.

A fact is an `Event` (published), a piece of a snapshot (answered), a change of a link, or a `Probe` (what a
data node answered to ROLE). Facts come in the order in which the peer said them. They are values: no fact
knows who said it or when; that is given beside it to `Watch.observe`.
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
    """Connected: HELLO, AUTH and the subscription are under way."""
    LIVE = "live"
    """Subscribed: what this Sentinel publishes is heard. A snapshot follows at once."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link changed its state."""

    state: LinkState
    reason: str = ""
    """Why it went down, or why a live one is not subscribed, as the end of a sentence; empty otherwise. Never holds
    a secret."""
    run_id: RunId | None = None
    """The Sentinel's own id, once it is live and if it may be asked."""
    version: str = ""
    """``redis 7.0.15`` or ``valkey 9.1.2``, once known."""
    process: str = ""
    """The id of its process (``run_id`` of INFO), which two names of one Sentinel share and two Sentinels never do;
    empty where it is not known."""
    can_ask: bool = True
    """False where an ACL refuses the snapshot: then events are all there is."""
    refusal: Refusal | None = None
    """Of a link that went down: whether the Sentinel answers, and lets us in by no password (`Refusal.PASSWORD`) or do
    nothing of use (`Refusal.PERMISSION`); None for every other reason."""


@dataclass(frozen=True, slots=True)
class MasterSnapshot:
    """
    What one Sentinel answers about one master, asked in one write.

    `address` comes from SENTINEL GET-MASTER-ADDR-BY-NAME and the epoch from SENTINEL MASTER: the one pair
    that is right on the leader too, between ``+promoted-slave`` and its own ``+switch-master``, when SENTINEL
    MASTER shows the old address with the new epoch.
    """

    name: str
    address: Address
    config_epoch: int
    reply: MasterReply
    replicas: tuple[ReplicaReply, ...] | None
    """None where an ACL refuses SENTINEL REPLICAS, or it was not asked."""
    sentinels: tuple[SentinelReply, ...] | None
    """The other Sentinels; None where refused or not asked."""
    usable: int | None = None
    """How many Sentinels answer, this one included, by SENTINEL CKQUORUM: asked where `sentinels` is refused."""


@dataclass(frozen=True, slots=True)
class Condition:
    """
    How the Sentinel itself stands, by INFO: what its events tell only to those that were listening.

    Source: genSentinelInfoString() in sentinel.c.
    """

    tilt: bool
    tilt_seconds: int | None = None
    """For how long it has been in TILT; None outside of it, and before Redis 7.0."""
    simulates_failures: bool = False
    """SENTINEL SIMULATE-FAILURE was left on: it crashes in its next failover."""
    scripts_waiting: int = 0
    """Notification and reconfiguration scripts that wait to be run."""


@dataclass(frozen=True, slots=True)
class SnapshotEnd:
    """A whole snapshot has come: this Sentinel monitors these masters and no others."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """
    What a data node answered to ROLE, or why it did not.

    Source: roleCommand() in replication.c; the first element is ``master`` or ``slave`` in all versions.
    """

    node: Address
    role: str | None
    """``master``, ``slave``, ``sentinel``, or None where the node gave no answer."""
    reason: str = ""
    """Where there was no answer, or one that no data node gives: why, as the end of a sentence."""
    following: Address | None = None
    """For a replica: the master that it follows."""
    link_up: bool | None = None
    """For a replica: whether its link to that master is ``connected``."""
    ended: bool = False
    """It had answered, and has ended the connection: a Sentinel has that done to all clients in the transaction that
    promotes a replica (``CLIENT KILL TYPE normal`` in sentinelSendSlaveOf()). It is asked again at once."""
    masters: frozenset[str] | None = None
    """For whose sake it was asked, where nobody else is concerned; None for all that ask this node."""


Fact: TypeAlias = Event | Condition | MasterSnapshot | SnapshotEnd | LinkChange | Probe
"""Everything that `Watch.observe` takes."""
