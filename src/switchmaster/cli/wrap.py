"""
Line breaks for people on a narrow terminal: between words, so that no address is torn. Pure.

A continuation is indented to the last column that begins before the middle of the line: a sentence stays next to its
label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .output import Span, Words

__all__ = ["wrap"]

_INDENT = 4
_BLANKS = re.compile(r" {2,}")


def wrap(words: Words, width: int) -> Iterator[Words]:
    """
    Break one line.

    Args:
        words: the line, neutralised already.
        width: columns of the terminal. A longer word stays whole.

    Yields:
        The lines, without trailing blanks.
    """
    whole = "".join(text for text, _ in words)
    columns = [found.end() for found in _BLANKS.finditer(whole) if found.end() <= width // 2]
    indent = columns[-1] if columns else min(_INDENT, width // 2)
    end = len(whole.rstrip())
    begin = 0
    while end - begin > (room := width - (indent if begin else 0)):
        # The first line is not broken before its sentence.
        first = (begin or indent) + 1
        blank = whole.rfind(" ", first, begin + room + 1)
        if blank < 0:
            blank = whole.find(" ", max(first, begin + room), end)
        if blank < 0:
            break
        yield _line(words, begin, len(whole[:blank].rstrip()), indent)
        begin = end - len(whole[blank:end].lstrip())
    yield _line(words, begin, end, indent)


def _line(words: Words, begin: int, end: int, indent: int) -> Words:
    """Return the spans between two positions of the whole line, indented unless it is the first."""
    spans: list[Span] = [(" " * indent, "")] if begin else []
    place = 0
    for text, style in words:
        part = text[max(0, begin - place) : max(0, end - place)]
        if part:
            spans.append((part, style))
        place += len(text)
    return tuple(spans)
