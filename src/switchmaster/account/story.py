"""
An incident in sentences: what happened, how long no master took writes, why it took so long, and what was at risk.

The failovers of one story go in, with their events and remarks; lines of plain text come out. Each part is one function
over one `_Case`, and yields nothing if nothing is known: a bound is given as a bound, and what only a node's log could
show is named as missing. The doctor's rules are named by their id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from ..model import Stage, Wall
from .logs import Noted, RemarkKind
from .narrate import address, guards_order
from .record import FailoverRecord, RemarkRecord
from .timeline import Incident
from .transcript import Said

__all__ = ["Story", "choose", "sentences"]

CHAIN: Final = 600.0
"""Seconds within which attempts for one address are one incident: twice the longest usual failover-timeout."""

PAUSE: Final = 2.0
"""Seconds between two attempts that are worth explaining; shorter pauses are between two Sentinels."""
BESIDE: Final = 60.0
"""Seconds around a chosen incident from which other events are reported too."""
ONE_SYNC: Final = 2.0
"""Seconds in which a replica's and its master's log report one synchronisation: logs may have whole seconds."""
SHOWN: Final = 20
"""Sentences of one kind that are about no failover; the others are counted."""

_ENDS: Final = {
    RemarkKind.STOPPING: "was told to shut down",
    RemarkKind.STOPPED: "shut down in order",
    RemarkKind.CRASHED: "crashed",
    RemarkKind.OUT_OF_MEMORY: "was killed or exited because memory ran out",
}
_NOTABLE: Final = {
    RemarkKind.OUT_OF_MEMORY: "memory ran out",
    RemarkKind.CRASHED: "a process crashed",
    RemarkKind.SAVE_FAILED: "the data set could not be saved",
    RemarkKind.NOT_SAVED: "a Sentinel could not save its configuration; if it restarts, it forgets epochs and votes",
    RemarkKind.UNRESOLVED: "a host name could not be resolved",
    RemarkKind.SIMULATED: "SENTINEL SIMULATE-FAILURE was active",
}
_ADVICE: Final = {
    "-failover-abort-no-good-slave": (
        "R02",
        "no replica could be promoted. Check replica-priority (0 is never chosen), the replicas' links and how long "
        "they had been down: `SENTINEL REPLICAS` shows them.",
    ),
    "-failover-abort-not-elected": (
        "Q05",
        "no Sentinel got enough votes. A majority of all known Sentinels must vote, and ghosts count: "
        "`SENTINEL CKQUORUM` on each shows whether they can.",
    ),
    "-failover-abort-slave-timeout": (
        "C07",
        "the chosen replica did not become a master within failover-timeout. The Sentinels must be able to reach it, "
        "and their user must be allowed MULTI, SLAVEOF, CONFIG and CLIENT there.",
    ),
    "-failover-abort-master-timeout": (
        "C02",
        "the old master did not hand over within failover-timeout: raise it, or use a plain SENTINEL FAILOVER.",
    ),
}


def _utc(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + "Z"


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known about a period."""

    incidents: Sequence[Incident]
    """Failovers that a Sentinel tried, by time."""
    events: Sequence[Said]
    rest: Sequence[Noted] = ()
    """Remarks that belong to no failover."""
    run_ids: Mapping[str, str] = field(default_factory=dict)
    """The names of the Sentinels by their run ids, as far as they are known."""
    has_nodes: bool = False
    """Whether logs of data nodes are among the sources."""
    moment: Callable[[float], str] = _utc
    """Formats a moment with its day and its zone."""
    clock: Callable[[float], str] = _utc
    """Formats a moment without its day, with its zone."""


@dataclass(frozen=True, slots=True)
class _Case:
    incident: Incident
    before: Sequence[Incident]
    """Attempts for the same master's address that were given up shortly before, oldest first."""
    returned: float | None
    """When the old master answered again; None if the Sentinels tried something else before."""
    story: Story

    @property
    def has_nodes(self) -> bool:
        """Whether logs of data nodes are among the sources."""
        return self.story.has_nodes

    def clock(self, time: Wall) -> str:
        """Return a time in a record for people."""
        return "an unknown time" if time is None else self.story.clock(time)

    @property
    def record(self) -> FailoverRecord:
        """The failover's record."""
        return self.incident.record

    def stage(self, name: str) -> float | None:
        """Return when a stage was first reached."""
        return next(iter(self.record.times(Stage(name))), None)

    @property
    def begun(self) -> float:
        """When the first of its attempts began."""
        return self.before[0].record.started if self.before else self.record.started


