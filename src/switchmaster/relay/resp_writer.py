"""
Replies as bytes, in RESP2 and RESP3.

A reply is a plain value: None, an int, text or bytes (a bulk string), a list, a dict (a map in RESP3, a flat array in
RESP2), or one of `StatusReply`, `ErrorReply` and `NullArray`. Text is UTF-8 with surrogateescape, so names go out as
they came in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = ["NULL_ARRAY", "OK", "ErrorReply", "ReplyValue", "StatusReply", "push_frame", "write_reply"]

ReplyValue: TypeAlias = Any
"""What `write_reply` takes."""


@dataclass(frozen=True, slots=True)
class StatusReply:
    """A simple string, such as ``OK``."""

    text: str


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error; its first word is its kind. Line breaks in it become blanks, as in addReplyErrorFormat()."""

    text: str


class NullArray:
    """A null where an array was asked for: ``*-1`` in RESP2, ``_`` in RESP3."""


OK: Final = StatusReply("OK")
NULL_ARRAY: Final = NullArray()


def write_reply(value: ReplyValue, protocol: int) -> bytes:
    """
    Return a reply as bytes.

    Args:
        value: the reply.
        protocol: 2 or 3.
    """
    parts: list[bytes] = []
    _write(value, protocol, parts)
    return b"".join(parts)


def push_frame(values: list[ReplyValue], protocol: int) -> bytes:
    """Return what is sent without being asked for: a push in RESP3, an array in RESP2."""
    parts = [b"%c%d\r\n" % (ord(">" if protocol == 3 else "*"), len(values))]
    for value in values:
        _write(value, protocol, parts)
    return b"".join(parts)


def _write(value: ReplyValue, protocol: int, parts: list[bytes]) -> None:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
    elif isinstance(value, int):
        parts.append(b":%d\r\n" % value)
    elif isinstance(value, (list, tuple)):
        parts.append(b"*%d\r\n" % len(value))
        for one in value:
            _write(one, protocol, parts)
    elif isinstance(value, dict):
        parts.append(b"%%%d\r\n" % len(value) if protocol == 3 else b"*%d\r\n" % (2 * len(value)))
        for key, one in value.items():
            _write(key, protocol, parts)
            _write(one, protocol, parts)
    elif isinstance(value, StatusReply):
        parts.append(_line(b"+", value.text))
    elif isinstance(value, ErrorReply):
        parts.append(_line(b"-", value.text))
    elif protocol == 3:
        parts.append(b"_\r\n")
    else:
        parts.append(b"*-1\r\n" if value is NULL_ARRAY else b"$-1\r\n")


def _line(mark: bytes, text: str) -> bytes:
    line = text.encode("utf-8", "surrogateescape").replace(b"\r", b" ").replace(b"\n", b" ")
    return mark + line + b"\r\n"
