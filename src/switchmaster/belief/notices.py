"""
What a person should know though nothing is to be followed: of one master, or of the whole deployment; each once.

Texts are written here, so that the same thing is always said in the same words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..model import LIMITS, Address, Moment, SentinelName
from .decisions import Notice, NoticeKind
from .topology import Electorate
from .words import electorate_words, ghost_words, shared_id_words

__all__ = ["DeploymentNotices", "Notices"]

_REMEMBERED = 64
"""Notices that are remembered so that they are not repeated."""


class Notices:
    """
    The notices of one master.

    Args:
        deployment: the deployment's name.
        master: the master's name.
        out: takes them.
    """

    def __init__(self, deployment: str, master: str, out: Callable[[Notice], None]) -> None:
        self._deployment, self._master, self._out = deployment, master, out
        self._said: deque[tuple[object, ...]] = deque(maxlen=_REMEMBERED)
        self.occasion: tuple[object, ...] = ()
        """What makes a repeated text news: the incarnation and the epoch."""
        self._electorate = Electorate(1)
        """The one that was reported last."""

    def say(self, kind: NoticeKind, sentinel: SentinelName | None, text: str, moment: Moment) -> None:
        """Report something, unless it was reported on this occasion already."""
        key = (kind, text, self.occasion)
        if key not in self._said:
            self._said.append(key)
            self._tell(kind, sentinel, text, moment)

    def _tell(self, kind: NoticeKind, sentinel: SentinelName | None, text: str, moment: Moment) -> None:
        self._out(Notice(kind, self._deployment, self._master, sentinel, text, *moment))

    def electorate(self, electorate: Electorate, moment: Moment) -> None:
        """Report that the Sentinels can or can't fail the master over, and which do not monitor it."""
        before, self._electorate = self._electorate, electorate
        for sentinel in electorate.unaware:
            if sentinel not in before.unaware:
                text = f"{sentinel} does not monitor it, and can't vote on it"
                self.say(NoticeKind.NOT_MONITORED, sentinel, text, moment)
        if electorate.possible is None:
            # No Sentinel that is heard can tell: the last report still stands.
            self._electorate = replace(before, unaware=electorate.unaware)
        elif (electorate.obstacle is None) != (before.obstacle is None):
            possible = electorate.obstacle is None
            kind = NoticeKind.FAILOVER_POSSIBLE if possible else NoticeKind.NO_FAILOVER
            self._tell(kind, None, electorate_words(electorate), moment)

    def removed(self, sentinel: SentinelName, moment: Moment) -> None:
        """Report that no Sentinel monitors the master any longer."""
        self.say(NoticeKind.REMOVED, sentinel, "no Sentinel monitors it any more", moment)

    def second(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """
        Report that a node which is a replica to this Sentinel says it is a master.

        It is the old master of a planned failover, until Sentinel demotes it; or the promoted one, if its leader is not
        heard and it was not announced yet.
        """
        which = "the next one, or an old one that Sentinel demotes about 10 s later"
        text = f"{node} says that it is a master too: {which}"
        self.say(NoticeKind.SECOND_MASTER, sentinel, text, moment)

    def impossible(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Report that a Sentinel names an address that no node can have."""
        text = f"{sentinel} names {node}, which no node can have as an address; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def denied(self, sentinel: SentinelName, node: Address, role: str | None, moment: Moment) -> None:
        """Report that the node that a Sentinel announces denies being a master."""
        # The wire says slave, people read replica.
        role = "replica" if role == "slave" else role
        text = f"{sentinel} announces {node}, which itself answers ROLE {role}; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def contradicted(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """Report that an announced node gave no proof, and that a majority gives another address."""
        text = f"{sentinel} announces {node}, which gave no proof, and most Sentinels give another; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def two_names(self, sentinel: SentinelName, name: Address, ours: Address, moment: Moment) -> None:
        """Report that a Sentinel calls the believed node by another address."""
        text = (
            f"{sentinel} calls it {name}: the same node as {ours}, by its run id; make all Sentinels announce one name"
        )
        self.say(NoticeKind.TWO_NAMES, sentinel, text, moment)

    def overstated(self, named: int, given: int, moment: Moment) -> None:
        """Report that a majority gives a lower epoch than the one that was believed."""
        text = f"it was believed at epoch {named}, and a majority gives it at epoch {given}; epochs begin again there"
        self.say(NoticeKind.NOT_FOLLOWED, None, text, moment)

    def rogue(self, sentinel: SentinelName | None, node: Address, moment: Moment) -> None:
        """Report that the queued promotion of an aborted failover was carried out."""
        text = f"{node} was promoted after its failover was aborted: a second master, not followed"
        self.say(NoticeKind.ROGUE, sentinel, text, moment)

    def missed(self, sentinel: SentinelName, old: int, new: int, moment: Moment) -> None:
        """Report that the epoch rose and nothing else changed."""
        text = f"its epoch rose from {old} to {new} and the address is the same: a failover and one back were missed"
        self.say(NoticeKind.MISSED, sentinel, text, moment)

    def disagrees(
        self,
        sentinel: SentinelName,
        gives: Address | None,
        epoch: int,
        believed: Address | None,
        moment: Moment,
    ) -> None:
        """Report that a Sentinel gives another address at the same epoch."""
        text = f"{sentinel} gives {gives} at epoch {epoch}, we believe {believed}"
        self.say(NoticeKind.DISAGREEMENT, sentinel, text, moment)

    def stale(self, sentinel: SentinelName, gives: Address | None, epoch: int, moment: Moment) -> None:
        """Report that a Sentinel that came back has not caught up."""
        text = f"{sentinel} still gives {gives} of epoch {epoch}; not followed"
        self.say(NoticeKind.STALE, sentinel, text, moment)


class DeploymentNotices:
    """
    The notices of a deployment as a whole.

    Args:
        deployment: the deployment's name.
        out: takes them.
    """

    def __init__(self, deployment: str, out: Callable[[Notice], None]) -> None:
        self._deployment, self._out = deployment, out
        self._limited = False
        """The limit of masters was reported."""

    def _tell(self, kind: NoticeKind, text: str, moment: Moment) -> None:
        self._out(Notice(kind, self._deployment, None, None, text, *moment))

    def ghosts(self, sentinels: Sequence[SentinelName], master: str, moment: Moment) -> None:
        """Report Sentinels that are counted for a master and answer none of the others."""
        self._tell(NoticeKind.GHOST, ghost_words(sentinels, master), moment)

    def shared_id(self, sentinels: Sequence[SentinelName], moment: Moment) -> None:
        """Report Sentinels that have one id."""
        self._tell(NoticeKind.SHARED_ID, shared_id_words(sentinels), moment)

    def too_many_masters(self, name: str, moment: Moment) -> None:
        """Report, once, that the Sentinels monitor more masters than `LIMITS.masters`."""
        if not self._limited:
            self._limited = True
            self._tell(NoticeKind.LIMIT, f"more than {LIMITS.masters} masters: {name!r} is not followed", moment)
