"""What a benchmark hands on: named figures, printed as a table or, with ``--json``, for `results`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

__all__ = ["Figure", "median", "percentile", "report"]


@dataclass(frozen=True)
class Figure:
    """One measured thing, beside another library's where there is one."""

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    goal: str = ""


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(measure: Callable[[], list[Figure]]) -> None:
    """Run a benchmark and print its figures."""
    figures = measure()
    if "--json" in sys.argv[1:]:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    for figure in figures:
        beside = f" | beside {figure.beside}" if figure.beside else ""
        ratio = f" | ratio {figure.ratio}" if figure.ratio else ""
        goal = f" | goal {figure.goal}" if figure.goal else ""
        print(f"{figure.what}: {figure.ours}{beside}{ratio}{goal}")
