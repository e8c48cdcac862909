"""What a user may write to make a Watcher; wrong input is a `UsageError` that says what is expected."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

from ..errors import UsageError
from ..model import Address, Grade
from ..wire.resp import plain

__all__ = ["AddressLike", "check_several", "read_address", "read_grade", "read_pair"]

AddressLike: TypeAlias = str | tuple[str, int]
"""A Sentinel as the user writes it: ``"host:port"``, ``("host", port)``, or an `Address`."""

SENTINEL_PORT: Final = 26379
_SHOWN: Final = 100
"""Characters of what the user wrote that an error shows."""


def read_address(given: object) -> Address:
    """
    Return the address that a user wrote; text without a port gets Sentinel's default port.

    Raises:
        UsageError: it is neither text nor a pair; the message shows the right form.
    """
    return Address.parse(given, SENTINEL_PORT) if isinstance(given, str) else read_pair(given)


def read_pair(given: object) -> Address:
    """
    Return the address that a user wrote as a pair of host and port; client libraries take nothing else.

    Raises:
        UsageError: it is no such pair; the message shows the right form.
    """
    match given:
        case [str() as host, int() | str() as port] if not isinstance(port, bool) and _is_host(host):
            text = str(port)
            if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 65535:
                return Address(host, int(text))
    # A password may stand before an '@'.
    shown = "this" if "@" in repr(given) else plain(repr(given), _SHOWN)
    raise UsageError(f'{shown} is no address of a Sentinel: expected a pair such as ("10.0.0.1", 26379)')


def check_several(sentinels: Any) -> list[Any]:
    """
    Return the addresses of Sentinels as a list, not parsed yet.

    Raises:
        UsageError: there are none, or it is one address instead of a list.
    """
    if not isinstance(sentinels, (str, bytes)) and isinstance(sentinels, Iterable):
        several = list(sentinels)
        if several:
            return several
    raise UsageError(
        'give the Sentinels as a list of addresses, such as [("10.0.0.1", 26379), ("10.0.0.2", 26379)]; it was '
        + ("empty" if not isinstance(sentinels, (str, bytes)) and isinstance(sentinels, Iterable) else "no list")
    )


def _is_host(text: str) -> bool:
    if ":" in text:
        try:
            ip_address(text)
        except ValueError:
            return False
    return bool(text) and not any(c.isspace() or c in "[]@/," or not c.isprintable() for c in text)


def read_grade(grade: Grade | str) -> Grade:
    """Return a grade, given as one or by its name."""
    if isinstance(grade, Grade):
        return grade
    try:
        return Grade[grade.upper()]
    except KeyError:
        names = ", ".join(str(each) for each in Grade)
        raise UsageError(f"{grade!r} is no grade; the grades are {names}") from None
