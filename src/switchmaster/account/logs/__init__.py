"""
Logs: what Sentinels and data nodes wrote, read into the events and remarks of one story.

**In** come files of bytes, in any of the servers' formats and any wrapper, and what the user knows about them (names, a
time zone, the latest moment). **Out** goes `Logs`: every event as `transcript.Said`, in one order and on one clock, and
every remark, with its origin. The same belief that listens live decides what follows: switches and failovers.

Read in this order:

- `stamps`: what a time in a line says, and which moment it means.
- `formats`: the servers' own line formats; `wrappers`: what others put before them; `messages`: what a message says.
- `candidates`: which lines of a large file are worth reading; `log_reader`: one file, read.
- `cuts`: what was cut off at the width of a terminal, completed if there is one possible completion.
- `origins`: which process wrote each line, and what to call it.
- `clocks`: how far the clocks of several Sentinels are apart.
- `merging`: all of it put together.

Invariants:

- Every line is an entry, a server's line that says nothing, or left out and counted.
- Every entry has one origin; within one origin, entries stay in the order of its files.
- A clock is moved only if the order of events requires it, and the reader is told.
- Nothing here does I/O or reads a clock, and nothing raises, whatever the files hold.
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
