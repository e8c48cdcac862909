"""
The walk of one master's guard: from a lost connection over two samples to one order, and what came of it.

::

    WATCHING --lost--> SAMPLING --proved--> WAITING --grace--> SAMPLING --proved--> ORDERED --switched--> WATCHING
                          |                                       |                    |
                          +--- doubts: again while refused -------+--- an objection ---+--- too late --> WATCHING

A sample that comes too early is no verdict: a Sentinel may not have noticed yet. So the guard samples again, after
`AGAIN` seconds and more, while the master refuses connections and `PATIENCE` is not over; then it waits for the shell's
next refused connect, which begins a new walk. What keeps it from acting is told once for each death.

What a restart brought back is compared here too, once it is loaded: a master with another run id and (nearly) none of
its keys is empty, and no evidence is needed to ask for a failover, as long as a replica holds more.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..belief.decisions import Notice, NoticeKind, Switch
from ..model import LIMITS, Address, Moment, SentinelName
from .case import Case, comes_back_empty, placed
from .evidence import Dialled, ProcessState, Sample, doubts
from .node_info import NodeInfo
from .objections import objections
from .orders import Collect, GuardDecision, Order
from .policy import Arming, Policy
from .promotable import chosen

__all__ = ["GuardPhase", "MasterGuard", "rehearse"]

AGAIN: Final = 0.03
"""Seconds between the first two samples while the evidence is incomplete."""
LONGER: Final = 1.5
"""The factor by which each further pause is longer: the Sentinels of a thousand dead masters must not be flooded."""
PATIENCE: Final = 1.0
"""Seconds for which a walk samples again; then the next refused connect begins another."""
ORDER_LIMIT: Final = 10.0
"""Seconds in which the ordered failover must be known: Sentinel gives up a promotion after its failover timeout."""
SETTLED: Final = 5.0
"""Seconds after which it is told what a restart has cost: replicas connect again within one, and copy."""
SAMPLE_LIMIT: Final = 5.0
"""Seconds after its timeout until a sample that never came is given up."""
NEARLY: Final = 0.01
"""The share of its keys with which a master counts as empty all the same: writers may have begun anew."""


class GuardPhase(enum.StrEnum):
    """Where the walk stands."""

    WATCHING = "watching"
    SAMPLING = "sampling"
    """A sample is being collected."""
    WAITING = "waiting"
    """For the grace, or for a sample that comes less early."""
    ORDERED = "ordered"
    """A failover was ordered, and is not known yet."""


@dataclass(slots=True)
class _Walk:
    """What a walk remembers; a new one for each."""

    begun: float
    """When the connection was lost, in monotonic seconds."""
    node: Address
    proved_at: float | None = None
    """When the first sample proved the death; None before, and again if a later one did not."""
    due: float = 0.0
    """When to go on, at the latest."""
    pause: float = AGAIN
    """Before the next sample, in seconds, if the evidence is incomplete."""
    sentinel: SentinelName | None = None
    """The Sentinel that was asked."""
    certain: bool = False
    """Whether the first proof saw the process gone on our own host: dead for good, whatever the witnesses say."""
    empty: bool = False
    """Whether it began with a master that came back empty: no sample proves more."""


@dataclass(slots=True)
class _Restart:
    """A restart whose account is not told yet."""

    node: Address
    before: Mapping[Address, NodeInfo]
    due: float


class MasterGuard:
    """
    Guards one master.

    Args:
        deployment: the deployment's name.
        master: the master's name.
        policy: what the operator has decided; may be replaced at any time.
    """

    def __init__(self, deployment: str, master: str, policy: Policy) -> None:
        self.deployment, self.master = deployment, master
        self.policy = policy
        self.phase = GuardPhase.WATCHING
        self.reports: dict[Address, NodeInfo] = {}
        """The last report of each node, of at most as many as a master has; of a restarted master the one before, until
        it has loaded its data."""
        self.failed_over_at: float | None = None
        """When the last failover of this master was known, or an order ended without one, in monotonic seconds."""
        self.counts = dict.fromkeys(("walks", "samples", "orders", "verified", "in_vain", "restarts", "empty"), 0)
        self.objected: dict[str, int] = {}
        """How often each objection kept it from acting, by id."""
        self._walk: _Walk | None = None
        self._restart: _Restart | None = None
        self._told: set[str] = set()
        """The ids of the objections that were told; not repeated until the master is well again, or another one."""
        self._out: list[GuardDecision] = []

    # -- what the shell reads -----------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When `tick` is due, in monotonic seconds."""
        due = [self._restart.due] if self._restart is not None else []
        if self._walk is not None:
            due.append(self._walk.due)
        return min(due, default=None)

    def decisions(self) -> list[GuardDecision]:
        """Return what is to be done since the last call."""
        out, self._out = self._out, []
        return out

    # -- what nodes do ------------------------------------------------------------------------------

    def lost(self, node: Address, case: Case, moment: Moment) -> None:
        """
        Begin a walk: the connection to the master has ended, or was refused again.

        Args:
            node: the node that was connected.
            case: the case now.
            moment: when.
        """
        if self.policy.arming is Arming.DISARMED or self.phase is not GuardPhase.WATCHING or node != case.master:
            return
        self.counts["walks"] += 1
        self._walk = _Walk(moment.now, node)
        self._collect(self._walk, moment)

    def reported(self, report: NodeInfo, case: Case, moment: Moment) -> None:
        """
        Take a node's report, and compare a master's with the one before.

        Args:
            report: the report.
            case: the case before it.
            moment: when.
        """
        before = self.reports.get(report.node)
        if before is None and len(self.reports) > LIMITS.replicas:
            return
        if self._walk is not None and report.node == self._walk.node:
            self._walk.proved_at = None  # it answered since
        restarted = before is not None and before.run_id and report.run_id not in ("", before.run_id)
        if report.loading and restarted:
            return
        known = {**self.reports}
        self.reports[report.node] = report
        if report.node != case.master or report.role != "master":
            return
        if self.phase is not GuardPhase.ORDERED:
            self._told.clear()
        if before is None or not restarted:
            return
        self.counts["restarts"] += 1
        earlier = self._restart.before if self._restart is not None and self._restart.node == report.node else known
        self._restart = _Restart(report.node, earlier, moment.now + SETTLED)
        if _is_empty(before, report, known):
            self._came_back_empty(before, report, moment)
        else:
            text = f"{report.node} has restarted: run id {before.run_id[:8]}… was before, {report.run_id[:8]}… is now"
            self._tell(NoticeKind.MASTER_RESTARTED, f"{text}; {_kept(before, report)}", moment)

    def forgotten(self, node: Address) -> None:
        """Drop the report of a node that belongs to this master no more."""
        self.reports.pop(node, None)

    def _came_back_empty(self, before: NodeInfo, report: NodeInfo, moment: Moment) -> None:
        self.counts["empty"] += 1
        held = max((each.keys or 0 for node, each in self.reports.items() if node != report.node), default=0)
        text = f"{report.node} has restarted without its data: {_kept(before, report)}; its replicas hold {held} keys"
        self._tell(NoticeKind.MASTER_EMPTY, text, moment)
        if self.policy.arming is Arming.DISARMED or self.phase is GuardPhase.ORDERED:
            return
        self._walk = _Walk(moment.now, report.node, empty=True)
        self.counts["walks"] += 1
        self._collect(self._walk, moment)  # for who is to be asked, not for a proof

    # -- evidence -----------------------------------------------------------------------------------

    def _collect(self, walk: _Walk, moment: Moment) -> None:
        self.counts["samples"] += 1
        self.phase, walk.due = GuardPhase.SAMPLING, moment.now + self.policy.evidence_timeout + SAMPLE_LIMIT
        self._out.append(Collect(self.master, walk.node, self.policy.evidence_timeout))

    def sampled(self, case: Case, moment: Moment) -> None:
        """
        Judge a sample that was collected.

        Args:
            case: the case now, with the sample.
            moment: when.
        """
        walk, sample = self._walk, case.sample
        if walk is None or sample is None or self.phase is not GuardPhase.SAMPLING:
            return
        if sample.master != walk.node or sample.at < walk.begun:
            return  # of an earlier walk
        if case.master != walk.node or self.policy.arming is Arming.DISARMED:
            return self._end()  # a failover came first, or an operator
        case = replace(case, empty=walk.empty)
        if not walk.empty and not self._proves(walk, case, sample, moment):
            return
        holding = objections(case)
        if holding:
            return self._refuse(holding, moment)
        if walk.proved_at is None and not walk.empty:
            walk.proved_at = moment.now
            if self.policy.grace > 0 and not comes_back_empty(case):
                return self._wait(walk, moment.now + self.policy.grace)
        self._order(walk, case, sample, moment)

    def suffices(self, case: Case) -> bool:
        """Whether the sample of a case, which is still being collected, needs no further witness."""
        walk, sample = self._walk, case.sample
        if walk is None or sample is None:
            return True
        return len(case.words) >= case.majority and (walk.empty or not _against(walk, case, sample))

    def _proves(self, walk: _Walk, case: Case, sample: Sample, moment: Moment) -> bool:
        against = _against(walk, case, sample)
        if not against:
            walk.certain = sample.process is ProcessState.GONE
            return True
        alive = sample.dialled is not Dialled.REFUSED
        if not alive and moment.now < walk.begun + PATIENCE:
            walk.proved_at = None
            self._wait(walk, moment.now + walk.pause)
            walk.pause *= LONGER
            return False
        if alive:
            self._end()  # a lost connection is nothing to tell of
            return False
        self._refuse([("evidence", reason) for reason in against], moment)
        return False

    def _wait(self, walk: _Walk, until: float) -> None:
        self.phase, walk.due = GuardPhase.WAITING, until

    def _end(self) -> None:
        self.phase, self._walk = GuardPhase.WATCHING, None

    def _refuse(self, reasons: Sequence[tuple[str, str]], moment: Moment) -> None:
        walk, names = self._walk, {name for name, _ in reasons}
        self._end()
        for name in names:
            self.objected[name] = self.objected.get(name, 0) + 1
        if walk is not None and not names <= self._told:
            self._told |= names
            found = "came back empty" if walk.empty else "refuses connections"
            text = "; ".join(reason for _, reason in reasons)
            self._tell(NoticeKind.GUARD_REFUSED, f"{walk.node} {found}, and no failover is ordered: {text}", moment)

    # -- the order ----------------------------------------------------------------------------------

    def _order(self, walk: _Walk, case: Case, sample: Sample, moment: Moment) -> None:
        word = placed(case)
        assert word is not None  # or an objection had held
        best = chosen(word.master, word.replicas)
        proof = _proof(walk, case, sample, moment)
        self._told.add("cool-down")  # which keeps it from a second order for this death
        if self.policy.arming is not Arming.ARMED:
            self._end()
            self.failed_over_at = moment.now  # a dry run says so once, too
            text = f"{proof}; {word.sentinel} would have been asked for a failover, to {best}"
            return self._tell(NoticeKind.GUARD_WOULD_ORDER, text, moment)
        self.counts["orders"] += 1
        self.phase, walk.due, walk.sentinel = GuardPhase.ORDERED, moment.now + ORDER_LIMIT, word.sentinel
        self._out.append(Order(self.master, word.sentinel, proof))
        self._tell(NoticeKind.GUARD_ORDERED, f"{proof}; {word.sentinel} is asked for a failover, to {best}", moment)

    def ordered(self, refusal: str, moment: Moment) -> None:
        """
        Take the Sentinel's answer to the order.

        Args:
            refusal: why it was refused, or why no answer came; empty if it was accepted.
            moment: when.
        """
        if self.phase is GuardPhase.ORDERED and self._walk is not None and refusal:
            self._give_up(f"{self._walk.sentinel} did not take the order: {refusal}; it is left to Sentinel", moment)

    def _give_up(self, text: str, moment: Moment) -> None:
        self.counts["in_vain"] += 1
        self.failed_over_at = moment.now  # one order for each death
        self._tell(NoticeKind.GUARD_IN_VAIN, text, moment)
        self._end()

    def switched(self, switch: Switch, moment: Moment) -> None:
        """Take a switch of this master, whoever made it."""
        walk, self.failed_over_at = self._walk, moment.now
        self._told.clear()
        if walk is not None and self.phase is GuardPhase.ORDERED:
            self.counts["verified"] += 1
            after = moment.now - walk.begun
            text = f"{switch.new} is the master, {after:.2f} s after the loss of {walk.node} was noticed"
            self._tell(NoticeKind.GUARD_VERIFIED, text, moment)
        self._end()

    # -- time ---------------------------------------------------------------------------------------

    def tick(self, moment: Moment) -> None:
        """Do what is due: the next sample, the end of an order in vain or of a sample, the account of a restart."""
        walk, restart = self._walk, self._restart
        if restart is not None and moment.now >= restart.due:
            self._restart = None
            kind = NoticeKind.MASTER_RESTARTED
            self._tell(kind, f"after the restart of {restart.node}: {_account(restart.before, self.reports)}", moment)
        if walk is None or moment.now < walk.due:
            return
        if self.phase is GuardPhase.WAITING:
            self._collect(walk, moment)
        elif self.phase is GuardPhase.SAMPLING:
            self._refuse([("evidence", "no sample of evidence came")], moment)
        elif self.phase is GuardPhase.ORDERED:
            self._give_up(f"no failover came of the order in {ORDER_LIMIT:g} s; it is left to Sentinel", moment)

    def _tell(self, kind: NoticeKind, text: str, moment: Moment) -> None:
        sentinel = self._walk.sentinel if self._walk is not None else None
        self._out.append(Notice(kind, self.deployment, self.master, sentinel, text, moment.now, moment.wall))


