"""
Forecasts, aftermaths and findings as lines: plain values for JSON, TSV and the API. The keys are a contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..guard.promotable import PromotionCandidate
from ..model import Address
from ..render import Line, iso
from .down_after import DownAfterAdvice, Suspicions
from .forecast import Forecast, LeaderForecast, Likelihood
from .losses import Aftermath
from .milestones import Milestone
from .past import PastFinding, PastReason
from .pauses import Pauses

__all__ = ["aftermath_line", "candidate_rows", "down_after_line", "forecast_line", "past_line"]


def forecast_line(
    deployment: str,
    made: Forecast,
    crash: Sequence[Milestone],
    hang: Sequence[Milestone],
    time: float,
) -> Line:
    """
    Return the line of a forecast.

    Args:
        deployment: its name.
        made: the forecast.
        crash: the steps after the master's process has ended.
        hang: the steps after it stopped to answer.
        time: when the Sentinels were asked, in seconds since 1970.
    """
    return {
        "type": "explain",
        "time": iso(time),
        "deployment": deployment,
        "master": made.name,
        **_forecast(made),
        "steps": {"crash": list(map(_step, crash)), "hang": list(map(_step, hang))},
    }


def aftermath_line(
    deployment: str, name: str, dies: Sequence[str], made: Aftermath, crash: Sequence[Milestone]
) -> Line:
    """
    Return the line of what becomes of one master if servers die.

    Args:
        deployment: its name.
        name: the master's.
        dies: what dies, as the user gave it.
        made: what becomes of the master.
        crash: the steps of the failover that follows.
    """
    return {
        "type": "if-dies",
        "deployment": deployment,
        "master": name,
        "if_dies": list(dies),
        "fate": str(made.fate),
        "dies": made.dies,
        "replicas_lost": list(map(address_line, made.replicas_lost)),
        "sentinels_lost": list(made.sentinels_lost),
        **_forecast(made.forecast),
        "address": address_line(made.address),
        "steps": {"crash": list(map(_step, crash))},
    }


def past_line(deployment: str | None, name: str, period: tuple[float, float], found: Sequence[PastFinding]) -> Line:
    """
    Return the line of what became of a period's suspicions and attempts.

    Args:
        deployment: its name; None for all.
        name: the master's.
        period: from and until, in seconds since 1970.
        found: the findings.
    """
    happened = any(one.reason in (PastReason.COMPLETED, PastReason.MISSED) for one in found)
    return {
        "type": "why-not",
        "deployment": deployment,
        "master": name,
        "since": iso(period[0]),
        "until": iso(period[1]),
        "failed_over": happened,
        "findings": [_finding(one) for one in found],
    }


def down_after_line(
    deployment: str,
    name: str,
    advice: DownAfterAdvice,
    pauses: Pauses,
    nodes: Sequence[str],
    suspicions: Suspicions | None,
) -> Line:
    """
    Return the line of what down-after-milliseconds costs and which value would do; times in seconds.

    Args:
        deployment: its name.
        name: the master's.
        advice: what follows from the measurements.
        pauses: the measurements, of all nodes together.
        nodes: those that were measured.
        suspicions: what the journal knows; None if there is no journal.
    """
    return {
        "type": "down-after",
        "deployment": deployment,
        "master": name,
        "present": advice.present,
        "outage": [round(each, 3) for each in advice.outage],
        "advised": advice.advised,
        "shown": advice.shown,
        "extrapolated": advice.extrapolated,
        "wanted_per_year": advice.wanted_per_year,
        "shown_per_year": None if advice.shown_per_year is None else round(advice.shown_per_year, 3),
        "needed_seconds": round(advice.needed),
        "longest": advice.longest,
        "hangs": advice.hangs,
        "nodes": list(nodes),
        "pauses": pauses.to_line(),
        "journal": None
        if suspicions is None
        else {
            "watched": round(suspicions.watched),
            "false_suspicions": suspicions.false,
            "automatic_failovers": suspicions.failovers,
        },
    }


def candidate_rows(line: Line) -> list[Line]:
    """Return a forecast's candidates as rows of a table, from its line."""
    same = {"type": "candidate", "deployment": line["deployment"], "master": line["master"]}
    return [
        {
            **same,
            "sentinel": leader["sentinel"],
            **{key: each[key] for key in ("address", "fits", "priority", "offset")},
            "failed": [check["rule"] for check in each["checks"] if not check["passed"]],
        }
        for leader in line["leaders"]
        for each in leader["candidates"]
    ]


def address_line(address: Address | None) -> Line | None:
    """Return an address as a line has it."""
    return None if address is None else {"host": address.host, "port": address.port}


def _forecast(made: Forecast) -> Line:
    return {
        "address": address_line(made.address),
        "would": str(made.likelihood),
        "winners": list(map(address_line, made.winners)),
        "earliest_seconds": None if made.likelihood is Likelihood.YES else round(made.earliest_seconds, 3),
        "unknown_attempt": made.unknown_attempt,
        "leaders": list(map(_leader, made.leaders)),
    }


def _leader(leader: LeaderForecast) -> Line:
    return {
        "sentinel": leader.sentinel,
        "would": leader.succeeds,
        "hindrances": list(map(str, leader.hindrances)),
        "reason": leader.reason or None,
        "promotes": address_line(leader.winner),
        "known": leader.known,
        "usable": leader.usable,
        "agreeing": leader.agreeing,
        "voting": leader.voting,
        "quorum": leader.quorum,
        "needed": leader.needed,
        "ckquorum": leader.ckquorum,
        "cooling_seconds": round(leader.cooling_seconds, 3),
        "hidden": leader.hidden,
        "candidates": list(map(_candidate, leader.candidates)),
    }


def _candidate(candidate: PromotionCandidate) -> Line:
    replica = candidate.replica
    return {
        "address": address_line(replica.address),
        "fits": candidate.fits,
        "priority": replica.priority,
        "offset": replica.offset,
        "run_id": replica.run_id,
        "checks": [
            {"rule": str(check.rule), "passed": check.passed, "value": check.value, "limit": check.limit}
            for check in candidate.checks
        ],
    }


def _step(step: Milestone) -> Line:
    latest = None if step.latest is None else round(step.latest, 3)
    return {"stage": str(step.stage), "earliest": round(step.earliest, 3), "latest": latest}


def _finding(one: PastFinding) -> dict[str, Any]:
    return {
        "reason": str(one.reason),
        "time": iso(one.time),
        "id": one.id,
        "suspected_by": list(one.suspected_by),
        "agreeing": one.agreeing,
        "quorum": one.quorum,
        "lasted": None if one.lasted is None else round(one.lasted, 3),
        "candidates": list(one.candidates),
        "votes": None if one.votes is None else {key: list(voters) for key, voters in one.votes.items()},
        "tilt": [{"sentinel": s.sentinel, "begun": iso(s.begun), "ended": iso(s.ended)} for s in one.tilt],
        "attempt_before": iso(one.attempt_before),
        "waited_for": list(one.waited_for),
        "new": address_line(one.new),
        "ongoing": one.ongoing,
    }
