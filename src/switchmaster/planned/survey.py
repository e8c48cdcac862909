"""
What the Sentinels and the nodes of one master answered at one moment, as one immutable value.

The words of the Sentinels and the judgement of which of them to ask are the guard's (`switchmaster.guard.case`). Who
did not answer has no word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..guard.case import Case
from ..guard.node_info import NodeInfo
from ..model import Address, SentinelName
from ..wire.events import Kind
from ..wire.replies import QuorumReply, ReplicaReply, RoleReply

__all__ = ["NodeWord", "Survey"]


@dataclass(frozen=True, slots=True)
class NodeWord:
    """What one node answered."""

    node: Address
    role: RoleReply | None
    """Its answer to ROLE; None if it gave none."""
    info: NodeInfo | None = None
    """Its INFO; None if it gave none, or the user may not ask."""
    version: str = ""
    """``redis 7.0.15`` or ``valkey 9.1.2``, by its INFO; empty if that is not known."""
    priority: int | None = None
    """Of a replica: its ``replica-priority`` now, by its INFO; the Sentinels' word on it is up to 10 s old."""
    may_set: bool | None = None
    """Whether the user may CONFIG SET there; None if that was not asked."""
    reason: str = ""
    """Why it did not answer."""

    @property
    def is_master(self) -> bool:
        """Whether it says that it is a master."""
        return self.role is not None and self.role.role is Kind.MASTER

    @property
    def is_replica(self) -> bool:
        """Whether it says that it is a replica."""
        return self.role is not None and self.role.role is Kind.REPLICA

    @property
    def offset(self) -> int | None:
        """Its replication offset by ROLE; None if it is not known, as before the first synchronisation."""
        offset = None if self.role is None else self.role.offset
        return None if offset is None or offset < 0 else offset


@dataclass(frozen=True, slots=True)
class Survey:
    """One master, its Sentinels and its nodes, now."""

    case: Case
    """What is believed, and the words of the Sentinels; its sample is never None."""
    nodes: Mapping[Address, NodeWord] = field(default_factory=dict)
    """Of the master and its replicas, also of those that did not answer."""
    quorums: Mapping[SentinelName, QuorumReply] = field(default_factory=dict)
    """The answers to SENTINEL CKQUORUM."""
    may_order: Mapping[SentinelName, bool] = field(default_factory=dict)
    """Whether the user may send SENTINEL FAILOVER, by Sentinel."""
    rivals: tuple[str, ...] = ()
    """Names of other runs that are about to order a failover, or have, and began before this one."""
    since_switch: float | None = None
    """Seconds since the Sentinels last changed this master's address, or were started; None if that is not known."""

    @property
    def master(self) -> Address | None:
        """The believed master."""
        return self.case.master

    def priorities(self, replicas: Iterable[ReplicaReply]) -> dict[Address, int]:
        """Return the priorities of a Sentinel's replicas, by their own word where they have given it."""
        found = {}
        for each in replicas:
            word = self.nodes.get(each.address)
            found[each.address] = each.priority if word is None or word.priority is None else word.priority
        return found

    def behind(self, replica: Address) -> int | None:
        """Return how many bytes a replica is behind the master; None if one of them did not say."""
        of = self.nodes.get(self.master) if self.master is not None else None
        mine = self.nodes.get(replica)
        if of is None or mine is None or of.offset is None or mine.offset is None:
            return None
        return max(0, of.offset - mine.offset)

    def lag(self, replica: Address) -> float | None:
        """Return the seconds since the master had a replica's last acknowledgement; None if it does not say."""
        of = self.nodes.get(self.master) if self.master is not None else None
        return None if of is None or of.info is None else of.info.lags.get(replica)

    def follows(self, node: Address, master: Address) -> bool:
        """Return whether a node says that it follows a master, by its announced address or by the master's own word."""
        mine, its = self.nodes.get(node), self.nodes.get(master)
        if mine is None or mine.role is None or not mine.is_replica:
            return False
        listed = its is not None and its.role is not None and node in {each.address for each in its.role.replicas}
        return mine.role.master == master or (listed and mine.role.link_up)
