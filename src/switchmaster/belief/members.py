"""
The Sentinels of one deployment whose word is a vote: the seeds, and those that a majority vouches for.

Any Sentinel can be heard; which may vote is decided here alone. A Sentinel names others (SENTINEL SENTINELS,
``+sentinel``), and one that lies could name any number of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from ..model import LIMITS, SentinelName
from .views import View

__all__ = ["Members", "lists_of"]


class Members:
    """
    The Sentinels that vote.

    Args:
        seeds: the Sentinels that the user named.
        grows: whether others may join; otherwise the seeds alone vote.
    """

    def __init__(self, seeds: Iterable[SentinelName], grows: bool) -> None:
        self.grows = grows
        self.silent: set[SentinelName] = set(seeds)
        """Members that have not answered yet: what they monitor is unknown, so each counts for every master."""
        self._members: dict[SentinelName, None] = dict.fromkeys(seeds)
        """Who votes. Invariant: each that is no seed was named by a majority of the seeds, or of the members at that
        time, those that are down included. So those that are a majority of neither never add a vote, however many
        Sentinels they name, and whichever others are down."""
        self._seeds = frozenset(self._members)
        self._named: dict[SentinelName, dict[SentinelName, None]] = {}
        """Which others each Sentinel names, bounded for each, so that none takes the room of the rest."""
        self._parked: set[SentinelName] = set()
        """Second names of Sentinels: others may know a Sentinel by one of them, and its one vote has the first."""

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[SentinelName]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def name(self, by: SentinelName, name: SentinelName) -> None:
        """
        Record that one Sentinel names another, by the address at which it knows it.

        Args:
            by: the Sentinel that names it.
            name: the Sentinel that is named.
        """
        named = self._named.get(by, {})
        if not self.grows or name in self._members or name in named or len(named) >= LIMITS.sentinels:
            return
        self._named.setdefault(by, named)[name] = None
        self._admit()

    def _admit(self) -> None:
        """Admit every Sentinel that a majority names; each that joins may vouch for the next."""
        before = -1
        while before != len(self._members):
            before = len(self._members)
            seeds = [name for name in self._seeds if name in self._members]
            for name in {name: None for by in self._members for name in self._named.get(by, ())}:
                if name in self._members or name in self._parked:
                    continue
                if any(self._vouch(each, name) for each in (seeds, self._members)):
                    self.add(name)
                    self.silent.add(name)

    def _vouch(self, voters: Collection[SentinelName], name: SentinelName) -> bool:
        return 2 * sum(name in self._named.get(by, ()) for by in voters) > len(voters)

    def add(self, name: SentinelName) -> None:
        """Let a Sentinel vote."""
        self._parked.discard(name)
        self._members.setdefault(name)

    def remove(self, name: SentinelName) -> None:
        """Take the vote from a Sentinel."""
        self._members.pop(name, None)
        self._named.pop(name, None)
        self.silent.discard(name)
        self._parked.discard(name)

    def park(self, name: SentinelName) -> None:
        """Take the vote from a second name of a Sentinel, whoever names it, until it is unparked."""
        self.remove(name)
        self._parked.add(name)

    def unpark(self, name: SentinelName) -> None:
        """Let a name that was parked vote again, if a majority names it."""
        if name in self._parked:
            self._parked.remove(name)
            self._admit()

    def missing(self, name: SentinelName, lists: Mapping[SentinelName, frozenset[SentinelName]]) -> bool:
        """
        Return whether a majority of the members no longer knows a Sentinel, as after SENTINEL RESET.

        Args:
            name: the Sentinel, which is down.
            lists: which others each Sentinel that is heard lists now; those that can't be asked are left out.
        """
        return 2 * sum(name not in lists.get(by, (name,)) for by in self._members) > len(self._members)


def lists_of(views: Iterable[View]) -> dict[SentinelName, frozenset[SentinelName]]:
    """Return which others each Sentinel that is heard lists, of any master; those that can't be asked are left out."""
    found: dict[SentinelName, set[SentinelName]] = {}
    for view in views:
        if view.live and view.lists:
            found.setdefault(view.sentinel, set()).update(SentinelName(str(a)) for a in view.sentinels.values())
    return {name: frozenset(others) for name, others in found.items()}
