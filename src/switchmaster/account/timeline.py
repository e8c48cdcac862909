"""
A failover as a picture: one lane for each Sentinel, one for the guard, one for the data nodes, along one scale of time.

A failover's record and the events of its time go in; SVG comes out, or a self-contained page of HTML around it. Every
mark has a number, and a row below says what it is, so the picture can be printed, attached and read aloud. Text from
the network is escaped in one place, `_text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from ..render import iso
from ..wire.events import EVENTS
from .narrate import address, guard_words
from .record import GUARD, FailoverRecord, RemarkRecord, SwitchRecord, by_time
from .transcript import Said

__all__ = ["Incident", "to_html", "to_svg"]

WIDTH: Final = 1100
GUTTER: Final = 210
"""Pixels for the names of the lanes."""
LANE: Final = 30
ROW: Final = 17
TOP: Final = 96
MARKS: Final = 160
"""Marks in one picture; later ones are counted."""
SHOWN: Final = 150
"""Characters of a row; the rest is cut off."""
NODES: Final = "data nodes"
GUARD_LANE: Final = "the guard"

_QUIET: Final = frozenset(spec.channel for spec in EVENTS if spec.quiet)
_COLOURS: Final = {
    "suspected": "#d9a300",
    "agreed-down": "#d9480f",
    "electing": "#9c36b5",
    "elected": "#6741d9",
    "selected": "#3b5bdb",
    "promoting": "#1971c2",
    "promoted": "#2b8a3e",
    "switched": "#2f9e44",
    "reconfiguring": "#66a80f",
    "settled": "#868e96",
    "aborted": "#c92a2a",
}
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#212529}.dim{fill:#868e96}.big{font-size:16px;font-weight:600}"
    ".lane{stroke:#ced4da}.mark{fill:#fff;stroke:#495057}.node{fill:#e7f5ff;stroke:#1971c2}.n{font-size:10px}"
    ".back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e9ecef}.dim{fill:#adb5bd}.lane{stroke:#495057}"
    ".mark{fill:#343a40;stroke:#ced4da}.node{fill:#1c3d5a;stroke:#74c0fc}.back{fill:#1a1b1e}}"
)


@dataclass(frozen=True, slots=True)
class Incident:
    """One failover, and the events of its time."""

    record: FailoverRecord
    """With its remarks, by time."""
    switches: Sequence[SwitchRecord]
    events: Sequence[Said]
    """Those of its time, in order."""


@dataclass(frozen=True, slots=True)
class _Mark:
    time: float
    lane: str
    text: str
    node: bool


def to_svg(incidents: Sequence[Incident]) -> str:
    """
    Draw incidents, one below the other.

    Args:
        incidents: with times.

    Returns:
        One SVG document.
    """
    parts, at = [], 0
    for incident in incidents:
        height, drawn = _draw(incident)
        parts.append(f'<g transform="translate(0 {at})">{drawn}</g>')
        at += height + 24
    height = max(at - 24, 40)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img">'
        f"<title>Timeline of {len(incidents)} failovers</title><style>{_STYLE}</style>"
        f'<rect class="back" width="{WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def to_html(incidents: Sequence[Incident]) -> str:
    """
    Return a self-contained page that shows incidents, each with its durations.

    Args:
        incidents: with times.

    Returns:
        One HTML document.
    """
    sections = []
    for incident in incidents:
        rows = "".join(
            f"<tr><th>{_text(name)}</th><td>{seconds:.3f} s</td></tr>"
            for name, seconds in incident.record.durations.items()
        )
        why = "".join(f"<p>The switch was decided because {_text(one.why)}.</p>" for one in incident.switches)
        sections.append(f"<section>{to_svg([incident])}{why}<table>{rows}</table></section>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        "<title>Timeline of "
        "failovers</title><style>body{font:14px system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
        "svg{max-width:100%;height:auto}th{text-align:left;font-weight:400;padding-right:1rem}"
        "@media(prefers-color-scheme:dark){body{background:#1a1b1e;color:#e9ecef}}</style>"
        f"<h1>Timeline of failovers</h1>{''.join(sections) or '<p>No failover was found.</p>'}</html>\n"
    )


def _draw(incident: Incident) -> tuple[int, str]:
    record = incident.record
    stages = [(entry.time, str(entry.stage)) for entry in by_time(record.stages) if entry.time is not None]
    marks = _marks(incident)
    over = len(marks) - MARKS
    marks = marks[:MARKS]
    moments = [time for time, _ in stages] + [mark.time for mark in marks]
    begun, ended = (min(moments), max(moments)) if moments else (0.0, 1.0)
    zero = stages[0][0] if stages else begun
    scale = (WIDTH - GUTTER - 30) / max(ended - begun, 0.001)
    lanes = list(
        dict.fromkeys([*(m.lane for m in marks if not m.node), *([NODES] if any(m.node for m in marks) else [])])
    )
    parts = [_heading(record), _stage_bar(stages, begun, ended, scale)]
    for number, lane in enumerate(lanes):
        y = TOP + LANE * number + LANE / 2
        parts.append(f'<text x="12" y="{y + 4:.0f}">{_text(lane, 26)}</text>')
        parts.append(f'<line class="lane" x1="{GUTTER}" x2="{WIDTH - 30}" y1="{y:.0f}" y2="{y:.0f}"/>')
    foot = TOP + LANE * len(lanes) + 26
    for number, mark in enumerate(marks, start=1):
        y = TOP + LANE * lanes.index(NODES if mark.node else mark.lane) + LANE / 2
        parts.append(_dot(number, GUTTER + (mark.time - begun) * scale, y, mark))
        parts.append(_row(number, foot + ROW * number, mark, zero))
    if over > 0:
        parts.append(f'<text class="dim" x="12" y="{foot + ROW * (len(marks) + 1)}">and {over} more</text>')
    return foot + ROW * (len(marks) + 2), "".join(parts)


def _heading(record: FailoverRecord) -> str:
    moved = f"{address(record.old)} → {address(record.new)}"
    title = f"{record.deployment}/{record.master}: {moved}, {record.outcome}"
    outage = record.durations.get("outage")
    more = "" if outage is None else f", a new master {outage:.3f} s after the first suspicion"
    epoch = "" if record.epoch is None else f", epoch {record.epoch}"
    begun = (iso(record.started) or "").replace("T", " ")
    below = f"{begun}{epoch}, {record.kind or 'kind not known'}{more}"
    return f'<text class="big" x="12" y="24">{_text(title)}</text><text class="dim" x="12" y="44">{_text(below)}</text>'


def _stage_bar(stages: Sequence[tuple[float, str]], begun: float, ended: float, scale: float) -> str:
    parts = []
    for index, (start, name) in enumerate(stages):
        end = stages[index + 1][0] if index + 1 < len(stages) else ended
        x, width = GUTTER + (start - begun) * scale, max((end - start) * scale, 3.0)
        parts.append(f'<rect x="{x:.1f}" y="58" width="{width:.1f}" height="14" fill="{_COLOURS[name]}">')
        parts.append(f"<title>{_text(name)} +{start - stages[0][0]:.3f} s</title></rect>")
        if width > 8 * len(name):
            parts.append(f'<text class="n" x="{x + 3:.1f}" y="86">{_text(name)}</text>')
    return "".join(parts)


def _dot(number: int, x: float, y: float, mark: _Mark) -> str:
    kind = "node" if mark.node else "mark"
    return (
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="8"><title>{_text(mark.text)}</title></circle>'
        f'<text class="n" text-anchor="middle" x="{x:.1f}" y="{y + 3.5:.1f}">{number}</text>'
    )


def _row(number: int, y: float, mark: _Mark, zero: float) -> str:
    return (
        f'<text class="dim" text-anchor="end" x="36" y="{y:.0f}">{number}</text>'
        f'<text class="dim" text-anchor="end" x="116" y="{y:.0f}">{mark.time - zero:+.3f} s</text>'
        f'<text x="128" y="{y:.0f}">{_text(mark.lane + ": " + mark.text, SHOWN)}</text>'
    )


def _marks(incident: Incident) -> list[_Mark]:
    marks = [
        _Mark(said.time, said.sentinel, f"{said.channel} {said.payload}", node=False)
        for said in incident.events
        if said.time is not None and said.channel not in _QUIET
    ]
    marks += [_remark(remark) for remark in incident.record.remarks if remark.origin != GUARD]
    if not marks:
        marks += [
            _Mark(entry.time, entry.sentinel or "the node itself", f"{entry.stage} ({entry.by})", node=False)
            for entry in incident.record.stages
            if entry.time is not None
        ]
    marks += [_remark(remark) for remark in incident.record.guarded]
    return sorted(marks, key=lambda mark: mark.time)


def _remark(remark: RemarkRecord) -> _Mark:
    if remark.origin == GUARD:
        return _Mark(remark.time or 0.0, GUARD_LANE, f"{guard_words(remark)}: {remark.text}", node=False)
    return _Mark(remark.time or 0.0, remark.origin, remark.text, node=not remark.sentinel)


def _text(text: str, most: int = 400) -> str:
    """Return text as markup that shows it, without control characters, cut to a length."""
    shown = "".join(c if c.isprintable() else "�" for c in text.encode("utf-8", "replace").decode("utf-8"))
    return escape(shown if len(shown) <= most else f"{shown[: most - 1]}…")