def rehearse(case: Case) -> tuple[str, ...]:
    """
    Return why the guard would not act if the master died now; empty if it would.

    Args:
        case: the case now; with a sample of the living master, what the Sentinels see of its replicas counts too.
    """
    reasons = (*_blind(case), *(reason for name, reason in objections(case) if name != "soon"))
    disarmed = ("the guard is disarmed",) if case.policy.arming is Arming.DISARMED else ()
    dry = ("it only says what it would do (dry run)",) if case.policy.arming is Arming.DRY_RUN else ()
    return (*disarmed, *dry, *reasons)


def _blind(case: Case) -> Iterator[str]:
    """Yield why no sample could prove the death of a master that lives."""
    sample = case.sample
    if sample is None:
        return
    if sample.dialled is Dialled.INDIRECT:
        yield "it can't be dialled at its own address from here"
    heard = len(sample.followers(case.replicas))
    if case.replicas and 2 * heard <= len(case.replicas):
        yield f"{heard} of {len(case.replicas)} replicas answer and follow it at {sample.master}, which is no majority"


def _against(walk: _Walk, case: Case, sample: Sample) -> tuple[str, ...]:
    """
    Return what speaks against the death that a walk is about.

    A process that was seen to be gone does not come back: after the grace it only matters whether another one listens.
    A Sentinel that says for a moment that it is connected, because it tries to be, is no doubt then.
    """
    if walk.certain and walk.proved_at is not None and sample.dialled is Dialled.REFUSED:
        return ()
    return doubts(sample, case.known, case.replicas)


