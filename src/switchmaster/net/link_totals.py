"""What all links of a Watcher have counted together, those that have ended included."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import add, attrgetter
from typing import Final

from ..belief.followed_masters import WatchCounters
from ..link.counters import LinkCounters

__all__ = ["LinkTotals", "copied", "numbers_of"]

_FIELDS: Final = tuple(each.name for each in fields(LinkCounters))
_NAMES: Final = tuple(f"link_{name}" for name in _FIELDS)
# Neither `asdict` nor `replace`: a daemon asks for the counters of hundreds of links every second.
_numbers: Final[Callable[[LinkCounters], tuple[int, ...]]] = attrgetter(*_FIELDS)
_OF_WATCH: Final = tuple(each.name for each in fields(WatchCounters))
_watch_numbers: Final[Callable[[WatchCounters], tuple[int, ...]]] = attrgetter(*_OF_WATCH)


class LinkTotals:
    """Sums the counters of links."""

    def __init__(self) -> None:
        self._ended: tuple[int, ...] = (0,) * len(_FIELDS)

    def end(self, counters: LinkCounters) -> None:
        """Keep what a link has counted that has ended."""
        self._ended = tuple(map(sum, zip(self._ended, _numbers(counters), strict=True)))

    def of(self, live: Iterable[LinkCounters]) -> dict[str, int]:
        """Return the sums of the links that live and of those that have ended, by ``link_`` and the counter's name."""
        totals = self._ended
        for counters in live:
            totals = tuple(map(add, totals, _numbers(counters)))
        return dict(zip(_NAMES, totals, strict=True))


def numbers_of(counters: WatchCounters) -> dict[str, int]:
    """Return what a deployment's belief has counted, by name."""
    return dict(zip(_OF_WATCH, _watch_numbers(counters), strict=True))


def copied(counters: LinkCounters) -> LinkCounters:
    """Return a copy of one link's counters."""
    return LinkCounters(*_numbers(counters))
