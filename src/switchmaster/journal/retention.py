"""
What is removed from the journal: by age, and by size.

Failovers and switches are few and kept long. Everything else in the stream is removed earlier, and first when the
journal has grown too large. One call removes at most `CHUNK` rows of each kind, so that no writer waits long for the
lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select, text

from .schema import entries, failovers, observers, receipts, switches

__all__ = ["Retention", "prune", "reclaim", "size"]

CHUNK: Final = 10_000
LASTING: Final = ("failover", "switch")
"""Types of the stream's lines that are kept as long as failovers and switches."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How much is kept, and how long."""

    seconds: float = 730 * 86_400.0
    """For failovers, switches and receipts."""
    events_seconds: float = 30 * 86_400.0
    """For everything else."""
    bytes: int = 2_000_000_000
    """Beyond this size the oldest events are removed first."""


def prune(connection: Connection, kept: Retention, now: float) -> int:
    """
    Remove what is too old, or too much.

    Args:
        connection: in a writing transaction.
        kept: what to keep.
        now: seconds since 1970.

    Returns:
        The number of rows that were removed; if it is `CHUNK` or more, there may be more to remove.
    """
    removed = _older(connection, failovers, failovers.c.started, now - kept.seconds)
    removed += _older(connection, switches, switches.c.time, now - kept.seconds)
    removed += _older(connection, receipts, receipts.c.started, now - kept.seconds)
    removed += _older(connection, entries, entries.c.time, now - kept.seconds)
    young = now - kept.events_seconds
    removed += _oldest(connection, entries.c.time < young, entries.c.type.not_in(LASTING))
    connection.execute(delete(observers).where(observers.c.seen < now - kept.seconds))
    if size(connection) > kept.bytes:
        removed += _oldest(connection, entries.c.type.not_in(LASTING))
    return removed


def size(connection: Connection) -> int:
    """Return how many bytes the journal takes, free pages not counted."""
    if connection.dialect.name == "sqlite":
        pages = connection.scalar(text("PRAGMA page_count")) or 0
        free = connection.scalar(text("PRAGMA freelist_count")) or 0
        return int(pages - free) * int(connection.scalar(text("PRAGMA page_size")) or 0)
    names = list(entries.metadata.tables)
    asked = text("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname = ANY(:names)")
    return int(connection.scalar(asked, {"names": names}) or 0)


def reclaim(connection: Connection) -> None:
    """Return freed space to the disk; PostgreSQL does so by itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA incremental_vacuum(2000)")


def _older(connection: Connection, table: Table, moment: Column[float], limit: float) -> int:
    key = table.c.id
    old = select(key).where(moment < limit).order_by(moment).limit(CHUNK)
    return connection.execute(delete(table).where(key.in_(old))).rowcount


def _oldest(connection: Connection, *where: ColumnElement[bool]) -> int:
    old = select(entries.c.id).where(*where).order_by(entries.c.id).limit(CHUNK)
    return connection.execute(delete(entries).where(entries.c.id.in_(old))).rowcount
