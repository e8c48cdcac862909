"""
Compare acknowledged writes with what the servers have: writes lost, writes executed twice, and errors, by cause.

Pure. A master that is killed, stopped or cut off may have acknowledged writes that no replica has; so may a promoted
node that the Sentinels did not keep, and a master that they replaced while the application could not hear it or got no
processor. A node that died, came back empty and was chosen before it had copied anything wipes all data. Nothing else
must be lost, and in a planned failover no command must fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from .application import Entry
from .faults import Deed
from .schedule import LIAR, Kind
from .truth import Truth
from .verdict import Astray, Told, Verdict

__all__ = ["Account", "Written", "account"]

BEFORE = 1.0
"""Seconds before a fault in which an acknowledged write may not have reached a replica yet."""
UNDER_WAY = 0.1
"""Seconds by which an acknowledgement may come after the way back was reported."""
COSTLY = {Kind.CRASH, Kind.HANG, Kind.CUT_OFF}
"""These may lose writes acknowledged before the promotion."""
FREE = {Kind.PLANNED, Kind.COORDINATED}
BUSY = 0.03
"""Seconds from a promotion to its report above which the application was too busy to hold its commands in time: in a
coordinated failover the old master takes no more writes a tick of Sentinel (50 to 100 ms) after the selection, and ends
the connections of those that it keeps waiting."""
TICK = 0.15
"""Most seconds from a selection to the promotion: Sentinel acts every 50 to 100 ms."""
TOO_LATE = "late"
"""The kind of a loss in a planned failover of which the application heard too late."""
LIED_TO = "lied to"
"""The kind of a loss in a planned failover whose leader lies: it claims to have begun another meanwhile."""
ASTRAY = "astray"
"""The kind of a loss after a promotion that the Sentinels gave up, although we killed no leader."""
WIPED = "wiped"
"""The kind of a loss after a node was chosen that had come back empty: it keeps nothing on disk."""
STANDSTILL = "standstill"
"""The kind of an error where the observer had no answer of a node either, or none in time, and it was none of our
faults."""
NONE = "no fault"


@dataclass(frozen=True)
class Written:
    """The record of one writer, and the master's list at the end."""

    master: str
    key: str
    entries: Iterable[Entry]
    kept: Sequence[int]


@dataclass
class Account:
    """The outcome of all writes, by the kind of failover or fault that was active."""

    acknowledged: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    errors: dict[str, Counter[str]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    replayed: Counter[str] = field(default_factory=Counter)
    """Writes that a server applied again by itself, by their list; see `_replayed`."""
    wrong: list[str] = field(default_factory=list)
    """Losses and errors that are not allowed."""

    def findings(self) -> list[str]:
        """Return the findings."""
        return [*self.wrong, *(f"carried out twice: {each}" for each in self.twice)]


def account(written: Iterable[Written], verdict: Verdict, deeds: Sequence[Deed], truth: Truth) -> Account:
    """
    Count lost writes and failed commands.

    Args:
        written: by each writer.
        verdict: the switches that happened, and when the application went astray.
        deeds: the faults that were applied.
        truth: what the observer saw.
    """
    came = Account()
    for each in written:
        told = [one for one in verdict.told if one.kept.master == each.master]
        astray = [one for one in verdict.astray if one.master == each.master]
        still = list(_followed_still(told, deeds, truth))
        wiped = max((one.kept.at for one in told if _came_back_empty(one, truth)), default=-inf)
        # An application that hears no Sentinel continues as before: only faults of the nodes can make a command fail.
        own = [one for one in deeds if one.fault.master == each.master]
        _count(came, each, told, astray, still, wiped, own, truth)
    return came


def _followed_still(told: Iterable[Told], deeds: Sequence[Deed], truth: Truth) -> Iterator[tuple[str, float, float]]:
    """
    Return when a replaced master still took writes: the kind of its loss, the begin and the end.

    That is a master that is cut off; one that Sentinels replaced while none of them was heard; one in a planned
    failover of which the application heard late, because it got no processor, or from a leader that lies: it could not
    hold its commands; and one that hung and went on before the application, which got no processor, heard of its end.
    """
    deaf = [one for one in deeds if one.fault.kind is Kind.DEAF]
    for one in told:
        if one.promotion and one.report:
            begin, end = one.promotion.at, one.report.at
            if one.kind == Kind.CUT_OFF or any(each.touches(begin, begin) for each in deaf):
                yield one.kind, begin, end
            elif one.kind in FREE and (end - begin > BUSY or truth.was_late(begin - TICK, end + TICK)):
                yield TOO_LATE, begin - TICK, end
            elif one.kind == Kind.HANG and truth.was_late(begin - TICK, end + TICK):
                yield TOO_LATE, begin, end
            elif one.kind in FREE and _leader_lies(one):
                yield LIED_TO, begin - TICK, end


def _came_back_empty(told: Told, truth: Truth) -> bool:
    """
    Whether a node was chosen that had died, came back as a master and copied nothing since.

    A Sentinel that was cut off may find the master down, be back, and select a node that has just restarted: for that
    Sentinel it is still a replica.
    """
    roles = [each for each in truth.roles if each.node == told.kept.address and each.at <= told.kept.at]
    died = max((number for number, each in enumerate(roles) if each.role == "gone"), default=None)
    return died is not None and all(each.role != "slave" for each in roles[died:])


def _count(
    came: Account,
    written: Written,
    told: Sequence[Told],
    astray: Sequence[Astray],
    still: Sequence[tuple[str, float, float]],
    wiped: float,
    deeds: Sequence[Deed],
    truth: Truth,
) -> None:
    there = Counter(written.kept)
    again = _replayed(written.kept)
    came.replayed[written.key] += len(again)
    twice = {number: times for number, times in there.items() if times > 1 and number not in again}
    lost: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Entry] = {}
    for entry in written.entries:
        if entry.number in twice:
            how = entry.error or "acknowledged"
            span = f"sent at {entry.sent:.3f}, {how} at {entry.ended:.3f}"
            came.twice.append(f"{written.key} has {entry.number} {twice[entry.number]} times, {span}")
        if entry.error:
            kind, wrong = _blame_error(entry, told, deeds)
            late = truth.was_late(entry.sent - TICK, entry.ended)
            if wrong and (late or truth.stood_still(written.master, entry.sent, entry.ended)):
                kind, wrong = STANDSTILL, False
            came.errors.setdefault(kind, Counter())[entry.error] += 1
            if wrong:
                failed[kind, entry.error] += 1
                first.setdefault((kind, entry.error), entry)
            continue
        came.acknowledged += 1
        if entry.number not in there:
            kind, wrong = _blame_loss(entry, told, astray, still, wiped, deeds)
            came.lost[kind] += 1
            if wrong:
                lost[kind, wrong] += 1
                first.setdefault((kind, wrong), entry)
    for (kind, wrong), many in lost.items():
        entry = first[kind, wrong]
        came.wrong.append(
            f"lost {many} acknowledged writes of {written.key} in {kind} ({wrong}), "
            f"the first {entry.number}, acknowledged at {entry.ended:.3f}"
        )
    for (kind, error), many in failed.items():
        entry = first[kind, error]
        came.wrong.append(
            f"{many} x {error} of {written.key} in {kind}, the first {entry.number}, "
            f"sent at {entry.sent:.3f}, failed at {entry.ended:.3f}"
        )


