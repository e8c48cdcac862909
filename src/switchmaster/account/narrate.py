"""
The words for a failover: the one place where records become sentences.

The CLI (`history`, `show`, `replay`, `watch`), the post-mortem, the chart and the daemon's log take their words from
here, so that all of them say the same. A record goes in that is still growing (`Failover`, as the belief gives it) or
one that the journal or a replay gives (`FailoverRecord`); text comes out. Names of states are in `belief.words`.

Pure, and nothing here prints: text from the network is made harmless where it is printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from ..belief.decisions import NoticeKind
from ..belief.failover import Failover, FailoverKind, Outcome, StageEntry
from ..belief.words import record_words, stage_words
from ..model import Address, Stage, Wall
from ..wire.events import Progress, progress_of
from .record import Away, FailoverRecord, RemarkRecord, ReplicaRecord, StageRecord
from .times import moment

__all__ = [
    "address",
    "arrow",
    "facts",
    "guard_words",
    "guards_order",
    "heading",
    "lasted",
    "offset",
    "outcome_words",
    "replica_sentence",
    "seconds",
    "span",
    "stage_evidence",
    "stage_name",
    "stage_sentence",
    "stage_sources",
    "verdict",
]

AnyRecord: TypeAlias = Failover | FailoverRecord
AnyStage: TypeAlias = StageEntry | StageRecord


# Values -------------------------------------------------------------------------------------------


def address(node: Address | None, unknown: str = "not known") -> str:
    """Return an address as ``HOST:PORT``, or what to say if it is not known."""
    return unknown if node is None else str(node)


def arrow(old: Address | None, new: Address | None, unknown: str = "not known") -> str:
    """Return where a master moved from and to."""
    return f"{address(old, unknown)} -> {address(new, unknown)}"


def seconds(number: float) -> str:
    """Return a duration."""
    return f"{number:.3f} s"


def offset(record: FailoverRecord, time: Wall) -> float | None:
    """Return the seconds from the beginning of a failover to a time in it; None if there is none."""
    return None if time is None else round(time - round(record.started, 6), 6)


# A failover as a whole ----------------------------------------------------------------------------


def outcome_words(record: FailoverRecord) -> str:
    """Return how a failover ended, or that it has not."""
    if record.missed:
        return "missed"
    stage = record.stages[-1].stage if record.stages else None
    return record_words(record.outcome, record.attempted, record.closed, stage)


def lasted(record: FailoverRecord) -> str:
    """Return how long there was no master, or how long it took, with what that is; empty if neither is known."""
    durations = record.durations
    if "outage" in durations:
        since = "" if record.down_after is not None else " from the first suspicion"
        return f"outage {seconds(durations['outage'])}{since}"
    return f"{seconds(durations['total'])} in all" if "total" in durations else ""


def span(record: FailoverRecord, name: str) -> str:
    """Return what a duration of a failover covers; empty if its name says it all."""
    if name != "outage":
        return ""
    if record.down_after is None:
        return "from the first suspicion; how long the master had been silent is not known"
    down_after = seconds(record.down_after)
    return f"without a master: {down_after} of down-after, then from the first suspicion to the promotion"


def facts(record: FailoverRecord) -> Iterator[tuple[str, str]]:
    """Yield what is known of a failover, as pairs of a title and words; says so if something is not known."""
    yield "outcome", outcome_words(record) + (f": {record.reason}" if record.reason else "")
    ordered = ", ordered by the guard" if guards_order(record) else ""
    yield "kind", (record.kind or "not known") + ordered
    yield "master", arrow(record.old, record.new)
    yield "epoch", "not known" if record.epoch is None else str(record.epoch)
    if record.incarnation:
        yield "incarnation", str(record.incarnation)
    if record.missed:
        yield from _away(record.away)
        return
    yield "began", moment(record.started)
    yield "ended", moment(record.heard) if record.closed else "not yet"
    yield "leader", record.leader or "not known"
    if record.agreement:
        yield "agreed down", f"{record.agreement.agreeing} Sentinels, quorum {record.agreement.quorum}"
    if len(record.candidates) > 1:
        yield "candidates", ", ".join(record.candidates)
    if record.returned:
        yield "old master", f"back after {seconds(offset(record, record.returned.time) or 0.0)}"
    yield "seen by", ", ".join(record.observers)


def _away(away: Away | None) -> Iterator[tuple[str, str]]:
    after, before = (None, None) if away is None else (away.after, away.before)
    yield "when", f"between {moment(after)} and {moment(before)}, not known more exactly"
    first, last = (None, None) if away is None else away.epochs
    if first is not None and last is not None:
        others = last - first - 1
        more = f"; up to {others} other attempts may have been made" if others > 0 else ""
        yield "epochs", f"{first} before, {last} after{more}"
    yield "not known", "leader, cause and duration: no daemon was connected to a Sentinel"


def heading(record: AnyRecord, first: AnyStage) -> str:
    """Return how the account of a failover opens; ``first`` is its first stage."""
    old = address(record.old)
    if first.stage in (Stage.SUSPECTED, Stage.AGREED_DOWN):
        return f"the master {old} seems to be down"
    if record.kind is None or record.kind == FailoverKind.AUTOMATIC:
        return f"a failover of the master {old}"
    return f"a {record.kind} failover of the master {old}"


def verdict(record: Failover) -> list[str]:
    """Return the final lines: how long it took, and how much earlier the promotion was known."""
    if record.outcome is not Outcome.COMPLETED:
        return [] if record.attempted else ["no Sentinel tried a failover"]
    durations = record.durations
    lines = [f"{record.old or 'the old master'} -> {record.new or 'a new one'}"]
    if "total" in durations:
        lines[0] += f", {seconds(durations['total'])} from the first event to the last"
    if "outage" in durations:
        lines.append(_outage(durations["outage"], record.down_after))
    promoted, settled = record.entry(Stage.PROMOTED), record.entry(Stage.SETTLED)
    if "announcement" in durations and promoted is not None:
        who = "the node itself" if promoted.by == "ROLE" else "the leader"
        gained = f"{seconds(durations['announcement'])} before the first +switch-master"
        if settled is not None:
            gained += f", {seconds(settled.at - promoted.at)} before the leader's"
        lines.append(f"known from {who} {gained}")
    return lines


def _outage(outage: float, down_after: float | None) -> str:
    if down_after is None:
        return f"there was a new master {seconds(outage)} after the first suspicion"
    return (
        f"{seconds(outage)} without a master: {seconds(down_after)} until it was suspected (down-after), "
        f"{seconds(outage - down_after)} until there was a new one"
    )


# Its stages ---------------------------------------------------------------------------------------


def stage_name(record: AnyRecord, entry: AnyStage) -> str:
    """Return the name of a stage."""
    return stage_words(entry.stage, record.attempted)


def stage_sentence(record: AnyRecord, entry: AnyStage) -> str:
    """Return what happened in a stage, as a sentence without a full stop."""
    return _SENTENCES[entry.stage](record, entry)


def stage_evidence(entry: AnyStage) -> str:
    """Return the event that a stage is known from, with what it says."""
    vote = f" for {entry.voted_for}" if entry.voted_for else ""
    about = f" {entry.replica}" if entry.replica is not None else ""
    return f"{entry.by}{vote}{about}"


def stage_sources(entry: AnyStage) -> list[str]:
    """Return the sources of a stage, the first one first."""
    return [entry.sentinel or "the node itself", *entry.also]


def _suspected(record: AnyRecord, entry: AnyStage) -> str:
    return f"one Sentinel gets no valid answer from {record.old or 'it'}"


def _agreed(record: AnyRecord, entry: AnyStage) -> str:
    return "a quorum of Sentinels agrees"


def _electing(record: AnyRecord, entry: AnyStage) -> str:
    epoch = "" if record.epoch is None else f" at epoch {record.epoch}"
    sentinel = entry.sentinel or "a Sentinel"
    if entry.voted_for:
        candidate = "itself" if entry.voted_for == entry.sentinel else entry.voted_for
        return f"{sentinel} votes for {candidate} to lead the failover{epoch}"
    return f"{sentinel} asks to lead the failover{epoch}"


def _elected(record: AnyRecord, entry: AnyStage) -> str:
    return f"{entry.sentinel or record.leader or 'a Sentinel'} leads the failover"


def _selected(record: AnyRecord, entry: AnyStage) -> str:
    return f"{_replica(record, entry)} is chosen to become the master"


def _promoting(record: AnyRecord, entry: AnyStage) -> str:
    return f"{_replica(record, entry)} is ordered to become a master"


def _promoted(record: AnyRecord, entry: AnyStage) -> str:
    if entry.by == "ROLE":
        return f"{_replica(record, entry)} itself answers that it is a master: it takes writes"
    return f"{_replica(record, entry)} is a master, as the leader reports"


def _switched(record: AnyRecord, entry: AnyStage) -> str:
    waited = record.durations.get("announcement")
    late = "" if waited is None else f", {seconds(waited)} after the promotion was known"
    return f"the first Sentinel announces {_replica(record, entry)}{late}"


def _reconfiguring(record: AnyRecord, entry: AnyStage) -> str:
    replica = address(entry.replica, "a replica")
    match progress_of(entry.by):
        case Progress.FOLLOWS:
            return f"{replica} follows the new master"
        case Progress.OVERDUE:
            return f"{replica} has not obeyed for 10 s and is ordered again"
        case Progress.TIMED_OUT:
            return "the replicas took too long; the remaining ones are ordered once more"
        case _:
            return f"{replica} is ordered to follow the new master"


def _settled(record: AnyRecord, entry: AnyStage) -> str:
    return "the leader has finished and is the last to announce the switch"


def _aborted(record: AnyRecord, entry: AnyStage) -> str:
    return entry.reason or "no reason is known"


_SENTENCES: Final[Mapping[Stage, Callable[[AnyRecord, AnyStage], str]]] = {
    Stage.SUSPECTED: _suspected,
    Stage.AGREED_DOWN: _agreed,
    Stage.ELECTING: _electing,
    Stage.ELECTED: _elected,
    Stage.SELECTED: _selected,
    Stage.PROMOTING: _promoting,
    Stage.PROMOTED: _promoted,
    Stage.SWITCHED: _switched,
    Stage.RECONFIGURING: _reconfiguring,
    Stage.SETTLED: _settled,
    Stage.ABORTED: _aborted,
}


def _replica(record: AnyRecord, entry: AnyStage) -> str:
    return address(entry.replica or record.new, "the replica")


# What the guard did -------------------------------------------------------------------------------


def guards_order(record: FailoverRecord) -> RemarkRecord | None:
    """Return the guard's order of a failover; None if it ordered none."""
    return next((remark for remark in record.guarded if remark.kind == NoticeKind.GUARD_ORDERED), None)


