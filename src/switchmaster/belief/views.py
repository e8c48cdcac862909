"""
What each Sentinel says of one master.

A `View` is one Sentinel's account; events and snapshots are folded into it as they come, with no judgement. Which
address is believed is decided in `decide`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ..model import LIMITS, Address, RunId, SentinelName, Stage
from ..wire.events import EVENTS, InstanceEvent, Kind
from ..wire.facts import MasterSnapshot
from .topology import ReplicaState

__all__ = ["View", "merge_replicas"]

_ENDS_LEADING: Final = frozenset(spec.channel for spec in EVENTS if spec.stage in (Stage.SETTLED, Stage.ABORTED))
"""After these a Sentinel leads no failover any more."""


@dataclass(slots=True)
class ReplicaView:
    """One Sentinel's account of one replica."""

    down: bool = False
    link_up: bool | None = None
    offset: int | None = None
    priority: int | None = None
    run_id: str = ""
    """Of its process; empty where it is not known."""


@dataclass(slots=True)
class View:
    """One Sentinel's account of one master. `address` to `since` are moved by `decide` alone."""

    sentinel: SentinelName
    live: bool = True
    address: Address | None = None
    epoch: int | None = None
    incarnation: int = 0
    index: int = 0
    """How many of the belief's transitions this Sentinel has made."""
    fresh: bool = False
    """It was told to monitor this master anew (``+monitor``), so a lower epoch is no sign of staleness."""
    since: float = 0.0
    """Since when it says so, in monotonic seconds."""
    run_id: str = ""
    """Of the process that it takes for the master; empty where it is not known."""
    called: Address | None = None
    """Its own name for the node that is believed, where that differs: then `address` is ours."""
    promotes: tuple[Address, Address] | None = None
    """Its own name for the node that it last selected, promoted or followed, and ours."""
    answered_at: float | None = None
    """When it last answered with its address, in monotonic seconds; None where it has not, or may not be asked."""
    sdown: bool = False
    odown: bool = False
    leads: str | None = None
    """The state of the failover that it leads (``failover-state``), as answered; None where it leads none."""
    others: int | None = None
    """num-other-sentinels."""
    quorum: int | None = None
    failover_timeout: float | None = None
    """Seconds."""
    down_after: float | None = None
    """Seconds without a valid answer after which this Sentinel suspects the master (``down-after-milliseconds``)."""
    replicas: dict[Address, ReplicaView] = field(default_factory=dict)
    nodes: set[Address] = field(default_factory=set)
    """The master and the replicas that it has listed in its last answer or since, those of before a switch included."""
    lists_all: bool = False
    """It has answered with all of them: SENTINEL REPLICAS is not refused, and has as many rows as it counts replicas
    (those with ``replica-announced no`` are counted, not listed, and may be promoted all the same)."""
    sentinels: dict[RunId, Address] = field(default_factory=dict)
    """The other Sentinels that it knows."""
    lists: bool = False
    """It has answered which others it knows."""
    silent: set[RunId] = field(default_factory=set)
    """Those of them that do not answer it (SDOWN)."""
    usable: int | None = None
    """Sentinels that answer, itself included, by SENTINEL CKQUORUM; None where `silent` tells it."""

    def snapshot(self, fact: MasterSnapshot) -> None:
        """Take all that an answer says, but for the address and the epoch."""
        reply = fact.reply
        self.sdown, self.odown = "s_down" in reply.flags, "o_down" in reply.flags
        self.leads = reply.failover_state or None if "failover_in_progress" in reply.flags else None
        self.others, self.quorum = reply.num_other_sentinels, reply.quorum
        self.failover_timeout = reply.failover_timeout_ms / 1000
        self.down_after = reply.down_after_ms / 1000
        self.nodes.add(fact.address)
        if fact.replicas is not None:
            self.nodes = {fact.address, *(row.address for row in fact.replicas[: LIMITS.replicas])}
            self.lists_all = len(fact.replicas[: LIMITS.replicas]) >= reply.num_replicas
            self.replicas = {
                row.address: ReplicaView(
                    "s_down" in row.flags, row.master_link_up, row.offset, row.priority, row.run_id
                )
                for row in fact.replicas[: LIMITS.replicas]
                if row.address != fact.address
            }
        if fact.sentinels is not None:
            self.lists = True
            rows = [row for row in fact.sentinels[: LIMITS.sentinels] if row.run_id]
            self.sentinels = {row.run_id: row.address for row in rows}
            self.silent = {row.run_id for row in rows if "s_down" in row.flags}
        self.usable = fact.usable

    def fold(self, event: InstanceEvent) -> None:
        """Take what an event says of the instances: who is up, who is down, who is new."""
        instance, channel = event.instance, event.channel
        if instance.kind is Kind.MASTER:
            # A leader speaks of the old master until its own +switch-master.
            if instance.address == self.address:
                self._fold_master(channel)
        elif instance.kind is Kind.REPLICA:
            self._fold_replica(channel, instance.address)
        else:
            self._fold_sentinel(channel, RunId(instance.name), instance.address)

    def _fold_master(self, channel: str) -> None:
        if channel == "+sdown":
            self.sdown = True
        elif channel == "-sdown":
            self.sdown = self.odown = False
        elif channel in ("+odown", "-odown"):
            self.odown = channel == "+odown"
        elif channel in _ENDS_LEADING:
            self.leads = None
        elif channel == "+reset-master":
            self.sdown, self.odown, self.leads = False, False, None
            self.replicas.clear()
            self.sentinels.clear()
            self.silent.clear()

    def _fold_sentinel(self, channel: str, run_id: RunId, address: Address) -> None:
        if channel == "+sentinel" and self.others is not None and run_id not in self.sentinels:
            self.others += 1
        if channel in ("+sentinel", "-sdown"):
            self.silent.discard(run_id)
            if len(self.sentinels) < LIMITS.sentinels:
                self.sentinels[run_id] = address
        elif channel == "+sdown" and run_id in self.sentinels:
            self.silent.add(run_id)

    def _fold_replica(self, channel: str, address: Address) -> None:
        if channel == "+slave" and len(self.replicas) < LIMITS.replicas:
            self.replicas[address] = ReplicaView()
            if len(self.nodes) <= LIMITS.replicas:
                self.nodes.add(address)
        elif (replica := self.replicas.get(address)) is not None:
            if channel in ("+sdown", "-sdown"):
                replica.down = channel == "+sdown"
            elif channel == "+slave-reconf-done":
                replica.link_up = True

    def moved(self, to: Address) -> None:
        """Forget what belonged to the old master: ``+switch-master`` is followed by ``+slave`` for each replica."""
        promoted = self.replicas.get(to)
        self.run_id, self.called = "" if promoted is None else promoted.run_id, None
        self.sdown, self.odown, self.leads = False, False, None
        self.replicas.clear()


def merge_replicas(views: Iterable[View], master: Address | None) -> tuple[ReplicaState, ...]:
    """
    Put together what the Sentinels say of the replicas.

    Args:
        views: those Sentinels whose address is the one believed.
        master: that address, which is no replica.

    Returns:
        One row a replica, in order of address.
    """
    rows: dict[Address, list[tuple[SentinelName, ReplicaView]]] = {}
    for view in views:
        for address, replica in view.replicas.items():
            if address != master:
                rows.setdefault(address, []).append((view.sentinel, replica))
    return tuple(
        ReplicaState(
            address,
            tuple(sorted(name for name, replica in seen if replica.down)),
            next((r.link_up for _, r in seen if r.link_up is not None), None),
            max((r.offset for _, r in seen if r.offset is not None), default=None),
            next((r.priority for _, r in seen if r.priority is not None), None),
        )
        for address, seen in sorted(rows.items())
    )
