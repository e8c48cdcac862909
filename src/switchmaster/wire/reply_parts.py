"""
The parts of a reply: texts, numbers, lists, maps and addresses, read with checks.

A value as ``hiredis.Reader()`` returns it without an encoding comes in; a plain value goes out, or `Misfit` is raised,
which `total` turns into `Unrecognised`, so that no reply raises out of the parsers. The work is bounded by the reply's
size, nothing recurses into its nesting, and a text is cut before it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Final, TypeVar

from ..model import EPOCH_MAX, LIMITS, Address
from .nouns import Unrecognised

__all__ = [
    "Misfit",
    "address_of",
    "decoded",
    "epoch_of",
    "list_of",
    "map_of",
    "number_of",
    "rows_of",
    "shown",
    "text_of",
    "total",
]

_T = TypeVar("_T")
_NUMBER_MAX: Final = 2**64
_SHORT: Final = 19
"""Digits of a number that is less than `_NUMBER_MAX` whatever they are."""


class Misfit(Exception):
    """
    A part of a reply is not what it should be; `total` catches it, so it never leaves the parsers.

    Args:
        expected: what was expected there, as the end of a sentence; never text of the peer's.
        part: what was found there; None for the whole reply.
    """

    def __init__(self, expected: str, part: object = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.part = part


def total(command: str, reply: object, read: Callable[[object], _T]) -> _T | Unrecognised:
    """
    Read a reply, or return why it is not one of that command's.

    Args:
        command: the command that was sent, for the `Unrecognised`.
        reply: what hiredis returned; an error is never read.
        read: returns the value; it may raise `Misfit` and nothing else.

    Returns:
        What `read` returned, or an `Unrecognised` with the error or the part that did not fit.
    """
    if isinstance(reply, Exception):
        return Unrecognised(command, shown(reply), "expected an answer, not an error")
    try:
        return read(reply)
    except Misfit as misfit:
        part = reply if misfit.part is None else misfit.part
        return Unrecognised(command, shown(part), f"expected {misfit.expected}")


def shown(value: object, depth: int = 3) -> str:
    """
    Show a reply, or the beginning of it.

    Args:
        value: anything.
        depth: how many levels of lists and maps are shown; deeper ones show as their type's name.

    Returns:
        At most ``LIMITS.payload_shown`` characters. Unlike repr() this is cheap for a reply of 16 MB, for deep nesting,
        and for a number too long to print.
    """
    most = LIMITS.payload_shown
    if isinstance(value, bytes | str):
        return decoded(value[:most]) if isinstance(value, bytes) else value[:most]
    if isinstance(value, Exception):
        return " ".join(shown(item, 0) for item in value.args[:4])[:most]
    if isinstance(value, bool | float | None):
        return repr(value)
    if isinstance(value, int) and value.bit_length() <= 64:
        return str(value)
    if isinstance(value, list | tuple) and depth:
        return f"[{', '.join(shown(item, depth - 1) for item in value[:20])}]"[:most]
    if isinstance(value, dict) and depth:
        first = islice(value.items(), 20)
        pairs = ", ".join(f"{shown(key, 0)}: {shown(item, depth - 1)}" for key, item in first)
        return f"{{{pairs}}}"[:most]
    return f"({type(value).__name__})"


def decoded(value: bytes) -> str:
    """Decode as UTF-8, keeping other bytes by surrogateescape."""
    return value.decode("utf-8", "surrogateescape")


def text_of(value: object, what: str, most: int = LIMITS.text) -> str:
    """
    Read a text.

    Args:
        value: a part of a reply.
        what: names it in the Misfit.
        most: the characters allowed. Names are kept, so the peer must not choose how much memory they take.
    """
    if type(value) is bytes and len(value) <= most:
        return value.decode("utf-8", "surrogateescape")  # nearly always
    if not isinstance(value, bytes | str):
        raise Misfit(f"{what} as text")
    text = decoded(value) if isinstance(value, bytes) else value
    if len(text) > most:
        raise Misfit(f"{what} as text of at most {most} characters", text)
    return text


def number_of(value: object, what: str) -> int:
    """Read a number of at most 64 bits, sent as an integer or as ASCII digits."""
    if type(value) is bytes and len(value) <= _SHORT and value.isdigit():
        return int(value)  # nearly always
    if isinstance(value, bytes | str):
        text = text_of(value, what)
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 20:
            value = int(text)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _NUMBER_MAX:
        return value
    raise Misfit(f"{what} as a number")


def epoch_of(value: object) -> int:
    """Read an epoch, 0 to `EPOCH_MAX`: no epoch could follow a higher one."""
    number = number_of(value, "the epoch")
    if not 0 <= number <= EPOCH_MAX:
        raise Misfit("an epoch from 0 to 2^63 - 1")
    return number


def list_of(value: object, what: str) -> list[object]:
    """Read a list."""
    if isinstance(value, list):
        return value
    raise Misfit(f"{what} as a list")


def address_of(host: object, port: object) -> Address:
    """Read an address; its host may be empty, its port is 0 to 65535."""
    number = number_of(port, "the port")
    if not 0 <= number <= 65535:
        raise Misfit("a port from 0 to 65535")
    return Address(text_of(host, "the ip"), number)


def map_of(value: object) -> dict[str, object]:
    """Read a map of RESP3, or the flat list that RESP2 has instead."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and len(value) % 2 == 0:
        pairs = list(zip(value[::2], value[1::2], strict=True))
    else:
        raise Misfit("a map, or a flat list of names and values")
    return {_key_of(key): item for key, item in pairs if isinstance(key, bytes | str)}


@lru_cache(maxsize=512)
def _key_of(key: bytes | str) -> str:
    """Read a name in a map: the same few dozen come in each row of each answer."""
    return text_of(key, "a key")


def rows_of(reply: object, read: Callable[[object], _T]) -> tuple[_T, ...]:
    """Read a list of rows; one bad row is a Misfit that names it, counted from 1."""
    values: list[_T] = []
    for i, row in enumerate(list_of(reply, "the reply")):
        try:
            values.append(read(row))
        except Misfit as misfit:
            raise Misfit(f"{misfit.expected} in row {i + 1}", row) from None
    return tuple(values)
