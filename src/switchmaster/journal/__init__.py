"""
The journal: what was seen, decided and done, in SQLite or PostgreSQL.

**In** come events and decisions, in each daemon that watches a deployment. **Out** go lines of JSON: failovers with
their comments, switches, the stream of everything, and where each master was last known to be. Several daemons may
write one journal; what they saw of one failover becomes one record.

    events, decisions ─> Ledger ─> entries ─> Writer ─> Store ─> rows ─> Reader ─> lines
                        (pure)              (a thread)  (a transaction)

**Reading** (any number of processes, while daemons write)::

    from switchmaster.journal import FailoverFilter, open_reader

    reader = open_reader("sqlite:///journal.db")       # or postgresql+psycopg://...; connects at the first query
    page = reader.failovers(FailoverFilter(master="mymaster1", since=1_700_000_000.0), cursor=None, limit=50)
    page.items                                         # failover lines, newest first
    page.next                                          # the cursor of the next page, or None
    reader.failover("20261125T030000Z-1a2b3c4d")       # one line with its comments, or None
    reader.switches(deployment=None, master=None, since=None, cursor=None, limit=50)    # Page of switch lines
    reader.entries(after=0, limit=100, types=("switch", "failover"))   # [(id, line)]: the stream, oldest first
    reader.last_entry()                                # the newest id
    reader.masters()                                   # the last address, epoch and incarnation of each master
    reader.acknowledge(id, by="ann", comment="known")  # and reader.comment(id, by=..., text=...)
    reader.close()

Lines hold plain JSON types, the same as `switchmaster.render` makes and the CLI prints. A failover's line has more
keys; `switchmaster.account.record_lines` turns it into a `FailoverRecord`, with types. Calls block: a server asks from
a worker thread. A database that can't be used raises `JournalUnavailable`; a wrong URL or cursor raises `UsageError`.

**Writing**: a `Writer` (one thread, a bounded queue) takes `entries` and calls back after each commit.

Read in this order:

- `entries`: the values that are put into the journal.
- `ledger`: makes them from the events and decisions of one deployment.
- `merge`: which observations are of one failover, and the one record that they become.
- `missed`: what happened while no daemon was connected. `replayed`: a recording, as a daemon would have kept it.
- `schema`: the tables, and how names are stored; `migrations` and `migrate` make them. `engine`: connections, the lock.
- `store`: what one run writes; `batch`: the entries of one transaction, in order. A batch reads the rows that it is
  about in a few statements, changes them in memory, and writes them in a few more: `failover_rows`, `switch_rows` and
  `master_rows`; `switches`, `last_known` and `relay_rows` are its parts. `many_rows`: many rows in one statement.
  `fast_json`: lines as JSON. `sole_writer`: whether rows may be kept.
- `writer`: the thread that commits, retries and drops. `retention`: what is removed, and when.
- `wishes`, `reaction_rows`: what an action is to do, and how far it has come; `reaction_store` reads and writes them,
  `reaction_lines` turns rows into lines.
- `guard_lease`: which of several daemons may act on a master's death.
- `claims`: which daemon watches which deployments where several share them; `claim_store` reads and writes that.
- `recorded`: acknowledges a planned failover once it is recorded.
- `importing`: logs and transcripts, put into the journal once.
- `reader`: questions. Those about failovers are one SQL for all databases (`failover_queries`, with names as
  `stored_names` writes them), asked by `failover_reader`: for the daemon by `reader` with SQLAlchemy, for a verb that
  reads a file once by `sqlite_reader`, which starts at once. `database_errors`: the words for what a database refuses.

`entries` to `replayed`, `claims` and `failover_queries` are pure, and need no database library.

Invariants:

- **One lock.** Every transaction that writes the stream takes it at its beginning, so ids rise in the order of commits,
  and a reader that goes on from an id misses nothing.
- **Applied twice is applied once:** entries have an identity, and what the journal has already changes nothing.
- **Each switch and each failover is one row**, whichever daemons saw it, and in whichever order they wrote.
- **What was streamed was committed before.** Nothing that a reader has seen is lost by a kill.
- **Only the writer's thread and callers of a reader wait for the database.**
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
