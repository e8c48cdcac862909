"""
Many rows in one statement of PostgreSQL: each column is passed as an array.

The driver reads a statement of a thousand rows' placeholders again each time, and sends rows one by one otherwise:
together that took half of the writer's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection

__all__ = ["add_entries", "change_failovers", "change_observations"]

_ADD_ENTRIES: Final = """
INSERT INTO entries (time, type, deployment, master, failover, observer, line)
SELECT time, type, deployment, master, failover, observer, line
FROM unnest(%t::float8[], %t::text[], %t::text[], %t::text[], %t::text[], %t::text[], %b::text[])
WITH ORDINALITY AS given (time, type, deployment, master, failover, observer, line, place)
ORDER BY place RETURNING id"""
_CHANGE_FAILOVERS: Final = """
UPDATE failovers SET old_host = given.old_host, old_port = given.old_port, closed = given.closed, ended = given.ended,
updated = given.updated, line = given.line
FROM unnest(%t::text[], %t::int[], %t::bool[], %t::float8[], %t::float8[], %b::text[], %t::text[])
AS given (old_host, old_port, closed, ended, updated, line, id) WHERE failovers.id = given.id"""
_CHANGE_OBSERVATIONS: Final = """
UPDATE observations SET record = given.record
FROM unnest(%b::text[], %t::text[], %t::text[], %t::text[], %t::bigint[])
AS given (record, observer, deployment, master, number)
WHERE observations.observer = given.observer AND observations.deployment = given.deployment
AND observations.master = given.master AND observations.number = given.number"""
# The longest column of each goes in binary, where nothing in it is escaped; no text in it is NULL.


def add_entries(connection: Connection, rows: Iterable[Sequence[Any]]) -> Sequence[int]:
    """
    Add rows to the stream.

    Args:
        connection: with the journal's lock.
        rows: time, type, deployment, master, failover, observer and line of each, with names as they are stored.

    Returns:
        Their ids, in the order of the rows.
    """
    times, *others = zip(*rows, strict=True)
    columns = ([*map(float, times)], *map(list, others))
    # Ids rise in the order in which the rows are added, whatever the order in which they are returned.
    return sorted(connection.exec_driver_sql(_ADD_ENTRIES, columns).scalars())


def change_failovers(connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """
    Change the columns of failovers that are in no index.

    Args:
        connection: with the journal's lock.
        rows: old host (as it is stored) and port, closed, ended, updated, line and id of each; no id twice.
    """
    hosts, ports, closed, ended, updated, lines, ids = map(list, zip(*rows, strict=True))
    moments = [None if one is None else float(one) for one in ended], [*map(float, updated)]
    connection.exec_driver_sql(_CHANGE_FAILOVERS, (hosts, ports, closed, *moments, lines, ids))


def change_observations(connection: Connection, rows: Iterable[Sequence[Any]]) -> None:
    """
    Change the records of observations.

    Args:
        connection: with the journal's lock.
        rows: record, observer, deployment, master (names as they are stored) and number of each; no observation twice.
    """
    connection.exec_driver_sql(_CHANGE_OBSERVATIONS, tuple(map(list, zip(*rows, strict=True))))