def _proof(walk: _Walk, case: Case, sample: Sample, moment: Moment) -> str:
    if walk.empty:
        return f"{walk.node} came back empty"
    orphaned, ago = sample.orphaned(case.replicas), moment.now - walk.begun
    gone = ", its process on this host is gone" if sample.process is ProcessState.GONE else ""
    return (
        f"{walk.node} is dead: it refuses connections, {sample.cut_off()} of {case.known} Sentinels and "
        f"{orphaned} of {len(case.replicas)} replicas have lost it{gone}, {ago:.2f} s ago"
    )


def _is_empty(before: NodeInfo, report: NodeInfo, known: Mapping[Address, NodeInfo]) -> bool:
    if not before.keys or report.keys is None or report.keys > NEARLY * before.keys:
        return False
    return any((each.keys or 0) > report.keys for node, each in known.items() if node != report.node)


def _kept(before: NodeInfo, report: NodeInfo) -> str:
    return f"{_shown(before.keys)} keys before, {_shown(report.keys)} after"


def _account(before: Mapping[Address, NodeInfo], after: Mapping[Address, NodeInfo]) -> str:
    def row(node: Address) -> str:
        pairs = [
            (None, None) if each is None else (each.keys, each.offset) for each in (before.get(node), after.get(node))
        ]
        keys, offsets = (" -> ".join(map(_shown, column)) for column in zip(*pairs, strict=True))
        return f"{node} keys {keys}, offset {offsets}"

    return "; ".join(row(node) for node in sorted({*before, *after}))


def _shown(number: int | None) -> str:
    return "?" if number is None else str(number)
