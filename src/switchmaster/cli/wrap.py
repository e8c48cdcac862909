"""
Lines for people, broken where a terminal is too narrow: between words, so that no address is torn. Pure.

What goes on stands below the last column that the line began before its middle: a sentence stays beside its label.
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
        words: the line; harmless already.
        width: columns of the terminal. A word that is longer stays whole.

    Yields:
        The lines, none of which ends with a blank.
    """
    whole = "".join(text for text, _ in words)
    columns = [found.end() for found in _BLANKS.finditer(whole) if found.end() <= width // 2]
    indent = columns[-1] if columns else min(_INDENT, width // 2)
    end = len(whole.rstrip())
    begin = 0
    while end - begin > (room := width - (indent if begin else 0)):
        # A blank before the sentence is no place to break the first line at.
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
    """Return the spans between two places of the whole line, indented where it is not the first."""
    spans: list[Span] = [(" " * indent, "")] if begin else []
    place = 0
    for text, style in words:
        part = text[max(0, begin - place) : max(0, end - place)]
        if part:
            spans.append((part, style))
        place += len(text)
    return tuple(spans)
