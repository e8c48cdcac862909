"""
Compare reports with the truth: switches that were missed, doubled or invented, and how long each took to be known.

Pure. A switch happened if a majority of the Sentinels kept it (`truth.Kept`); exactly one `Report` must be about it.
Any other report is allowed only if a replica did become a master and the Sentinels gave it up again (their leader died
before it announced it), for the way back from that, and for the way there again when that leader returns. Everything
else is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from .faults import Deed
from .schedule import FAILOVERS, TRAITS, Kind
from .truth import Held, Kept, Promotion, Truth, Where

__all__ = ["LATE", "LATE_WHEN_HAMPERED", "Report", "Told", "Verdict", "judge"]

LATE = 1.0
"""Seconds from a promotion until it must be known, if no fault hinders it. Sentinel takes 0.9 s."""
LATE_WHEN_HAMPERED = 20.0
"""The same if the leader, or the links to it or to the node, had a fault: after the repair all is dialled again within
3.5 s, and asked again within 12 s."""
EARLY = 0.5
"""Seconds by which the observer may be later than the Watcher: it looks every 5 ms, on a machine that is busy."""
UNANNOUNCED = 60.0
"""Seconds that a promotion may go unannounced and still match a report."""
PATIENCE = 4.9
"""Seconds after which a majority that gives another address may be believed, whatever the node says: the shortest such
time, of a leader that fell silent before it announced the promotion (`ABANDONED`)."""
SPREAD = 3.0
"""Seconds until the others learn what one Sentinel has: it says hello every 2 s."""
BEFORE = 8.0
"""Seconds before a promotion in which a fault may have hidden its beginning."""
FOREVER = float("inf")
HINDRANCES = {*Kind} - FAILOVERS | {Kind.LEADER_DIES}
"""Faults that may keep news of a failover from the application."""
UNASKED = "unasked"
"""The kind of a failover that none of our faults began: a Sentinel's stale opinions may let one follow another."""


@dataclass(frozen=True, slots=True)
class Report:
    """One Switch as it was reported."""

    at: float
    master: str
    old: Where | None
    new: Where
    epoch: int | None
    incarnation: int = 0

    def describe(self) -> str:
        """Return it as one line."""
        return f"{self.master} at {self.new[0]}:{self.new[1]}, epoch {self.epoch}, incarnation {self.incarnation}"


@dataclass(frozen=True, slots=True)
class Told:
    """A switch that happened, and its report."""

    kept: Kept
    promotion: Promotion | None
    """The node's own answer; None if the observer did not see it, or the node was a master all the time."""
    report: Report | None
    deed: Deed | None
    """The fault that began it."""
    clear: bool
    """Whether no fault was between the application and the leader, its node and their links."""

    @property
    def kind(self) -> str:
        """What began it."""
        return self.deed.fault.kind if self.deed else UNASKED

    @property
    def begun(self) -> float:
        """Since when it was true, as far as was seen."""
        return self.promotion.at if self.promotion else self.kept.at

    @property
    def knew(self) -> float | None:
        """Seconds from the promotion to the report."""
        return self.report.at - self.promotion.at if self.report and self.promotion else None


@dataclass(frozen=True, slots=True)
class Astray:
    """A time in which the application followed a promotion that the Sentinels gave up: the price of early news."""

    master: str
    begin: float
    end: float


@dataclass
class Verdict:
    """The outcome."""

    told: list[Told] = field(default_factory=list)
    missed: list[Kept] = field(default_factory=list)
    doubled: list[Report] = field(default_factory=list)
    invented: list[Report] = field(default_factory=list)
    undone: list[Report] = field(default_factory=list)
    """Reports of promotions that happened and that the Sentinels gave up; and of the way back."""
    astray: list[Astray] = field(default_factory=list)
    late: list[Told] = field(default_factory=list)
    unseen: list[Kept] = field(default_factory=list)
    """Switches whose promotion the observer did not see."""

    def findings(self) -> list[str]:
        """Return the findings."""
        found = [f"missed: {_describe(kept)}" for kept in self.missed]
        found += [f"reported twice: {report.describe()} at {report.at:.3f}" for report in self.doubled]
        found += [f"invented: {report.describe()} at {report.at:.3f}" for report in self.invented]
        found += [f"the observer saw no promotion: {_describe(kept)}" for kept in self.unseen]
        for told in self.late:
            way = "nothing in the way" if told.clear else "a fault in the way"
            found.append(f"reported after {told.knew:.3f} s, with {way}: {_describe(told.kept)}")
        return found


def judge(truth: Truth, reports: Sequence[Report], deeds: Sequence[Deed]) -> Verdict:
    """
    Compare reports with the truth.

    Args:
        truth: what the observer saw.
        reports: the reports, in order.
        deeds: the faults that were applied.
    """
    verdict = Verdict()
    for master in truth.groups:
        _judge_master(verdict, truth, master, [each for each in reports if each.master == master], deeds)
    verdict.told.sort(key=lambda each: each.kept.at)
    return verdict


