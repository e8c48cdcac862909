"""
The rows of failovers and observations in one transaction: read for many entries at once, and written at once.

Hundreds of masters fail over in the same second, each in a dozen stages. A statement for each question and each change
would take most of the time, and over a network nearly all of it. `FailoverRows` reads what a batch of observations will
ask for in a few statements, keeps changes in memory, and writes them in a few more. A question about something that
was not read before reads it: what `prefetch` gets makes answers faster, never different.

Invariants:

- An answer is what the database would give if each change had been written at once: rows are changed under the
  journal's lock, and only through this object.
- Of a failover that is changed several times, only the last state is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from ..account.record import FailoverRecord, Observation, StageRecord
from ..account.record_lines import failover_from_line, observation_from_line, observation_to_json
from ..model import Address
from .fast_json import fast_json
from .many_rows import change_rows, insert_rows
from .merge import OPEN
from .missed import MISSED_NUMBERS
from .schema import comments, entries, failovers, observations, observers

__all__ = ["FailoverRow", "FailoverRows", "new_id"]

AT_ONCE: Final = 500
"""Masters that one statement asks about: SQLite and PostgreSQL limit the parameters of a statement."""

_FILED: Final = ("deployment", "master", "incarnation", "epoch", "new_host", "new_port", "attempted", "outcome")
_INDEXED: Final = (*_FILED, "kind", "missed", "started")
"""Columns in an index. SQLite writes each index again whose columns a statement sets, changed or not."""
_PLACE: Final = slice(3, 6)
"""Of these, the epoch and the new address: with the master and its incarnation, no two rows have the same."""
_PLAIN: Final = ("old_host", "old_port", "closed", "ended", "updated", "line")

# Built once: building a statement costs more than executing it.
_ROW: Final = [failovers.c[name] for name in ("id", "updated", "line", *_INDEXED)]
_OWN: Final = (
    select(observations.c.number, *_ROW)
    .join(failovers, failovers.c.id == observations.c.failover)
    .where(
        observations.c.observer == bindparam("our"),
        observations.c.deployment == bindparam("of"),
        observations.c.master.in_(bindparam("names", expanding=True)),
        observations.c.number.in_(bindparam("numbers", expanding=True)),
    )
)
_NAMED: Final = select(*_ROW).where(
    failovers.c.deployment == bindparam("of"), failovers.c.master.in_(bindparam("names", expanding=True))
)
_AT_EPOCHS: Final = _NAMED.where(failovers.c.epoch.in_(bindparam("epochs", expanding=True)))
_BETWEEN: Final = _NAMED.where(failovers.c.started <= bindparam("until"), failovers.c.updated >= bindparam("since"))
_BY_ID: Final = select(*_ROW).where(failovers.c.id.in_(bindparam("rows", expanding=True)))
_PARTS: Final = (
    select(observations, observers.c.name)
    .join(observers, observers.c.id == observations.c.observer)
    .where(observations.c.failover.in_(bindparam("rows", expanding=True)))
)


class Key(NamedTuple):
    """What identifies an observation."""

    observer: str
    deployment: str
    master: str
    number: int


@dataclass(slots=True)
class FailoverRow:
    """A row of ``failovers``, as it is in this transaction."""

    id: str
    incarnation: int
    epoch: int | None
    new: Address | None
    started: float
    updated: float
    line: str
    filed: tuple[Any, ...] | None
    """The values of its indexed columns in the database; None if the row is not there yet."""
    values: dict[str, Any] | None = None
    """What is to be written; None if nothing is."""
    stages: tuple[tuple[StageRecord, ...], str] | None = None
    """The stages of its record, and these as JSON; None if it was not written since it was read."""

    def record(self) -> FailoverRecord:
        """Return what the row says."""
        return failover_from_line(json.loads(self.line), started=self.started, heard=self.updated)


@dataclass(slots=True)
class _Part:
    """One observer's observation of a failover."""

    name: str
    """The observer's, for people."""
    text: str
    value: Observation | None = None
    """Read from the text when it is asked for."""
    stages: str | None = None
    """Its stages as JSON, if they were made already."""

    def observation(self) -> Observation:
        if self.value is None:
            self.value = observation_from_line(json.loads(self.text))
        return self.value


@dataclass(slots=True)
class _Master:
    """What is known of one master's rows."""

    rows: dict[str, FailoverRow] = field(default_factory=dict)
    epochs: list[frozenset[int]] = field(default_factory=list)
    """Epochs whose rows were read: a set for each time, shared by the masters that were read together."""
    since: float = float("inf")
    until: float = float("-inf")
    """The rows between these moments were read."""