def choose(story: Story, *, master: str | None = None, at: float | None = None) -> Story:
    """
    Return the part of a story that is asked for.

    Args:
        story: all of it.
        master: only this master.
        at: seconds since 1970: only the incident at that moment, or the one nearest to it.

    Returns:
        The part.
    """
    incidents = [one for one in story.incidents if master is None or one.record.master == master]
    if at is None or not incidents:
        return replace(story, incidents=incidents)
    nearest = min(incidents, key=lambda one: _distance(one.record, at))
    chain = [one for one in incidents if one is nearest or _is_before(one.record, nearest.record, story)]
    first, last = chain[0].record.started, _last(nearest.record)
    rest = [noted for noted in story.rest if first - BESIDE <= noted.time <= last + BESIDE]
    events = [said for said in story.events if said.time is not None and first - 1.0 <= said.time <= last + BESIDE]
    return replace(story, incidents=chain, events=events, rest=rest)


def sentences(story: Story) -> Iterator[str]:
    """
    Describe incidents in sentences.

    Args:
        story: as `choose` returns it.

    Yields:
        Lines of plain text; an empty one before each incident.
    """
    given_up: list[Incident] = []
    for incident in story.incidents:
        if any(_is_before(incident.record, other.record, story) for other in story.incidents):
            given_up.append(incident)
            continue
        chain = [one for one in given_up if _is_before(one.record, incident.record, story)]
        given_up = [one for one in given_up if one not in chain]
        returned = _returned(incident.record, story) if incident.record.outcome == "aborted" else None
        yield from _tell(_Case(incident, chain, returned, story))
    if not story.incidents:
        yield "No Sentinel tried a failover."
    yield from _suspicions(story)
    yield from _others(story)


def _tell(case: _Case) -> Iterator[str]:
    record = case.record
    yield ""
    what = {"completed": "moved", "aborted": "did not move", "in-progress": "was moving"}[record.outcome]
    kind = {"automatic": "Automatically", "manual": "On an operator's SENTINEL FAILOVER", None: "In a failover"}.get(
        record.kind, "On an operator's coordinated SENTINEL FAILOVER"
    )
    if guards_order(record):
        kind = "On the guard's SENTINEL FAILOVER"
    yield (
        f"{case.story.moment(case.begun)}  {kind}, {record.master} {what} from {address(record.old)} to "
        f"{address(record.new) if record.new else 'another node'}."
    )
    for part in _PARTS:
        for sentence in part(case):
            yield f"  {sentence}"


def _cause(case: _Case) -> Iterator[str]:
    old = address(case.record.old)
    ends = [r for r in case.record.remarks if not r.sentinel and r.kind in _ENDS and r.time]
    of_old = [r for r in ends if r.origin == old] or ends
    lost = _first_remark(case, RemarkKind.MASTER_LOST)
    if case.record.kind in ("manual", "coordinated"):
        asked, ordered = _first_remark(case, RemarkKind.REQUESTED), guards_order(case.record)
        if ordered:
            yield f"Cause: the guard ordered a failover at {case.clock(ordered.time)}: {ordered.text}."
        elif asked:
            yield f"Cause: an operator sent SENTINEL FAILOVER to {asked.origin} at {case.clock(asked.time)}."
    elif of_old:
        first = of_old[0]
        ended = _ENDS[RemarkKind(first.kind)]
        yield f"Cause: {first.origin} {ended} at {case.clock(first.time)} ({first.text})."
    elif lost:
        yield (
            f"Cause: {lost.origin} lost its connection to the master at {case.clock(lost.time)}: the master's process "
            "ended, or the connection was reset. The master's own log does not say why."
            if case.has_nodes
            else f"Cause: {lost.origin} lost its connection to the master at {case.clock(lost.time)}."
        )
    elif not case.has_nodes:
        yield (
            f"Cause: the Sentinels' logs don't say why {old} fell silent. Add the nodes' logs: they show a shutdown, "
            "a crash, or lack of memory."
        )
    else:
        yield f"Cause: no log says that {old} ended. A hang or a broken network looks like this."


