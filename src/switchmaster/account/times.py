"""
In which zone times are shown: UTC, unless a verb on a terminal chooses the machine's own (`LOCAL`).

Seconds since 1970 go in; text that always names its zone comes out.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from ..model import Wall

__all__ = ["LOCAL", "at", "clock", "day_and_clock", "moment", "placed", "shown"]

LOCAL: Final[ContextVar[bool]] = ContextVar("local times", default=False)
"""Whether local times are shown and read here."""


def clock(wall: Wall) -> str:
    """Return the time of day with its zone, as ``03:00:00.123Z`` or ``04:00:00.123+01:00``; empty if there is none."""
    return "" if wall is None else shown(at(wall), "%H:%M:%S.%f")


def day_and_clock(wall: Wall) -> str:
    """Return day and time with its zone; empty if there is none."""
    return "" if wall is None else shown(at(wall), "%Y-%m-%d %H:%M:%S.%f")


def moment(wall: Wall) -> str:
    """Return a time as `day_and_clock` does; ``not known`` if there is none."""
    return "not known" if wall is None else day_and_clock(wall)


def at(wall: float) -> datetime:
    """Return a moment in the zone in which times are shown."""
    return _zoned(datetime.fromtimestamp(wall, UTC))


def _zoned(time: datetime) -> datetime:
    return time.astimezone() if LOCAL.get() else time.astimezone(UTC)


def placed(time: datetime) -> datetime:
    """Return a time that names no zone as one of the zone in which times are shown."""
    return time.astimezone() if LOCAL.get() else time.replace(tzinfo=UTC)


def shown(time: datetime, form: str) -> str:
    """Return a time in a form of `strftime`, its microseconds cut to milliseconds, with its zone."""
    zone = "Z" if time.tzinfo is UTC else f"{time:%z}"[:3] + ":" + f"{time:%z}"[3:5]
    return f"{time:{form}}"[:-3] + zone