class FailoverRows:
    """
    The rows that one transaction reads and changes, and those after it as long as nobody else writes.

    Args:
        connection: in a transaction of a writing engine.
        observer: the id of the run that writes.
        name: its name, for people.
    """

    def __init__(self, connection: Connection, observer: str, name: str) -> None:
        self.resume(connection)
        self._observer, self._name = observer, name
        self._masters: dict[tuple[str, str], _Master] = {}
        self._rows: dict[str, FailoverRow] = {}
        self._parts: dict[str, dict[Key, _Part]] = {}
        """By row, and complete for each."""
        self._own: dict[Key, str | None] = {}
        """The rows of our observations; None for one that is in no row."""
        self._stored: dict[Key, str] = {}
        """The same, as it is in the database."""
        self._absent: set[str] = set()
        """Ids that are known to belong to no row."""
        self._fetched: list[str] = []
        """Rows that are new here; those that were read from the database may lack their parts."""
        self._changed: dict[str, FailoverRow] = {}
        self._written: dict[Key, str] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def resume(self, connection: Connection) -> None:
        """Go on in the next transaction; nothing has been written since the last one was committed."""
        self._connection, self._execute = connection, connection.execute

    # -- questions ----------------------------------------------------------------------------------

    def prefetch(self, some: Sequence[Observation]) -> None:
        """Read what the questions about these observations will need."""
        by_deployment: dict[str, list[Observation]] = {}
        for one in some:
            by_deployment.setdefault(one.deployment, []).append(one)
        for deployment, of_it in by_deployment.items():
            for at in range(0, len(of_it), AT_ONCE):
                self._prefetch(deployment, of_it[at : at + AT_ONCE])

    def _prefetch(self, deployment: str, some: Sequence[Observation]) -> None:
        self._read_own(deployment, some)
        fresh, renumbered = [], []
        for one in some:
            own = self._own[self._key(one)]
            if own is None:
                fresh.append(one)
            if one.epoch is not None and (own is None or not _at_place(self._rows[own], one)):
                renumbered.append(one)
        if fresh:
            since, until = min(map(_begin, fresh)) - OPEN, max(one.heard for one in fresh) + OPEN
            self._read_between(deployment, {one.master for one in fresh}, since, until)
            self.read([new_id(one, self._observer, None) for one in fresh])
        if renumbered:
            epochs = {one.epoch for one in renumbered if one.epoch is not None}
            self._read_epochs(deployment, {one.master for one in renumbered}, epochs)
        fetched, self._fetched = self._fetched, []
        self._read_parts(fetched)

    def read(self, ids: Iterable[str]) -> None:
        """Read rows by their ids, unless they were read before."""
        unknown = [id for id in dict.fromkeys(ids) if id not in self._rows and id not in self._absent]
        self._absent.update(unknown)
        for at in range(0, len(unknown), AT_ONCE):
            asked = {"rows": unknown[at : at + AT_ONCE]}
            self._absent.difference_update(row.id for row, _ in self._keep_all(self._execute(_BY_ID, asked)))
        self._read_parts(id for id in unknown if id in self._rows)

    def get(self, id: str) -> FailoverRow | None:
        """Return a row; None if there is none of that id."""
        row = self._rows.get(id)
        if row is None:
            self.read([id])
            row = self._rows.get(id)
        return row

    def own(self, observation: Observation) -> FailoverRow | None:
        """Return the row that this very observation is in."""
        key = self._key(observation)
        if key not in self._own:
            self._read_own(observation.deployment, [observation])
        row = self._own[key]
        return None if row is None else self._rows[row]

    def at_epoch(self, deployment: str, master: str, incarnation: int, epoch: int) -> list[FailoverRow]:
        """Return the rows of an epoch."""
        of_master = self._of(deployment, master)
        if not any(epoch in read for read in of_master.epochs):
            self._read_epochs(deployment, {master}, {epoch})
        return [row for row in of_master.rows.values() if (row.incarnation, row.epoch) == (incarnation, epoch)]

    def at_place(self, deployment: str, master: str, incarnation: int, epoch: int, new: Address) -> FailoverRow | None:
        """Return the one row of an epoch and a new address."""
        for row in self._of(deployment, master).rows.values():
            if (row.incarnation, row.epoch, row.new) == (incarnation, epoch, new):
                return row
        return next((row for row in self.at_epoch(deployment, master, incarnation, epoch) if row.new == new), None)

    def near(self, observation: Observation) -> list[FailoverRow]:
        """Return the rows of attempts that were under way about when this one was, newest first."""
        since, until = _begin(observation) - OPEN, observation.heard + OPEN
        of_master = self._of(observation.deployment, observation.master)
        if not of_master.since <= since <= until <= of_master.until:
            self._read_between(observation.deployment, {observation.master}, since, until)
        found = [
            row
            for row in of_master.rows.values()
            if row.incarnation == observation.incarnation
            and row.started <= until
            and row.updated >= since
            and (observation.epoch is None or row.epoch is None)
        ]
        return sorted(found, key=lambda row: row.started, reverse=True)

    def parts(self, row: str, but: Observation | None = None) -> list[tuple[str, Observation]]:
        """Return the observations of a row, each with its observer's name; without ours that is given."""
        left_out = None if but is None else self._key(but)
        return [(part.name, part.observation()) for key, part in self._parts_of(row).items() if key != left_out]

    def has_ours(self, row: str) -> bool:
        """Return whether this run has an observation in a row; what it found to be missed does not count."""
        return any(key.observer == self._observer and key.number > MISSED_NUMBERS for key in self._parts_of(row))

    # -- changes ------------------------------------------------------------------------------------

    def put(self, id: str, record: FailoverRecord, line: str, stages: str | None = None) -> None:
        """Change a row, or add it; `stages` are the record's as JSON, if known."""
        row = self._rows.get(id)
        if row is None:
            row = FailoverRow(id, 0, None, None, 0.0, 0.0, "", None)
            self._keep(row, record.deployment, record.master)
            self._absent.discard(id)
            self._parts[id] = {}
        row.incarnation, row.epoch, row.new = record.incarnation, record.epoch, record.new
        row.started, row.updated, row.line = record.started, record.heard, line
        row.values = _columns(record, line)
        row.stages = None if stages is None else (record.stages, stages)
        self._changed[id] = row
        if row.filed is not None and row.filed[_PLACE] != _place(row) and None not in row.filed[_PLACE]:
            self.flush()  # no two rows may have one place, not even for a moment, and another may take this one

    def observe(self, observation: Observation, row: str, stages: str | None = None) -> None:
        """Put our observation into a row; it leaves the one that it was in. `stages` are its own as JSON, if known."""
        key = self._key(observation)
        before = self._own.get(key)
        if before is not None and before != row:
            self._parts_of(before).pop(key, None)
        self._parts_of(row)[key] = _Part(self._name, "", observation, stages)
        self._own[key] = self._written[key] = row

    def remove(self, row: str, target: str) -> None:
        """Remove a row without observations; what was said of it belongs to another."""
        self.flush()
        for table in (comments, entries):
            self._execute(update(table).where(table.c.failover == row).values(failover=target))
        self._execute(delete(failovers).where(failovers.c.id == row))
        del self._rows[row]
        self._absent.add(row)
        self._parts.pop(row, None)
        for of_master in self._masters.values():
            of_master.rows.pop(row, None)

    def flush(self) -> None:
        """Write all changes."""
        changed, self._changed = self._changed, {}
        new: list[tuple[Any, ...]] = []
        wide: list[tuple[Any, ...]] = []
        narrow: list[tuple[Any, ...]] = []
        for row in changed.values():
            values, row.values = row.values, None
            assert values is not None
            filed, row.filed = row.filed, _filed(values)
            if filed == row.filed:
                narrow.append((*_plain(values), row.id))
            else:
                (new if filed is None else wide).append((*row.filed, *_plain(values), row.id))
        insert_rows(self._connection, failovers, (*_INDEXED, *_PLAIN, "id"), new)
        change_rows(self._connection, failovers, (*_INDEXED, *_PLAIN), ("id",), wide)
        change_rows(self._connection, failovers, _PLAIN, ("id",), narrow)
        self._flush_parts()

    def _flush_parts(self) -> None:
        written, self._written = self._written, {}
        new: list[tuple[Any, ...]] = []
        moved: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        for key, row in written.items():
            part = self._parts[row][key]
            part.text, part.stages = observation_to_json(part.observation(), part.stages, fast_json), None
            before, self._stored[key] = self._stored.get(key), row
            if before == row:
                changed.append((part.text, *key))
            else:
                (new if before is None else moved).append((part.text, row, *key))
        insert_rows(self._connection, observations, ("record", "failover", *Key._fields), new)
        change_rows(self._connection, observations, ("record", "failover"), Key._fields, moved)
        change_rows(self._connection, observations, ("record",), Key._fields, changed)

    # -- reading ------------------------------------------------------------------------------------

    def _key(self, observation: Observation) -> Key:
        return Key(self._observer, observation.deployment, observation.master, observation.number)

    def _of(self, deployment: str, master: str) -> _Master:
        return self._masters.setdefault((deployment, master), _Master())

    def _keep(self, row: FailoverRow, deployment: str, master: str) -> FailoverRow:
        """Keep a row, unless it was read before: then it may have changed since."""
        if row.id not in self._rows:
            self._rows[row.id] = row
            self._fetched.append(row.id)
        row = self._rows[row.id]
        self._of(deployment, master).rows[row.id] = row
        return row

    def _keep_all(self, rows: Iterable[Row[Any]]) -> Iterator[tuple[Row[Any], FailoverRow]]:
        for row in rows:
            new = None if row.new_host is None else Address(row.new_host, row.new_port)
            filed = (
                *(row.deployment, row.master, row.incarnation, row.epoch, row.new_host, row.new_port),
                *(row.attempted, row.outcome, row.kind, row.missed, row.started),
            )
            found = FailoverRow(row.id, row.incarnation, row.epoch, new, row.started, row.updated, row.line, filed)
            yield row, self._keep(found, row.deployment, row.master)

    def _read_own(self, deployment: str, some: Sequence[Observation]) -> None:
        unknown = {key for one in some if (key := self._key(one)) not in self._own}
        for one in some:
            self._of(deployment, one.master)
        if not unknown:
            return
        asked = {"names": list({key.master for key in unknown}), "numbers": list({key.number for key in unknown})}
        rows = self._execute(_OWN, {"our": self._observer, "of": deployment, **asked})
        for row, kept in self._keep_all(rows):
            key = Key(self._observer, deployment, row.master, row.number)
            if key not in self._own:
                self._own[key] = self._stored[key] = kept.id
        for key in unknown:
            self._own.setdefault(key, None)

    def _read_epochs(self, deployment: str, names: set[str], epochs: set[int]) -> None:
        read = frozenset(epochs)
        asked: Mapping[str, Any] = {"of": deployment, "names": list(names), "epochs": list(epochs)}
        for _ in self._keep_all(self._execute(_AT_EPOCHS, asked)):
            pass
        for name in names:
            self._of(deployment, name).epochs.append(read)

    def _read_between(self, deployment: str, names: set[str], since: float, until: float) -> None:
        asked: Mapping[str, Any] = {"of": deployment, "names": list(names), "since": since, "until": until}
        for _ in self._keep_all(self._execute(_BETWEEN, asked)):
            pass
        for name in names:
            # Only the latest range is remembered: two that were read need not meet.
            of_master = self._of(deployment, name)
            of_master.since, of_master.until = since, until

    def _read_parts(self, rows: Iterable[str]) -> None:
        unknown = [row for row in dict.fromkeys(rows) if row not in self._parts]
        for row in unknown:
            self._parts[row] = {}
        for at in range(0, len(unknown), AT_ONCE):
            for part in self._execute(_PARTS, {"rows": unknown[at : at + AT_ONCE]}):
                key = Key(part.observer, part.deployment, part.master, part.number)
                self._parts[part.failover][key] = _Part(part.name, part.record)

    def _parts_of(self, row: str) -> dict[Key, _Part]:
        if row not in self._parts:
            self._read_parts([row])
        return self._parts[row]


