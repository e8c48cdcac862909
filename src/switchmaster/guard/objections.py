"""
Why the guard does not act although the master is dead: a table of objections, each with its reason in words.

An objection is a function of the `Case`; it returns its reason, or an empty text. `objections` returns those that hold,
in the order of the table. Those that need a sample do not object while there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..model import Grade
from ..wire.facts import LinkState
from .case import Case, placed
from .promotable import chosen

__all__ = ["OBJECTIONS", "Objection", "objections"]

LATE: Final = 0.5
"""Seconds by which the guard's own loop may be late: what it reads in a sample would be as old."""
SOON_MS: Final = 1500
"""Milliseconds before Sentinel's own verdict in which the guard leaves the matter to it: two failovers would follow.
The others learn of the new master when the leader has seen the promotion, by an INFO that it sends each second."""


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason not to act."""

    id: str
    """Stable: metrics and records count by it."""
    reason: Callable[[Case], str]
    """Returns the reason in words; an empty text if it does not hold."""


def objections(case: Case) -> tuple[tuple[str, str], ...]:
    """Return the id and the reason of each objection that holds."""
    found = ((each.id, each.reason(case)) for each in OBJECTIONS)
    return tuple((name, reason) for name, reason in found if reason)


def _maintenance(case: Case) -> str:
    return "an operator has suspended the guard" if case.own.maintenance else ""


def _lease(case: Case) -> str:
    return "" if case.own.leased else "another daemon holds the lease"


def _rival(case: Case) -> str:
    names = ", ".join(case.own.rivals)
    return f"another guard is armed that shares no lease with this one: {names}" if names else ""


def _late(case: Case) -> str:
    return f"this daemon was itself late by {case.own.late:.2f} s" if case.own.late > LATE else ""


def _deaf(case: Case) -> str:
    live = sum(each.state is LinkState.LIVE for each in case.sentinels.values())
    needed = case.majority
    return f"{live} of {case.known} Sentinels are heard, and {needed} must be" if live < needed else ""


def _disagreement(case: Case) -> str:
    return "" if case.state.grade is Grade.AGREED else "the Sentinels do not agree on who is the master"


def _under_way(case: Case) -> str:
    leading = any(word.leads for word in case.words)
    return "a failover is under way" if case.state.failing_over or leading else ""


def _cool_down(case: Case) -> str:
    if case.failed_over_at is None or case.now >= case.failed_over_at + case.policy.cool_down:
        return ""
    ago = case.now - case.failed_over_at
    return f"the last failover or order was {ago:.0f} s ago, within the cool-down of {case.policy.cool_down:g} s"


def _tilt(case: Case) -> str:
    tilted = sorted(name for name, each in case.sentinels.items() if each.tilt)
    return f"in TILT: {', '.join(tilted)}" if tilted else ""


def _too_few(case: Case) -> str:
    needed = case.majority
    if case.sample is None or len(case.words) >= needed:
        return ""
    return f"{len(case.words)} of {case.known} Sentinels answered, and {needed} must"


def _no_replica(case: Case) -> str:
    if case.sample is None:
        return "" if case.replicas else "it has no replica"
    return "" if placed(case) is not None else "no Sentinel in step sees a replica that it would promote"


def _nothing_left(case: Case) -> str:
    if not case.empty or case.sample is None:
        return ""
    word, report = placed(case), case.reports.get(case.master) if case.master is not None else None
    best = chosen(word.master, word.replicas) if word is not None else None
    held = next((each.keys for each in case.sample.replicas if each.node == best), None)
    left = (report.keys or 0) if report is not None else 0
    return f"{best} has no more than the master: nothing is left to save" if held is not None and held <= left else ""


def _lag(case: Case) -> str:
    if case.empty:
        return ""  # whatever it lacks, the master lacks all
    word = placed(case)
    best = chosen(word.master, word.replicas) if word is not None else None
    report = case.reports.get(case.master) if case.master is not None else None
    if best is None or report is None:
        return "" if best is None else "the master's last INFO is not known, so the lag of its replicas is not"
    lag = report.lags.get(best)
    if lag is None:
        return f"{best} had no link to the master when it was last asked"
    return f"{best} was {lag:g} s behind, more than max_lag" if lag > case.policy.max_lag else ""


def _soon(case: Case) -> str:
    left = sorted(word.master.down_after_ms - word.master.last_ok_ping_ms for word in case.words)
    if case.empty or not left or left[(len(left) - 1) // 2] >= SOON_MS:
        return ""
    return f"Sentinel comes to its own verdict within {SOON_MS / 1000:g} s"


def _orderly(case: Case) -> str:
    report = case.reports.get(case.master) if case.master is not None else None
    if case.policy.orderly or case.empty or report is None or not report.stopping:
        return ""
    return "its shutdown was announced"


OBJECTIONS: Final[tuple[Objection, ...]] = (
    Objection("maintenance", _maintenance),
    Objection("lease", _lease),
    Objection("rival", _rival),
    Objection("late", _late),
    Objection("deaf", _deaf),
    Objection("tilt", _tilt),
    Objection("disagreement", _disagreement),
    Objection("under-way", _under_way),
    Objection("cool-down", _cool_down),
    Objection("orderly", _orderly),
    Objection("too-few", _too_few),
    Objection("no-replica", _no_replica),
    Objection("nothing-left", _nothing_left),
    Objection("lag", _lag),
    Objection("soon", _soon),
)
"""Those about the guard itself first: it distrusts itself before it trusts its witnesses."""
