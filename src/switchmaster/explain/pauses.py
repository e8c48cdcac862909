"""
How long a node took to answer PING: a bounded histogram with logarithmic buckets, and the longest pauses.

A Sentinel suspects a node when a PING stays unanswered for down-after-milliseconds (sentinelCheckSubjectivelyDown()).
So what counts is the time from a PING to its answer, also where the connection was lost and made again in between; that
is what goes in here. Memory is bounded whatever a node does. Records of several hours, and of several daemons' hours,
add up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

__all__ = ["LongPause", "Pauses", "added_up", "pauses_from_line"]

FIRST: Final = 0.0001
"""Seconds up to which the first bucket reaches."""
GROWTH: Final = math.sqrt(2.0)
BUCKETS: Final = 47
"""Buckets after the first; the last one begins at 20 min and has no end."""
LONGEST: Final = 16
"""Pauses that are kept one by one."""
NOTED: Final = 0.05
"""Seconds from which a pause may be one of the longest: shorter ones are ordinary answers."""


class LongPause(NamedTuple):
    """One of the longest pauses."""

    seconds: float
    time: float
    """When it ended, in seconds since 1970."""


@dataclass(slots=True)
class Pauses:
    """How long one node took to answer, over some time."""

    measured: float = 0.0
    """Seconds for which it was measured; those that are left out do not count."""
    begun: float | None = None
    """Since when, in seconds since 1970; None before the first measurement."""
    ended: float | None = None
    counts: Counter[int] = field(default_factory=Counter)
    """Answers by bucket: number 0 holds those up to `FIRST`, number N those up to ``FIRST * GROWTH ** N``."""
    longest: list[LongPause] = field(default_factory=list)
    """The longest first."""
    left_out: int = 0
    """Measurements that were thrown away because the measuring process itself was late."""
    restarts: int = 0
    """How often the node's process was gone: it refused connections. These are no pauses."""

    @property
    def answers(self) -> int:
        """How many PINGs were answered and counted."""
        return self.counts.total()

    def add(self, seconds: float, time: float, period: float) -> None:
        """
        Count one answer.

        Args:
            seconds: from the PING to its answer.
            time: when the answer came, in seconds since 1970.
            period: seconds that this measurement stands for.
        """
        self.measured += period
        self.begun = time - seconds if self.begun is None else self.begun
        self.ended = time
        self.counts[bucket_of(seconds)] += 1
        if seconds >= NOTED:
            self.longest = sorted([*self.longest, LongPause(seconds, time)], reverse=True)[:LONGEST]

    def at_least(self, seconds: float) -> int:
        """Return how many pauses were at least that long; those of the same bucket count unless they are known."""
        bucket = bucket_of(seconds)
        above = sum(count for each, count in self.counts.items() if each > bucket)
        exact = sum(pause.seconds >= seconds for pause in self.longest)
        if len(self.longest) < LONGEST or self.longest[-1].seconds <= seconds:
            return exact if seconds >= NOTED else above + self.counts[bucket]
        return above + self.counts[bucket]

    def quantile(self, part: float) -> float | None:
        """Return the upper end of the bucket with that part of the answers; None without any."""
        left = part * self.answers
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return FIRST * GROWTH**bucket
        return None

    def to_line(self) -> dict[str, Any]:
        """Return it as plain values, for the journal and the API."""
        return {
            "measured": round(self.measured, 3),
            "begun": self.begun,
            "ended": self.ended,
            "counts": {str(bucket): count for bucket, count in sorted(self.counts.items())},
            "longest": [[round(pause.seconds, 4), round(pause.time, 3)] for pause in self.longest],
            "left_out": self.left_out,
            "restarts": self.restarts,
        }


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that holds a duration."""
    if seconds <= FIRST:
        return 0
    # A hair less, so that rounding puts no bucket's end into the next one.
    return min(BUCKETS, math.ceil(math.log(seconds / FIRST) / math.log(GROWTH) - 1e-9))


def pauses_from_line(line: Mapping[str, Any]) -> Pauses:
    """Return what `Pauses.to_line` made a line of."""
    return Pauses(
        float(line["measured"]),
        line.get("begun"),
        line.get("ended"),
        Counter({int(bucket): int(count) for bucket, count in line["counts"].items()}),
        [LongPause(float(seconds), float(time)) for seconds, time in line["longest"]][:LONGEST],
        int(line.get("left_out", 0)),
        int(line.get("restarts", 0)),
    )


def added_up(several: Iterable[Pauses]) -> Pauses:
    """
    Return several records as one; times in which two of them measured the same node count twice.

    Args:
        several: of any nodes and times.
    """
    total = Pauses()
    for each in several:
        total.measured += each.measured
        total.counts.update(each.counts)
        total.longest = sorted([*total.longest, *each.longest], reverse=True)[:LONGEST]
        total.left_out += each.left_out
        total.restarts += each.restarts
        for name, choose in (("begun", min), ("ended", max)):
            known = [one for one in (getattr(total, name), getattr(each, name)) if one is not None]
            setattr(total, name, choose(known) if known else None)
    return total
