"""
Which failover an election belongs to: ``+new-epoch`` and ``+vote-for-leader`` name no master.

What is known: a Sentinel publishes ``+new-epoch`` right before its ``+try-failover``, and its vote for itself right
after it (sentinelStartFailover() and sentinelVoteLeader() in sentinel.c); a vote names the epoch, and the run id of the
Sentinel that is voted for.
"""

from __future__ import annotations

from typing import Final

from ..model import Moment, SentinelName
from ..wire.events import Event, NewEpoch, Voted
from .followed_masters import Masters
from .roster import KnownSentinel, Roster

__all__ = ["Elections"]

_TRIES: Final = 4_096
"""Tries that are remembered to find whose vote a vote is; the oldest go first."""

_ELECTION: Final = 10.0
"""Seconds that an election lasts at most (``SENTINEL_ELECTION_TIMEOUT`` in sentinel.c)."""

_NOTED: Final = ("+try-failover", "+new-epoch")
"""The channels of events that the next event of that Sentinel is compared with."""

_SEARCHED: Final = 16
"""Failing masters that a vote for an unknown Sentinel is compared with."""


class Elections:
    """
    The elections of one deployment, by epoch and run id.

    It keeps what each Sentinel published last of epochs and votes, in the fields of `KnownSentinel` that say so.

    Args:
        masters: the followed masters, whose attempts votes belong to.
        roster: the Sentinels, by run id.
    """

    def __init__(self, masters: Masters, roster: Roster) -> None:
        self._masters, self._roster = masters, roster
        self._tries: dict[tuple[SentinelName, int | None], str] = {}
        """Which master a Sentinel tried to fail over at which epoch; at most `_TRIES`."""

    def hear(self, sentinel: KnownSentinel, event: Event) -> bool:
        """Note any event of a Sentinel before it is judged; return whether the event before it was a try."""
        if not (sentinel.tried or sentinel.raised or event.channel in _NOTED):
            return False  # nearly always
        tried, sentinel.tried = sentinel.tried, event.channel == "+try-failover"
        raised, sentinel.raised = sentinel.raised, isinstance(event, NewEpoch)
        if sentinel.tried and not raised:
            # A try follows its own +new-epoch at once: that one was missed.
            sentinel.epoch = None
        return tried

    def raised(self, sentinel: KnownSentinel, event: NewEpoch) -> None:
        """Fold in ``+new-epoch``."""
        sentinel.epoch, sentinel.unmatched = event.epoch, None
        sentinel.epochs += 1

    def tried(self, sentinel: KnownSentinel, name: str) -> None:
        """Remember that a Sentinel tries to fail this master over, at the epoch that it published last."""
        while len(self._tries) >= _TRIES:
            del self._tries[next(iter(self._tries))]
        self._tries[sentinel.name, sentinel.epoch] = name

    def voted(self, sentinel: KnownSentinel, event: Voted, tried: bool, moment: Moment) -> None:
        """
        Fold in a vote: into the attempt that it belongs to, or kept until that begins.

        Args:
            sentinel: the voter.
            event: its vote.
            tried: whether the event before it was its own try: then the vote is for itself.
            moment: when.
        """
        if tried:
            self._roster.learn(event.run_id, sentinel.name)
            self._correct_try(sentinel, event.epoch)
        sentinel.unmatched = None if self._count(sentinel, event, moment) else (event, moment)

    def match(self, sentinel: KnownSentinel, name: str, now: float) -> None:
        """Put a Sentinel's earlier vote into the failover that has begun since: it votes even before it suspects."""
        if sentinel.unmatched is None or self._masters.failing != {name}:
            return
        (vote, voted), sentinel.unmatched = sentinel.unmatched, None
        if now <= voted.now + _ELECTION:
            self._count(sentinel, vote, voted)

    def sole_epoch(self, sentinel: KnownSentinel, name: str) -> int | None:
        """
        Return the epoch of the switch that a Sentinel announces now, if it can be no other.

        Args:
            sentinel: the Sentinel; one that can be asked is asked instead.
            name: the master.
        """
        epochs, sentinel.epochs = sentinel.epochs, 0
        return sentinel.epoch if epochs == 1 and not sentinel.can_ask and self._masters.failing <= {name} else None

    def _count(self, sentinel: KnownSentinel, event: Voted, moment: Moment) -> bool:
        """Put a vote into the attempt that it belongs to; return whether there is one."""
        failing = self._masters.failing
        voted_for = self._roster.named(event.run_id)
        tried_for = None if voted_for is None else self._tries.get((voted_for, event.epoch))
        for name in self._masters.first_failing(_SEARCHED) if tried_for is None else [tried_for]:
            master = self._masters.by_name[name]
            if master.attempts.vote(sentinel.name, event, voted_for, len(failing) == 1, moment):
                self._masters.settle(name, master)
                return True
        return False

    def _correct_try(self, sentinel: KnownSentinel, epoch: int) -> None:
        """Take the epoch of a try from the vote for itself that follows it: its ``+new-epoch`` may have been missed."""
        name = self._tries.get((sentinel.name, sentinel.epoch))
        if name is not None and epoch != sentinel.epoch:
            sentinel.epoch = epoch
            self.tried(sentinel, name)
            self._masters.by_name[name].attempts.stood(sentinel.name, epoch)
