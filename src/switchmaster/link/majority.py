"""
Which nodes a majority of Sentinels lists: those alone are given a password.

One Sentinel can name any address. What more than half of those that answer list as a master or as its replica is a
node of the deployment, as far as anybody can know; they list it long before any failover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from ..model import Address

__all__ = ["majority_listed"]


def majority_listed(lists: Collection[Iterable[Address]]) -> frozenset[Address]:
    """
    Return the nodes that are given a password.

    Args:
        lists: for each Sentinel that is heard, the nodes of one master that it lists.

    Returns:
        The addresses that more than half of them have.
    """
    counts = Counter(address for each in lists for address in frozenset(each))
    return frozenset(address for address, count in counts.items() if 2 * count > len(lists))
