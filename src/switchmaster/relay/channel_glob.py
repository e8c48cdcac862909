"""
The glob patterns of PSUBSCRIBE and CONFIG GET, as servers match them.

``*`` any text, ``?`` one byte, ``[a-c]`` and ``[^a]`` a set, ``\\`` takes the next byte as it is. The time is bounded
by the product of both lengths, whatever the pattern: nothing is compiled into a regular expression, which a hostile
pattern could make run for ever. Source: stringmatchlen() in util.c.
"""

from __future__ import annotations

__all__ = ["matches_glob"]


def matches_glob(pattern: bytes, text: bytes) -> bool:
    """Return whether a text matches a pattern as a whole."""
    at, place = 0, 0
    star, resume = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == ord("*"):
            star, resume = at, place
            at += 1
            continue
        length = _matches_one(pattern, at, text[place]) if at < len(pattern) else 0
        if length:
            at, place = at + length, place + 1
        elif star >= 0:
            resume += 1
            at, place = star + 1, resume
        else:
            return False
    return not pattern[at:].strip(b"*")


def _matches_one(pattern: bytes, at: int, byte: int) -> int:
    """Return how many bytes of the pattern match one byte of text; 0 if they do not."""
    char = pattern[at]
    if char == ord("?"):
        return 1
    if char == ord("["):
        return _matches_set(pattern, at, byte)
    if char == ord("\\") and at + 1 < len(pattern):
        return 2 if pattern[at + 1] == byte else 0
    return 1 if char == byte else 0


def _matches_set(pattern: bytes, start: int, byte: int) -> int:
    at = start + 1
    negated = pattern[at : at + 1] == b"^"
    at += negated
    found = False
    while at < len(pattern) and pattern[at] != ord("]"):
        if pattern[at] == ord("\\") and at + 1 < len(pattern):
            at += 1
            found |= pattern[at] == byte
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            found |= low <= byte <= high
            at += 2
        else:
            found |= pattern[at] == byte
        at += 1
    # A set without an end ends with the pattern, as in a real server.
    return min(at + 1, len(pattern)) - start if found is not negated else 0
