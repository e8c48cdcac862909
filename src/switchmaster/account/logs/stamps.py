"""
Times as logs write them, and the moments that they mean.

A `Stamp` is what one line says: a date without a year, a date without a zone, or a moment. One line can't always be
placed in time; `place` determines years and zones of one source from everything that is known about it.

Nothing here reads a clock: the latest moment at which the lines can have been written is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["MONTHS", "SERVER_STAMP", "STAMP", "Stamp", "Zone", "place", "read_stamp", "utc", "zone_between"]

MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
"""As strftime's %b writes them in the C locale, which servers use for logs."""

STAMP: Final = (
    r"(?:\d{1,2} [A-Z][a-z]{2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"
    r"|\d{4}-\d\d-\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
    r"|(?:[A-Z][a-z]{2} )?[A-Z][a-z]{2} [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4}\b)?"
    r"|\d{13})"
)
"""A regular expression, without groups, of every form that `read_stamp` reads."""

SERVER_STAMP: Final = (
    r"(?:\d{1,2} [A-Z][a-z]{2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{3})?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d)"
    r"|\d{13})"
)
"""The forms among them that servers write."""

_LEGACY: Final = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(\.\d{1,9})?")
_SYSLOG: Final = re.compile(
    r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) ([ \d]?\d) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?: (\d{4}))?"
)
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T _](\d\d):(\d\d):(\d\d)([.,]\d{1,9})?(?: ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d)))?"
)
Zone = Callable[[float], int]
"""Maps a local time, in seconds since 1970 as if it were UTC, to the seconds that it is ahead of UTC."""


def utc(local: float) -> int:
    """Return 0: the zone of UTC."""
    return 0


_QUARTER: Final = 900
"""Seconds: every zone is a multiple of a quarter of an hour from UTC."""
_ZONES: Final = 15 * 3600
"""Seconds: no zone is farther from UTC."""
_BACK: Final = 86_400.0
"""Seconds by which a line may be earlier than its predecessor and still be of the same year."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time as a line has it."""

    seconds: float
    """Since 1970, read as UTC; in the year 2000 (a leap year) if `year` is False."""
    year: bool
    """Whether the line names its year."""
    zone: bool
    """Whether the line names its zone; if it does, it names its year too."""
    digits: int = 3
    """Digits after the seconds: 0 for syslog and journalctl -o short."""

    @property
    def resolution(self) -> float:
        """Seconds between two times that this form can tell apart."""
        return float(10.0**-self.digits)


def read_stamp(text: str) -> Stamp | None:
    """
    Read a time in any form that the servers, syslog, journalctl and containers write.

    Args:
        text: such as ``28 Nov 2026 22:17:43.776`` (Redis 5 and later), ``09 Nov 17:58:33.373`` (2.8 to 4), ``Nov  9
            17:58:33`` (syslog), ``Sat Nov 28 22:18:01 2026`` (ctime(), dmesg -T), ISO 8601 with or without a zone, or
            milliseconds since 1970 (Valkey's ``log-timestamp-format milliseconds``).

    Returns:
        The stamp, or None if the text is no such time.
    """
    if len(text) == 13 and text.isascii() and text.isdigit():
        return Stamp(int(text) / 1000, year=True, zone=True)
    if found := _LEGACY.fullmatch(text):
        day, month, year, *clock = found.groups()
        return _dated(year, MONTHS.get(month), day, clock)
    if found := _SYSLOG.fullmatch(text):
        month, day, year, *clock, last = found.groups()
        return _dated(year or last, MONTHS.get(month), day, clock)
    if found := _ISO.fullmatch(text):
        year, month, day, *clock = found.groups()[:7]
        stamp = _dated(year, int(month), day, clock)
        if stamp is None or not (found[8] or found[9]):
            return stamp
        ahead = 0 if found[8] else int(found[10]) * 3600 + int(found[11]) * 60
        return Stamp(stamp.seconds - (ahead if found[9] == "+" else -ahead), True, True, stamp.digits)
    return None


