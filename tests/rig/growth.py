"""
Whether a measure has stopped growing: what a soak asserts of memory, descriptors and objects.

Samples are one number for each round of failovers. The first third is for bounded caches to fill; then the median of
the last third is compared with that of the second. Medians, because a sample may coincide with a reconnect.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["FEWEST", "Measure", "thirds"]

FEWEST = 30
"""Fewer samples than this prove nothing."""


@dataclass(frozen=True)
class Measure:
    """One thing that is measured, and how much it may grow."""

    name: str
    allowed: float
    """How much the median may rise from the second third to the last."""
    why: str
    """Why not 0, as the end of a sentence."""
    each: float = 0.0
    """How much each sample may exceed the one before it."""

    def fault(self, samples: Sequence[float]) -> str:
        """Return how the samples grow; an empty text if they do not."""
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
