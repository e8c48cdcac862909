"""
Which replica a Sentinel would promote, by the rules of sentinelSelectSlave() in sentinel.c (Redis 2.8 to Valkey 9.1).

A replica is out if it is down, disconnected, has priority 0, did not answer PING or INFO for too long, or lost its
master long before the master died. Of the others the lowest priority wins, then the highest offset, then the smallest
run id. PING and INFO times are not in our replies: a Sentinel that lists the replica as connected has both.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Address
from ..wire.replies import MasterReply, ReplicaReply

__all__ = ["chosen", "promotable"]

_OUT = {"s_down", "o_down", "disconnected"}


def promotable(master: MasterReply, replicas: Iterable[ReplicaReply]) -> list[ReplicaReply]:
    """
    Return the replicas that may be promoted, the one that Sentinel would choose first.

    Args:
        master: the Sentinel's word on the master.
        replicas: its word on the replicas.
    """
    longest_ms = 10 * master.down_after_ms
    fit = [
        each
        for each in replicas
        if each.priority > 0 and not each.flags & _OUT and each.master_link_down_ms <= longest_ms
    ]
    return sorted(fit, key=lambda each: (each.priority, -each.offset, each.run_id.lower() or "~"))


def chosen(master: MasterReply, replicas: Iterable[ReplicaReply]) -> Address | None:
    """Return the replica that Sentinel would promote; None if there is none."""
    fit = promotable(master, replicas)
    return fit[0].address if fit else None
