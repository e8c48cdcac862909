"""
The words for parts of a failover's line, shared by `history`, `show` and the post-mortem.

Nothing here prints; what came from the network is made harmless where it is printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ..belief.words import record_words
from ..render import Line
from .times import moment

__all__ = ["address", "facts", "lasted", "offset", "seconds", "span", "standing", "voted"]


def address(line: Line | None) -> str:
    """Return an address as ``HOST:PORT``."""
    if line is None:
        return "not known"
    host = f"[{line['host']}]" if ":" in line["host"] else line["host"]
    return f"{host}:{line['port']}"


def seconds(number: float) -> str:
    """Return a duration."""
    return f"{number:.3f} s"


def span(line: Line, name: str) -> str:
    """Return what a duration of a failover says beside its number; nothing where its name says all."""
    if name != "outage":
        return ""
    down_after = line.get("down_after")
    if down_after is None:
        return "from the first suspicion; how long it had been silent is not known"
    return f"without a master: {seconds(down_after)} of down-after, then from the first suspicion to the promotion"


def lasted(line: Line) -> str:
    """Return how long there was no master, or how long it all took, with what that is; nothing where not known."""
    durations = line["durations"]
    if "outage" in durations:
        since = "" if line.get("down_after") is not None else " from the first suspicion"
        return f"outage {seconds(durations['outage'])}{since}"
    return f"{seconds(durations['total'])} in all" if "total" in durations else ""


def voted(stage: Line) -> str:
    """Return for whom a Sentinel voted, where that is a stage's news."""
    return f" for {stage['voted_for']}" if stage.get("voted_for") else ""


def offset(line: Line, text: str | None) -> float | None:
    """Return the seconds from the beginning of a failover to a time in it."""
    if text is None or line["time"] is None:
        return None
    return (datetime.fromisoformat(text) - datetime.fromisoformat(line["time"])).total_seconds()


def standing(line: Line) -> tuple[str, str]:
    """Return the style and the word for how a failover ended."""
    if line["missed"]:
        return "yellow", "missed"
    if not line["attempted"]:
        stage = line["stages"][-1]["stage"] if line["stages"] else None
        return "dim", record_words(line["outcome"], False, line["closed"], stage)
    styles = {"completed": "green", "aborted": "red", "in-progress": "bold yellow"}
    return styles[line["outcome"]], record_words(line["outcome"], True, line["closed"], None)


def facts(line: Line) -> Iterator[tuple[str, str]]:
    """Yield what is known of a failover, as pairs of a title and words; what is not known is said so."""
    yield "outcome", standing(line)[1] + (f": {line['reason']}" if line["reason"] else "")
    yield "kind", line["kind"] or "not known"
    yield "master", f"{address(line['old'])} -> {address(line['new'])}"
    yield "epoch", "not known" if line["epoch"] is None else str(line["epoch"])
    if line["incarnation"]:
        yield "incarnation", str(line["incarnation"])
    if line["missed"]:
        yield from _away(line)
        return
    yield "began", moment(line["time"])
    yield "ended", moment(line["ended"]) if line["closed"] else "not yet"
    yield "leader", line["leader"] or "not known"
    if line["agreement"]:
        yield "agreed down", f"{line['agreement']['agreeing']} Sentinels of a quorum of {line['agreement']['quorum']}"
    if len(line["candidates"]) > 1:
        yield "candidates", ", ".join(line["candidates"])
    if line["returned"]:
        yield "old master", f"back after {seconds(offset(line, line['returned']['time']) or 0.0)}"
    yield "seen by", ", ".join(line["observers"])


def _away(line: Line) -> Iterator[tuple[str, str]]:
    away: dict[str, Any] = line["away"] or {}
    yield "when", f"between {moment(away.get('after'))} and {moment(away.get('before'))}; not known more exactly"
    before, after = away.get("epochs") or (None, None)
    if before is not None and after is not None:
        others = after - before - 1
        more = f"; up to {others} other attempts may have been made" if others > 0 else ""
        yield "epochs", f"{before} before, {after} after{more}"
    yield "not known", "who led it, why, and how long it took: no Sentinel was heard"
