"""
From the order to the conclusion: what the Watcher decides and the nodes say after ``SENTINEL FAILOVER``.

::

    ORDERED --switch known--> SWITCHED --all nodes as they should be--> DONE
       |                          +------------- time is up ---------> UNVERIFIED
       +--aborted, and nobody promoted for ABORTED_FOR seconds--------> ABORTED
       +--aborted or no news, and a node says that it is a master-----> ROGUE
       +--time is up--------------------------------------------------> TIMED_OUT

An abort is not believed at once: the promotion that Sentinel has queued may still be carried out, which makes a second
master that nobody follows (docs/topics/protocol.md, ``-failover-abort-slave-timeout``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..belief.decisions import Notice, NoticeKind, Switch
from ..belief.failover import Failover, Outcome, Stage
from ..model import Address, Grade
from ..wire.events import Kind
from .plan import Plan
from .survey import Survey

__all__ = ["Conclusion", "Ending", "FailoverProgress", "why_not_as_planned"]

ABORTED_FOR: Final = 2.0
"""Seconds in which a queued promotion shows, if the node is alive at all."""
ROGUE_FOR: Final = 1.0
"""Seconds after which a node that was seen as a master after the abort is a rogue: a switch would be known by then."""

News: TypeAlias = Failover | Switch | Notice


class Ending(enum.StrEnum):
    """How a planned failover ended."""

    DONE = "done"
    """The nodes themselves say so."""
    NOT_NEEDED = "not-needed"
    """The node of ``--if-master`` is not the master, or that of ``--to`` is: nothing was to be done."""
    REFUSED = "refused"
    """By a check of ours or by Sentinel, before anything was begun."""
    ABORTED = "aborted"
    """Sentinel gave it up; the old master is still the master."""
    ROGUE = "rogue"
    """A node was promoted that the Sentinels do not follow: there are two masters."""
    ELSEWHERE = "elsewhere"
    """Another replica became the master than the wanted one."""
    UNVERIFIED = "unverified"
    """The master changed, and not all nodes are as they should be."""
    TIMED_OUT = "timed-out"
    """Nothing was known of a new master when the time was up."""
    STOPPED = "stopped"
    """A rolling restart stopped at a node that did not come back as it should."""
    INTERRUPTED = "interrupted"
    """We were stopped after the order; Sentinel goes on."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 refused, 7 two masters, 8 not known yet, 6 begun and ended in another way than it should."""
        return {"done": 0, "not-needed": 0, "refused": 1, "rogue": 7, "timed-out": 8}.get(self.value, 6)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What came of a planned failover."""

    ending: Ending
    reason: str
    plan: Plan
    new: Address | None = None
    """The master afterwards, if it changed."""
    epoch: int | None = None
    record: Failover | None = None
    """The Watcher's own record of it."""
    promoted_after: float | None = None
    """Seconds from the order until the new master was known; None, as below, if that never came."""
    announced_after: float | None = None
    """Until the first Sentinel announced it."""
    verified_after: float | None = None
    """Until every node was as it should be."""
    survey: Survey | None = None
    """What the Sentinels and nodes said last; None if they were not asked."""

    @property
    def advice(self) -> str:
        """What to do next; empty if nothing is to be done."""
        plan, name = self.plan, self.plan.request.master
        watch = f"`switchmaster topology` shows the state, `switchmaster watch --master {name}` what follows"
        match self.ending:
            case Ending.DONE | Ending.NOT_NEEDED:
                return ""
            case Ending.REFUSED:
                return "nothing was changed; mend what refuses and start again, or add --wait if it passes by itself"
            case Ending.ABORTED:
                return f"{plan.old} is still the master and nothing is lost; Sentinel does not try again by itself"
            case Ending.ROGUE:
                return (
                    f"two nodes take writes: make the one that the Sentinels do not name follow the other "
                    f"(REPLICAOF {_words(plan.old)} on {plan.candidate}), then start again"
                )
            case Ending.ELSEWHERE:
                return f"the deployment is in order; start again with --to {plan.request.to} to move it on"
            case Ending.UNVERIFIED:
                return f"the new master takes writes; look at what is named above before the next failover: {watch}"
            case Ending.STOPPED:
                return f"no other node was touched; mend the one that is named, and start again: {watch}"
            case Ending.TIMED_OUT | Ending.INTERRUPTED:
                return f"Sentinel may still carry it out; order no other until it has ended: {watch}"


def _words(address: Address | None) -> str:
    return "HOST PORT" if address is None else f"{address.host} {address.port}"


class FailoverProgress:
    """
    Follows one ordered failover.

    Args:
        plan: by which it was ordered.
        ordered: when, in monotonic seconds.
        before: what was surveyed just before: the nodes that answered then must answer afterwards.
    """

    def __init__(self, plan: Plan, ordered: float, before: Survey) -> None:
        self.plan, self.ordered = plan, ordered
        self.record: Failover | None = None
        self.switch: Switch | None = None
        self._answered = {node for node, word in before.nodes.items() if word.role is not None}
        self._aborted: float | None = None
        """When Sentinel gave it up, in monotonic seconds."""
        self._rogue = False
        self._seen_promoted: float | None = None
        """When the candidate was first seen as a master after the abort: Sentinel demotes it again some 10 s later."""

    @property
    def deadline(self) -> float:
        """When the time is up, in monotonic seconds."""
        return self.ordered + self.plan.request.timeout

    def observe(self, news: News) -> None:
        """Take what the Watcher decides; what concerns other masters is ignored."""
        if news.master != self.plan.request.master:
            return
        match news:
            case Switch() if self.switch is None or (news.epoch or 0) >= (self.switch.epoch or 0):
                self.switch = news
            case Failover() if news.attempted and news.stages[-1].at >= self.ordered:
                self.record = news
                if news.outcome is Outcome.ABORTED and self._aborted is None:
                    self._aborted = news.stages[-1].at
            case Notice(kind=NoticeKind.ROGUE):
                self._rogue = True

    def conclude(self, survey: Survey, now: float) -> Conclusion | None:
        """
        Return the conclusion; None while there is none.

        Args:
            survey: what the Sentinels and nodes have just answered.
            now: monotonic seconds.
        """
        late = now >= self.deadline
        if self.switch is not None:
            return self._of_switch(self.switch, survey, now, late)
        candidate = self.plan.candidate
        word = None if candidate is None else survey.nodes.get(candidate)
        promoted = self._rogue or (word is not None and word.is_master)
        if promoted and self._aborted is not None and self._seen_promoted is None:
            self._seen_promoted = now
        if self._seen_promoted is not None and self._aborted is not None:
            if now >= min(self._seen_promoted + ROGUE_FOR, self._aborted + ABORTED_FOR):
                return self._end(
                    Ending.ROGUE, f"Sentinel gave it up, and {candidate} was promoted all the same", survey
                )
        elif self._aborted is not None and now >= self._aborted + ABORTED_FOR:
            if late or (word is not None and word.role is not None):
                return self._end(Ending.ABORTED, f"Sentinel gave it up: {self._abort_reason()}", survey)
            # A promotion ends our connection too; and a node that hangs has the order in its socket.
            if now >= self._aborted + 2 * ABORTED_FOR:
                reason = f"Sentinel gave it up: {self._abort_reason()}; {candidate} does not answer, and may still"
                return self._end(Ending.ABORTED, f"{reason} carry out the promotion when it does", survey)
        if late and promoted:
            return self._end(Ending.ROGUE, f"{candidate} is a master, and the Sentinels do not say so", survey)
        if late:
            reached = self.record.stages[-1].stage if self.record is not None and self.record.stages else "nothing"
            waited = f"no new master within {self.plan.request.timeout:g} s; the failover reached: {reached}"
            return self._end(Ending.TIMED_OUT, waited, survey)
        return None

    def interrupted(self, survey: Survey | None) -> Conclusion:
        """Return the conclusion of somebody who stops watching."""
        return self._end(Ending.INTERRUPTED, "stopped after the order", survey)

    def _of_switch(self, switch: Switch, survey: Survey, now: float, late: bool) -> Conclusion | None:
        missing = list(why_not_as_planned(self.plan, switch.new, survey, self._answered))
        if missing and not late:
            return None
        if missing:
            return self._end(Ending.UNVERIFIED, "; ".join(missing), survey)
        if self.plan.request.to is not None and switch.new != self.plan.request.to:
            return self._end(Ending.ELSEWHERE, f"{switch.new} was promoted, not {self.plan.request.to}", survey)
        return self._end(Ending.DONE, "every node says so", survey, now)

    def _abort_reason(self) -> str:
        entry = self.record.entry(Stage.ABORTED) if self.record is not None else None
        return entry.reason if entry is not None and entry.reason else "no reason was told"

    def _end(self, ending: Ending, reason: str, survey: Survey | None, verified: float | None = None) -> Conclusion:
        switch = self.switch
        announced = self.record.entry(Stage.SWITCHED) if self.record is not None else None
        return Conclusion(
            ending=ending,
            reason=reason,
            plan=self.plan,
            new=None if switch is None else switch.new,
            epoch=None if switch is None else switch.epoch,
            record=self.record,
            promoted_after=None if switch is None else max(0.0, switch.at - self.ordered),
            announced_after=None if announced is None else max(0.0, announced.at - self.ordered),
            verified_after=None if verified is None else verified - self.ordered,
            survey=survey,
        )


def why_not_as_planned(plan: Plan, new: Address, survey: Survey, nodes: set[Address]) -> Iterator[str]:
    """
    Yield what is not as it should be after a failover, in words; nothing if all is.

    Args:
        plan: of the failover.
        new: the new master.
        survey: what the Sentinels and nodes have just answered.
        nodes: those that must answer.
    """
    state = survey.case.state
    if state.address != new:
        yield f"the Sentinels say that {state.address} is the master"
    elif state.grade is not Grade.AGREED:
        yield "the Sentinels do not agree yet"
    for opinion in state.disagreeing:
        yield f"{opinion.sentinel} still names {opinion.address}"
    its = survey.nodes.get(new)
    if its is None or not its.is_master:
        yield f"{new} does not answer that it is the master"
    for node in sorted(nodes - {new}):
        word = survey.nodes.get(node)
        if word is None or word.role is None:
            yield f"{node} does not answer ROLE"
        elif word.role.role is Kind.MASTER:
            yield f"{node} still takes itself for a master"
        elif not survey.follows(node, new):
            yield f"{node} follows {word.role.master}"
        elif plan.request.wait_replicas and not word.role.link_up:
            yield f"{node} is not in sync yet ({word.role.state})"
