"""
A planned failover in lines of words: the plan before it, the conclusion after it, the state if something went wrong.
Pure; it prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..planned.checks import CheckResult
from ..planned.plan import Plan
from ..planned.progress import Conclusion, Ending
from ..planned.survey import NodeWord, Survey
from .output import Words

__all__ = ["conclusion_words", "plan_words", "survey_words"]

_MARKS: Final = {
    CheckResult.PASSED: ("  ok       ", "green"),
    CheckResult.WARNING: ("  warning  ", "yellow"),
    CheckResult.REFUSED: ("  refused  ", "bold red"),
}
_STYLES: Final = {Ending.DONE: "bold green", Ending.NOT_NEEDED: "green", Ending.REFUSED: "yellow"}


def plan_words(plan: Plan) -> Iterator[Words]:
    """Return what was checked, and what will happen."""
    name = plan.request.master
    if not plan.needed:
        yield ((f"{name}: {plan.old} is the master: nothing to do", "green"),)
        return
    yield ((f"{name}: ", "bold"), (f"{plan.old} -> {plan.candidate or '?'}", "bold"))
    for check in plan.checks:
        yield (
            _MARKS[check.result],
            (check.text, "" if check.result is CheckResult.PASSED else _MARKS[check.result][1]),
        )
    if plan.refusals:
        return
    yield (("What will happen", "bold"),)
    for number, step in enumerate(plan.steps(), 1):
        yield ((f"  {number}. ", "dim"), (step, ""))


def conclusion_words(conclusion: Conclusion) -> Iterator[Words]:
    """Return how it ended; unless all is well, also the state and what to do next."""
    name, style = conclusion.plan.request.master, _STYLES.get(conclusion.ending, "bold red")
    moved = f"{conclusion.plan.old} -> {conclusion.new}" if conclusion.new is not None else str(conclusion.plan.old)
    yield ((f"{name}: ", "bold"), (f"{str(conclusion.ending).upper()}  ", style), (moved, "bold"))
    yield (("  ", ""), (conclusion.reason, style))
    durations = (
        ("new master known", conclusion.promoted_after),
        ("first +switch-master", conclusion.announced_after),
        ("verified on every node", conclusion.verified_after),
    )
    shown = ", ".join(f"{what} after {after:.3f} s" for what, after in durations if after is not None)
    if shown:
        yield (("  ", ""), (shown, ""))
    if conclusion.ending in (Ending.DONE, Ending.NOT_NEEDED):
        return
    if conclusion.survey is not None:
        yield from survey_words(conclusion.survey)
    if conclusion.advice:
        yield (("What to do next: ", "bold"), (conclusion.advice, ""))


def survey_words(survey: Survey) -> Iterator[Words]:
    """Return what each Sentinel and each node said."""
    yield (("What they say now", "bold"),)
    words = {word.sentinel: word for word in survey.case.sample.sentinels} if survey.case.sample is not None else {}
    for name, state in sorted(survey.case.sentinels.items()):
        word, quorum = words.get(name), survey.quorums.get(name)
        if word is None:
            said = f"no answer ({state.reason or state.state})"
        else:
            reply = word.master
            at = f", failover {reply.failover_state}" if reply.failover_state else ""
            reached = "" if quorum is None else ", quorum" if quorum.reachable else ", NO QUORUM"
            said = f"{reply.address} epoch {reply.config_epoch}, {','.join(sorted(reply.flags))}{at}{reached}"
        yield ((f"  sentinel {name:<22} ", "dim"), (said, ""))
    for node, found in sorted(survey.nodes.items()):
        yield ((f"  node     {node!s:<22} ", "dim"), (_node(found), ""))


def _node(found: NodeWord) -> str:
    role = found.role
    if role is None:
        return f"no answer ({found.reason})"
    if found.is_master:
        return f"master, offset {role.offset}, {len(role.replicas)} replicas"
    return f"replica of {role.master} ({role.state}), offset {role.offset}"
