"""
Questions about failovers to an SQLite journal, by Python's own sqlite3.

For the verbs that ask once: SQLAlchemy, which knows every database, takes three times as long to import as the rest of
such a verb takes as a whole.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import JournalUnavailable
from .database_errors import BUSY, NO_FILE, advice_for
from .failover_queries import Query
from .failover_reader import FailoverReader

__all__ = ["SqliteReader", "plain_sqlite_file"]

_PLAIN_URL: Final = re.compile(r"sqlite:///([^?#%@:\\\s]+)")
"""A URL of SQLite that nobody could read otherwise: no driver, no options, no escapes."""


def plain_sqlite_file(url: str) -> Path | None:
    """Return the file of a journal in SQLite; None for another database, and for a URL that only SQLAlchemy reads."""
    found = _PLAIN_URL.fullmatch(url)
    return None if found is None else Path(found[1])


class SqliteReader(FailoverReader):
    """
    Questions to one journal in SQLite; for one thread.

    Args:
        url: of the journal, for errors.
        file: the journal; opened at the first question.
    """

    def __init__(self, url: str, file: Path) -> None:
        self._url, self._file = url, file
        self._connection: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"<SqliteReader of {self._url}>"

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, *queries: Query) -> list[Sequence[Sequence[Any]]]:
        try:
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                return [connection.execute(query.sql, query.parameters).fetchall() for query in queries]
            finally:
                connection.rollback()
        except sqlite3.Error as error:
            reason = " ".join(str(error).split())
            raise JournalUnavailable(self._url, reason, advice_for(reason)) from error

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # Connecting would create an empty file.
            if not self._file.exists():
                raise JournalUnavailable(self._url, *NO_FILE)
            # Absolute: the program may change its folder. The driver begins no transaction: `_ask` does.
            self._connection = sqlite3.connect(os.path.abspath(self._file), timeout=BUSY, isolation_level=None)
        return self._connection
