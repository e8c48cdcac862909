"""
One failover for a terminal: its facts, and its stages as bars along one scale of time.

A bar reaches from where a stage began to where the next one did. A record goes in, lines of words come out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ..account.narrate import (
    address,
    facts,
    guard_words,
    offset,
    replica_sentence,
    seconds,
    span,
    stage_evidence,
    stage_name,
    stage_sources,
)
from ..account.record import FailoverRecord, StageRecord, SwitchRecord
from ..account.times import moment
from ..belief.words import SUSPICION_ENDED
from .output import Words

__all__ = ["chart"]

BAR_COLUMNS: Final = 44
STAGE_WIDTH: Final = len(SUSPICION_ENDED)


def chart(record: FailoverRecord, switches: Sequence[SwitchRecord]) -> Iterator[Words]:
    """
    Yield the description of a failover, line by line.

    Args:
        record: the failover.
        switches: those that it led to.
    """
    yield ((f"{record.deployment}/{record.master}: failover {record.id}", "bold"),)
    for title, words in facts(record):
        yield ((f"  {title:<12} ", "dim"), (words, ""))
    for switch in switches:
        yield (("  because      ", "dim"), (switch.why, ""))
    if record.stages:
        yield ()
        yield from _bars(record)
    yield from _guard(record)
    yield from _announcements(record)
    yield from _replicas(record)
    yield from _durations(record)
    yield from _comments(record)


def _bars(record: FailoverRecord) -> Iterator[Words]:
    begins = [offset(record, entry.time) or 0.0 for entry in record.stages]
    end = max([*begins, 0.001])
    order = sorted(range(len(begins)), key=lambda index: begins[index])
    for place, index in enumerate(order):
        entry, begin = record.stages[index], begins[index]
        until = begins[order[place + 1]] if place + 1 < len(order) else begin
        first, last = round(begin / end * (BAR_COLUMNS - 1)), round(until / end * (BAR_COLUMNS - 1))
        bar = " " * first + "█" * max(1, last - first)
        yield (
            (f"  {stage_name(record, entry):<{STAGE_WIDTH}}", "cyan"),
            (f"{f'+{begin:.3f} s':>12}  ", ""),
            (f"{bar:<{BAR_COLUMNS}}  ", "green"),
            (_said(entry), "dim"),
        )


def _said(entry: StageRecord) -> str:
    source, *others = stage_sources(entry)
    more = f" and {len(others)} more" if others else ""
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{stage_evidence(entry)} from {source}{more}{reason}"


def _guard(record: FailoverRecord) -> Iterator[Words]:
    if record.guarded:
        yield ()
        yield (("  guard", "bold"),)
    for remark in record.guarded:
        after = offset(record, remark.time)
        begin = "" if after is None else f"{after:+.3f} s"
        yield ((f"    {begin:>12}  ", ""), (f"{guard_words(remark)}: {remark.text}", "dim"))


def _announcements(record: FailoverRecord) -> Iterator[Words]:
    if record.announcements:
        yield ()
        yield (("  +switch-master", "bold"),)
    for said in record.announcements:
        late = offset(record, said.time)
        yield ((f"    {'' if late is None else f'+{late:.3f} s':>12}  ", ""), (said.sentinel, "dim"))


def _replicas(record: FailoverRecord) -> Iterator[Words]:
    if record.replicas:
        yield ()
        yield (("  replicas", "bold"),)
    for replica in record.replicas:
        yield ((f"    {address(replica.address)}  ", ""), (replica_sentence(record, replica), "dim"))


def _durations(record: FailoverRecord) -> Iterator[Words]:
    if record.durations:
        yield ()
        yield (("  durations", "bold"),)
    for name, number in record.durations.items():
        notes = [span(record, name), "estimated from the clocks of two daemons" if name in record.estimated else ""]
        about = "; ".join(filter(None, notes))
        yield ((f"    {name:<16} ", ""), (f"{seconds(number)}{about and f'  ({about})'}", "dim"))


def _comments(record: FailoverRecord) -> Iterator[Words]:
    if record.comments:
        yield ()
    for comment in record.comments:
        what = "acknowledged" if comment.acknowledges else "comment"
        text = f": {comment.text}" if comment.text else ""
        yield ((f"  {moment(comment.time)}  {what} by {comment.by}", "dim"), (text, ""))
