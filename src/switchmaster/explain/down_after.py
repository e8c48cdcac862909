"""
What a value of down-after-milliseconds costs and risks, from measured pauses.

It costs the value itself at each crash: until then no Sentinel suspects the master. It risks a failover for each pause
that is longer (if the pause is the node's, all Sentinels see it, and the quorum does not help). Pauses of `REAL` and
more are no false alarms: a node that hangs for so long should be replaced. Two statements about the risk are kept
apart:

- **shown**: with n pauses of at least d in the measured time T, the rate is below the upper 95 % limit of a Poisson
  distribution, divided by T. With none, that is 3 / T: a day without a pause shows no more than 1,100 a year.
- **extrapolated**: the longest pauses, continued as a Pareto distribution (Hill's estimator). It reaches further, and
  is only as good as the future is like the past. It is not made from fewer than `TAIL` pauses or less than a day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .pauses import Pauses

__all__ = ["A_DAY", "YEAR", "DownAfterAdvice", "Suspicions", "advise"]

A_DAY: Final = 86_400.0
YEAR: Final = 365.25 * A_DAY
TAIL: Final = 8
"""Pauses at least for an extrapolation."""
EXTRAPOLATED_FROM: Final = A_DAY
"""Measured seconds at least for an extrapolation."""
LEAST: Final = 2.0
"""Seconds that are never undercut: at 1 s and less Sentinel suspects new masters for no reason after a switch
(docs/topics/protocol.md, 5.4)."""
REAL: Final = 30.0
"""Seconds from which a pause deserves a failover; the present value, if that is longer."""
MARGIN: Final = 2.0
"""How many times the longest pause an advised value is at least."""
_ROUND: Final = (2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0)
"""The values that are advised: nobody needs 7.3 s."""
WRITABLE: Final = (0.3, 0.5)
"""Seconds from the suspicion until the new master takes writes (`milestones`)."""


@dataclass(frozen=True, slots=True)
class Suspicions:
    """What the journal knows: how often Sentinels suspected the master with the present value."""

    watched: float
    """Seconds for which a daemon watched."""
    false: int
    """Suspicions that ended by themselves, without a failover."""
    failovers: int
    """Automatic failovers; which of them were necessary is not known."""


@dataclass(frozen=True, slots=True)
class DownAfterAdvice:
    """What the present value costs, and which one would do."""

    present: float
    """Seconds."""
    outage: tuple[float, float]
    """Seconds without a master at each crash with the present value, at least and at most."""
    measured: float
    """Seconds of measurements, of all nodes together."""
    longest: float | None
    """The longest pause that deserves no failover, in seconds; None if none was longer than an ordinary answer."""
    hangs: int
    """Pauses that deserve a failover."""
    shown_per_year: float | None
    """False alarms a year that the present value stays below, with 95 % confidence; None without measurements."""
    wanted_per_year: float
    shown: float | None
    """The shortest advised value that is shown to stay below `wanted_per_year`; None if the data show none."""
    extrapolated: float | None
    """The same by extrapolation; None if there is too little to extrapolate from."""
    needed: float
    """Seconds to measure without a pause before anything can be shown for `wanted_per_year`."""

    @property
    def advised(self) -> float | None:
        """The value to use, in seconds: shown if possible, else extrapolated; None if there is too little data."""
        return self.shown if self.shown is not None else self.extrapolated

    @property
    def outage_advised(self) -> tuple[float, float] | None:
        """Seconds without a master at each crash with the advised value."""
        return None if self.advised is None else (self.advised + WRITABLE[0], self.advised + WRITABLE[1])


def advise(pauses: Pauses, present: float, wanted_per_year: float) -> DownAfterAdvice:
    """
    Say what the present value costs, and which value keeps false alarms below a rate.

    Args:
        pauses: of the node, or of all nodes together.
        present: down-after-milliseconds now, in seconds.
        wanted_per_year: false alarms a year at most.
    """
    measured = pauses.measured
    real = max(REAL, present)
    tail = [pause.seconds for pause in pauses.longest if pause.seconds < real]
    longest = tail[0] if tail else None
    floor = max(LEAST, MARGIN * (longest or 0.0))

    def rate(down_after: float) -> float:
        false = pauses.at_least(down_after) - pauses.at_least(real) if down_after < real else 0
        return _upper(false) / measured * YEAR

    shown = next(
        (d for d in _ROUND if d >= floor and measured > 0 and rate(d) <= wanted_per_year),
        None,
    )
    return DownAfterAdvice(
        present,
        (present + WRITABLE[0], present + WRITABLE[1]),
        measured,
        longest,
        pauses.at_least(real),
        rate(present) if measured > 0 else None,
        wanted_per_year,
        shown,
        _extrapolated(tail, measured, floor, wanted_per_year),
        _upper(0) / wanted_per_year * YEAR,
    )


def _upper(count: int) -> float:
    """Return the upper one-sided 95 % limit of a Poisson count (chi-square by Wilson and Hilferty; exact for 0)."""
    if count == 0:
        return -math.log(0.05)
    k = count + 1
    return k * (1 - 1 / (9 * k) + 1.6449 / (3 * math.sqrt(k))) ** 3


def _extrapolated(tail: Sequence[float], measured: float, floor: float, wanted_per_year: float) -> float | None:
    if len(tail) < TAIL or measured < EXTRAPOLATED_FROM:
        return None
    least = tail[-1]
    mean = sum(math.log(each / least) for each in tail[:-1]) / (len(tail) - 1)
    if mean <= 0:
        return next((d for d in _ROUND if d >= floor), None)
    per_year = len(tail) / measured * YEAR
    # Of `per_year` pauses longer than `least`, those longer than d are (least / d) ** (1 / mean).
    value = least * (per_year / wanted_per_year) ** mean if per_year > wanted_per_year else least
    return next((d for d in _ROUND if d >= max(value, floor)), None)
