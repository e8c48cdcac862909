"""
The case of one master: everything that the rules look at, at one moment, as one immutable value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..belief.topology import MasterState, SentinelState
from ..model import Address, SentinelName
from .evidence import Sample, SentinelWord
from .node_info import NodeInfo
from .policy import Policy, Restart
from .promotable import chosen

__all__ = ["Case", "OwnHealth", "comes_back_empty", "placed"]


@dataclass(frozen=True, slots=True)
class OwnHealth:
    """How far the guard can trust itself."""

    late: float = 0.0
    """Seconds by which its own loop was late, at most, of late."""
    rivals: tuple[str, ...] = ()
    """Names of other armed guards of this deployment that share no lease with this one."""
    leased: bool = True
    """Whether this guard holds the lease; True where none is needed."""
    maintenance: bool = False
    """Whether an operator has suspended it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One master and its guard, now."""

    policy: Policy
    state: MasterState
    sentinels: Mapping[SentinelName, SentinelState]
    reports: Mapping[Address, NodeInfo]
    """The last report of each node, the master's own included."""
    now: float
    """Monotonic seconds."""
    sample: Sample | None = None
    """The newest sample; None while none was collected."""
    failed_over_at: float | None = None
    """When the last failover of this master was known, in monotonic seconds; None if none was."""
    own: OwnHealth = field(default_factory=OwnHealth)
    empty: bool = False
    """Whether the master lives and came back without its data: then no death is to be proved, and the objections that
    weigh one do not hold."""

    @property
    def master(self) -> Address | None:
        """The believed master."""
        return self.state.address

    @property
    def known(self) -> int:
        """How many Sentinels count for this master, whether they answer or not; no single one can overstate it."""
        return self.state.electorate.known

    @property
    def majority(self) -> int:
        """How many of them are a majority."""
        return self.known // 2 + 1

    @property
    def replicas(self) -> tuple[Address, ...]:
        """Its replicas, whether they answer or not: those that a majority of the Sentinels lists."""
        return tuple(each.address for each in self.state.replicas if each.address in self.state.listed)

    @property
    def words(self) -> tuple[SentinelWord, ...]:
        """What the Sentinels said of this very master in the sample."""
        return () if self.sample is None else self.sample.words_of()


def placed(case: Case) -> SentinelWord | None:
    """
    Return the word of the Sentinel that is to be asked for the failover; None if none can carry it out.

    It must be in step (the believed address and epoch), not in TILT, and see a replica that it would promote, one that
    the others list too. One on another host than the master's is preferred, then one that would promote what most
    would, then the one that sees most replicas: so one that makes up replicas is the last.
    """
    known = set(case.replicas)
    fit = [
        word
        for word in case.words
        if word.master.config_epoch == case.state.epoch
        and not (word.sentinel in case.sentinels and case.sentinels[word.sentinel].tilt)
        and chosen(word.master, word.replicas) in known
    ]
    choices = Counter(chosen(word.master, word.replicas) for word in fit)
    host = case.master.host if case.master is not None else ""

    def rank(word: SentinelWord) -> tuple[bool, int, int, SentinelName]:
        seen = len(known & {each.address for each in word.replicas})
        return word.host == host, -choices[chosen(word.master, word.replicas)], -seen, word.sentinel

    return min(fit, key=rank, default=None)


def comes_back_empty(case: Case) -> bool:
    """Whether a restart of the master is known to bring back nothing, so that there is no time for a second sample."""
    if case.policy.restart is not Restart.UNKNOWN:
        return case.policy.restart is Restart.WIPES
    report = case.reports.get(case.master) if case.master is not None else None
    return report is not None and report.comes_back_empty is True
