"""
In which zone times are shown and read: the machine's own on a terminal, UTC elsewhere and with ``--utc``.

Enters: seconds since 1970, or ISO 8601 text in UTC as lines have it. Leaves: text that always names its zone.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from ..core.model import Wall

__all__ = ["clock", "day_and_clock", "moment", "read_moment", "read_moment_near", "utc_option"]

_LOCAL: Final[ContextVar[bool]] = ContextVar("local times", default=False)
"""Whether this command shows and reads local times."""
_AGO: Final = re.compile(r"(\d{1,9})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_CLOCK: Final = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")


def _choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    _LOCAL.set(sys.stdout.isatty() and not value)


utc_option: Callable[[Any], Any] = click.option(
    "--utc",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_choose,
    help="Times in UTC. [default: local times on a terminal, UTC otherwise]",
)
"""Adds ``--utc``, which decides before any time is read or shown."""


def clock(wall: Wall) -> str:
    """Return the time of day with its zone, as ``03:00:00.123Z`` or ``04:00:00.123+01:00``; nothing without a time."""
    return "" if wall is None else _shown(_at(wall), "%H:%M:%S.%f")


def day_and_clock(wall: Wall) -> str:
    """Return day and time with its zone; nothing where there is none."""
    return "" if wall is None else _shown(_at(wall), "%Y-%m-%d %H:%M:%S.%f")


def moment(text: str | None) -> str:
    """Return a line's time as `day_and_clock` does; ``not known`` where there is none."""
    return "not known" if text is None else _shown(_zoned(datetime.fromisoformat(text)), "%Y-%m-%d %H:%M:%S.%f")


def read_moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """
    Read an option's moment; a callback of click.

    ``7d`` is a time ago; a date and time, as ISO 8601, is in the zone that it names, else in the one that is shown; a
    time of day alone is the last such time.
    """
    if value is None:
        return None
    text = value.strip()
    if found := _AGO.fullmatch(text):
        return time.time() - int(found[1]) * _UNITS[found[2]]
    try:
        if _CLOCK.fullmatch(text):
            return _last(text)
        read = datetime.fromisoformat(text)
        return _told(read if read.tzinfo else _placed(read), named=read.tzinfo is not None)
    except (ValueError, OverflowError, OSError):
        sentence = "it must be a time ago such as 7d, or a moment such as 03:12 or 2026-11-25T03:00+01:00"
        raise click.BadParameter(sentence, context, parameter) from None


def read_moment_near(text: str, moments: Iterable[float]) -> float:
    """
    Read a moment, where a time of day alone is of the day on which it lies nearest to one of some moments.

    Args:
        text: such as ``03:12``, ``03:12:30``, or ISO 8601; in the zone that it names, else in the one that is shown.
        moments: seconds since 1970; at least one, where a time of day shall be read.

    Raises:
        ValueError: it is no moment.
    """
    text = text.strip()
    if not _CLOCK.fullmatch(text):
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else _placed(read)).timestamp()
    near = list(moments) or [time.time()]
    days = {_at(moment).date() + timedelta(days=more) for moment in near for more in (-1, 0, 1)}
    found = [_placed(datetime.fromisoformat(f"{day}T{text}")).timestamp() for day in sorted(days)]
    return min(found, key=lambda moment: min(abs(moment - one) for one in near))


def _last(text: str) -> float:
    today = _at(time.time())
    then = _placed(datetime.fromisoformat(f"{today:%Y-%m-%d}T{text}"))
    return _told(then if then <= today else _placed(then.replace(tzinfo=None) - timedelta(days=1)), named=False)


def _told(read: datetime, named: bool) -> float:
    if not named and not sys.stdout.isatty():
        click.echo(f"switchmaster: no zone was given: {_shown(read, '%Y-%m-%d %H:%M:%S.%f')} is meant", err=True)
    return read.timestamp()


def _at(wall: float) -> datetime:
    return _zoned(datetime.fromtimestamp(wall, UTC))


def _zoned(time: datetime) -> datetime:
    return time.astimezone() if _LOCAL.get() else time.astimezone(UTC)


def _placed(time: datetime) -> datetime:
    return time.astimezone() if _LOCAL.get() else time.replace(tzinfo=UTC)


def _shown(time: datetime, form: str) -> str:
    zone = "Z" if time.tzinfo is UTC else f"{time:%z}"[:3] + ":" + f"{time:%z}"[3:5]
    return f"{time:{form}}"[:-3] + zone
