"""
The plan of one failover: what the checks found, who becomes the master, whom to ask, and what will happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..guard.case import placed
from ..model import Address, SentinelName
from .checks import CheckResult, PlanCheck, candidate_of, check_all
from .preference import PRIORITY, PriorityChange, prefer
from .request import FailoverRequest
from .survey import Survey

__all__ = ["Plan", "make_plan", "restart_order"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, by one survey."""

    request: FailoverRequest
    old: Address | None
    """The present master."""
    candidate: Address | None
    sentinel: SentinelName | None
    """The Sentinel that is asked; None if none is fit."""
    checks: tuple[PlanCheck, ...]
    changes: tuple[PriorityChange, ...] = ()
    """The priorities that are changed first."""
    priorities: Mapping[Address, int] = field(default_factory=dict)
    """With ``to``: those of all replicas once they are changed, as every Sentinel must see them."""
    epoch: int | None = None
    """The config epoch before."""
    sentinels: int = 0
    """How many Sentinels must see the changed priorities."""

    @property
    def needed(self) -> bool:
        """
        Whether there is anything to do: with ``if_master``, only if that node is the master; with ``to``, only if that
        one is not.
        """
        if self.old is not None and self.request.to == self.old:
            return False
        return self.request.if_master is None or self.request.if_master == self.old

    @property
    def refusals(self) -> tuple[PlanCheck, ...]:
        """The checks that refuse."""
        return tuple(each for each in self.checks if each.result is CheckResult.REFUSED)

    @property
    def warnings(self) -> tuple[PlanCheck, ...]:
        """What the operator should know."""
        return tuple(each for each in self.checks if each.result is CheckResult.WARNING)

    @property
    def may_pass(self) -> bool:
        """Whether everything that refuses goes away by itself."""
        return all(each.passing for each in self.refusals)

    def steps(self) -> tuple[str, ...]:
        """Return what will happen, in words, one sentence for each step."""
        request = self.request
        found = [
            f"set {PRIORITY} of {each.node} to {each.during}, and put {each.before} back afterwards"
            for each in self.changes
        ]
        if request.to is not None:
            found.append(f"wait until all {self.sentinels} Sentinels see it preferred (they ask the nodes every 10 s)")
        words = f"SENTINEL FAILOVER {request.master}{' COORDINATED' if request.coordinated else ''}"
        found.append(f"check everything again, then send {words} to {self.sentinel}")
        found.append(f"{self.old} -> {self.candidate}")
        if not request.coordinated:
            found.append(f"hold writes back on {self.old} just before the promotion (CLIENT PAUSE)")
            found.append(f"tell {self.old} to follow {self.candidate}, once the Sentinels agree")
        found.append("verify by ROLE on every node" + (", and wait for all replicas" if request.wait_replicas else ""))
        return tuple(found)


def make_plan(request: FailoverRequest, survey: Survey) -> Plan:
    """
    Plan a failover.

    Args:
        request: what the operator wants.
        survey: what the Sentinels and nodes have just answered.

    Returns:
        The plan; it refuses unless every check passes.
    """
    word = placed(survey.case)
    candidate = candidate_of(request, survey)
    changes: tuple[PriorityChange, ...] = ()
    priorities: dict[Address, int] = {}
    if request.to is not None and word is not None:
        priorities = survey.priorities(word.replicas)
        if priorities.get(request.to):
            changes = prefer(request.to, priorities)
            priorities |= {each.node: each.during for each in changes}
    return Plan(
        request=request,
        old=survey.master,
        candidate=candidate,
        sentinel=None if word is None else word.sentinel,
        checks=check_all(request, survey),
        changes=changes,
        priorities=priorities,
        epoch=survey.case.state.epoch,
        sentinels=len(survey.case.words),
    )


def restart_order(master: Address, replicas: Iterable[Address]) -> tuple[Address, ...]:
    """
    Return all nodes in the order of a rolling restart.

    Args:
        master: the present master, which comes last, once it is a replica.
        replicas: its replicas.
    """
    return (*sorted(each for each in replicas if each != master), master)
