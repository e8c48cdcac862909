"""
What the Sentinels say of one master, counted: majority, support, and those that say otherwise.

Views are only read here; `views` moves them.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from ..link.majority import majority_listed
from ..model import Address, SentinelName
from .members import Members
from .topology import Opinion
from .views import View, Views

__all__ = ["Voters"]


class Voters:
    """
    The Sentinels that monitor one master.

    Args:
        views: what each of them says.
        members: those whose word is a vote; None for all that speak.
    """

    def __init__(self, views: Views, members: Members | None = None) -> None:
        self._views = views
        self._members = members
        self._left: dict[SentinelName, tuple[float, int]] = {}
        """
        Sentinels that were told to stop monitoring this master: until when each counts all the same, in monotonic
        seconds, and how many it knew of, itself included.
        """

    def leave(self, view: View, until: float) -> None:
        """
        Count a Sentinel that was told to stop monitoring this master for a while, with the others that it knew of.

        An operator moves a master on one Sentinel after the other, and the first that monitors it again is no majority.

        Args:
            view: its last account.
            until: monotonic seconds.
        """
        self._left[view.sentinel] = until, (view.others or 0) + 1

    def expire(self, now: float) -> None:
        """Stop counting those that left long ago."""
        self._left = {name: left for name, left in self._left.items() if left[0] > now}

    @property
    def deadlines(self) -> list[float]:
        """When those that have left stop counting, in monotonic seconds."""
        return [until for until, _ in self._left.values()]

    @property
    def _votes(self) -> list[View]:
        members = self._members
        return [view for view in self._views.by_sentinel.values() if members is None or view.sentinel in members]

    @property
    def count(self) -> int:
        """
        How many Sentinels vote on this master: those that we know, or as many as at least half of them count.

        Otherwise one that overstates how many there are could make a majority impossible.
        """
        members, votes = self._members, self._votes
        count = len(votes)
        if members is not None and members.silent:
            count += sum(name not in self._views.by_sentinel for name in members.silent)
        counts = [view.others + 1 for view in votes if view.live and view.others is not None]
        if self._left:  # hardly ever, and this is read after every event
            left = {name: known for name, (_, known) in self._left.items() if members is None or name in members}
            count += sum(
                name not in self._views.by_sentinel and (members is None or name not in members.silent) for name in left
            )
            counts += left.values()
        if counts and (members is None or members.grows):
            count = max(count, sorted(counts, reverse=True)[(len(counts) - 1) // 2])
        return max(count, 1)

    @property
    def heard(self) -> bool:
        """
        Whether most of the Sentinels that vote are heard, of those that ever were.

        While they are not, the others could contradict what is heard. Those that never answered are left out: where
        their addresses can't be reached from here, one Sentinel is all that there is.
        """
        heard = [view.live for view in self._votes if view.live or view.answered_at is not None]
        return 2 * sum(heard) > len(heard)

    @property
    def majority(self) -> int:
        """How many of them are a majority."""
        return self.count // 2 + 1

    def support(self, address: Address | None) -> int:
        """Return how many Sentinels that are heard give this address."""
        return sum(view.live and view.address == address for view in self._votes)

    def contradicting(self, node: Address, since: float, patient: bool) -> list[View]:
        """
        Return the Sentinels that give another address than an announced one, if they are a majority of those heard.

        One that finds its own master down counts like the others: if it does not hear of the failover, it makes
        one of its own.

        Args:
            node: the address that was announced.
            since: when it was announced, in monotonic seconds.
            patient: whether a Sentinel that has not answered since counts with its last word: as long as those that
                were asked have time to answer. That is long, since it may be this machine that is late.
        """
        # One that has answered since, and was lost then, still counts.
        heard = [view for view in self._votes if view.live or (view.answered_at or -inf) >= since]
        against = [
            view
            for view in heard
            if view.address not in (None, node)
            and view.answered_at is not None
            and (patient or view.answered_at >= since)
        ]
        return against if 2 * len(against) > len(heard) else []

    def run_ids(self, address: Address) -> set[str]:
        """Return the run ids of a node, by the Sentinels that know it under this address."""
        found = {
            view.run_id for view in self._views.by_sentinel.values() if view.address == address and view.called is None
        }
        found |= {
            view.replicas[address].run_id for view in self._views.by_sentinel.values() if address in view.replicas
        }
        return found - {""}

    def replica(self, run_id: str) -> Address | None:
        """Return the address at which most Sentinels that are heard list the replica with this run id, or None."""
        heard = [view for view in self._votes if view.live]
        counts = Counter(node for view in heard for node, row in view.replicas.items() if row.run_id == run_id)
        return next((node for node, count in counts.items() if 2 * count > len(heard)), None)

    def backed(self, address: Address | None, by: float = inf, again: float = -inf) -> int | None:
        """
        Return the highest epoch at which a majority of the Sentinels that are heard gives an address.

        Args:
            address: the address.
            by: count only Sentinels that have said so since then or longer, in monotonic seconds.
            again: count only Sentinels that have answered so since then, in monotonic seconds.

        Returns:
            The epoch; None if no majority gives the address.
        """
        heard = [view for view in self._votes if view.live and view.address is not None]
        giving = [v for v in heard if v.address == address and v.since <= by and (v.answered_at or -inf) >= again]
        epochs = sorted(v.epoch for v in giving if v.epoch is not None)
        return epochs[-(len(heard) // 2 + 1)] if len(epochs) > len(heard) // 2 else None

    @property
    def most(self) -> Address | None:
        """The address that a majority of the Sentinels that are heard gives; None if there is none."""
        given = [view.address for view in self._votes if view.live and view.address is not None]
        return next((address for address in dict.fromkeys(given) if 2 * given.count(address) > len(given)), None)

    @property
    def agree(self) -> bool:
        """Whether all Sentinels that are heard give one address."""
        return len({view.address for view in self._votes if view.live and view.address is not None}) < 2

    def listed(self, awaited: int = 0) -> frozenset[Address]:
        """
        Return the nodes that more than half of the Sentinels that are heard list as this master or its replicas.

        If none is heard any more, their last words count, as for the belief.

        Args:
            awaited: how many others have not answered yet and may. They list nothing, so that the first one to answer
                is no majority.
        """
        lists = [(view.live, (*view.nodes, view.address)) for view in self._votes if view.address is not None]
        heard = [nodes for live, nodes in lists if live] or [nodes for _, nodes in lists]
        return majority_listed([*heard, *[()] * awaited])

    def unlisted(self, node: Address) -> bool:
        """
        Return whether a node is a stranger: most Sentinels that are heard list all nodes, and no majority lists it.

        If they can't be asked, or do not list all, no node is a stranger.
        """
        heard = [view for view in self._votes if view.live and view.address is not None]
        known = [node == view.address or node in view.nodes for view in heard if view.lists_all or view.address == node]
        return 2 * len(known) > len(heard) and 2 * sum(known) <= len(known)

    def opinions(self, believed: Address | None) -> tuple[Opinion, ...]:
        """Return what each Sentinel says, in order of name."""
        return tuple(
            Opinion(name, view.address, view.epoch, view.live, view.address == believed, view.others)
            for name, view in sorted(self._views.by_sentinel.items())
            if view.address is not None
        )

    def otherwise(self, believed: Address | None, incarnation: int, floor: int) -> list[View]:
        """
        Return the majority that gives one other address at no higher epoch; empty if there is none.

        Args:
            believed: the address that they do not give.
            incarnation: the believed one; a Sentinel that holds to an earlier one does not count.
            floor: the highest epoch that belongs to the belief. A Sentinel that was told to monitor from scratch may
                give any.
        """
        for view in self._views.by_sentinel.values():
            if view.address != believed:
                break
        else:
            return []  # nearly always, and this is read after every event
        groups: dict[Address, list[View]] = {}
        for view in self._votes:
            if not view.live or view.epoch is None or view.address is None or view.address == believed:
                continue
            if view.incarnation == incarnation and (view.fresh or view.epoch <= floor):
                groups.setdefault(view.address, []).append(view)
        if not groups:
            return []
        group = max(groups.values(), key=len)
        return group if len(group) >= self.majority else []
