"""
One failover for a terminal: its facts, and its stages as bars along one scale of time.

A bar reaches from the start of a stage to the start of the next. The input is a journal's line, the output lines of
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ..account.record import address, facts, offset, seconds, span, voted
from ..belief.words import SUSPICION_ENDED, stage_words
from ..render import Line
from .local_time import moment
from .output import Words

__all__ = ["chart"]

BAR_COLUMNS: Final = 44
STAGE_WIDTH: Final = len(SUSPICION_ENDED)


def chart(line: Line, switches: Sequence[Line]) -> Iterator[Words]:
    """
    Yield the description of a failover, line by line.

    Args:
        line: the failover's line from the journal.
        switches: the lines of its switches.
    """
    yield ((f"{line['deployment']}/{line['master']}: failover {line['id']}", "bold"),)
    for title, words in facts(line):
        yield ((f"  {title:<12} ", "dim"), (words, ""))
    for one in switches:
        yield (("  because      ", "dim"), (one["why"], ""))
    if line["stages"]:
        yield ()
        yield from _bars(line)
    yield from _announcements(line)
    yield from _replicas(line)
    yield from _durations(line)
    yield from _comments(line)


def _bars(line: Line) -> Iterator[Words]:
    begins = [offset(line, stage["time"]) or 0.0 for stage in line["stages"]]
    end = max([*begins, 0.001])
    order = sorted(range(len(begins)), key=lambda index: begins[index])
    for place, index in enumerate(order):
        stage, begin = line["stages"][index], begins[index]
        until = begins[order[place + 1]] if place + 1 < len(order) else begin
        first, last = round(begin / end * (BAR_COLUMNS - 1)), round(until / end * (BAR_COLUMNS - 1))
        bar = " " * first + "█" * max(1, last - first)
        yield (
            (f"  {stage_words(stage['stage'], line['attempted']):<{STAGE_WIDTH}}", "cyan"),
            (f"{f'+{begin:.3f} s':>12}  ", ""),
            (f"{bar:<{BAR_COLUMNS}}  ", "green"),
            (_said(stage), "dim"),
        )


def _said(stage: Line) -> str:
    who = stage["sentinel"] or "the node itself"
    more = f" and {len(stage['also'])} more" if stage.get("also") else ""
    about = f" {address(stage['replica'])}" if stage.get("replica") else ""
    reason = f": {stage['reason']}" if stage.get("reason") else ""
    return f"{stage['by']}{voted(stage)}{about} from {who}{more}{reason}"


def _announcements(line: Line) -> Iterator[Words]:
    if line["announcements"]:
        yield ()
        yield (("  +switch-master", "bold"),)
    for said in line["announcements"]:
        late = offset(line, said["time"])
        yield ((f"    {'' if late is None else f'+{late:.3f} s':>12}  ", ""), (said["sentinel"], "dim"))


def _replicas(line: Line) -> Iterator[Words]:
    if line["replicas"]:
        yield ()
        yield (("  replicas", "bold"),)
    for replica in line["replicas"]:
        told, follows = offset(line, replica["told"]), offset(line, replica["follows"])
        words = "not told" if told is None else f"told at +{told:.3f} s"
        words += ", does not follow yet" if follows is None else f", follows at +{follows:.3f} s"
        words += f", told again {replica['again']} times" if replica["again"] else ""
        yield ((f"    {address(replica)}  ", ""), (words, "dim"))


def _durations(line: Line) -> Iterator[Words]:
    if line["durations"]:
        yield ()
        yield (("  durations", "bold"),)
    for name, number in line["durations"].items():
        notes = [span(line, name), "by the clocks of two daemons" if name in line["estimated"] else ""]
        about = "; ".join(filter(None, notes))
        yield ((f"    {name:<16} ", ""), (f"{seconds(number)}{about and f'  ({about})'}", "dim"))


def _comments(line: Line) -> Iterator[Words]:
    if line["comments"]:
        yield ()
    for comment in line["comments"]:
        what = "acknowledged" if comment["acknowledges"] else "comment"
        text = f": {comment['text']}" if comment["text"] else ""
        yield ((f"  {moment(comment['time'])}  {what} by {comment['by']}", "dim"), (text, ""))
