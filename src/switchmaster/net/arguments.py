"""What a user may write when he makes a Watcher; wrong input is a `UsageError` that says what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from ..core.model import Address, Grade
from ..errors import UsageError

__all__ = ["AddressLike", "check_several", "read_address", "read_grade"]

AddressLike: TypeAlias = str | tuple[str, int]
"""A Sentinel as the user writes it: ``"host:port"``, ``("host", port)``, or an `Address`."""

SENTINEL_PORT: Final = 26379


def read_address(given: AddressLike) -> Address:
    """Return the address that a user wrote; without a port it is Sentinel's own."""
    if isinstance(given, str):
        return Address.parse(given, SENTINEL_PORT)
    host, port = given
    return Address.parse(str(Address(host, port)))


def check_several(sentinels: Sequence[AddressLike]) -> Sequence[AddressLike]:
    """Return the addresses as they are, if there are any, and if they are several."""
    if isinstance(sentinels, str) or not sentinels:
        raise UsageError('give the Sentinels as a list, such as ["10.0.0.1:26379", "10.0.0.2:26379"]')
    return sentinels


def read_grade(grade: Grade | str) -> Grade:
    """Return a grade by itself or by its name."""
    if isinstance(grade, Grade):
        return grade
    try:
        return Grade[grade.upper()]
    except KeyError:
        names = ", ".join(str(each) for each in Grade)
        raise UsageError(f"{grade!r} is no grade; the grades are {names}") from None
