"""
A client's bytes, cut into commands.

Input: bytes, cut anywhere. Output: commands as tuples of words, in order, and `RequestReader.broken` once the stream
can't be read any further: then it is an error in the server's words, and nothing more is read.

Both forms of a request are read: an array of bulk strings, as clients send it, and an inline command, as a person types
it. Everything that a client can announce is bounded, far below the bounds of a real server, because no command of a
Sentinel is long; the bounds are lower still until the client has authenticated. Source: processMultibulkBuffer() and
processInlineBuffer() in networking.c.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["RequestReader"]

WORDS_MAX: Final = 1024
"""Words of one command: a client that subscribes to many channels needs many."""
BULK_BYTES_MAX: Final = 16 * 1024
"""Bytes of one word; the longest that means something is a password."""
REQUEST_BYTES_MAX: Final = 64 * 1024
"""Bytes of one command: what a client can make us hold. Also the limit of an inline command, as in a real server."""
STRANGER_WORDS_MAX: Final = 10
"""Words of one command before the client has authenticated; a real server has the same limit."""

_HEADER: Final = re.compile(rb"([*$])(-?\d{1,10})\r\n")
_OPEN_HEADER: Final = re.compile(rb"[*$](-?\d{0,10}\r?)?")
"""The beginning of a header whose end has not come."""


class RequestReader:
    """Turns one client's bytes into commands."""

    __slots__ = ("_at", "_buffer", "_left", "_size", "_words", "broken", "trusted")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0
        """Where the unread bytes begin."""
        self._words: list[bytes] = []
        """The words of a command that is not complete."""
        self._left = 0
        """How many words it still lacks; 0 between commands."""
        self._size = 0
        """Its bytes so far."""
        self.trusted = True
        """Whether the client has authenticated, or need not."""
        self.broken = ""
        """Why nothing more is read, as an error reply says it; empty while the stream is whole."""

    @property
    def partial(self) -> bool:
        """Whether the beginning of a command waits for its rest."""
        return self._left > 0 or self._at < len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add bytes; `next_command` cuts them."""
        if not self.broken:
            self._buffer = self._buffer[self._at :] + data
            self._at = 0

    def next_command(self) -> tuple[bytes, ...] | None:
        """Return the next command that is complete; None if there is none. An empty line is an empty command."""
        if self.broken or self._at >= len(self._buffer):
            return None
        if self._left or self._buffer[self._at] == ord("*"):
            return self._array()
        return self._inline()

    def _break(self, why: str) -> None:
        self.broken = f"ERR Protocol error: {why}"
        self._buffer, self._at, self._words, self._left = b"", 0, [], 0

    def _array(self) -> tuple[bytes, ...] | None:
        if not self._left:
            count = self._header(b"*", "invalid multibulk length")
            if count is None:
                return None
            if count > WORDS_MAX:
                self._break("invalid multibulk length")
                return None
            if count > STRANGER_WORDS_MAX and not self.trusted:
                self._break("unauthenticated multibulk length")
                return None
            if count <= 0:
                return ()
            self._left, self._size = count, 0
        while self._left:
            word = self._word()
            if word is None:
                return None
            self._words.append(word)
            self._left -= 1
        words, self._words = tuple(self._words), []
        return words

    def _word(self) -> bytes | None:
        """Read one word, and leave its bytes unread until all have come."""
        begin = self._at
        size = self._header(b"$", "invalid bulk length")
        if size is None:
            return None
        if not 0 <= size <= BULK_BYTES_MAX:
            self._break("invalid bulk length")
            return None
        end = self._at + size
        if self._size + size > REQUEST_BYTES_MAX:
            self._break("too big request")
            return None
        if len(self._buffer) < end + 2:
            self._at = begin
            return None
        word = self._buffer[self._at : end]
        # As a real server, which does not look at the two bytes after a word.
        self._at = end + 2
        self._size += size
        return word

    def _header(self, mark: bytes, wrong: str) -> int | None:
        """Read the line of a header, and return its number; None if it is not there, or broken."""
        first = self._buffer[self._at : self._at + 1]
        if not first:
            return None
        if first != mark:
            self._break(f"expected '{mark.decode()}', got '{first.decode() if b' ' <= first <= b'~' else ' '}'")
            return None
        found = _HEADER.match(self._buffer, self._at)
        if found is not None:
            self._at = found.end()
            return int(found[2])
        # Without an end yet, it must still be able to become a header.
        if _OPEN_HEADER.fullmatch(self._buffer, self._at) is None:
            self._break(wrong)
        return None

    def _inline(self) -> tuple[bytes, ...] | None:
        end = self._buffer.find(b"\n", self._at, self._at + REQUEST_BYTES_MAX)
        if end < 0:
            if len(self._buffer) - self._at >= REQUEST_BYTES_MAX:
                self._break("too big inline request")
            return None
        line, self._at = self._buffer[self._at : end].rstrip(b"\r"), end + 1
        words = _split(line)
        if words is None:
            self._break("unbalanced quotes in request")
        return words


_WORD: Final = re.compile(
    rb'"((?:[^"\\]|\\.)*)"(?=\s|\Z)|\'((?:[^\'\\]|\\.)*)\'(?=\s|\Z)|([^\s"\']+)(?=\s|\Z)', re.DOTALL
)
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}


def _split(line: bytes) -> tuple[bytes, ...] | None:
    """Split a typed line into words as sdssplitargs() does; None if its quotes do not match."""
    words: list[bytes] = []
    at = 0
    while True:
        while line[at : at + 1].isspace() or line[at : at + 1] == b"\0":
            at += 1
        if at >= len(line):
            return tuple(words[:WORDS_MAX])
        found = _WORD.match(line, at)
        if found is None:
            return None
        double, single, bare = found.groups()
        if bare is not None:
            words.append(bare)
        elif double is not None:
            words.append(_ESCAPE.sub(_unescape, double))
        else:
            words.append(single.replace(b"\\'", b"'"))
        at = found.end()


def _unescape(found: re.Match[bytes]) -> bytes:
    what = found[1]
    if len(what) == 3:
        return bytes([int(what[1:], 16)])
    return _ESCAPED.get(what, what)
