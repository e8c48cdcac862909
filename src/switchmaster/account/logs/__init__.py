"""
Logs: what Sentinels and data nodes wrote of themselves, read into the events and remarks of one story.

**In**: files of bytes, in any of the servers' formats and under any wrapper; what the user knows beside them (names,
a time zone, the latest moment). **Out**: `Logs`: every event as `transcript.Said`, in one order and on one clock,
and every remark, with who made it. What follows (switches, failovers) is decided by the same core that listens live.

Read in this order:

- `stamps`: what a time in a line says, and which moment it means.
- `formats`: the servers' own line formats; `wrappers`: what others put before them; `messages`: what a message says.
- `candidates`: which lines of a large file are worth reading; `log_reader`: one file, read.
- `cuts`: what a terminal's width cut off, completed where nothing else can have stood there.
- `origins`: which process wrote each line, and what to call it.
- `clocks`: how far the clocks of several Sentinels are apart.
- `merging`: all of it put together.

Invariants: every line is an entry, a server's line that says nothing, or left out and counted; every entry has one
origin; within one origin the order is that of its files; a clock is moved only where the order of events asks for it,
and the reader is told. Nothing here does I/O or reads a clock, and nothing raises, whatever the files hold.
"""

from __future__ import annotations

from .clocks import Offset
from .log_reader import LeftOut, LogReader
from .merging import Logs, Noted, merge_logs
from .messages import Remark, RemarkKind
from .origins import LogFile, Origin

__all__ = [
    "LeftOut",
    "LogFile",
    "LogReader",
    "Logs",
    "Noted",
    "Offset",
    "Origin",
    "Remark",
    "RemarkKind",
    "merge_logs",
]
