"""
Which lines of a large log are worth reading: hardly any is, and the others must cost next to nothing.

A block of bytes goes in; the places of the lines that may say something come out. A pattern matches what a format has
before a message (the milliseconds and the level, logfmt's ``message="``, syslog's colon) and how the messages of
`messages` begin. A line that is found without need only costs time. A line that is not found must say nothing, which a
test holds for every recording and every form of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["candidates"]

_BEGINNINGS: Final = (
    rb"(?:\\?[+-][a-z]|[\w.:\[\]-]{7,80} voted for|Next failover|Executing user|Sentinel (?:ID|runid|CRASH|is)|Failed t"
    rb"|WARNING: Sentinel|Failure sim|Redis |Valkey |oO0|Server started|Running mode|Ready to|The server is|User req"
    rb"|Received SIG|=== |Out [oO]f|Background saving error|MISCONF|DB loaded|MASTER |PRIMARY |FAILOVER req"
    rb"|REPLICA|SLAVE|Connect|Full resync|Successful partial|Partial resync|Synchroni|Error condition)"
)
_LIKELY: Final = rb"(?=[+\\0-9a-fNESFWRVoTUO=BMDPC-])"
"""The first characters of `_BEGINNINGS`: comparing one character is cheaper than trying all."""

# Each begins with a literal that a line has once or twice, so memchr() skips nearly all of a block.
_AFTER_MILLISECONDS: Final = re.compile(rb"\.[0-9]{3}(?:[+-]\d\d:\d\d)? \\?[.*#-] " + _LIKELY + _BEGINNINGS)
_AFTER_COLON: Final = re.compile(rb":(?: |[0-9][0-9] \\?[.*#-] )" + _LIKELY + _BEGINNINGS)
_AFTER_EPOCH: Final = re.compile(rb":[XCSM] \d{13} \\?[.*#-] " + _BEGINNINGS)
_LOGFMT: Final = re.compile(rb'message=\\?"' + _BEGINNINGS)
_JSON: Final = re.compile(rb'(?:essage|ESSAGE|msg)" ?: ?"' + _BEGINNINGS)
_KERNEL: Final = re.compile(rb"ut of memory: Kill")
_ALWAYS: Final = (_AFTER_MILLISECONDS, _AFTER_COLON, _AFTER_EPOCH)
_MARKED: Final = ((b"message=", _LOGFMT), (b'":', _JSON), (b"emory: Kill", _KERNEL))
"""What a block must contain for a form to be worth a search."""


def candidates(block: bytes) -> Iterator[tuple[int, int]]:
    """
    Yield the places of the lines of a block that may say something, in order.

    Args:
        block: whole lines.

    Yields:
        The offset of a line's first byte, and of its end (its line feed, or the block's end).
    """
    places = {found.start() for form in _ALWAYS for found in form.finditer(block)}
    for mark, form in _MARKED:
        if mark in block:
            places.update(found.start() for found in form.finditer(block))
    end = -1
    for place in sorted(places):
        if place < end:
            continue
        start = block.rfind(b"\n", 0, place) + 1
        end = block.find(b"\n", place)
        end = len(block) if end < 0 else end
        yield start, end
