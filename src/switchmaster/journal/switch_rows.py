"""
The rows of ``switches`` in one transaction: read for many masters at once, and written at once.

As in `failover_rows`, an answer is what the database would give if each change had been written at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, or_, select

from ..model import Address
from .many_rows import change_rows, insert_rows
from .schema import ANY_EPOCH, switches

__all__ = ["SwitchRow", "SwitchRows"]

AT_ONCE: Final = 500
"""Masters that one statement asks about."""

_NAMED: Final = select(switches).where(
    switches.c.deployment == bindparam("of"), switches.c.master.in_(bindparam("names", expanding=True))
)
_AT_EPOCHS: Final = _NAMED.where(
    or_(switches.c.epoch <= ANY_EPOCH, switches.c.epoch.in_(bindparam("epochs", expanding=True)))
)
_BETWEEN: Final = _NAMED.where(switches.c.time >= bindparam("since"), switches.c.time <= bindparam("until"))
_PLACE: Final = ("deployment", "master", "incarnation", "host", "port")
_CHANGED: Final = ("epoch", "time", "line")


@dataclass(slots=True, eq=False)
class SwitchRow:
    """A row of ``switches``, as it is in this transaction."""

    id: float
    """Infinite as long as the database has not given one: it will be the highest."""
    deployment: str
    master: str
    incarnation: int
    epoch: int
    address: Address
    time: float
    line: str


@dataclass(slots=True)
class _Master:
    """What is known of one master's rows."""

    rows: list[SwitchRow] = field(default_factory=list)
    epochs: list[frozenset[int]] = field(default_factory=list)
    """Epochs whose rows were read, and those without an epoch too; a set for each time, shared by masters."""
    since: float = inf
    until: float = -inf
    """The rows between these moments were read."""


class SwitchRows:
    """
    The rows that one transaction reads and changes.

    Args:
        connection: in a transaction of a writing engine.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._masters: dict[tuple[str, str], _Master] = {}
        self._known: set[float] = set()
        """The ids of all rows that were read."""
        self._new: list[SwitchRow] = []
        self._changed: dict[float, SwitchRow] = {}

    # -- questions ----------------------------------------------------------------------------------

    def prefetch(self, some: Iterable[tuple[str, str, int | None, float, float]]) -> None:
        """
        Read what the questions about these switches will need.

        Args:
            some: deployment and name of the master, epoch, and the moments between which the last switch counts.
        """
        by_deployment: dict[str, list[tuple[str, int | None, float, float]]] = {}
        for deployment, *of in ((one[0], one[1:]) for one in some):
            by_deployment.setdefault(deployment, []).extend(of)
        for deployment, of_it in by_deployment.items():
            for at in range(0, len(of_it), AT_ONCE):
                part = of_it[at : at + AT_ONCE]
                names = {name for name, *_ in part}
                self._read_epochs(deployment, names, {epoch for _, epoch, *_ in part if epoch is not None})
                since, until = min(one[2] for one in part), max(one[3] for one in part)
                self._read_between(deployment, names, since, until)

    def at(
        self, deployment: str, master: str, incarnation: int, epoch: int | None, address: Address
    ) -> list[SwitchRow]:
        """Return the rows of an address with this epoch; with None, those without an epoch."""
        of_master = self._of(deployment, master)
        if not any(epoch is None or epoch in read for read in of_master.epochs):
            self._read_epochs(deployment, {master}, set() if epoch is None else {epoch})
        return [
            row
            for row in of_master.rows
            if (row.incarnation, row.address) == (incarnation, address)
            and (row.epoch <= ANY_EPOCH if epoch is None else row.epoch == epoch)
        ]

    def last(self, deployment: str, master: str, incarnation: int, since: float, until: float) -> SwitchRow | None:
        """Return the last switch between two moments."""
        of_master = self._of(deployment, master)
        if not of_master.since <= since <= until <= of_master.until:
            self._read_between(deployment, {master}, since, until)
        found = [row for row in of_master.rows if row.incarnation == incarnation and since <= row.time <= until]
        # The later one of those that were added at the same time has the higher id, or comes later here.
        return max(reversed(found), key=lambda row: (row.time, row.id), default=None)

    # -- changes ------------------------------------------------------------------------------------

    def add(self, row: SwitchRow) -> None:
        """Add a row, after all others; its id is infinite."""
        self._of(row.deployment, row.master).rows.append(row)
        self._new.append(row)

    def change(self, row: SwitchRow, epoch: int, time: float, line: str) -> None:
        """Change a row."""
        row.epoch, row.time, row.line = epoch, time, line
        if row.id != inf:
            self._changed[row.id] = row

    def remove(self, row: SwitchRow) -> None:
        """Remove a row."""
        self._of(row.deployment, row.master).rows.remove(row)
        if row.id == inf:
            self._new.remove(row)
            return
        self._changed.pop(row.id, None)
        self._connection.execute(delete(switches).where(switches.c.id == int(row.id)))

    def flush(self) -> None:
        """Write all changes."""
        new, self._new = self._new, []
        changed, self._changed = self._changed, {}
        change_rows(
            self._connection, switches, _CHANGED, ("id",), [(*_changed(row), row.id) for row in changed.values()]
        )
        insert_rows(self._connection, switches, (*_PLACE, *_CHANGED), [(*_place(row), *_changed(row)) for row in new])

    # -- reading ------------------------------------------------------------------------------------

    def _of(self, deployment: str, master: str) -> _Master:
        return self._masters.setdefault((deployment, master), _Master())

    def _read_epochs(self, deployment: str, names: set[str], epochs: set[int]) -> None:
        self._read(deployment, _AT_EPOCHS, {"names": list(names), "epochs": list(epochs)})
        read = frozenset(epochs)
        for name in names:
            self._of(deployment, name).epochs.append(read)

    def _read_between(self, deployment: str, names: set[str], since: float, until: float) -> None:
        self._read(deployment, _BETWEEN, {"names": list(names), "since": since, "until": until})
        for name in names:
            of_master = self._of(deployment, name)
            of_master.since, of_master.until = since, until

    def _read(self, deployment: str, asked: Any, parameters: dict[str, Any]) -> None:
        for row in self._connection.execute(asked, {"of": deployment, **parameters}):
            if row.id not in self._known:
                self._known.add(row.id)
                place = (row.incarnation, row.epoch, Address(row.host, row.port))
                kept = SwitchRow(row.id, deployment, row.master, *place, row.time, row.line)
                self._of(deployment, row.master).rows.append(kept)


def _place(row: SwitchRow) -> tuple[Any, ...]:
    return (row.deployment, row.master, row.incarnation, *row.address)


def _changed(row: SwitchRow) -> tuple[Any, ...]:
    return (row.epoch, row.time, row.line)
