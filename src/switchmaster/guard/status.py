"""
What a reader gets of one master's guard: an immutable value, for the API, the dashboard and the CLI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Address, SentinelName
from .master_guard import GuardPhase
from .node_info import NodeInfo
from .policy import Policy

__all__ = ["GuardStatus"]


@dataclass(frozen=True, slots=True)
class GuardStatus:
    """The guard of one master, now."""

    deployment: str
    master: str
    address: Address | None
    policy: Policy
    phase: GuardPhase
    outlook: tuple[str, ...]
    """Why it would not order a failover if the master died now; empty if it would."""
    would_ask: SentinelName | None
    """The Sentinel that it would ask; None before the first rehearsal, or if none is fit."""
    would_promote: Address | None
    """The replica that this Sentinel would choose."""
    may_order: bool | None
    """Whether the Sentinels' ACL lets it send SENTINEL FAILOVER; None if that is not known yet."""
    reports: Mapping[Address, NodeInfo]
    """The last report of each node."""
    counts: Mapping[str, int]
    """How many walks, samples, orders and so on; see `MasterGuard.counts`."""
    objected: Mapping[str, int]
    """How often each objection kept it from acting, by the objection's id."""
    suspended_until: float | None
    """Until when an operator has suspended it, in seconds since 1970; None if none has."""
