"""
One failover as a post-mortem in Markdown, for people to complete and keep.

Text from the network is escaped: it is neither markup nor HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..terminal_text import neutralise
from .narrate import (
    address,
    facts,
    guard_words,
    offset,
    outcome_words,
    seconds,
    span,
    stage_evidence,
    stage_name,
    stage_sources,
)
from .record import FailoverRecord, ReplicaRecord, StageRecord, SwitchRecord, by_time
from .times import moment

__all__ = ["document", "escape", "postmortem"]

_MARKUP: Final = re.compile(r"[\\`*_{}\[\]()#!|<>&~@$]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""What could be markup, HTML, a mention or a link in the middle of a line."""


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: a backslash before each sign that could be markup, no line end."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.splitlines()))


def document(record: FailoverRecord, switches: Sequence[SwitchRecord]) -> str:
    """Return the whole document, harmless for a terminal too; arguments as of `postmortem`."""
    return "".join(f"{neutralise(row)}\n" for row in postmortem(record, switches))


def postmortem(record: FailoverRecord, switches: Sequence[SwitchRecord]) -> Iterator[str]:
    """
    Yield the lines of the document.

    Args:
        record: the failover.
        switches: those that it led to.
    """
    name = f"{record.deployment}/{record.master}"
    yield f"# Failover of {escape(name)}, {moment(record.started)} ({outcome_words(record)})"
    yield ""
    yield from _table(("what", ""), facts(record))
    for switch in switches:
        yield ""
        yield f"The switch was decided because {escape(switch.why)}."
    if record.stages:
        yield from _section("Timeline")
        rows = (_stage(record, entry) for entry in by_time(record.stages))
        yield from _table(("after", "time", "stage", "event", "source"), rows)
    if record.guarded:
        yield from _section("The guard")
        done = ((seconds(offset(record, one.time) or 0.0), guard_words(one), one.text) for one in record.guarded)
        yield from _table(("after", "the guard", "why"), done)
    if record.announcements:
        yield from _section("When each Sentinel announced it")
        said = ((seconds(offset(record, one.time) or 0.0), one.sentinel) for one in record.announcements)
        yield from _table(("after", "Sentinel"), said)
    if record.replicas:
        yield from _section("Replicas")
        yield from _table(("replica", "ordered to follow", "follows", "ordered again"), map(_replica, record.replicas))
    if record.durations:
        yield from _section("Durations")
        spans = ((key, seconds(number), span(record, key)) for key, number in record.durations.items())
        yield from _table(("of", "took", "which is"), spans)
    if record.comments:
        yield from _section("Comments")
        for comment in record.comments:
            what = "acknowledged" if comment.acknowledges else "commented"
            yield f"- {moment(comment.time)}, {escape(comment.by)} {what}: {escape(comment.text)}"
    for title in ("Impact", "Cause", "What to change"):
        yield from _section(title)


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(escape, row))} |"


def _stage(record: FailoverRecord, entry: StageRecord) -> tuple[str, ...]:
    what = stage_evidence(entry) + (f": {entry.reason}" if entry.reason else "")
    after = seconds(offset(record, entry.time) or 0.0)
    return after, moment(entry.time), stage_name(record, entry), what, ", ".join(stage_sources(entry))


def _replica(replica: ReplicaRecord) -> tuple[str, ...]:
    return address(replica.address), moment(replica.told), moment(replica.follows), str(replica.again)
