"""
What an operator wants of a planned failover, with the reason for each default.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Address

__all__ = ["FailoverRequest"]


@dataclass(frozen=True, slots=True)
class FailoverRequest:
    """One planned failover of one master. Times are seconds."""

    master: str
    to: Address | None = None
    """The replica that must become the master; None for the one that Sentinel would choose."""
    if_master: Address | None = None
    """Do it only if this node is the master; None for any."""
    coordinated: bool = False
    """Ask for ``SENTINEL FAILOVER … COORDINATED`` (Valkey 9): the old master hands over."""
    max_lag: float = 2.0
    """How old the replica's last acknowledgement may be: replicas acknowledge once a second."""
    max_behind: int = 1_048_576
    """How many bytes it may be behind the master: what it has not got when it is promoted is lost."""
    timeout: float = 60.0
    """From the order until everything is verified: Sentinel demotes the old master about 11 s after the promotion."""
    cool_down: float = 10.0
    """After another failover: until then the old master may still take itself for one."""
    wait_replicas: bool = False
    """Whether all replicas must also be in sync with the new master before it counts as done."""
