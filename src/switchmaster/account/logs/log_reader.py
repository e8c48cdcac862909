"""
One log file, read: bytes in, in blocks of whole lines; `LogEntry` values out, in the order of the file.

The first `WHOLE` bytes are read line by line, so that every line that is not understood is counted and kept to be
shown. After them only the lines that `candidates` finds are read: a log of gigabytes holds a few thousand lines that
say something. Memory grows only with these, up to `ENTRIES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .candidates import candidates
from .formats import LOG_LINE_MAX, find_server_line
from .messages import LoggedEvent, Remark, RemarkKind, Unreadable, read_message
from .stamps import Stamp
from .wrappers import Wrapping, read_json_line, read_wrapping

__all__ = ["ENTRIES", "WHOLE", "LeftOut", "LogEntry", "LogReader"]

WHOLE: Final = 8 * 1024 * 1024
"""Bytes at the beginning of a file in which every line is read."""
ENTRIES: Final = 2_000_000
"""Entries of one file; later ones are counted in `LogReader.over`."""
LEFT_KEPT: Final = 1_000
"""Lines left out whose place, reason and text are kept; the others are only counted."""
SHOWN: Final = 240
"""Characters that are kept of a line that was left out."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line that says something."""

    line: int
    """From 1; in a large file, behind its first `WHOLE` bytes, counted from there on."""
    source: str | None
    """The name that the wrapper gives; None without one."""
    pid: int | None
    role: str | None
    """As `formats.ServerLine.role`."""
    stamp: Stamp
    outer: Stamp | None
    """When a wrapper that names its zone received the line."""
    width: int
    """Characters of the whole line: a terminal may have cut it off there."""
    said: LoggedEvent | Remark | Unreadable


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A line that was not understood."""

    line: int
    reason: str
    text: str


class LogReader:
    """
    Reads one file.

    Args:
        name: what to call it, such as its path.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[LogEntry] = []
        self.lines = 0
        self.of_servers = 0
        """Lines in a server's own format, whatever they say; in a large file, only in its beginning."""
        self.left_out = 0
        self.left: list[LeftOut] = []
        self.over = 0
        self._read = 0

    def feed(self, block: bytes) -> None:
        """
        Read the next part of the file.

        Args:
            block: whole lines; the last one may lack its line feed at the end of the file.
        """
        if self._read < WHOLE:
            for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=self.lines + 1):
                self._take(number, line)
            self.lines += block.count(b"\n") + (not block.endswith(b"\n"))
        else:
            at, before = self.lines, 0
            for start, end in candidates(block):
                at += block.count(b"\n", before, start)
                before = start
                self._take(at + 1, block[start:end])
            self.lines = at + block.count(b"\n", before) + (not block.endswith(b"\n"))
        self._read += len(block)

    def unreadable(self) -> Iterator[LogEntry]:
        """Yield the entries whose event could not be read; `cuts` may complete them."""
        return (entry for entry in self.entries if isinstance(entry.said, Unreadable))

    def leave_out(self, line: int, reason: str, text: str) -> None:
        """Count a line that is not understood."""
        self.left_out += 1
        if len(self.left) < LEFT_KEPT:
            self.left.append(LeftOut(line, reason, text[:SHOWN]))

    def _take(self, number: int, raw: bytes) -> None:
        if len(raw) > 4 * LOG_LINE_MAX:
            self.leave_out(number, f"a line of {len(raw)} bytes", raw[:SHOWN].decode("utf-8", "replace"))
            return
        line = raw.decode("utf-8", "surrogateescape").rstrip("\r")
        entry = read_line(number, line)
        if isinstance(entry, LogEntry):
            self.of_servers += 1
            if len(self.entries) < ENTRIES:
                self.entries.append(entry)
            else:
                self.over += 1
        elif entry:
            self.of_servers += 1
        elif line.strip():
            self.leave_out(number, "no format of a server", line)


def read_line(number: int, line: str) -> LogEntry | bool:
    """
    Read one line.

    Args:
        number: its place in the file, from 1.
        line: without its line end.

    Returns:
        What it says; True for a server's line that says nothing about failovers, False for any other line.
    """
    wrapping, text = None, line
    if line.lstrip(" \t>|").startswith("{"):
        wrapped = read_json_line(line.lstrip(" \t>|"))
        if wrapped is not None:
            wrapping, text = wrapped
    server = find_server_line(text)
    if server is None:
        return _bare(number, line, text, wrapping)
    said = read_message(server.message)
    if said is None:
        return True
    inner = read_wrapping(server.before) if server.before else Wrapping()
    outer = next((w.stamp for w in (wrapping, inner) if w and w.stamp and w.stamp.zone), None)
    source = (wrapping.source if wrapping else None) or inner.source
    pid = server.pid if server.pid is not None else inner.pid
    return LogEntry(number, source, pid, server.role, server.stamp, outer, len(line), said)


def _bare(number: int, line: str, text: str, wrapping: Wrapping | None) -> LogEntry | bool:
    """Read a message without the server's own prefix, as in syslog and the kernel's log."""
    kernel = read_message(text)
    if wrapping is None:
        wrapping = read_wrapping(text)
        text = wrapping.rest
    elif not wrapping.bare:
        # A collector may have removed the server's own time; what it calls a message is one.
        wrapping = Wrapping(wrapping.source, wrapping.stamp, wrapping.pid, bare=True)
    said = read_message(text) if wrapping.bare else None
    if not isinstance(said, LoggedEvent) and not wrapping.of_server:
        said = kernel if isinstance(kernel, Remark) and kernel.kind is RemarkKind.OUT_OF_MEMORY else None
    if said is None or wrapping.stamp is None:
        return wrapping.bare and wrapping.of_server
    outer = wrapping.stamp if wrapping.stamp.zone else None
    return LogEntry(number, wrapping.source, wrapping.pid, None, wrapping.stamp, outer, len(line), said)
