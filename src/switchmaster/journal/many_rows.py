"""
Many rows in one statement, in the driver's own SQL.

When hundreds of masters fail over together, the expression language, and a driver that takes one row after the other,
would take longer than the database. SQLite prepares a statement once and runs it for each row. PostgreSQL gets each
column as an array, in binary: nothing in it needs to be escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, Connection, Double, Integer, Table

from .schema import Name, entries
from .stored_names import stored

__all__ = ["add_entries", "change_rows", "insert_rows"]

_ENTRY: Final = ("time", "type", "deployment", "master", "failover", "observer", "line")


class _Statement(NamedTuple):
    sql: str
    columns: tuple[str, ...]
    """In the order of the parameters."""
    names: frozenset[str]
    """Those of type `Name`."""
    moments: frozenset[str]
    """Those of floating point: the driver takes no array of floats with an int among them."""


def insert_rows(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> None:
    """
    Add rows to a table.

    Args:
        connection: with the journal's lock.
        table: of the schema.
        columns: the columns that are given.
        rows: their values; nothing is done if there are none.
    """
    if rows:
        _run(connection, _insert(table, columns, _is_sqlite(connection)), rows)


def change_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], keys: tuple[str, ...], rows: Sequence[Sequence[Any]]
) -> None:
    """
    Change rows of a table.

    Args:
        connection: with the journal's lock.
        table: of the schema.
        columns: the columns that are changed.
        keys: the columns that say which row is changed.
        rows: the values of these columns and then of those; no row twice. Nothing is done if there are none.
    """
    if rows:
        _run(connection, _change(table, columns, keys, _is_sqlite(connection)), rows)


def add_entries(connection: Connection, rows: Sequence[Sequence[Any]]) -> Sequence[int]:
    """
    Add rows to the stream.

    Args:
        connection: with the journal's lock.
        rows: time, type, deployment, master, failover, observer and line of each; at least one.

    Returns:
        Their ids, in the order of the rows.
    """
    statement = _insert(entries, _ENTRY, _is_sqlite(connection))
    if _is_sqlite(connection):
        _run(connection, statement, rows)
        # SQLite counts on (AUTOINCREMENT), and this transaction is the only one that writes.
        last = connection.exec_driver_sql("SELECT max(id) FROM entries").scalar_one()
        return range(last - len(rows) + 1, last + 1)
    sql = f"{statement.sql} ORDER BY place RETURNING id"
    # Ids rise in the order in which the rows are added, whatever the order in which they are returned.
    return sorted(connection.exec_driver_sql(sql, _columns(statement, rows)).scalars())


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _run(connection: Connection, statement: _Statement, rows: Sequence[Sequence[Any]]) -> None:
    columns = _columns(statement, rows)
    if _is_sqlite(connection):
        connection.exec_driver_sql(statement.sql, list(zip(*columns, strict=True)))
    else:
        connection.exec_driver_sql(statement.sql, columns)


def _columns(statement: _Statement, rows: Sequence[Sequence[Any]]) -> tuple[list[Any], ...]:
    given = zip(statement.columns, zip(*rows, strict=True), strict=True)
    return tuple(_column(statement, name, values) for name, values in given)


def _column(statement: _Statement, name: str, values: Sequence[Any]) -> list[Any]:
    if name in statement.names:
        return [None if value is None else stored(value) for value in values]
    if name in statement.moments:
        return [None if value is None else float(value) for value in values]
    return list(values)


@lru_cache
def _insert(table: Table, columns: tuple[str, ...], sqlite: bool) -> _Statement:
    names = ", ".join(columns)
    if sqlite:
        return _statement(
            f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})", table, columns
        )
    given = f"{_arrays(table, columns)} WITH ORDINALITY AS given ({names}, place)"
    return _statement(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {given}", table, columns)


@lru_cache
def _change(table: Table, columns: tuple[str, ...], keys: tuple[str, ...], sqlite: bool) -> _Statement:
    given = (*columns, *keys)
    if sqlite:
        put, of = ", ".join(f"{name} = ?" for name in columns), " AND ".join(f"{name} = ?" for name in keys)
        return _statement(f"UPDATE {table.name} SET {put} WHERE {of}", table, given)
    put = ", ".join(f"{name} = given.{name}" for name in columns)
    of = " AND ".join(f"{table.name}.{name} = given.{name}" for name in keys)
    source = f"{_arrays(table, given)} AS given ({', '.join(given)})"
    return _statement(f"UPDATE {table.name} SET {put} FROM {source} WHERE {of}", table, given)


def _statement(sql: str, table: Table, columns: tuple[str, ...]) -> _Statement:
    names = frozenset(name for name in columns if isinstance(table.c[name].type, Name))
    moments = frozenset(name for name in columns if isinstance(table.c[name].type, Double))
    return _Statement(sql, columns, names, moments)


def _arrays(table: Table, columns: Iterable[str]) -> str:
    return f"unnest({', '.join(f'%b::{_array_type(table, name)}[]' for name in columns)})"


def _array_type(table: Table, column: str) -> str:
    of = table.c[column].type
    if isinstance(of, Double):
        return "float8"
    if isinstance(of, Boolean):
        return "bool"
    # A text that is too long for its column is refused there; a cast would cut it off.
    return "int8" if isinstance(of, Integer) else "text"
