"""
The cost of one failover for one writer.

Pure: the writer's record and its list on the new master go in, an `Outcome` comes out. Moments are nanoseconds
of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Acknowledged", "Failed", "Outcome", "reckon"]


class Acknowledged(NamedTuple):
    """A write that the client reported as done."""

    number: int
    at: int


class Failed(NamedTuple):
    """A write that ended in an error."""

    number: int
    at: int
    error: str


@dataclass(frozen=True)
class Outcome:
    """One failover as one writer saw it; times in milliseconds."""

    recovery: float
    """From the moment when the new master was writable to the first acknowledged write on it; infinite if none came."""
    gap: float
    """The longest time between two acknowledgements."""
    lost: int
    """Acknowledged, and not on the new master after everything has settled."""
    twice: int
    """Writes that are in the list twice: the client, or the writer after an error, sent them again."""
    errors: Counter[str]
    """Errors that the application saw, by class."""


def reckon(
    acknowledged: Sequence[Acknowledged],
    failed: Sequence[Failed],
    kept: Sequence[int],
    early: Collection[int],
    began: int,
    writable: int,
) -> Outcome:
    """
    Return the outcome of one failover.

    Args:
        acknowledged: acknowledgements since the last failover, in order.
        failed: errors since then, in order.
        kept: the writer's list on the new master, as far as it was written since then.
        early: numbers that are no longer in a list, since they were counted with the last failover.
        began: when the master was crashed, stopped, or told to fail over.
        writable: when the new master first answered that it is one.
    """
    there = {*kept, *early}
    during = [one for one in acknowledged if one.at > began]
    before = [one for one in acknowledged if one.at <= began][-1:]
    gaps = [later.at - earlier.at for earlier, later in pairwise([*before, *during])]
    first = _first_on_new(during, there, writable)
    return Outcome(
        recovery=(first - writable) / 1e6 if first is not None else math.inf,
        gap=max(gaps, default=math.inf) / 1e6,
        lost=sum(one.number not in there for one in acknowledged),
        twice=len(kept) - len(set(kept)),
        errors=Counter(one.error for one in failed if one.at > began),
    )


def _first_on_new(during: Sequence[Acknowledged], there: Collection[int], writable: int) -> int | None:
    # At the promotion the old master's answer may be in flight, and its write on the new master by replication.
    # Only one command is in flight, so the write after it must be there too.
    for one, following in pairwise(during):
        if one.at > writable and one.number in there and following.number in there:
            return one.at
    return None