def zone_between(stamp: Stamp, moment: float) -> int | None:
    """
    Return the zone of a stamp that has none but was written at a known moment.

    Args:
        stamp: what a server wrote in its own local time.
        moment: when a wrapper that knows its zone received the line, in seconds since 1970.

    Returns:
        Seconds ahead of UTC, or None if no zone explains the two: then they are of different moments.
    """
    if not stamp.year:
        stamp = Stamp(_of_year(stamp, datetime.fromtimestamp(moment, UTC).year), True, False)
    ahead = round((stamp.seconds - moment) / _QUARTER) * _QUARTER
    return ahead if abs(ahead) <= _ZONES and abs(stamp.seconds - moment - ahead) < _QUARTER / 3 else None


def place(
    stamps: Sequence[Stamp], *, latest: float, anchors: Mapping[int, int] | None = None, zone: Zone = utc
) -> list[float]:
    """
    Return the moments of the stamps of one source, in their order.

    A missing year comes from the nearest line of the source that has one, or whose message names it; otherwise it is
    the last year in which all of them lie before `latest`. The year changes where a line is more than a day earlier
    than its predecessor.

    Args:
        stamps: of one source.
        latest: seconds since 1970; no line was written later.
        anchors: the years that messages name, such as that of ``Next failover delay``, by the index of their stamp.
        zone: of the stamps that name none.

    Returns:
        Seconds since 1970, one for each stamp.
    """
    turns = list(_turns(stamps))
    named = {index: _year_of(stamp) for index, stamp in enumerate(stamps) if stamp.year} | dict(anchors or {})
    known = sorted((index, year - turns[index]) for index, year in named.items())
    if not known:
        known = [(0, _last_year_before(latest, stamps, turns))]
    moments = []
    at = 0
    for index, (stamp, turn) in enumerate(zip(stamps, turns, strict=True)):
        while at + 1 < len(known) and abs(known[at + 1][0] - index) <= abs(known[at][0] - index):
            at += 1
        seconds = stamp.seconds if stamp.year else _of_year(stamp, known[at][1] + turn)
        moments.append(seconds if stamp.zone else seconds - zone(seconds))
    return moments


def _turns(stamps: Sequence[Stamp]) -> Iterable[int]:
    """Yield how often the year has changed since the first stamp."""
    turn, before = 0, None
    for stamp in stamps:
        within = stamp.seconds if not stamp.year else _of_year(stamp, 2000)
        if before is not None and within < before - _BACK:
            turn += 1
        before = within
        yield turn


def _last_year_before(latest: float, stamps: Sequence[Stamp], turns: Sequence[int]) -> int:
    """Return the last possible year of the first stamp, if no stamp is later than `latest`."""
    year = datetime.fromtimestamp(latest, UTC).year - (turns[-1] if turns else 0)
    # A day of grace: the stamps' zone is not known here.
    late = any(_of_year(stamp, year + turn) > latest + _BACK for stamp, turn in zip(stamps, turns, strict=True))
    return year - late


def _year_of(stamp: Stamp) -> int:
    return datetime.fromtimestamp(stamp.seconds, UTC).year


def _of_year(stamp: Stamp, year: int) -> float:
    moment = datetime.fromtimestamp(stamp.seconds, UTC)
    year = min(max(year, 1971), 9998)
    try:
        return moment.replace(year=year).timestamp()
    except ValueError:
        # 29 February in a year that has none: the line is of another year than we think.
        return (moment.replace(year=year, day=28) + timedelta(days=1)).timestamp()


def _dated(year: str | None, month: int | None, day: str, clock: Sequence[str | None]) -> Stamp | None:
    hour, minute, second, fraction = clock
    if month is None:
        return None
    try:
        moment = datetime(
            int(year or 2000), month, int(day), int(hour or 0), int(minute or 0), min(int(second or 0), 59), tzinfo=UTC
        )
    except ValueError:
        return None
    digits = 0 if fraction is None else len(fraction) - 1
    part = 0.0 if fraction is None else float(f"0.{fraction[1:]}")
    return Stamp(moment.timestamp() + part, year is not None, False, digits)
