"""
The zone in which times are shown and read: local on a terminal, UTC elsewhere and with ``--utc``.

Text that is shown always names its zone.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import click

from ..account.times import LOCAL, at, clock, day_and_clock, moment, placed, shown

__all__ = ["clock", "day_and_clock", "moment", "read_moment", "read_moment_near", "utc_option"]

_AGO: Final = re.compile(r"(\d{1,9})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_CLOCK: Final = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")


def _choose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    LOCAL.set(sys.stdout.isatty() and not value)


utc_option: Callable[[Any], Any] = click.option(
    "--utc",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_choose,
    help="Show times in UTC. [default: local times on a terminal, UTC otherwise]",
)
"""Adds ``--utc``, which takes effect before any time is read or shown."""


def read_moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """
    Read an option's moment (a click callback).

    ``7d`` means that long ago. A date and time in ISO 8601 is in the zone that it names, or else in the zone that is
    shown. A time of day alone is the last such time.
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
        return _told(read if read.tzinfo else placed(read), named=read.tzinfo is not None)
    except (ValueError, OverflowError, OSError):
        sentence = "expected an age such as 7d, or a moment such as 03:12 or 2026-11-25T03:00+01:00"
        raise click.BadParameter(sentence, context, parameter) from None


def read_moment_near(text: str, moments: Iterable[float]) -> float:
    """
    Read a moment; a time of day alone is taken on the day that brings it nearest to one of the given moments.

    Args:
        text: such as ``03:12``, ``03:12:30``, or ISO 8601; in the zone that it names, else in the zone that is shown.
        moments: seconds since 1970; without any, the current time counts.

    Raises:
        ValueError: the text is not a moment.
    """
    text = text.strip()
    if not _CLOCK.fullmatch(text):
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else placed(read)).timestamp()
    near = list(moments) or [time.time()]
    days = {at(moment).date() + timedelta(days=more) for moment in near for more in (-1, 0, 1)}
    found = [placed(datetime.fromisoformat(f"{day}T{text}")).timestamp() for day in sorted(days)]
    return min(found, key=lambda moment: min(abs(moment - one) for one in near))


def _last(text: str) -> float:
    today = at(time.time())
    then = placed(datetime.fromisoformat(f"{today:%Y-%m-%d}T{text}"))
    return _told(then if then <= today else placed(then.replace(tzinfo=None) - timedelta(days=1)), named=False)


def _told(read: datetime, named: bool) -> float:
    if not named and not sys.stdout.isatty():
        click.echo(f"switchmaster: no zone was given, assuming {shown(read, '%Y-%m-%d %H:%M:%S.%f')}", err=True)
    return read.timestamp()
