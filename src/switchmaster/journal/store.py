"""
Entries to rows, inside one writing transaction.

`Store.apply` takes entries in order, under the journal's lock: what it reads still holds when it writes. An entry that
is applied twice changes nothing the second time, and entries of several observers meet in one row for each switch and
each failover. The store keeps what it has learned in a transaction only on `commit`; the rows of failovers that it has
read and written it keeps as long as nobody else writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, insert, select, update

from ..account.record import FailoverRecord, Observation
from ..account.record_lines import failover_from_line
from ..model import Address
from .batch import Batch, Written
from .entries import Entry
from .failover_rows import FailoverRows
from .last_known import LastKnown
from .merge import OPEN
from .schema import failovers, observers
from .sole_writer import SoleWriter

__all__ = ["Store", "Written"]

ROWS_KEPT: Final = 2_000
"""Failovers whose rows are kept between two transactions, at most."""

END_UNSEEN: Final = "its end was not seen: no daemon was connected to a Sentinel"


class Store:
    """
    What one run of one daemon writes.

    Args:
        observer: the run's id, never used before.
        name: the name that people know the daemon by.
        past: whether all entries are of the past: then they don't say where a master is now.
    """

    def __init__(self, observer: str, name: str, *, past: bool = False) -> None:
        self.observer = observer
        self.name = name
        self._past = past
        self._last_known = LastKnown()
        self._relays: dict[str, tuple[Address, ...]] | None = None
        self._sole_writer = SoleWriter()
        self._kept: FailoverRows | None = None
        """The rows as the last transaction left them; None if that is not known."""
        self._open: FailoverRows | None = None
        """Those of the transaction that is open."""

    # -- transactions -------------------------------------------------------------------------------

    def begin(self, connection: Connection, now: float) -> None:
        """Record this run; a second call does nothing."""
        known = connection.execute(select(observers.c.id).where(observers.c.id == self.observer)).first()
        if known is None:
            row = {"id": self.observer, "name": self.name, "started": now, "seen": now, "ended": None}
            connection.execute(insert(observers).values(row))

    def end(self, connection: Connection, now: float) -> None:
        """Record that this run shuts down in order."""
        connection.execute(update(observers).where(observers.c.id == self.observer).values(seen=now, ended=now))

    def commit(self) -> None:
        """Keep what was learned: the transaction is on the disk."""
        self._last_known.commit()
        self._sole_writer.commit()
        self._kept, self._open = self._open, None

    def rollback(self) -> None:
        """Forget what was learned: the transaction is gone."""
        self._last_known.rollback()
        self._forget_rows()

    def _forget_rows(self) -> None:
        self._sole_writer.forget()
        self._kept = self._open = None

    def apply(self, connection: Connection, batch: Iterable[Entry]) -> list[Written]:
        """
        Write entries in order.

        Args:
            connection: in a transaction of a writing engine.
            batch: what to write.

        Returns:
            What they added to the stream; nothing for what the journal had already.
        """
        kept, self._kept = self._kept, None
        if self._sole_writer.begin(connection) and kept is not None and len(kept) <= ROWS_KEPT:
            kept.resume(connection)
            rows = kept
        else:
            rows = FailoverRows(connection, self.observer, self.name)
        transaction = self._batch(connection, rows)
        self._open = rows
        written = transaction.write(list(batch))
        if transaction.relays is not None:
            self._relays = transaction.relays
        return written

    def _batch(self, connection: Connection, rows: FailoverRows) -> Batch:
        return Batch(connection, self.observer, self.name, self._last_known, rows, past=self._past)

    def doubted(self) -> set[tuple[str, str]]:
        """Return, and forget, the masters (deployment, name) whose sighting could not be judged yet."""
        return self._last_known.doubted()

    def relays(self) -> dict[str, tuple[Address, ...]] | None:
        """Return, and forget, the other runs' relays by deployment; None if they were not read since the last call."""
        relays, self._relays = self._relays, None
        return relays

    def close_unseen(self, connection: Connection, now: float) -> list[Written]:
        """Close the failovers without news for so long that none will come; others may be removed in the same go."""
        self._forget_rows()
        limit = now - OPEN - 60
        rows = connection.execute(
            select(failovers).where(failovers.c.closed.is_(False), failovers.c.updated < limit).limit(1_000)
        ).all()
        found = [failover_from_line(json.loads(row.line), started=row.started, heard=row.updated) for row in rows]
        ends = [(row.id, _unseen_end(record, row.id)) for row, record in zip(rows, found, strict=True)]
        return self._batch(connection, FailoverRows(connection, self.observer, self.name)).close(ends)


def _unseen_end(record: FailoverRecord, row: str) -> Observation:
    """Return the observation that ends a failover whose end no daemon saw."""
    aborted = record.outcome == "in-progress"
    return Observation(
        deployment=record.deployment,
        master=record.master,
        number=-int.from_bytes(hashlib.sha256(row.encode()).digest()[:6]),
        incarnation=record.incarnation,
        old=record.old,
        new=record.new,
        epoch=record.epoch,
        kind=record.kind,
        outcome="aborted" if aborted else record.outcome,
        attempted=record.attempted,
        closed=True,
        missed=record.missed,
        started=record.started,
        heard=record.heard,
        reason=END_UNSEEN if aborted else None,
    )
