"""
How far the clocks of several Sentinels are apart, from what all of them must have seen in one order.

A vote is asked for before it is given, and counted after: at each epoch the candidate's own ``+vote-for-leader`` comes
before every other's for it, and ``X voted for`` after X's own. So every election bounds how far two clocks can differ.
A Sentinel that learns of a switch by ``+config-update-from`` does so after the leader's ``+promoted-slave``.

Where the bounds leave room for clocks that agree, they are believed to agree; else the clock is moved to the middle of
the bounds, or to the one bound that there is, and the reader is told by how much, and how exactly that is known.

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
"""Seconds by which clocks that agree may contradict the order of events: the lines' own delay, and a slewing NTP."""


@dataclass(frozen=True, slots=True)
class Sighted:
    """One moment in one log that is bound to moments in others."""

    origin: str
    moment: float
    what: str
    """``asked`` (a candidate votes for itself), ``voted`` (for another), ``counted`` (a vote that came in),
    ``promoted`` (a leader sees it) or ``learned`` (a follower switches)."""
    key: tuple[object, ...]
    """What makes two of them one event: the candidate and the epoch; of a promotion the master and the node."""
    voter: str | None = None
    """Of ``counted``: the origin whose vote it is; None where that is not among the logs."""
    resolution: float = 0.001


@dataclass(frozen=True, slots=True)
class Offset:
    """How far an origin's clock is ahead of the reference's."""

    seconds: float
    """What is taken off its times; 0 where its clock agrees."""
    least: float
    most: float
    """The bounds within which it is known."""
    evidence: int
    """Pairs of moments that bound it."""


def offsets(origins: Sequence[str], sighted: Iterable[Sighted]) -> dict[str, Offset]:
    """
    Return how far each clock is ahead of that of the first origin that it can be compared with.

    Args:
        origins: the names, the one to be trusted first.
        sighted: moments of all of them.

    Returns:
        An offset for each origin; one without evidence has infinite bounds and is not moved.
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
        # The evidence contradicts itself: the clock was set meanwhile. The middle is as good as any.
        least, most = most, least
    if least <= AGREE and most >= -AGREE:
        return Offset(0.0, least, most, evidence)
    middle = (least + most) / 2 if most - least < inf else (least if least > -inf else most)
    return Offset(middle, least, most, evidence)


def _bounds(sighted: Iterable[Sighted]) -> Mapping[tuple[str, str], tuple[float, float, int]]:
    """Return, for (a, b), between which seconds a's clock is ahead of b's, and from how much evidence."""
    found: dict[tuple[str, str], list[float]] = defaultdict(lambda: [-inf, inf, 0])
    for earlier, later in _ordered(sighted):
        # Were the later one's clock ahead by more than what lies between them, it would have come before.
        most = later.moment - earlier.moment + max(earlier.resolution, later.resolution)
        _narrow(found, later.origin, earlier.origin, -inf, most)
        _narrow(found, earlier.origin, later.origin, -most, inf)
    return {pair: (least, most, int(count)) for pair, (least, most, count) in found.items()}


def _narrow(found: dict[tuple[str, str], list[float]], a: str, b: str, least: float, most: float) -> None:
    bound = found[a, b]
    bound[0], bound[1], bound[2] = max(bound[0], least), min(bound[1], most), bound[2] + 1


def _ordered(sighted: Iterable[Sighted]) -> Iterator[tuple[Sighted, Sighted]]:
    """Yield pairs of which the first happened before the second."""
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
