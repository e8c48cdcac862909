"""
Queries of the journal: history with filters and pages, one failover, the stream.

A page continues after an item, not after a count: what is added meanwhile shifts nothing. All methods block, and may be
called from several threads.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, Table, and_, func, insert, or_, select, text, update

from ..errors import JournalUnavailable, UsageError
from ..line import Line, iso
from .database_errors import NO_FILE
from .engine import connect, make_engine, shown, sqlite_file
from .failover_queries import FailoverFilter, Query
from .failover_reader import NO_CURSOR, PAGE_ITEMS, FailoverReader, Page, cursor_after, page_rows, read_cursor
from .reaction_lines import reaction_line, receipt_line
from .schema import comments, entries, failovers, masters, observers, reactions, receipts, switches

__all__ = ["FailoverFilter", "Page", "Reader", "open_reader"]

COMMENT_CHARACTERS: Final = 10_000
"""Characters of one comment, at most."""


def open_reader(url: str) -> Reader:
    """
    Return a reader; it connects at the first query.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.

    Raises:
        UsageError: the URL is wrong.
        MissingDependency: the database's driver is not installed.
    """
    return Reader(url)


class Reader(FailoverReader):
    """
    Queries of one journal, by SQLAlchemy; those about failovers are written in `failover_queries`.

    Args:
        url: of the journal.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._file = sqlite_file(url)
        self._engine = make_engine(url, writing=False)
        self._writing: Engine | None = None

    def __repr__(self) -> str:
        return f"<Reader of {shown(self._url)}>"

    def close(self) -> None:
        """Close all connections."""
        for engine in (self._engine, self._writing):
            if engine is not None:
                engine.dispose()

    # -- failovers ----------------------------------------------------------------------------------

    def acknowledge(self, id: str, by: str, comment: str = "") -> bool:
        """
        Record that a person has looked into a failover.

        Args:
            id: the failover's id.
            by: the person.
            comment: text; may be empty.

        Returns:
            False if there is no such failover.

        Raises:
            UsageError: the text is too long.
            JournalUnavailable: the database can't be written.
        """
        return self._comment(id, by, comment, True)

    def comment(self, id: str, by: str, text: str) -> bool:
        """Add a comment; arguments, result and errors as for `acknowledge`, but the text must not be empty."""
        if not text.strip():
            raise UsageError("a comment must not be empty")
        return self._comment(id, by, text, False)

    # -- switches, masters, the stream ----------------------------------------------------------------

    def switches(
        self,
        deployment: str | None = None,
        master: str | None = None,
        since: float | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Return switches, newest first, each with its ``id``; arguments and errors as for `failovers`."""
        where = []
        if deployment is not None:
            where.append(switches.c.deployment == deployment)
        if master is not None:
            where.append(switches.c.master == master)
        if since is not None:
            where.append(switches.c.time >= since)
        rows = self._page(switches, switches.c.time, switches.c.id, where, cursor, limit)
        return Page([json.loads(row.line) | {"id": row.id} for row in rows[:limit]], _next(rows, limit, "time"))

    def entries(
        self, after: int = 0, limit: int = 100, types: Sequence[str] = (), failover: str | None = None
    ) -> list[tuple[int, Line]]:
        """
        Return the stream, oldest first; each line names the daemon's run that wrote it as ``run`` (see `observers`).

        Args:
            after: the last id that the caller has.
            limit: items, at most 1,000.
            types: of the lines, such as ``switch``; empty for all.
            failover: only lines about that failover.

        Raises:
            JournalUnavailable: the database can't be read.
        """
        self._check_there()
        where: list[ColumnElement[bool]] = [entries.c.id > after]
        if types:
            where.append(entries.c.type.in_(types))
        if failover is not None:
            where.append(entries.c.failover == failover)
        columns = (entries.c.id, entries.c.observer, entries.c.line)
        asked = select(*columns).where(*where).order_by(entries.c.id).limit(page_rows(limit) - 1)
        with connect(self._engine, self._url) as connection:
            return [(row.id, json.loads(row.line) | {"run": row.observer}) for row in connection.execute(asked)]

    def newest_entries(
        self,
        types: Sequence[str] = (),
        deployment: str | None = None,
        master: str | None = None,
        failover: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        since: float | None = None,
        until: float | None = None,
    ) -> Page:
        """
        Return the stream, newest first; each line has its id there as ``entry``, and its ``run`` as in `entries`.

        Args:
            since: seconds since 1970: lines of then or later.
            until: seconds since 1970: lines of before.

        The other arguments, and the errors, as for `entries` and `failovers`.
        """
        where: list[ColumnElement[bool]] = []
        if types:
            where.append(entries.c.type.in_(types))
        if deployment is not None:
            where.append(entries.c.deployment == deployment)
        if master is not None:
            where.append(entries.c.master == master)
        if failover is not None:
            where.append(entries.c.failover == failover)
        if since is not None:
            where.append(entries.c.time >= since)
        if until is not None:
            where.append(entries.c.time < until)
        rows = self._page(entries, entries.c.id, entries.c.id, where, cursor, limit)
        items = [json.loads(row.line) | {"entry": row.id, "run": row.observer} for row in rows[:limit]]
        return Page(items, _next(rows, limit, "id"))

    def receipts(
        self,
        action: str | None = None,
        deployment: str | None = None,
        master: str | None = None,
        outcome: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Return what actions did, newest first; arguments and errors as for `failovers`."""
        given = {"action": action, "deployment": deployment, "master": master, "outcome": outcome}
        where = [receipts.c[name] == value for name, value in given.items() if value is not None]
        rows = self._page(receipts, receipts.c.started, receipts.c.id, where, cursor, limit)
        return Page([receipt_line(row) for row in rows[:limit]], _next(rows, limit, "started"))

    def reactions(
        self,
        action: str | None = None,
        deployment: str | None = None,
        master: str | None = None,
        state: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Return what actions are to do, the newest row first; arguments and errors as for `failovers`."""
        given = {"action": action, "deployment": deployment, "master": master, "state": state}
        where = [reactions.c[name] == value for name, value in given.items() if value is not None]
        rows = self._page(reactions, reactions.c.id, reactions.c.id, where, cursor, limit)
        return Page([reaction_line(row) for row in rows[:limit]], _next(rows, limit, "id"))

    def reaction_counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Return how many masters of each action (name, place) are in which state."""
        self._check_there()
        columns = (reactions.c.action, reactions.c.place, reactions.c.state)
        found: dict[tuple[str, str], dict[str, int]] = {}
        with connect(self._engine, self._url) as connection:
            for action, place, state, count in connection.execute(select(*columns, func.count()).group_by(*columns)):
                found.setdefault((action, place), {})[state] = count
        return found

    def last_entry(self) -> int:
        """Return the newest id of the stream; 0 if it is empty."""
        self._check_there()
        with connect(self._engine, self._url) as connection:
            return connection.scalar(select(func.max(entries.c.id))) or 0

    def masters(self) -> list[Line]:
        """Return where each master was last known to be."""
        self._check_there()
        with connect(self._engine, self._url) as connection:
            rows = connection.execute(select(masters).order_by(masters.c.deployment, masters.c.master)).all()
        return [
            {
                "deployment": row.deployment,
                "master": row.master,
                "address": {"host": row.host, "port": row.port},
                "epoch": row.epoch,
                "incarnation": row.incarnation,
                "since": iso(row.since),
            }
            for row in rows
        ]

    def observers(self) -> list[Line]:
        """Return the last 1,000 runs of daemons that have written, newest first."""
        self._check_there()
        with connect(self._engine, self._url) as connection:
            rows = connection.execute(select(observers).order_by(observers.c.started.desc()).limit(PAGE_ITEMS)).all()
        return [
            {
                "observer": row.name,
                "run": row.id,
                "started": iso(row.started),
                "seen": iso(row.seen),
                "ended": iso(row.ended),
            }
            for row in rows
        ]

    # -- within -------------------------------------------------------------------------------------

    def _ask(self, *queries: Query) -> list[Sequence[Sequence[Any]]]:
        self._check_there()
        with connect(self._engine, self._url) as connection:
            return [connection.execute(text(query.sql), query.parameters).all() for query in queries]

    def _page(
        self,
        table: Table,
        moment: Any,
        id: Any,
        where: Iterable[ColumnElement[bool]],
        cursor: str | None,
        limit: int,
    ) -> Sequence[Any]:
        asked = select(table).where(*where).order_by(moment.desc(), id.desc()).limit(page_rows(limit))
        if cursor is not None:
            time, place = read_cursor(cursor)
            last = _read_id(place) if id.type.python_type is int else place
            # The first condition follows from the second; it tells the database where to start.
            asked = asked.where(id < last if moment is id else and_(moment <= time, or_(moment < time, id < last)))
        self._check_there()
        with connect(self._engine, self._url) as connection:
            return connection.execute(asked).all()

    def _check_there(self) -> None:
        # Connecting would create an empty file.
        if self._file is not None and not self._file.exists():
            raise JournalUnavailable(shown(self._url), *NO_FILE)

    def _comment(self, id: str, by: str, text: str, acknowledges: bool) -> bool:
        if len(text) > COMMENT_CHARACTERS or len(by) > COMMENT_CHARACTERS:
            raise UsageError(f"a comment must have at most {COMMENT_CHARACTERS} characters")
        self._check_there()
        if self._writing is None:
            self._writing = make_engine(self._url, writing=True)
        now = time.time()
        row = {"time": now, "by": by, "acknowledges": acknowledges, "text": text}
        with connect(self._writing, self._url) as connection:
            if connection.execute(select(failovers.c.id).where(failovers.c.id == id)).first() is None:
                return False
            connection.execute(insert(comments).values(failover=id, **row))
            if acknowledges:
                connection.execute(
                    update(failovers)
                    .where(failovers.c.id == id, failovers.c.acknowledged.is_(None))
                    .values(acknowledged=now)
                )
        return True


def _next(rows: Sequence[Any], limit: int, moment: str) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return cursor_after(getattr(last, moment), last.id)


def _read_id(place: str) -> int:
    if not place.isdigit() or len(place) > 18:
        raise UsageError(NO_CURSOR)
    return int(place)
