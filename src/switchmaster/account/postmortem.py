"""
One failover as a post-mortem in Markdown, to be kept and completed by people.

Text from the network is escaped, so that it is neither markup nor HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ..belief.words import stage_words
from ..render import Line
from ..terminal_text import neutralise
from .record import address, facts, offset, seconds, span, standing, voted
from .times import moment

__all__ = ["document", "escape", "postmortem"]

_MARKUP: Final = re.compile(r"[\\`*_{}\[\]()#!|<>&~@$]|:(?=//)|(?<=\bwww)\.", re.IGNORECASE)
"""What could be markup, HTML, a mention or a link in the middle of a line."""


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: a backslash before each sign that could be markup, no line end."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.splitlines()))


def document(line: Line, switches: Sequence[Line]) -> str:
    """Return the whole document, harmless for a terminal too; arguments as of `postmortem`."""
    return "".join(f"{neutralise(row)}\n" for row in postmortem(line, switches))


def postmortem(line: Line, switches: Sequence[Line]) -> Iterator[str]:
    """
    Yield the lines of the document.

    Args:
        line: the failover's, as the journal gives it.
        switches: the lines of its switches.
    """
    name = f"{line['deployment']}/{line['master']}"
    yield f"# Failover of {escape(name)}, {moment(line['time'])} ({standing(line)[1]})"
    yield ""
    yield from _table(("what", ""), facts(line))
    for one in switches:
        yield ""
        yield f"The switch was decided because {escape(one['why'])}."
    if line["stages"]:
        yield from _section("Timeline")
        rows = sorted(line["stages"], key=lambda stage: stage["time"] or "")
        yield from _table(("after", "time", "stage", "what was heard", "from"), (_stage(line, stage) for stage in rows))
    if line["announcements"]:
        yield from _section("When each Sentinel announced it")
        said = ((seconds(offset(line, a["time"]) or 0.0), a["sentinel"]) for a in line["announcements"])
        yield from _table(("after", "Sentinel"), said)
    if line["replicas"]:
        yield from _section("Replicas")
        yield from _table(("replica", "told", "follows", "told again"), map(_replica, line["replicas"]))
    if line["durations"]:
        yield from _section("Durations")
        spans = ((key, seconds(number), span(line, key)) for key, number in line["durations"].items())
        yield from _table(("of", "took", "which is"), spans)
    if line["comments"]:
        yield from _section("Comments")
        for comment in line["comments"]:
            what = "acknowledged" if comment["acknowledges"] else "commented"
            yield f"- {moment(comment['time'])}, {escape(comment['by'])} {what}: {escape(comment['text'])}"
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


def _stage(line: Line, stage: Line) -> tuple[str, ...]:
    what = stage["by"] + voted(stage) + (f" {address(stage['replica'])}" if stage.get("replica") else "")
    what += f": {stage['reason']}" if stage.get("reason") else ""
    words = stage_words(stage["stage"], line["attempted"])
    who = [stage["sentinel"] or "the node itself", *stage.get("also", ())]
    return seconds(offset(line, stage["time"]) or 0.0), moment(stage["time"]), words, what, ", ".join(who)


def _replica(replica: Line) -> tuple[str, ...]:
    return address(replica), moment(replica["told"]), moment(replica["follows"]), str(replica["again"])