_filed: Final = itemgetter(*_INDEXED)
_plain: Final = itemgetter(*_PLAIN)


def _place(row: FailoverRow) -> tuple[Any, ...]:
    return (row.epoch, *((None, None) if row.new is None else row.new))


def _begin(observation: Observation) -> float:
    return observation.started if observation.earliest is None else observation.earliest


def _at_place(row: FailoverRow, observation: Observation) -> bool:
    return (row.epoch, row.new) == (observation.epoch, observation.new)


def _columns(record: FailoverRecord, line: str) -> dict[str, Any]:
    """Return a failover's row, but for its id and acknowledgement."""
    old, new = record.old, record.new
    return {
        "deployment": record.deployment,
        "master": record.master,
        "incarnation": record.incarnation,
        "epoch": record.epoch,
        "old_host": None if old is None else old.host,
        "old_port": None if old is None else old.port,
        "new_host": None if new is None else new.host,
        "new_port": None if new is None else new.port,
        "outcome": record.outcome,
        "kind": record.kind,
        "attempted": record.attempted,
        "missed": record.missed,
        "closed": record.closed,
        "started": record.started,
        "ended": record.heard if record.closed else None,
        "updated": record.heard,
        "line": line,
    }


def new_id(observation: Observation, observer: str, left: str | None) -> str:
    """Return an id that says when it began and is unique: ``20261125T030000Z-1a2b3c4d``."""
    who = "\0".join((observation.deployment, observation.master, observer, str(observation.number), str(left)))
    digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{datetime.fromtimestamp(observation.started, UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"