def _outage(case: _Case) -> Iterator[str]:
    suspected, promoted = case.stage("suspected"), _promotion(case)
    if case.record.kind in ("manual", "coordinated"):
        yield from _planned(case, promoted)
        return
    died = _death(case)
    if case.before:
        suspected = min(x for x in (suspected, case.begun) if x is not None)
    if promoted is None:
        if case.returned is not None:
            suspected = suspected or case.begun
            yield (
                f"The failover was not completed: the old master answered again at {case.story.moment(case.returned)}, "
                f"{case.returned - suspected:.3f} s after the first suspicion."
            )
        elif case.record.outcome != "completed":
            yield "From then on no master took writes, as far as these sources go, unless the old one came back."
        return
    low, high, proof = promoted
    if died is not None:
        yield f"Without a master: {_span(low - died, high - died)}, from the end of the old one to {proof}."
    elif suspected is not None:
        yield (
            f"Without a master: {_span(low - suspected, high - suspected)} after the first suspicion, to {proof}; "
            "before it, down-after-milliseconds, while the Sentinels waited for an answer."
        )


def _planned(case: _Case, promoted: tuple[float, float, str] | None) -> Iterator[str]:
    if promoted is None:
        return
    old = address(case.record.old)
    demotions = (r for r in case.record.remarks if r.kind == RemarkKind.DEMOTED and r.origin == old)
    demoted = next((r for r in demotions if (r.time or 0.0) >= case.record.started), None)
    returned = case.record.returned
    if demoted is not None:
        late = max(0.0, (demoted.time or 0.0) - promoted[0])
        yield (
            f"Two masters took writes for {_span(late, late)}: the old one was demoted at "
            f"{case.clock(demoted.time)}. What clients wrote to it in that time is lost."
        )
    elif returned:
        late = max(0.0, (returned.time or 0.0) - promoted[0])
        yield (
            f"Two masters took writes for up to {late:.3f} s, until the old one was made a replica. What clients wrote "
            "to it in that time is lost."
        )
    else:
        yield (
            "The old master went on taking writes until Sentinel made it a replica, usually 10 s later. What clients "
            "wrote to it in that time is lost."
        )


def _slowness(case: _Case) -> Iterator[str]:
    steps = []
    for name, first, last in (
        ("until the quorum agreed", "suspected", "agreed-down"),
        ("until a Sentinel tried", "agreed-down", "electing"),
        ("for the election", "electing", "elected"),
        ("to choose a replica", "elected", "selected"),
        ("to send the promotion", "selected", "promoting"),
        ("until the leader saw it", "promoting", "promoted"),
        ("until another Sentinel announced it", "promoted", "switched"),
    ):
        begin, end = case.stage(first), case.stage(last)
        if begin is not None and end is not None and end > begin:
            steps.append((end - begin, name))
    if steps:
        yield f"Where the time went: {', '.join(f'{seconds:.3f} s {name}' for seconds, name in steps)}."
    if case.before:
        yield from _attempts(case)
    if any(name == "until the leader saw it" and seconds > 0.5 for seconds, name in steps):
        yield (
            "The replica became a master within milliseconds of the command. The leader learns of it from its next "
            "INFO, up to 1 s later, and the other Sentinels after that. A client that asks the replica itself need not "
            "wait."
        )
    for remark in case.record.remarks:
        if remark.kind == RemarkKind.POSTPONED and case.record.outcome != "completed":
            yield f"{remark.origin} logged: {remark.text}."
            break


def _attempts(case: _Case) -> Iterator[str]:
    count = len(case.before)
    yield f"It took {count + 1} attempts:"
    for one in [*case.before, case.incident]:
        record = one.record
        leader = record.leader or ", ".join(record.candidates) or "a Sentinel"
        end = record.reason or ("in progress" if record.outcome == "in-progress" else record.outcome)
        yield f"  {case.story.clock(_tried(record))}  epoch {_known(record.epoch)}, {leader}: {end}."
    times = [_tried(one.record) for one in [*case.before, case.incident]]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if max(gaps) >= PAUSE:
        yield (
            f"At most {max(gaps):.1f} s passed between two attempts: a Sentinel tries again twice failover-timeout "
            "after the last attempt began, at the earliest (rule C02)."
        )


