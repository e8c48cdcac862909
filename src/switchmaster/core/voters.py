"""
What the Sentinels say of one master, counted: views, majority, support, and those who say otherwise.

Views are kept and counted here, and moved by `decide` alone.
"""

from __future__ import annotations

from .model import Address, SentinelName
from .topology import Opinion, View

__all__ = ["Voters"]


class Voters:
    """The Sentinels that monitor one master."""

    def __init__(self) -> None:
        self.views: dict[SentinelName, View] = {}

    def view(self, sentinel: SentinelName, incarnation: int) -> View:
        """Return this Sentinel's account, new if need be."""
        view = self.views.get(sentinel)
        if view is None:
            view = self.views[sentinel] = View(sentinel, incarnation=incarnation)
        return view

    @property
    def count(self) -> int:
        """How many Sentinels are known to monitor this master, by those that we hear or by our own count."""
        told = (view.others + 1 for view in self.views.values() if view.live and view.others is not None)
        return max(len(self.views), *told, 1)

    @property
    def majority(self) -> int:
        """How many Sentinels are a majority of them."""
        return self.count // 2 + 1

    def support(self, address: Address | None) -> int:
        """Return how many Sentinels that we hear give this address."""
        return sum(view.live and view.address == address for view in self.views.values())

    def opinions(self, believed: Address | None) -> tuple[Opinion, ...]:
        """Return what each Sentinel says, in order of name."""
        return tuple(
            Opinion(name, view.address, view.epoch, view.live, view.address == believed, view.others)
            for name, view in sorted(self.views.items())
            if view.address is not None
        )

    def otherwise(self, believed: Address | None, incarnation: int, floor: int) -> list[View]:
        """
        Return the majority that gives one other address at an epoch that is not higher, if there is one.

        Args:
            believed: the address that they do not give.
            incarnation: theirs; who still holds to an earlier one does not count.
            floor: the highest epoch that belongs to the belief. Who was told to monitor anew may have any.
        """
        groups: dict[Address, list[View]] = {}
        for view in self.views.values():
            if not view.live or view.epoch is None or view.address is None or view.address == believed:
                continue
            if view.incarnation == incarnation and (view.fresh or view.epoch <= floor):
                groups.setdefault(view.address, []).append(view)
        group = max(groups.values(), key=len, default=[])
        return group if len(group) >= self.majority else []
