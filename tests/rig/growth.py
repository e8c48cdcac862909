"""
Whether a measure has come to rest: what a soak asserts of memory, descriptors and objects.

Enters: one number for each round of failovers. Leaves: what is wrong, in words, or nothing. The first third is left to
what fills once and is bounded; then the median of the last third is held against that of the second. Medians, because a
sample may fall into a reconnect.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["FEWEST", "Measure", "thirds"]

FEWEST = 30
"""Samples below which thirds tell nothing."""


@dataclass(frozen=True)
class Measure:
    """One thing that is measured, and how much it may grow."""

    name: str
    allowed: float
    """How much the median may rise from the second third to the last."""
    why: str
    """Why not 0, as the end of a sentence."""
    each: float = 0.0
    """How much more of it each sample may have than the one before it."""

    def fault(self, samples: Sequence[float]) -> str:
        """Say in what the samples are not flat; nothing where they are."""
        if len(samples) < FEWEST:
            return f"{self.name}: {len(samples)} samples are too few; {FEWEST} is the least"
        _, second, last = thirds(samples)
        allowed = self.allowed + self.each * len(samples) / 3
        if last - second <= allowed:
            return ""
        return (
            f"{self.name}: rose by {last - second:g} from {second:g} to {last:g}; {allowed:g} are allowed, {self.why}"
        )


def thirds(samples: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of each third."""
    size = len(samples) // 3
    kept = array("d", samples)
    return median(kept[:size]), median(kept[-2 * size : -size]), median(kept[-size:])
