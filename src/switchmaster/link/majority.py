"""
Which nodes a majority of Sentinels lists: only those are given a password.

One Sentinel can name any address. A node that more than half of the answering Sentinels list, as a master or a replica,
belongs to the deployment as far as we can know; they list it long before any failover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from ..model import Address

__all__ = ["majority_listed"]


def majority_listed(lists: Collection[Iterable[Address]]) -> frozenset[Address]:
    """
    Return the nodes that may be given a password.

    Args:
        lists: for each live Sentinel, the nodes that it lists for one master.

    Returns:
        The addresses that more than half of the lists contain.
    """
    counts = Counter(address for each in lists for address in frozenset(each))
    return frozenset(address for address, count in counts.items() if 2 * count > len(lists))
