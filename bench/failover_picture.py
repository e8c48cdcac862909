"""
The picture of the same failovers with and without switchmaster: measured writes go in, SVG comes out.

Pure. `draw_failover` measures, and keeps what it measured in docs/pictures/same-failover.json, so that the picture can
be drawn again, and compared, without a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["THEMES", "alternative", "drawn"]

THEMES: Mapping[str, Mapping[str, str]] = {
    theme: dict(zip(("page", "text", "faint", "line", "kept", "lost"), colours, strict=True))
    for theme, colours in {
        "light": ("#ffffff", "#1f2328", "#59636e", "#d1d9e0", "#1a7f37", "#cf222e"),
        "dark": ("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#3fb950", "#f85149"),
    }.items()
}
WIDTH, LEFT, RIGHT, TOP = 860, 150, 20, 56
LANE, APART, PANEL = 46, 12, 196
TITLES = {"crash": "kill -9 of the master", "planned": "SENTINEL FAILOVER, planned"}


def drawn(data: Mapping[str, Any], theme: str) -> str:
    """
    Return the picture.

    Args:
        data: what `draw_failover` has measured.
        theme: "light" or "dark".
    """
    colours = THEMES[theme]
    height = TOP + PANEL * len(data["failovers"]) + 30
    body = [
        f'<rect width="{WIDTH}" height="{height}" fill="{colours["page"]}"/>',
        _text(LEFT, 24, "Acknowledged writes of two clients in the same failovers", colours["text"], "bold", 15),
        _text(LEFT, 43, data["setting"], colours["faint"]),
    ]
    for number, failover in enumerate(data["failovers"]):
        body += _panel(failover, TOP + PANEL * number, colours)
    body += _legend(height - 14, colours)
    words = escape(alternative(data))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12"><title>{words}</title>'
    )
    return "\n".join([head, *body, "</svg>"]) + "\n"


def alternative(data: Mapping[str, Any]) -> str:
    """Return the picture in words."""
    sentences = []
    for failover in data["failovers"]:
        told = [f"{name} {_said(writes)}" for name, writes in failover["clients"].items()]
        sentences.append(f"{TITLES[failover['kind']]}: {'; '.join(told)}.")
    return " ".join(sentences)


def _said(writes: Mapping[str, Any]) -> str:
    lost = f"{writes['lost_writes']:,}" if writes["lost_writes"] else "no"
    return f"{writes['gap']:.2f} s without a write, {lost} acknowledged writes lost"


def _panel(failover: Mapping[str, Any], top: float, colours: Mapping[str, str]) -> list[str]:
    start, end = failover["from"], failover["to"]

    def across(seconds: float) -> float:
        return LEFT + (seconds - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    body = [_text(LEFT, top + 16, TITLES[failover["kind"]], colours["text"], "bold", 13)]
    lanes = top + 26
    bottom = lanes + len(failover["clients"]) * (LANE + APART)
    for number, (name, writes) in enumerate(failover["clients"].items()):
        base = lanes + number * (LANE + APART) + LANE
        body.append(_text(LEFT - 10, base - 18, name, colours["text"], "bold", 12, "end"))
        body.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}" stroke="{colours["line"]}"/>')
        # What is kept stands on the base line, what is lost above it.
        body += _bars(writes["kept"], [0] * len(writes["kept"]), base, across, failover, colours["kept"])
        body += _bars(writes["lost"], writes["kept"], base, across, failover, colours["lost"])
        body.append(_text(WIDTH - RIGHT, base - LANE - 1, _said(writes), colours["faint"], anchor="end"))
    for at, words in ((0.0, failover["begins"]), (failover["promoted"], "the new master takes writes")):
        x, look = across(at), f'stroke="{colours["text"]}" stroke-dasharray="3 3"'
        body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{lanes}" y2="{bottom}" {look}/>')
        # Two marks that are close stand on both sides of their lines.
        anchor = "end" if at == 0.0 else "start"
        body.append(_text(x + (-5 if anchor == "end" else 5), bottom + 1, words, colours["faint"], anchor=anchor))
    whole = range(int(start) - (start < 0), int(end) + 1)
    ticks = [second for second in whole if start <= second <= end and second % failover["tick"] == 0]
    return [*body, *(_text(across(at), bottom + 17, f"{at} s", colours["faint"], anchor="middle") for at in ticks)]


def _bars(
    counts: Sequence[int],
    below: Sequence[int],
    base: float,
    across: Any,
    failover: Mapping[str, Any],
    colour: str,
) -> list[str]:
    heights = [map(sum, zip(one["kept"], one["lost"], strict=True)) for one in failover["clients"].values()]
    scale = (LANE - 8) / max(1, *(max(one) for one in heights))
    path = []
    for number, count in enumerate(counts):
        if count:
            left = across(failover["from"] + number * failover["bucket"])
            right = across(failover["from"] + (number + 1) * failover["bucket"])
            foot = base - below[number] * scale
            path.append(f"M{left:.1f} {foot:.1f}V{foot - count * scale:.1f}H{right:.1f}V{foot:.1f}Z")
    return [f'<path d="{"".join(path)}" fill="{colour}"/>'] if path else []


def _legend(y: float, colours: Mapping[str, str]) -> list[str]:
    found, x = [], LEFT
    for key, words in (("kept", "acknowledged, and kept"), ("lost", "acknowledged, and lost")):
        found.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colours[key]}"/>')
        found.append(_text(x + 18, y, words, colours["text"]))
        x += 180
    return found


def _text(
    x: float, y: float, words: str, colour: str, weight: str = "normal", size: int = 12, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-weight="{weight}" font-size="{size}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )
