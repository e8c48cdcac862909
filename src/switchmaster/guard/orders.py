"""
What the guard wants done: `Collect` and `Order` for the shell, and notices for people (`belief.decisions.Notice`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ..belief.decisions import Notice
from ..model import Address, SentinelName

__all__ = ["Collect", "GuardDecision", "Order"]


@dataclass(frozen=True, slots=True)
class Collect:
    """Collect a sample of evidence about a master now, and pass it to `MasterGuard.sampled`."""

    master: str
    node: Address
    timeout: float
    """Seconds in which the witnesses must answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """Send ``SENTINEL FAILOVER`` to this Sentinel, once, and pass its answer to `MasterGuard.ordered`."""

    master: str
    sentinel: SentinelName
    why: str


GuardDecision: TypeAlias = Collect | Order | Notice
"""Everything that `MasterGuard.decisions` returns."""
