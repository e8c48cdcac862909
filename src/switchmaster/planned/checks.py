"""
What must hold before a planned failover: a table of checks, each a function of the request and the survey.

A check returns its result and its reason in words. What it can't find out refuses, unless it is no more than a
warning. The checks about the Sentinels are the guard's objections (`switchmaster.guard.objections`): what keeps a guard
from ordering a failover keeps an operator from it too.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..guard.case import placed
from ..guard.objections import OBJECTIONS
from ..guard.promotable import chosen, promotable
from ..model import Address
from ..wire.replies import MasterReply, ReplicaReply
from .preference import prefer
from .request import FailoverRequest
from .survey import Survey

__all__ = ["CHECKS", "CheckResult", "PlanCheck", "candidate_of", "check_all"]

COORDINATED_SINCE: Final = 9
"""The first version of Valkey with ``FAILOVER … COORDINATED``."""
CRASHING: Final = "valkey 9.1.0"
"""Its master may crash in a coordinated failover (valkey#4066)."""
_MAJOR: Final = re.compile(r"valkey ([0-9]{1,4})\.")
_OF_SENTINELS: Final = ("deaf", "tilt", "disagreement", "under-way", "too-few")


class CheckResult(enum.StrEnum):
    """What a check found."""

    PASSED = "passed"
    WARNING = "warning"
    """Nothing is lost, and the operator should know."""
    REFUSED = "refused"
    """The failover is not ordered."""


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """One check and what it found."""

    id: str
    """Stable."""
    result: CheckResult
    text: str
    """The reason in words; what was found, if it passed."""
    passing: bool = False
    """Of one that refuses: whether the reason goes away by itself, as a failover under way does."""


Found = tuple[CheckResult, str]
_OK: Final = CheckResult.PASSED
_WARN: Final = CheckResult.WARNING
_NO: Final = CheckResult.REFUSED


def candidate_of(request: FailoverRequest, survey: Survey) -> Address | None:
    """Return the replica that is to become the master; None if there is none."""
    if request.to is not None:
        return request.to
    word = placed(survey.case)
    return None if word is None else chosen(word.master, word.replicas)


def _objection(id: str) -> Callable[[FailoverRequest, Survey], Found]:
    [found] = [each for each in OBJECTIONS if each.id == id]

    def check(request: FailoverRequest, survey: Survey) -> Found:
        reason = found.reason(survey.case)
        return (_NO, reason) if reason else (_OK, _PASSED[id].format(case=survey.case, words=len(survey.case.words)))

    return check


_PASSED: Final = {
    "deaf": "a majority of the {case.known} Sentinels is heard",
    "tilt": "no Sentinel is in TILT",
    "disagreement": "the Sentinels agree that {case.master} is the master, at epoch {case.state.epoch}",
    "under-way": "no failover is under way",
    "too-few": "{words} of {case.known} Sentinels answer",
}


def _quorum(request: FailoverRequest, survey: Survey) -> Found:
    lacking = sorted(name for name, each in survey.quorums.items() if not each.reachable)
    if lacking:
        return _NO, f"no quorum by the word of {', '.join(lacking)}: if this fails, Sentinel can't mend it"
    if not survey.quorums:
        return _WARN, "no Sentinel may be asked for its quorum (CKQUORUM)"
    return _OK, f"{len(survey.quorums)} Sentinels reach the quorum and a majority"


def _simulates(request: FailoverRequest, survey: Survey) -> Found:
    found = sorted(name for name, each in survey.case.sentinels.items() if each.simulates_failures)
    if found:
        return _NO, f"SENTINEL SIMULATE-FAILURE is on, and crashes in the next failover: {', '.join(found)}"
    return _OK, "no Sentinel simulates failures"


def _rights(request: FailoverRequest, survey: Survey) -> Found:
    word = placed(survey.case)
    if word is None or survey.may_order.get(word.sentinel, False):
        return _OK, "the Sentinel user may send SENTINEL FAILOVER"
    return _NO, f"{word.sentinel} does not let this user send SENTINEL FAILOVER; add +sentinel|failover to its ACL"


def _rival(request: FailoverRequest, survey: Survey) -> Found:
    names = ", ".join(survey.rivals)
    return (
        (_NO, f"another operator moves a master of these Sentinels: {names}") if names else (_OK, "no other operator")
    )


def _cool_down(request: FailoverRequest, survey: Survey) -> Found:
    ago = survey.since_switch
    if ago is None or ago >= request.cool_down:
        return _OK, "no failover just before"
    return (
        _NO,
        f"the last failover was {ago:.0f} s ago, or the Sentinels were started then; {request.cool_down:g} s must pass",
    )


def _master(request: FailoverRequest, survey: Survey) -> Found:
    master = survey.master
    word = survey.nodes.get(master) if master is not None else None
    if word is None or word.role is None:
        why = word.reason if word is not None and word.reason else "no answer"
        return _NO, f"the master {master} does not answer ROLE ({why}): that is an incident, no planned failover"
    if not word.is_master:
        return _NO, f"{master} itself says that it is no master"
    return _OK, f"{master} answers that it is the master"


def _second_master(request: FailoverRequest, survey: Survey) -> Found:
    others = [str(node) for node, each in sorted(survey.nodes.items()) if each.is_master and node != survey.master]
    if others:
        return (
            _NO,
            f"{', '.join(others)} says that it is a master too; Sentinel demotes it within some 11 s, or not at all",
        )
    return _OK, "no other node says that it is a master"


def _replicas(request: FailoverRequest, survey: Survey) -> Found:
    master = survey.master
    known = [node for node in survey.nodes if node != master]
    absent = [str(node) for node in sorted(known) if master is None or not survey.follows(node, master)]
    if absent:
        return _WARN, f"no replica of it now: {', '.join(absent)}"
    if len(known) == 1:
        return _WARN, "it has one replica: until the old master follows, the new one has none"
    return _OK, f"{len(known)} replicas follow it"


def _wanted(request: FailoverRequest, survey: Survey) -> Found:
    word = placed(survey.case)
    if request.to is None or word is None:
        return _OK, "Sentinel chooses the replica"
    mine = next((each for each in word.replicas if each.address == request.to), None)
    if mine is None:
        return _NO, f"{request.to} is no replica of {request.master}"
    if survey.priorities([mine])[request.to] <= 0:
        return _NO, f"Sentinel would never promote {request.to}: it has replica-priority 0"
    return _OK, f"{request.to} is a replica that may be promoted"


def _candidate(request: FailoverRequest, survey: Survey) -> Found:
    word = placed(survey.case)
    if word is None:
        return _NO, f"no Sentinel in step sees a replica that it would promote{_why_none(survey)}"
    if request.to is None:
        return _OK, f"Sentinel would promote {chosen(word.master, word.replicas)}"
    if request.to not in {each.address for each in promotable(word.master, word.replicas)}:
        out = [_out(each, word.master) for each in word.replicas if each.address == request.to]
        return _NO, f"Sentinel would not promote {request.to} now: it {out[0] if out else 'is not listed'}"
    return _OK, f"{request.to} can be promoted"


def _why_none(survey: Survey) -> str:
    word = min(survey.case.words, key=lambda each: each.sentinel, default=None)
    if word is None or not word.replicas:
        return ""
    known = promotable(word.master, word.replicas)
    out = [f"{each.address} {_out(each, word.master)}" for each in word.replicas if each not in known]
    return f" ({'; '.join(out)})" if out else ""


def _out(replica: ReplicaReply, master: MasterReply) -> str:
    for flag, words in (("s_down", "is down"), ("o_down", "is down"), ("disconnected", "is disconnected")):
        if flag in replica.flags:
            return words
    if replica.priority <= 0:
        return "has replica-priority 0, which means never"
    if replica.master_link_down_ms > 10 * master.down_after_ms:
        return f"lost its master {replica.master_link_down_ms / 1000:.0f} s ago"
    return "is out"


def _in_sync(request: FailoverRequest, survey: Survey) -> Found:
    candidate, master = candidate_of(request, survey), survey.master
    if candidate is None or master is None:
        return _NO, "no replica to look at"
    word = survey.nodes.get(candidate)
    if word is None or word.role is None:
        return _NO, f"{candidate} does not answer ROLE ({word.reason if word is not None else 'not asked'})"
    if not survey.follows(candidate, master):
        return _NO, f"{candidate} does not follow {master}"
    if not word.role.link_up or (word.info is not None and word.info.loading):
        return _NO, f"{candidate} is not in sync with the master ({word.role.state})"
    return _OK, f"{candidate} is in sync with the master"


def _lag(request: FailoverRequest, survey: Survey) -> Found:
    candidate = candidate_of(request, survey)
    if candidate is None:
        return _NO, "no replica to look at"
    lag, behind = survey.lag(candidate), survey.behind(candidate)
    if behind is None:
        return _NO, f"how far {candidate} is behind is not known: it or the master did not tell its offset"
    if behind > request.max_behind:
        return _NO, f"{candidate} is {behind:,} bytes behind, more than {request.max_behind:,}"
    if lag is not None and lag > request.max_lag:
        return _NO, f"{candidate} was last heard by the master {lag:g} s ago, more than {request.max_lag:g} s"
    said = "" if lag is None else f", last heard by the master {lag:g} s ago"
    return _OK, f"{candidate} is {behind:,} bytes behind{said}"


def _coordinated(request: FailoverRequest, survey: Survey) -> Found:
    word = placed(survey.case)
    if not request.coordinated:
        return _OK, "an ordinary failover, which every version can"
    servers = {} if word is None else {str(word.sentinel): survey.case.sentinels[word.sentinel].version}
    servers |= {str(node): each.version for node, each in survey.nodes.items() if each.version}
    found = {name: _MAJOR.match(version) for name, version in servers.items()}
    old = [name for name, match in sorted(found.items()) if match is None or int(match[1]) < COORDINATED_SINCE]
    if old:
        return _NO, f"COORDINATED needs Valkey {COORDINATED_SINCE}: {', '.join(old)} can't"
    if CRASHING in servers.values():
        return _NO, f"{CRASHING} may crash in a coordinated failover (valkey#4066); upgrade it first"
    return _OK, "the servers can coordinate it"


def _priorities(request: FailoverRequest, survey: Survey) -> Found:
    word = placed(survey.case)
    if request.to is None or word is None:
        return _OK, "no replica is preferred"
    priorities = survey.priorities(word.replicas)
    changes = prefer(request.to, priorities) if priorities.get(request.to) else ()
    refused = [str(each.node) for each in changes if _may_set(survey, each.node) is False]
    if refused:
        return (
            _NO,
            f"the node user may not CONFIG SET replica-priority on {', '.join(refused)}; add +config|set to its ACL",
        )
    return _OK, f"{len(changes)} priorities to change" if changes else "it has the lowest priority already"


def _may_set(survey: Survey, node: Address) -> bool | None:
    word = survey.nodes.get(node)
    return None if word is None else word.may_set


@dataclass(frozen=True, slots=True)
class _Row:
    id: str
    check: Callable[[FailoverRequest, Survey], Found]
    passing: bool = False


CHECKS: Final[tuple[_Row, ...]] = (
    _Row("heard", _objection("deaf"), passing=True),
    _Row("answers", _objection("too-few"), passing=True),
    _Row("agreement", _objection("disagreement"), passing=True),
    _Row("tilt", _objection("tilt"), passing=True),
    _Row("quorum", _quorum),
    _Row("simulates", _simulates),
    _Row("under-way", _objection("under-way"), passing=True),
    _Row("rival", _rival, passing=True),
    _Row("cool-down", _cool_down, passing=True),
    _Row("master", _master),
    _Row("second-master", _second_master, passing=True),
    _Row("replicas", _replicas),
    _Row("wanted", _wanted),
    _Row("candidate", _candidate, passing=True),
    _Row("in-sync", _in_sync, passing=True),
    _Row("lag", _lag, passing=True),
    _Row("coordinated", _coordinated),
    _Row("priorities", _priorities),
    _Row("rights", _rights),
)
"""In the order in which they are shown: the Sentinels, then the nodes, then what we may do."""


def check_all(request: FailoverRequest, survey: Survey) -> tuple[PlanCheck, ...]:
    """Return what each check finds, in the order of the table."""
    found = ((row, row.check(request, survey)) for row in CHECKS)
    return tuple(PlanCheck(row.id, result, text, row.passing) for row, (result, text) in found)