def guard_words(remark: RemarkRecord) -> str:
    """Return what the guard did, in a few words; the remark's text says why."""
    return _GUARD.get(remark.kind, remark.kind)


_GUARD: Final[Mapping[str, str]] = {
    NoticeKind.GUARD_ORDERED: "ordered a failover",
    NoticeKind.GUARD_WOULD_ORDER: "would have ordered a failover",
    NoticeKind.GUARD_REFUSED: "did not order a failover",
    NoticeKind.GUARD_VERIFIED: "saw its failover come",
    NoticeKind.GUARD_IN_VAIN: "ordered in vain",
    NoticeKind.MASTER_EMPTY: "saw the master come back empty",
    NoticeKind.MASTER_RESTARTED: "saw the master restart",
}
"""The dashboard's ``guard.js`` has the same words."""


# Its replicas -------------------------------------------------------------------------------------


def replica_sentence(record: FailoverRecord, replica: ReplicaRecord) -> str:
    """Return what became of another replica, without its address."""
    told, follows = offset(record, replica.told), offset(record, replica.follows)
    words = "not ordered to follow" if told is None else f"ordered to follow at +{seconds(told)}"
    words += ", does not follow yet" if follows is None else f", follows at +{seconds(follows)}"
    return words + (f", ordered again {replica.again} times" if replica.again else "")
