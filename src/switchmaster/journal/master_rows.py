"""
The rows of ``masters`` in one transaction: read for many masters at once, and written at once.

As in `failover_rows`, an answer is what the database would give if each change had been written at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select

from ..model import Address
from .many_rows import change_rows, insert_rows
from .schema import masters

__all__ = ["MasterRow", "MasterRows"]

AT_ONCE: Final = 500
"""Masters that one statement asks about."""

_KEY: Final = ("deployment", "master")
_VALUES: Final = ("incarnation", "epoch", "host", "port", "since")
_NAMED: Final = select(masters).where(
    masters.c.deployment == bindparam("of"), masters.c.master.in_(bindparam("names", expanding=True))
)


class MasterRow(NamedTuple):
    """Where a master was last known to be."""

    incarnation: int
    epoch: int | None
    address: Address
    since: float
    """Seconds since 1970."""


class MasterRows:
    """
    The rows of the masters that one transaction is about.

    Args:
        connection: in a transaction of a writing engine.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[tuple[str, str], MasterRow | None] = {}
        self._stored: set[tuple[str, str]] = set()
        self._changed: dict[tuple[str, str], MasterRow] = {}

    def prefetch(self, some: Iterable[tuple[str, str]]) -> None:
        """Read the rows of these masters (deployment, name), unless they were read before."""
        by_deployment: dict[str, list[str]] = {}
        for deployment, master in dict.fromkeys(some):
            if (deployment, master) not in self._rows:
                self._rows[deployment, master] = None
                by_deployment.setdefault(deployment, []).append(master)
        for deployment, names in by_deployment.items():
            for at in range(0, len(names), AT_ONCE):
                asked = {"of": deployment, "names": names[at : at + AT_ONCE]}
                for row in self._connection.execute(_NAMED, asked):
                    found = MasterRow(row.incarnation, row.epoch, Address(row.host, row.port), row.since)
                    self._rows[deployment, row.master] = found
                    self._stored.add((deployment, row.master))

    def get(self, deployment: str, master: str) -> MasterRow | None:
        """Return a master's row; None if it has none."""
        if (deployment, master) not in self._rows:
            self.prefetch([(deployment, master)])
        return self._rows[deployment, master]

    def put(self, deployment: str, master: str, row: MasterRow) -> None:
        """Change a master's row, or add it."""
        self.get(deployment, master)
        self._rows[deployment, master] = self._changed[deployment, master] = row

    def flush(self) -> None:
        """Write all changes."""
        changed, self._changed = self._changed, {}
        new: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        for key, row in changed.items():
            values = (row.incarnation, row.epoch, *row.address, row.since, *key)
            (old if key in self._stored else new).append(values)
        self._stored.update(changed)
        insert_rows(self._connection, masters, (*_VALUES, *_KEY), new)
        change_rows(self._connection, masters, _VALUES, _KEY, old)
