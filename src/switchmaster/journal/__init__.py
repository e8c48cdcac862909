"""
The journal: what was seen, decided and done, in SQLite or PostgreSQL.

**Reading** (any number of processes, while daemons write)::

    from switchmaster.journal import FailoverFilter, open_reader

    reader = open_reader("sqlite:///journal.db")       # or postgresql+psycopg://...; connects at the first question
    page = reader.failovers(FailoverFilter(master="mymaster1", since=1_700_000_000.0), cursor=None, limit=50)
    page.items                                         # failover lines, newest first
    page.next                                          # the cursor of the next page, or None
    reader.failover("20261125T030000Z-1a2b3c4d")       # one line with its comments, or None
    reader.switches(deployment=None, master=None, since=None, cursor=None, limit=50)    # Page of switch lines
    reader.entries(after=0, limit=100, types=("switch", "failover"))   # [(id, line)]: the stream, oldest first
    reader.last_entry()                                # the newest id: ids rise in the order of commits, without gaps
                                                       # that fill later, so `after` never misses one
    reader.masters()                                   # the last address, epoch and incarnation of each master
    reader.acknowledge(id, by="ann", comment="known")  # and reader.comment(id, by=..., text=...)
    reader.close()

All lines are plain JSON types, the same as `switchmaster.render` makes and DESIGN's CLI contract shows; a failover's
line has more (`accounts.merged` says what). Calls block: a server asks from a worker thread. A database that can't be
asked raises `JournalUnavailable`, a wrong URL or cursor `UsageError`.

**Writing**: `Writer` (one thread, a bounded queue) is put `entries`, and calls back after each commit. What is read
here was committed before.

In order: `entries` (the values), `accounts` (one observer's account of a failover, and several merged), `ledger`
(events and decisions to entries), `schema` and `migrations`, `engine`, `store` (entries to rows), `writer`, `reader`,
`retention`, and `replayed` (a recording as a daemon would have kept it). The first three and the last are pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import JournalUnavailable

if TYPE_CHECKING:
    from .reader import FailoverFilter, Page, Reader, open_reader

__all__ = ["FailoverFilter", "JournalUnavailable", "Page", "Reader", "open_reader"]


def __getattr__(name: str) -> Any:
    # The pure modules are used without a database, where none of its libraries is installed.
    if name in ("FailoverFilter", "Page", "Reader", "open_reader"):
        from . import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