def _votes(case: _Case) -> Iterator[str]:
    votes = {(vote.sentinel, vote.run_id): vote for vote in case.record.votes}
    if votes:
        by_candidate: dict[str, list[str]] = {}
        for vote in votes.values():
            candidate = case.story.run_ids.get(str(vote.run_id)) or str(vote.run_id)[:8]
            by_candidate.setdefault(candidate, []).append(str(vote.sentinel))
        said = "; ".join(f"{', '.join(dict.fromkeys(voters))} for {run}" for run, voters in by_candidate.items())
        yield f"Votes: {said}."
        if len(by_candidate) > 1:
            yield "The vote was split: two Sentinels tried at the same time, as happens when all lose it at once."
    elif case.record.leader:
        yield f"Led by {case.record.leader}."


def _risk(case: _Case) -> Iterator[str]:
    full, partial = _synchronised(case, RemarkKind.FULL_SYNC), _synchronised(case, RemarkKind.PARTIAL_SYNC)
    old = address(case.record.old)
    returned = next((time for time, replica in full if replica == old), None)
    if returned is not None:
        yield (
            f"At risk: {old} came back and resynchronised fully with the new master at {case.clock(returned)}: writes "
            "that only it had are lost (rule R12: min-replicas-to-write limits that)."
        )
    if full or partial:
        yield f"The nodes' logs show {_count(len(full), 'full')} and {_count(len(partial), 'partial')} (rule R14)."


def _synchronised(case: _Case, kind: RemarkKind) -> list[tuple[float, str]]:
    """Return when which replica synchronised since the failover began, each once: both of its sides log it."""
    found: list[tuple[float, str]] = []
    for remark in case.record.remarks:
        if remark.kind != kind or remark.sentinel or remark.time is None or remark.time < case.record.started:
            continue
        replica = remark.origin if remark.node is None else address(remark.node)
        if not any(replica == known and remark.time - time < ONE_SYNC for time, known in found):
            found.append((remark.time, replica))
    return found


def _advice(case: _Case) -> Iterator[str]:
    told = set()
    for one in [*case.before, case.incident]:
        for stage in one.record.stages:
            rule = _ADVICE.get(stage.by) if stage.stage == "aborted" else None
            if rule is not None and rule[0] not in told:
                told.add(rule[0])
                yield f"The doctor's rule {rule[0]} would have warned: {rule[1]}"


_PARTS: Final[tuple[Callable[[_Case], Iterator[str]], ...]] = (_cause, _outage, _slowness, _votes, _risk, _advice)


# Beside failovers ---------------------------------------------------------------------------------


def _suspicions(story: Story) -> Iterator[str]:
    """Yield what is about no failover: suspicions, restarts and TILT."""
    told = [*_suspected(story), *_incidental(story)]
    if told:
        yield ""
    for moment, text in sorted(told)[:SHOWN]:
        yield f"{story.moment(moment)}  {text}"
    if len(told) > SHOWN:
        yield f"and {len(told) - SHOWN} more of these"


def _suspected(story: Story) -> Iterator[tuple[float, str]]:
    """Yield when masters were suspected, by which Sentinels and for how long, if no Sentinel tried a failover."""
    spans = [(one.record.started - 1.0, _last(one.record) + 1.0) for one in story.incidents]
    by: dict[str, dict[str, float]] = {}
    for said in story.events:
        if said.time is None or not said.payload.startswith("master "):
            continue
        suspects = by.setdefault(said.payload, {})
        if said.channel == "+sdown":
            suspects.setdefault(said.sentinel, said.time)
        elif said.channel == "-sdown" and said.sentinel in suspects:
            begun = min(suspects.values())
            count = len(suspects)
            del suspects[said.sentinel]
            if not suspects and not any(first <= begun <= last for first, last in spans):
                who = f"{count} Sentinels" if count > 1 else said.sentinel
                name = said.payload.removeprefix("master ")
                yield begun, f"{who} suspected {name} for {said.time - begun:.3f} s; no Sentinel tried a failover."


