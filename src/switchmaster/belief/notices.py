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
"""Notices that are remembered, not to be said again."""


class Notices:
    """
    The notices of one master.

    Args:
        deployment: the deployment's name.
        master: the master's name.
        out: where they go.
    """

    def __init__(self, deployment: str, master: str, out: Callable[[Notice], None]) -> None:
        self._deployment, self._master, self._out = deployment, master, out
        self._said: deque[tuple[object, ...]] = deque(maxlen=_REMEMBERED)
        self.occasion: tuple[object, ...] = ()
        """What makes a repeated text news: the incarnation and the epoch."""
        self._electorate = Electorate(1)
        """As it was told last."""

    def say(self, kind: NoticeKind, sentinel: SentinelName | None, text: str, moment: Moment) -> None:
        """Say something, unless it was said on this occasion already."""
        key = (kind, text, self.occasion)
        if key not in self._said:
            self._said.append(key)
            self._tell(kind, sentinel, text, moment)

    def _tell(self, kind: NoticeKind, sentinel: SentinelName | None, text: str, moment: Moment) -> None:
        self._out(Notice(kind, self._deployment, self._master, sentinel, text, *moment))

    def electorate(self, electorate: Electorate, moment: Moment) -> None:
        """Say what has become of the Sentinels' ability to fail the master over, and who does not monitor it."""
        before, self._electorate = self._electorate, electorate
        for sentinel in electorate.unaware:
            if sentinel not in before.unaware:
                text = f"{sentinel} does not monitor it, and can't vote on it"
                self.say(NoticeKind.NOT_MONITORED, sentinel, text, moment)
        if electorate.possible is None:
            # Nobody who is heard can tell: what was told last still stands.
            self._electorate = replace(before, unaware=electorate.unaware)
        elif (electorate.obstacle is None) != (before.obstacle is None):
            possible = electorate.obstacle is None
            kind = NoticeKind.FAILOVER_POSSIBLE if possible else NoticeKind.NO_FAILOVER
            self._tell(kind, None, electorate_words(electorate), moment)

    def removed(self, sentinel: SentinelName, moment: Moment) -> None:
        """No Sentinel monitors the master any more."""
        self.say(NoticeKind.REMOVED, sentinel, "no Sentinel monitors it any more", moment)

    def second(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """
        A node that is a replica to this Sentinel says it is a master.

        The old master of a planned failover, until Sentinel demotes it; or the promoted one, where its leader is not
        heard and nobody has announced it yet.
        """
        text = f"{node} says that it is a master too: the one to be, or one that Sentinel demotes some 10 s later"
        self.say(NoticeKind.SECOND_MASTER, sentinel, text, moment)

    def impossible(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """A Sentinel names an address that no node can have."""
        text = f"{sentinel} names {node}, which no node can have as its address; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def denied(self, sentinel: SentinelName, node: Address, role: str | None, moment: Moment) -> None:
        """The node that a Sentinel announces says itself that it is no master."""
        # The wire says slave, people read replica.
        role = "replica" if role == "slave" else role
        text = f"{sentinel} announces {node}, which itself answers ROLE {role}; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def contradicted(self, sentinel: SentinelName, node: Address, moment: Moment) -> None:
        """The node that a Sentinel announces proves nothing, and a majority of the others say otherwise."""
        text = f"{sentinel} announces {node}, which proves nothing, and most Sentinels give another; not followed"
        self.say(NoticeKind.NOT_FOLLOWED, sentinel, text, moment)

    def two_names(self, sentinel: SentinelName, name: Address, ours: Address, moment: Moment) -> None:
        """A Sentinel calls the believed node by another address."""
        text = (
            f"{sentinel} calls it {name}: the same node as {ours}, by its run id; let all Sentinels announce one name"
        )
        self.say(NoticeKind.TWO_NAMES, sentinel, text, moment)

    def overstated(self, named: int, given: int, moment: Moment) -> None:
        """The epoch that was believed by one Sentinel's word is not the one that a majority gives."""
        text = f"it was believed at epoch {named}, and a majority gives it at epoch {given}; epochs begin again there"
        self.say(NoticeKind.NOT_FOLLOWED, None, text, moment)

    def rogue(self, sentinel: SentinelName | None, node: Address, moment: Moment) -> None:
        """The queued promotion of an aborted failover was carried out."""
        text = f"{node} was promoted after its failover was aborted: a second master, not followed"
        self.say(NoticeKind.ROGUE, sentinel, text, moment)

    def missed(self, sentinel: SentinelName, old: int, new: int, moment: Moment) -> None:
        """The epoch rose and nothing else changed."""
        text = (
            f"its epoch rose from {old} to {new} and the address is the same: a failover and its way back were missed"
        )
        self.say(NoticeKind.MISSED, sentinel, text, moment)

    def disagrees(
        self,
        sentinel: SentinelName,
        gives: Address | None,
        epoch: int,
        believed: Address | None,
        moment: Moment,
    ) -> None:
        """A Sentinel gives another address at the same epoch."""
        text = f"{sentinel} gives {gives} at epoch {epoch}, we believe {believed}"
        self.say(NoticeKind.DISAGREEMENT, sentinel, text, moment)

    def stale(self, sentinel: SentinelName, gives: Address | None, epoch: int, moment: Moment) -> None:
        """A Sentinel that came back has not caught up."""
        text = f"{sentinel} still gives {gives} of epoch {epoch}; not followed"
        self.say(NoticeKind.STALE, sentinel, text, moment)


class DeploymentNotices:
    """
    The notices of a deployment as a whole.

    Args:
        deployment: the deployment's name.
        out: where they go.
    """

    def __init__(self, deployment: str, out: Callable[[Notice], None]) -> None:
        self._deployment, self._out = deployment, out
        self._limited = False
        """The limit of masters was reported."""

    def _tell(self, kind: NoticeKind, text: str, moment: Moment) -> None:
        self._out(Notice(kind, self._deployment, None, None, text, *moment))

    def ghosts(self, sentinels: Sequence[SentinelName], master: str, moment: Moment) -> None:
        """Sentinels are counted for a master that answer nobody."""
        self._tell(NoticeKind.GHOST, ghost_words(sentinels, master), moment)

    def shared_id(self, sentinels: Sequence[SentinelName], moment: Moment) -> None:
        """Several Sentinels have one id."""
        self._tell(NoticeKind.SHARED_ID, shared_id_words(sentinels), moment)

    def too_many_masters(self, name: str, moment: Moment) -> None:
        """The Sentinels monitor more masters than `LIMITS.masters`; reported once."""
        if not self._limited:
            self._limited = True
            self._tell(NoticeKind.LIMIT, f"more than {LIMITS.masters} masters: {name!r} is not followed", moment)