def _judge_master(
    verdict: Verdict, truth: Truth, master: str, reports: Sequence[Report], deeds: Sequence[Deed]
) -> None:
    kept, promotions = truth.kept(master), truth.promotions(master)
    used: set[int] = set()
    believed = kept[0].address if kept else None
    for before, now, after in zip(kept, kept[1:], [*kept[2:], None], strict=False):
        ends = after.at if after else FOREVER
        fits = [n for n, each in enumerate(reports) if n not in used and _tells(each, before, now, ends)]
        fits = [n for n in fits if reports[n].epoch == now.epoch] or fits[-1:]
        report = reports[fits[0]] if fits else None
        # Another incarnation is no repetition: it may be the way back from a promotion that was given up.
        same = [n for n in fits if report is not None and reports[n].incarnation == report.incarnation]
        verdict.doubled += [reports[n] for n in same[1:]]
        used |= set(same)
        promotion = _behind(report, promotions) if report else _promotion(promotions, now, before.at)
        # Sentinels may choose a node that is a master already, as it was before it hung: no answer shows since when it
        # counts.
        chosen_again = promotion is not None and promotion.at < before.at - BEFORE
        promotion = None if chosen_again else promotion
        deed = _cause(deeds, master, promotion.at if promotion else now.at)
        if deed in [each.deed for each in verdict.told]:
            deed = None  # another failover followed without a fault of ours
        told = Told(now, promotion, report, deed, _is_clear(now, promotion, deeds))
        verdict.told.append(told)
        # An application that missed the way there needs no report of the way back.
        if report is None and now.address != believed and not _was_deaf(deeds, told.begun, ends):
            verdict.missed.append(now)
        believed = report.new if report else believed
        if promotion is None and not chosen_again:
            verdict.unseen.append(now)
        if told.knew is not None and told.knew > _allowed(told, deeds) and not _machine_was_late(told, truth):
            verdict.late.append(told)
    _judge_rest(verdict, truth, kept, promotions, reports, used)


def _tells(report: Report, before: Kept, now: Kept, ends: float) -> bool:
    """Whether a report may be of a switch."""
    if report.new != now.address or report.at < before.at - UNANNOUNCED:
        return False
    if report.epoch is None:
        return before.at < report.at < ends
    # Lower than what was kept: the node was promoted at that epoch, and chosen again at this one.
    return before.epoch < report.epoch <= now.epoch


def _judge_rest(
    verdict: Verdict,
    truth: Truth,
    kept: Sequence[Kept],
    promotions: Sequence[Promotion],
    reports: Sequence[Report],
    used: set[int],
) -> None:
    """Judge the reports of what was not kept, or not yet."""
    spent = {_behind(reports[number], promotions) for number in used}
    seen = {(reports[n].incarnation, reports[n].epoch, reports[n].new) for n in used}
    for number, report in enumerate(reports):
        if number in used:
            continue
        before = reports[number - 1] if number else None
        key, promotion = (report.incarnation, report.epoch, report.new), _behind(report, promotions)
        if key in seen or (before is not None and report.new == before.new):
            verdict.doubled += [report] * (report not in verdict.doubled)
        elif before is not None and (
            _leads_back(truth, kept, before, report)
            or _is_first_word(kept, report)
            or _is_of_a_leader_that_returned(truth, kept, report)
        ):
            verdict.undone.append(report)
        elif promotion is not None and promotion not in spent:
            spent.add(promotion)
            verdict.undone.append(report)
        else:
            verdict.invented.append(report)
        seen.add(key)
    verdict.astray += _astray(kept, promotions, reports)


def _leads_back(truth: Truth, kept: Sequence[Kept], before: Report, report: Report) -> bool:
    """Whether a report goes back to what a majority has, with a reason to leave what was reported before."""
    held = _held(kept, report.new, report.at - EARLY, report.at + EARLY)
    fell = any(
        role.node == before.new and role.role != "master" and before.at < role.at <= report.at + EARLY
        for role in truth.roles
    )
    return held is not None and (fell or held.at >= before.at or report.at - before.at >= PATIENCE)


def _is_first_word(kept: Sequence[Kept], report: Report) -> bool:
    """Whether a report is of an address that a majority had soon after: its leader came back, and we heard it first."""
    return any(
        (now.address, now.epoch) == (report.new, report.epoch) and report.at <= now.at <= report.at + SPREAD
        for now in kept
    )