def _incidental(story: Story) -> Iterator[tuple[float, str]]:
    for said in story.events:
        if said.time is None:
            continue
        if said.channel == "+reboot" and said.payload.startswith("master "):
            yield (
                said.time,
                f"{said.payload.removeprefix('master ')} was restarted and stayed master. Without persistence it came "
                "back empty, and so did its replicas (rule R17).",
            )
        elif said.channel == "+tilt":
            yield (
                said.time,
                f"{said.sentinel} entered TILT: it or its host had been suspended, or its clock was set (rule C09).",
            )


def _others(story: Story) -> Iterator[str]:
    notable = [noted for noted in story.rest if noted.remark.kind in _NOTABLE]
    if notable:
        yield ""
    for noted in notable[:SHOWN]:
        yield f"{story.moment(noted.time)}  {noted.origin}: {_NOTABLE[noted.remark.kind]} ({noted.remark.text})."
    if len(notable) > SHOWN:
        yield f"and {len(notable) - SHOWN} more of these"


# Moments ------------------------------------------------------------------------------------------


def _promotion(case: _Case) -> tuple[float, float, str] | None:
    """Return two moments between which the new master began to take writes, and what proves it."""
    new = address(case.record.new) if case.record.new else None
    for remark in case.record.remarks:
        if remark.kind == RemarkKind.PROMOTED and (remark.origin == new or new is None):
            moment = remark.time or 0.0
            return moment, moment, f"MASTER MODE enabled in {remark.origin}'s own log"
    promoted, promoting = case.stage("promoted"), case.stage("promoting")
    first = next((s for s in case.record.stages if s.stage == "promoted"), None)
    if promoted is None:
        switched = case.stage("switched")
        return None if switched is None else (promoting or switched, switched, "the first announcement")
    if first is not None and first.by == "ROLE":
        return promoted, promoted, "its own ROLE"
    return promoting or promoted, promoted, "its promotion, which the leader ordered and then saw"


def _death(case: _Case) -> float | None:
    """Return when the old master ended, if a node's log shows it."""
    old = address(case.record.old)
    for remark in case.record.remarks:
        ended = remark.kind in (RemarkKind.STOPPED, RemarkKind.CRASHED, RemarkKind.OUT_OF_MEMORY)
        if ended and remark.origin == old:
            return remark.time or 0.0
    lost = _first_remark(case, RemarkKind.MASTER_LOST)
    return None if lost is None else (lost.time or 0.0)


def _first_remark(case: _Case, kind: RemarkKind) -> RemarkRecord | None:
    return next((remark for remark in case.record.remarks if remark.kind == kind), None)


def _is_before(record: FailoverRecord, other: FailoverRecord, story: Story) -> bool:
    """Return whether an attempt was given up, and the other followed while the master was still down."""
    if record is other or record.outcome != "aborted" or record.master != other.master:
        return False
    begun, next_begun = _tried(record), _tried(other)
    if record.old != other.old or not begun < next_begun <= _last(record) + CHAIN:
        return False
    returned = _returned(record, story)
    return returned is None or returned > next_begun


def _returned(record: FailoverRecord, story: Story) -> float | None:
    """Return when, after an attempt, a Sentinel first reported that the master answers again."""
    of = f"master {record.master} "
    last = _last(record)
    return next(
        (
            said.time
            for said in story.events
            if said.channel == "-sdown" and said.time is not None and said.time > last and said.payload.startswith(of)
        ),
        None,
    )


def _tried(record: FailoverRecord) -> float:
    """Return when a Sentinel tried a failover; the suspicions before it may be much older."""
    tried = (stage.time for stage in record.stages if stage.stage in ("electing", "elected"))
    return next(tried, None) or record.started


def _last(record: FailoverRecord) -> float:
    return max([record.started, *(entry.time for entry in record.stages if entry.time is not None)])


def _distance(record: FailoverRecord, at: float) -> float:
    first, last = record.started, _last(record)
    return 0.0 if first <= at <= last else min(abs(first - at), abs(last - at))


def _span(low: float, high: float) -> str:
    low, high = max(0.0, low), max(0.0, high)
    return f"{high:.3f} s" if high - low < 0.0015 else f"{low:.3f} to {high:.3f} s"


def _count(number: int, what: str) -> str:
    return f"{number} {what} resynchronisation{'' if number == 1 else 's'}"


def _known(value: object) -> str:
    return "not known" if value is None else str(value)