def _replayed(kept: Sequence[int]) -> set[int]:
    """
    Return the numbers that are in a list a second time as a block of at least two, in their order.

    A writer sends a number when the one before is acknowledged: a client that sends one twice gives 7 7 8 8. Only a
    server that applies a piece of its master's stream again gives 7 8 7 8.
    """
    found: set[int] = set()
    seen: set[int] = set()
    block: list[int] = []
    for number in kept:
        if number in seen and (not block or number == block[-1] + 1) and (block or number + 1 in seen):
            block.append(number)
            continue
        found |= set(block if len(block) > 1 else ())
        block = []
        seen.add(number)
    return found | set(block if len(block) > 1 else ())


def _blame_loss(
    entry: Entry,
    told: Sequence[Told],
    astray: Iterable[Astray],
    still: Iterable[tuple[str, float, float]],
    wiped: float,
    deeds: Sequence[Deed],
) -> tuple[str, str]:
    """Return the kind of the failover that lost a write, and why it must not; the reason is empty if it may."""
    if any(one.begin <= entry.ended <= one.end + UNDER_WAY for one in astray):
        died = any(one.fault.kind is Kind.LEADER_DIES and one.touches(entry.ended, entry.ended) for one in deeds)
        return (Kind.LEADER_DIES if died else ASTRAY), ""
    for kind, begin, end in still:
        if begin <= entry.ended <= end + UNDER_WAY:
            return kind, ""
    following = next((one for one in told if one.begun >= entry.ended), None)
    if following is None:
        return NONE, "no failover followed"
    # Writes that the new master acknowledged must be kept; those of the old one may have reached no replica.
    deed = following.deed
    if deed is None and not following.clear:
        return following.kind, ""  # no fault requested it, and its leader could not be heard
    if deed is not None and deed.fault.kind in COSTLY and deed.touches(entry.ended, entry.ended + BEFORE):
        return following.kind, ""
    if entry.ended <= wiped:
        return WIPED, ""
    return following.kind, f"{following.kind} may lose none"


def _blame_error(entry: Entry, told: Sequence[Told], deeds: Iterable[Deed]) -> tuple[str, bool]:
    """Return the kind of failover or fault in which a command failed, and whether it must not have failed."""
    at_work = [each.fault.kind for each in deeds if each.touches(entry.sent, entry.ended)]
    costly = [kind for kind in at_work if kind not in FREE]
    if costly:
        return costly[0], False
    for one in told:
        if one.promotion is None or not _is_near(entry, one.promotion.at):
            continue
        if one.deed is None or (one.kind == Kind.COORDINATED and _is_heard_badly(one)):
            return one.kind, False
    return (at_work[0] if at_work else NONE), True


def _is_heard_badly(told: Told) -> bool:
    return _leader_lies(told) or (told.knew is not None and told.knew > BUSY)


def _leader_lies(told: Told) -> bool:
    return told.deed is not None and told.deed.fault.sentinel == LIAR


def _is_near(entry: Entry, at: float) -> bool:
    return entry.sent - BEFORE <= at <= entry.ended + BEFORE