def _is_of_a_leader_that_returned(truth: Truth, kept: Sequence[Kept], report: Report) -> bool:
    """
    Whether a Sentinel had the address of a report at that moment, at that epoch, and the majority only an older one.

    Its leader died after the promotion, the others let it go, and so did the application. The leader came back with it:
    a higher epoch, which would have become everyone's had no other failover followed.
    """
    has: dict[str, Held] = {}
    for each in truth.held:
        if each.master == report.master and each.at <= report.at + EARLY:
            has[each.sentinel] = each
    newest = max((now.epoch for now in kept if now.at <= report.at), default=-1)
    return (
        report.epoch is not None
        and report.epoch > newest
        and any((each.address, each.epoch) == (report.new, report.epoch) for each in has.values())
    )


def _held(kept: Sequence[Kept], address: Where, begin: float, end: float) -> Kept | None:
    """Return how a majority got an address that it had at some moment of a span; None if it never had it."""
    for now, after in zip_longest(kept, kept[1:]):
        if now.address == address and now.at < end and (after is None or begin < after.at):
            return now
    return None


def _astray(kept: Sequence[Kept], promotions: Sequence[Promotion], reports: Sequence[Report]) -> list[Astray]:
    """
    Return when a report did not match the outcome.

    That is: no majority had its address before the next report; or the next report is of an earlier promotion, as when
    we had gone back from it, and its leader came back after that.
    """
    found = []
    for report, then in zip_longest(reports, reports[1:]):
        end = then.at if then else FOREVER
        promotion = _behind(then, promotions) if then else None
        if _held(kept, report.new, report.at, end) is None or (promotion is not None and promotion.at < report.at):
            found.append(Astray(report.master, report.at, end))
    return found


def _behind(report: Report, promotions: Iterable[Promotion]) -> Promotion | None:
    """Return the promotion that a report can be of: the last of its node before the report."""
    before = [each for each in promotions if each.address == report.new and each.at <= report.at + EARLY]
    return before[-1] if before and before[-1].at >= report.at - UNANNOUNCED else None


def _promotion(promotions: Iterable[Promotion], now: Kept, begin: float) -> Promotion | None:
    """Return the promotion of an unreported switch: the last of its node before the Sentinels had it."""
    before = [each for each in promotions if each.address == now.address and begin - EARLY <= each.at <= now.at + EARLY]
    return before[-1] if before else None


def _cause(deeds: Iterable[Deed], master: str, at: float) -> Deed | None:
    """Return the fault that began a failover."""
    for deed in deeds:
        if deed.fault.master == master and deed.fault.kind in FAILOVERS and deed.touches(at, at):
            return deed
    return None


def _is_clear(now: Kept, promotion: Promotion | None, deeds: Iterable[Deed]) -> bool:
    """Whether the leader and the links to it and to the group worked while a failover was under way."""
    if promotion is None or not now.leader:
        return False
    leader = int(now.leader.removeprefix("s")) - 1
    for deed in deeds:
        fault = deed.fault
        if not deed.touches(promotion.at - BEFORE, max(now.at, promotion.at)):
            continue
        by_order = fault.kind in (Kind.PLANNED, Kind.COORDINATED)
        if fault.kind is Kind.DEAF or (fault.sentinel == leader and not by_order):
            return False
        if fault.master == now.master and fault.kind in (Kind.NODE_CUT, Kind.NODE_SILENT):
            return False
    return True


def _allowed(told: Told, deeds: Iterable[Deed]) -> float:
    """Return how long a switch may take to be known."""
    if told.clear:
        return LATE
    assert told.promotion is not None  # otherwise the time is unknown
    begin, longest = told.promotion.at, 0.0
    for deed in deeds:
        if deed.fault.kind in HINDRANCES and deed.touches(begin - BEFORE, begin) and deed.over is not None:
            longest = max(longest, deed.over - begin)
    return LATE_WHEN_HAMPERED + longest


def _machine_was_late(told: Told, truth: Truth) -> bool:
    """Whether not even the observer was answered in time between a promotion and its report."""
    return told.promotion is not None and told.report is not None and truth.was_late(told.promotion.at, told.report.at)


def _was_deaf(deeds: Iterable[Deed], begin: float, end: float) -> bool:
    """Whether no Sentinel was heard during a whole span."""
    return any(
        deed.fault.kind is Kind.DEAF and deed.begun is not None and deed.begun <= begin and (deed.over or end) >= end
        for deed in deeds
    )


def _describe(kept: Kept) -> str:
    return f"{kept.master} at {kept.address[0]}:{kept.address[1]}, epoch {kept.epoch}, kept at {kept.at:.3f}"


def happened(deeds: Iterable[Deed]) -> Mapping[Kind, tuple[int, int]]:
    """Count, by kind, what was done and what was skipped."""
    counts = {kind: [0, 0] for kind in TRAITS}
    for deed in deeds:
        counts[deed.fault.kind][deed.begun is None] += 1
    return {kind: (done, skipped) for kind, (done, skipped) in counts.items()}
