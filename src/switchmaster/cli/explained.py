"""
What `switchmaster explain` says, as lines of words: forecasts, aftermaths, and findings about the past. Pure.

Sentences for reasons are made here and nowhere else; whatever decides uses the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ..account.narrate import seconds as precisely
from ..explain.forecast import Forecast, Hindrance, LeaderForecast, Likelihood
from ..explain.losses import Aftermath, Fate
from ..explain.milestones import Milestone
from ..explain.past import PastFinding, PastReason
from ..guard.promotable import PromotionCandidate, PromotionCheck, PromotionRule
from ..model import Address, Stage
from .local_time import clock, day_and_clock
from .output import Words

__all__ = ["aftermath_words", "forecast_words", "past_words"]

_STEPS: Final[Mapping[Stage, str]] = {
    Stage.SUSPECTED: "the first Sentinel suspects it (+sdown)",
    Stage.AGREED_DOWN: "the quorum agrees (+odown), one asks for votes",
    Stage.ELECTED: "a leader is elected; a split vote costs 2 x failover-timeout more",
    Stage.SELECTED: "it selects the replica",
    Stage.PROMOTED: "the replica is a master and takes writes",
    Stage.SWITCHED: "the first Sentinel announces it (+switch-master)",
    Stage.SETTLED: "the other replicas follow, the leader is done",
}
_FATES: Final[Mapping[Fate, tuple[str, str]]] = {
    Fate.UNTOUCHED: ("lives, and could still fail over", "green"),
    Fate.UNPROTECTED: ("lives, and could NOT fail over any more", "yellow"),
    Fate.FAILS_OVER: ("dies, and fails over", "green"),
    Fate.DEPENDS: ("dies, and whether it fails over depends on which Sentinel leads", "bold yellow"),
    Fate.LOST: ("dies, and does NOT fail over: there is no master until an operator acts", "bold red"),
}


# Forecasts ----------------------------------------------------------------------------------------


def forecast_words(
    deployment: str, made: Forecast, crash: Sequence[Milestone], hang: Sequence[Milestone]
) -> Iterator[Words]:
    """
    Describe a forecast.

    Args:
        deployment: its name.
        made: the forecast.
        crash: the steps after the master's process has ended.
        hang: the steps after it stopped to answer.
    """
    yield ((f"{deployment}/{made.name}  ", "bold"), (_address(made.address), ""))
    yield from _state(made)
    yield _verdict(made)
    yield from _reasons(made)
    yield (("Sentinels", "bold"),)
    for leader in made.leaders:
        yield _leader(leader)
    yield from _tables(made)
    if made.likelihood is not Likelihood.NO and crash:
        yield from _steps(crash, hang)


def _state(made: Forecast) -> Iterator[Words]:
    answering = [leader for leader in made.leaders if leader.known]
    for flag, what in (("s_down", "suspect it now (SDOWN)"), ("o_down", "hold it for down now (ODOWN)")):
        by = [leader for leader in answering if flag in leader.flags]
        if by:
            yield ((f"{len(by)} of {len(answering)} Sentinels {what}: {_names(by)}", "yellow"),)
    for leader in answering:
        if leader.state is not None:
            yield ((f"{leader.sentinel} runs a failover of it, in the state {leader.state}", "bold yellow"),)
    if len(set(made.addresses.values())) > 1:
        given = ", ".join(f"{name} gives {address}" for name, address in made.addresses.items())
        yield ((f"the Sentinels disagree on its address: {given}", "yellow"),)
    if made.unknown_attempt is not None and made.likelihood is not Likelihood.NO:
        yield (
            (
                f"an attempt in epoch {made.unknown_attempt} did not end in a switch. Sentinel does not tell when that "
                "was: those that took part begin no other attempt until 2 x failover-timeout after it. With a journal "
                "(--config) its time is known",
                "yellow",
            ),
        )


def _verdict(made: Forecast) -> Words:
    """Say what would happen; if most Sentinels suspect the master already, what will."""
    suspecting = [leader for leader in made.leaders if "s_down" in leader.flags]
    if 2 * len(suspecting) > sum(leader.known > 0 for leader in made.leaders):
        return _verdict_now(made)
    winners = " or ".join(map(str, made.winners)) or "a replica that is not listed"
    if made.likelihood is Likelihood.YES:
        return ((f"If it died now, it would fail over: {winners} would be promoted.", "green"),)
    if made.likelihood is Likelihood.DEPENDS:
        aborts = [leader for leader in made.leaders if leader.electable and not leader.succeeds]
        return (
            (
                f"If it died now, it would depend on which Sentinel leads: {_names(aborts)} would abort the failover, "
                f"the others would promote {winners}.",
                "bold yellow",
            ),
        )
    return (("If it died now, it would NOT fail over.", "bold red"),)


def _verdict_now(made: Forecast) -> Words:
    winners = " or ".join(map(str, made.winners)) or "a replica that is not listed"
    if made.likelihood is Likelihood.YES:
        return ((f"It is down, and can fail over: {winners} would be promoted.", "green"),)
    if made.likelihood is Likelihood.DEPENDS:
        return ((f"It is down, and whether {winners} is promoted depends on which Sentinel leads.", "bold yellow"),)
    return (("It is down, and will NOT fail over as things are.", "bold red"),)


def _reasons(made: Forecast) -> Iterator[Words]:
    """Yield why not, each reason once, with the Sentinels that it holds for."""
    if made.likelihood is Likelihood.YES:
        return
    by: dict[str, list[LeaderForecast]] = {}
    for leader in made.leaders:
        for hindrance in leader.hindrances:
            by.setdefault(_hindrance(leader, hindrance), []).append(leader)
    for text, leaders in by.items():
        whose = "every Sentinel" if len(leaders) == len(made.leaders) > 1 else _names(leaders)
        yield ((f"  - {whose}: {text}", "red"),)
    if made.earliest_seconds > 0:
        yield ((f"  the next attempt can begin in {_about(made.earliest_seconds)} at the earliest", "yellow"),)


def _hindrance(leader: LeaderForecast, hindrance: Hindrance) -> str:
    make = _HINDRANCES[hindrance]
    return make if isinstance(make, str) else make(leader)


def _tilt(leader: LeaderForecast) -> str:
    since = "" if leader.tilt_since is None else f" for {leader.tilt_since} s"
    return f"in TILT{since}: it does not act until 30 s after its clock or its host last stumbled"


_HINDRANCES: Final[Mapping[Hindrance, str | Callable[[LeaderForecast], str]]] = {
    Hindrance.SILENT: lambda one: f"gives no answer ({one.reason or 'nothing was heard'})",
    Hindrance.UNAWARE: "does not monitor this master, so it can't vote on it",
    Hindrance.RUNNING: "runs a failover already",
    Hindrance.TILT: _tilt,
    Hindrance.QUORUM_TOO_HIGH: lambda one: f"its quorum {one.quorum} is more than the {one.known} Sentinels it knows",
    Hindrance.NO_QUORUM: lambda one: (
        f"{one.agreeing} of {one.known} Sentinels could agree that the master is down, and the quorum is {one.quorum}"
    ),
    Hindrance.NO_MAJORITY: lambda one: (
        f"{one.voting} of {one.known} Sentinels could vote, and an election needs {one.needed}"
    ),
    Hindrance.COOLING_DOWN: lambda one: (
        f"begins no attempt for another {_about(one.cooling_seconds)}: it waits for 2 x failover-timeout "
        "after its last attempt or vote"
    ),
    Hindrance.NO_REPLICA: "knows no replica",
    Hindrance.NO_GOOD_REPLICA: lambda one: (
        "no good replica: "
        + "; ".join(f"{each.replica.address} {_failed(each)}" for each in one.candidates[:5])
        + (f"; and {len(one.candidates) - 5} more" if len(one.candidates) > 5 else "")
    ),
    Hindrance.WOULD_CRASH: "SENTINEL SIMULATE-FAILURE was left on: it exits in its next failover",
}


def _leader(leader: LeaderForecast) -> Words:
    name = (f"  {leader.sentinel:<22} ", "")
    if not leader.known:
        return (name, (_hindrance(leader, leader.hindrances[0]), "red"))
    chooses = "chooses no replica" if leader.winner is None else f"promotes {leader.winner}"
    verdict = (
        (f"could lead, {chooses}  ", "green" if leader.succeeds else "red")
        if leader.electable
        else (f"could not lead ({', '.join(str(one).replace('-', ' ') for one in leader.hindrances)})  ", "red")
    )
    votes = f"{leader.usable} of {leader.known} usable, quorum {leader.quorum}, {leader.needed} votes needed"
    asked = f"; CKQUORUM: {leader.ckquorum}" if leader.ckquorum and leader.usable < leader.known else ""
    return (name, verdict, (votes + asked, "dim"))


def _tables(made: Forecast) -> Iterator[Words]:
    """Yield the replicas as Sentinels judge them: one table for all that judge alike."""
    tables: dict[tuple[object, ...], list[LeaderForecast]] = {}
    for leader in made.leaders:
        if leader.known:
            key = tuple(
                (each.replica.address, each.fits, *(check.rule for check in each.failed)) for each in leader.candidates
            )
            tables.setdefault((*key, leader.hidden), []).append(leader)
    for leaders in tables.values():
        whose = "as every Sentinel judges them" if len(tables) == 1 else f"as {_names(leaders)} would judge"
        yield ((f"Replicas, {whose}: ", "bold"), ("lowest priority, then highest offset, then smallest run id", "dim"))
        yield from _candidates(leaders[0])


def _candidates(leader: LeaderForecast) -> Iterator[Words]:
    for place, each in enumerate(leader.candidates, 1):
        replica = each.replica
        standing = (f"{place:>3}. ", "green" if place == 1 else "") if each.fits else ("  -  ", "red")
        numbers = f"priority {replica.priority:<4} offset {replica.offset:<12} run id {replica.run_id[:8] or '?':<8}  "
        yield (standing, (f"{replica.address!s:<22} ", ""), (numbers, ""), _standing(each))
    if leader.hidden:
        yield (
            (
                f"     and {leader.hidden} with replica-announced no: not listed, and may be chosen all the same",
                "yellow",
            ),
        )
    if not leader.candidates and not leader.hidden:
        yield (("     none is known", "red"),)


def _standing(each: PromotionCandidate) -> tuple[str, str]:
    if not each.fits:
        return f"out: {_failed(each)}", "red"
    checks = {check.rule: check.value or 0 for check in each.checks}
    link = "link up" if each.replica.master_link_up else f"link down for {_ms(checks[PromotionRule.LINK])}"
    return f"PING {_ms(checks[PromotionRule.PING])}, INFO {_ms(checks[PromotionRule.INFO])} ago, {link}", "dim"


def _failed(each: PromotionCandidate) -> str:
    return ", ".join(map(_check, each.failed))


def _check(check: PromotionCheck) -> str:
    value, limit = _ms(check.value or 0), _ms(check.limit or 0)
    match check.rule:
        case PromotionRule.DOWN:
            return "is SDOWN"
        case PromotionRule.DISCONNECTED:
            return "is disconnected from the Sentinel"
        case PromotionRule.PING:
            return f"answered no PING for {value} (limit {limit})"
        case PromotionRule.PRIORITY:
            return "has replica-priority 0"
        case PromotionRule.INFO:
            return f"answered no INFO {'yet' if check.value is None else f'for {value} (limit {limit})'}"
        case PromotionRule.LINK:
            return f"will have been without its master for {value} (limit {limit})"


def _steps(crash: Sequence[Milestone], hang: Sequence[Milestone]) -> Iterator[Words]:
    late = max(((b.latest or 0.0) - (a.latest or 0.0) for a, b in zip(crash, hang, strict=True)), default=0.0)
    more = f"; if it hangs, or its host dies, up to {late:g} s later" if late else ""
    yield (("What would happen after its process dies", "bold"), (more, "dim"))
    for step in crash:
        latest = "" if step.latest is None else f" to {step.latest:.2f}"
        yield ((f"  {f'{step.earliest:.2f}{latest} s':<20} ", "dim"), (_STEPS[step.stage], ""))


# If hosts die -------------------------------------------------------------------------------------


def aftermath_words(
    deployment: str, name: str, dies: Sequence[str], made: Aftermath, crash: Sequence[Milestone]
) -> Iterator[Words]:
    """
    Describe what becomes of one master if servers die.

    Args:
        deployment: its name.
        name: the master's.
        dies: what dies, as the user gave it.
        made: what becomes of the master.
        crash: the steps of the failover that follows.
    """
    fate, style = _FATES[made.fate]
    yield (
        (f"{deployment}/{name}  ", "bold"),
        (f"{_address(made.address)}  ", ""),
        (f"if {', '.join(dies)} died: it {fate}", style),
    )
    lost = [f"Sentinel {one}" for one in made.sentinels_lost] + [f"replica {one}" for one in made.replicas_lost]
    if made.dies:
        lost.insert(0, "the master")
    yield (("  lost      ", "dim"), (", ".join(lost) or "nothing of it", ""))
    for leader in made.forecast.leaders:
        if leader.known:
            left = f"{leader.usable} of {leader.known} Sentinels left, quorum {leader.quorum}"
            yield (("  votes     ", "dim"), (f"{left}, {leader.needed} needed (as {leader.sentinel} sees it)", ""))
            break
    else:
        yield (("  votes     ", "dim"), ("no Sentinel that we can ask is left", "red"))
    winners = " or ".join(map(str, made.forecast.winners))
    if winners:
        promoted = next((step for step in crash if step.stage is Stage.PROMOTED), None)
        within = (
            f", {promoted.earliest:.1f} to {promoted.latest:.1f} s after it" if promoted and promoted.latest else ""
        )
        yield (("  promoted  ", "dim"), (winners + (within if made.dies else ", if it died next"), ""))
    yield from _reasons(made.forecast)


# The past -----------------------------------------------------------------------------------------


def past_words(name: str, period: tuple[float, float], found: Sequence[PastFinding]) -> Iterator[Words]:
    """
    Describe what became of the suspicions and attempts of a period.

    Args:
        name: the master's.
        period: from and until, in seconds since 1970.
        found: the findings.
    """
    yield ((f"{name}  ", "bold"), (f"from {day_and_clock(period[0])} to {day_and_clock(period[1])}", "dim"))
    for one in found:
        when = "" if one.time is None else f"{day_and_clock(one.time)}  "
        yield ((f"  {when}", "dim"), (_PAST[one.reason](one), _PAST_STYLES.get(one.reason, "red")))
        for text in _because(one):
            yield (("    ", ""), (text, ""))
        if one.id is not None:
            yield ((f"    `switchmaster show {one.id}` has its stages", "dim"),)


_PAST_STYLES: Final = {
    PastReason.COMPLETED: "green",
    PastReason.MISSED: "green",
    PastReason.IN_PROGRESS: "bold yellow",
    PastReason.NOT_SUSPECTED: "yellow",
}
_PAST: Final[Mapping[PastReason, Callable[[PastFinding], str]]] = {
    PastReason.COMPLETED: lambda one: f"it did fail over, to {_address(one.new)}",
    PastReason.MISSED: lambda one: "it did fail over, while no daemon was connected to a Sentinel",
    PastReason.IN_PROGRESS: lambda one: "an attempt has not ended yet",
    PastReason.NOT_AGREED: lambda one: "suspected, and never agreed: too few Sentinels suspected it at the same time",
    PastReason.NOT_TRIED: lambda one: (
        f"agreed to be down, and no Sentinel {'has begun a failover yet' if one.ongoing else 'began a failover'}"
    ),
    PastReason.NOT_ELECTED: lambda one: "no Sentinel was elected (-failover-abort-not-elected)",
    PastReason.NO_GOOD_REPLICA: lambda one: "the leader found no good replica (-failover-abort-no-good-slave)",
    PastReason.REPLICA_TIMEOUT: lambda one: (
        "the chosen replica was not promoted within failover-timeout (-failover-abort-slave-timeout)"
    ),
    PastReason.MASTER_TIMEOUT: lambda one: (
        "the old master did not hand over within failover-timeout (-failover-abort-master-timeout)"
    ),
    PastReason.GIVEN_UP: lambda one: "an attempt was given up: a reset, or nothing more was heard of it",
    PastReason.NOT_SUSPECTED: lambda one: "no Sentinel suspected it: for each of them it answered within down-after",
    PastReason.NOT_WATCHED: lambda one: "no daemon watched in this period, so the journal knows nothing of it",
}


def _because(one: PastFinding) -> Iterator[str]:
    if one.suspected_by:
        yield f"suspected by {', '.join(one.suspected_by)}{_for(one.lasted)}"
    if one.agreeing is not None:
        yield f"{one.agreeing} Sentinels agreed, quorum {one.quorum}"
    for span in one.tilt:
        until = "its end was not recorded" if span.ended is None else f"until {clock(span.ended)}"
        yield f"{span.sentinel} was in TILT from {clock(span.begun)} ({until}): it suspected nothing and led nothing"
    if one.attempt_before is not None:
        who = ", ".join(one.waited_for) or "those that took part"
        yield (
            f"an attempt had begun at {clock(one.attempt_before)}, and {who} must wait for 2 x failover-timeout after "
            'it ("Next failover delay" in the log)'
        )
    if one.candidates:
        yield f"tried to lead: {', '.join(one.candidates)}"
    for run_id, voters in (one.votes or {}).items():
        yield f"{len(voters)} voted for {run_id[:8]}: {', '.join(voters)}"
    yield from _ADVICE.get(one.reason, ())


_ADVICE: Final[Mapping[PastReason, tuple[str, ...]]] = {
    PastReason.NOT_ELECTED: (
        "a majority of all known Sentinels must vote for one, and dead ones count. Two that try at once split the vote",
    ),
    PastReason.NO_GOOD_REPLICA: ("`switchmaster explain NAME` shows how each Sentinel judges the replicas now",),
    PastReason.NOT_AGREED: (
        "the Sentinels that said nothing reached it, were down, or were in TILT; the network between may have parted",
    ),
}


# Words --------------------------------------------------------------------------------------------


def _for(lasted: float | None) -> str:
    return "" if lasted is None else f" for {precisely(lasted)}"


def _address(address: Address | None) -> str:
    return "at an unknown address" if address is None else str(address)


def _names(leaders: Sequence[LeaderForecast]) -> str:
    return ", ".join(leader.sentinel for leader in leaders)


def _ms(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
