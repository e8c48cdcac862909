"""
What the engine counts, for the metrics: attempts, how runs ended, drift, and how long wishes have waited.

Written by the engine's thread, read by any. Masters are counted by name up to `COUNTED_MAX` pairs of an action and a
master; more of them, which a Sentinel may invent, are counted together as `OTHER`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from ..journal.reaction_rows import ReactionRow, RunOutcome

__all__ = ["CountedPair", "RunCounters"]

COUNTED_MAX: Final = 10_000
OTHER: Final = "(others)"

CountedPair: TypeAlias = tuple[str, str, str]
"""An action, a deployment, a master."""


class RunCounters:
    """The counters of one engine, since its start."""

    def __init__(self) -> None:
        self.attempts: Counter[CountedPair] = Counter()
        """Attempts, those without success included."""
        self.outcomes: Counter[tuple[CountedPair, str]] = Counter()
        """Runs that ended, by outcome."""
        self.drifts: Counter[CountedPair] = Counter()
        """Comparisons that found a difference that was not there before."""
        self._pairs: set[CountedPair] = set()
        self._waiting: Mapping[CountedPair, float] = {}

    def attempted(self, row: ReactionRow) -> None:
        """Count an attempt."""
        self.attempts[self._pair(row)] += 1

    def ended(self, row: ReactionRow, outcome: RunOutcome) -> None:
        """Count a run that ended."""
        self.outcomes[self._pair(row), str(outcome)] += 1

    def drifted(self, row: ReactionRow) -> None:
        """Count a target that was found to show something else."""
        self.drifts[self._pair(row)] += 1

    def wait(self, rows: Iterable[ReactionRow], now: float) -> None:
        """
        Record which wishes wait to be carried out.

        Args:
            rows: all that wait.
            now: the time by the clock that stamped them, in seconds since 1970.
        """
        read, found = time.monotonic(), dict[CountedPair, float]()
        for row in rows:
            pair = self._pair(row)
            written = read - max(0.0, now - row.wished)
            found[pair] = min(written, found.get(pair, written))
        self._waiting = found  # one assignment: readers see the old picture or the new one

    @property
    def ages(self) -> dict[CountedPair, float]:
        """How many seconds ago each wish that waits was written; the oldest of a pair."""
        now = time.monotonic()
        return {pair: now - written for pair, written in self._waiting.items()}

    def _pair(self, row: ReactionRow) -> CountedPair:
        pair = (row.action, row.deployment, row.master)
        if pair not in self._pairs:
            if len(self._pairs) >= COUNTED_MAX:
                return row.action, row.deployment, OTHER
            self._pairs.add(pair)
        return pair
