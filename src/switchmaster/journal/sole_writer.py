"""
Whether anybody else has written the journal since this run did. If not, what this run has read and written still holds.

SQLite counts the commits of other connections (``PRAGMA data_version``). PostgreSQL numbers transactions. Those that
write the journal hold its lock and get their number under it: where ours is the next after our last one, none of them
came between. Others that write, such as leases, only make it look as if one had.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

__all__ = ["SoleWriter"]

_LAST: Final = "switchmaster.sole_writer"
"""Where a connection keeps who used it last: SQLite does not count a connection's own commits."""
_NUMBER: Final = text("SELECT txid_current()")


class SoleWriter:
    """The writing transactions of one run, in order."""

    def __init__(self) -> None:
        self._expected: int | None = None
        """What the next transaction's mark is if nobody writes before it; None if nothing is known."""
        self._next: int | None = None
        """The same, if the transaction that is open is committed."""

    def begin(self, connection: Connection) -> bool:
        """
        Note a transaction that has begun.

        Args:
            connection: in a transaction of a writing engine.

        Returns:
            Whether everything is as the last transaction that was committed has left it.
        """
        if connection.dialect.name == "sqlite":
            ours = connection.info.get(_LAST) is self
            connection.info[_LAST] = self
            mark = self._next = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            if not ours:
                self._expected = None  # the count is of one connection
        else:
            mark = connection.execute(_NUMBER).scalar_one()
            self._next = mark + 1
        expected, self._expected = self._expected, None
        return expected is not None and expected == mark

    def commit(self) -> None:
        """Note that this transaction was committed."""
        self._expected, self._next = self._next, None

    def forget(self) -> None:
        """Note that a transaction was rolled back, or changed what it did not read."""
        self._expected = self._next = None
