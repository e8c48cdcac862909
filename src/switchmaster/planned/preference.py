"""
How Sentinel is made to choose a certain replica: by ``replica-priority``, and how that is put back.

sentinelSelectSlave() takes the replica with the lowest priority that is not 0, then the highest offset. So the wanted
one gets a lower priority than all others. One change is enough, unless another has 1, the lowest there is: then the
wanted one gets 1 and the others with 1 get 2. Which replicas Sentinel would leave out does not matter.

Sentinel learns priorities by INFO, every 10 s. Its transaction for a promotion contains CONFIG REWRITE, which writes
the changed priority into the node's file: so after an order the old value is written back too (`KeptWish.ordered`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..guard.evidence import SentinelWord
from ..guard.promotable import chosen
from ..model import Address

__all__ = ["PRIORITY", "KeptWish", "PriorityChange", "prefer", "shows_preference"]

PRIORITY: Final = "replica-priority"
"""The setting; ``slave-priority`` before Redis 5."""


@dataclass(frozen=True, slots=True)
class PriorityChange:
    """One node's priority, changed for one failover."""

    node: Address
    before: int
    during: int


@dataclass(frozen=True, slots=True)
class KeptWish:
    """What was changed for one failover, as it is kept until it is put back."""

    master: str
    changes: tuple[PriorityChange, ...]
    ordered: bool = False
    """Whether the failover was ordered: then the nodes may have written the changed values into their files."""


def prefer(wanted: Address, priorities: Mapping[Address, int]) -> tuple[PriorityChange, ...]:
    """
    Return the changes that make Sentinel choose a replica.

    Args:
        wanted: the replica.
        priorities: of all replicas, the wanted one included; 0 means never.

    Returns:
        The changes; none if its priority is already lower than all others.
    """
    mine = priorities[wanted]
    others = {node: each for node, each in priorities.items() if node != wanted and each > 0}
    lowest = min(others.values(), default=None)
    if lowest is None or 0 < mine < lowest:
        return ()
    target = max(1, lowest - 1)
    raised = [PriorityChange(node, each, 2) for node, each in sorted(others.items()) if each <= target]
    own = [PriorityChange(wanted, mine, target)] if mine != target else []
    return (*own, *raised)


def shows_preference(word: SentinelWord, priorities: Mapping[Address, int], wanted: Address | None) -> bool:
    """
    Return whether a Sentinel has seen all priorities as they are now, and would choose the wanted replica.

    Args:
        word: its word on the replicas.
        priorities: as they are now.
        wanted: the replica.
    """
    seen = {each.address: each.priority for each in word.replicas}
    current = all(seen.get(node, each) == each for node, each in priorities.items())
    return current and chosen(word.master, word.replicas) == wanted
