"""
How far the clocks of several Sentinels are apart, from what all of them must have seen in one order.

A vote is requested before it is given, and counted afterwards: at each epoch the candidate's own ``+vote-for-leader``
comes before every other Sentinel's for it, and ``X voted for`` after X's own. So every election limits how far two
clocks can differ. A Sentinel that learns of a switch by ``+config-update-from`` does so after the leader's
``+promoted-slave``.

If the limits allow that clocks agree, they are believed to agree. Otherwise the clock is moved to the middle of the
limits, or to the only limit, and the reader is told by how much, and how exactly that is known.

Pure: moments in, offsets out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

__all__ = ["AGREE", "Offset", "Sighted", "offsets"]

AGREE: Final = 0.05
"""Seconds by which clocks that agree may contradict the order of events: delayed lines, and NTP that slews."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """One moment in one log that limits moments in others."""

    origin: str
    moment: float
    what: str
    """``asked`` (a candidate votes for itself), ``voted`` (for another), ``counted`` (a vote that came in),
    ``promoted`` (a leader sees it) or ``learned`` (a follower switches)."""
    key: tuple[object, ...]
    """What moments of one event share: the candidate and the epoch, or the promoted node and its master."""
    voter: str | None = None
    """For ``counted``: the origin that voted; None if its log is missing."""
    resolution: float = 0.001


@dataclass(frozen=True, slots=True)
class Offset:
    """How far an origin's clock is ahead of the reference's."""

    seconds: float
    """What is subtracted from its times; 0 if its clock agrees."""
    least: float
    most: float
    """The limits within which it is known."""
    evidence: int
    """Pairs of moments that limit it."""


def offsets(origins: Sequence[str], sighted: Iterable[Sighted]) -> dict[str, Offset]:
    """
    Return how far each clock is ahead of that of the first origin that it can be compared with.

    Args:
        origins: the names; the first one's clock is trusted.
        sighted: their moments.

    Returns:
        An offset for each origin; one without evidence has infinite limits and is not moved.
    """
    bounds = _bounds(sighted)
    placed: dict[str, Offset] = {}
    for root in origins:
        if root in placed:
            continue
        placed[root] = Offset(0.0, -inf, inf, 0) if placed else Offset(0.0, 0.0, 0.0, 0)
        queue = [root]
        while queue:
            known = queue.pop(0)
            for other in origins:
                pair = bounds.get((other, known))
                if other not in placed and pair is not None:
                    placed[other] = _placed(placed[known].seconds, *pair)
                    queue.append(other)
    return placed


def _placed(base: float, least: float, most: float, evidence: int) -> Offset:
    least, most = base + least, base + most
    if least > most:
        # The evidence contradicts itself: the clock was set in between. The middle is as good as any other value.
        least, most = most, least
    if least <= AGREE and most >= -AGREE:
        return Offset(0.0, least, most, evidence)
    middle = (least + most) / 2 if most - least < inf else (least if least > -inf else most)
    return Offset(middle, least, most, evidence)


def _bounds(sighted: Iterable[Sighted]) -> Mapping[tuple[str, str], tuple[float, float, int]]:
    """Return, for (a, b), the limits in seconds of how far a's clock is ahead of b's, and the number of pairs."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [-inf, inf, 0])
    for earlier, later in _ordered(sighted):
        # The later one happened later, so its clock is ahead by at most the difference between the two readings.
        most = later.moment - earlier.moment + max(earlier.resolution, later.resolution)
        _narrow(found, later.origin, earlier.origin, -inf, most)
        _narrow(found, earlier.origin, later.origin, -most, inf)
    return {pair: (least, most, int(count)) for pair, (least, most, count) in found.items()}


def _narrow(found: dict[tuple[str, str], list[float]], a: str, b: str, least: float, most: float) -> None:
    bound = found[a, b]
    bound[0], bound[1], bound[2] = max(bound[0], least), min(bound[1], most), bound[2] + 1


def _ordered(sighted: Iterable[Sighted]) -> Iterator[tuple[Sighted, Sighted]]:
    """Yield pairs of moments whose first happened before the second."""
    by_what: dict[str, dict[tuple[object, ...], list[Sighted]]] = defaultdict(lambda: defaultdict(list))
    for each in sighted:
        by_what[each.what][each.key].append(each)
    for first, second in (("asked", "voted"), ("promoted", "learned")):
        for key, earlier in by_what[first].items():
            for one in earlier:
                for other in by_what[second][key]:
                    if other.origin != one.origin:
                        yield one, other
    for key, counted in by_what["counted"].items():
        for one in by_what["voted"][key]:
            for other in counted:
                if other.voter == one.origin and other.origin != one.origin:
                    yield one, other
