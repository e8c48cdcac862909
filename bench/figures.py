"""The results of a benchmark: named figures, printed as a table or, with ``--json``, for `results`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

__all__ = ["Figure", "Table", "median", "percentile", "report"]


@dataclass(frozen=True)
class Figure:
    """One measured figure, with another library's if there is one."""

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    goal: str = ""

    def __str__(self) -> str:
        beside = f" | beside {self.beside}" if self.beside else ""
        ratio = f" | ratio {self.ratio}" if self.ratio else ""
        goal = f" | goal {self.goal}" if self.goal else ""
        return f"{self.what}: {self.ours}{beside}{ratio}{goal}"


@dataclass(frozen=True)
class Table:
    """A table of figures, for more than ours and one other."""

    title: str
    setting: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        widths = [max(len(row[at]) for row in (self.columns, *self.rows)) for at in range(len(self.columns))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (self.columns, *self.rows)]
        return "\n".join([f"\n{self.title}", self.setting, "", *lines])


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(measure: Callable[[], Sequence[Figure | Table]]) -> None:
    """Run a benchmark and print its figures."""
    figures = measure()
    if "--json" in sys.argv[1:]:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    for figure in figures:
        print(figure)
