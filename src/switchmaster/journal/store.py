"""
Entries to rows, inside one writing transaction.

`Store.apply` takes entries in order, under the journal's lock: what it reads still holds when it writes. An entry that
is applied twice changes nothing the second time, and entries of several observers meet in one row for each switch and
each failover. The store keeps what it has learned in a transaction only on `commit`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, insert, select, update

from ..account.record import FailoverRecord, Observation, SwitchRecord
from ..account.record_lines import (
    failover_from_line,
    failover_to_line,
    observation_from_line,
    observation_to_line,
    switch_to_line,
)
from ..model import Address
from ..render import Line, to_json
from .entries import Alive, Entry, Seen, Sighting, SwitchSeen, WatchStarted
from .last_known import LastKnown
from .merge import OPEN, merged, same_failover
from .missed import MISSED_NUMBERS, missed_failover, missed_switch
from .relay_rows import exchange_relays
from .schema import comments, deployments, entries, failovers, observations, observers
from .switches import record_switch

__all__ = ["Store", "Written"]

CANDIDATES: Final = 20
"""Rows that an observation without an epoch is compared with, newest first."""
END_UNSEEN: Final = "its end was not seen: no daemon was connected to a Sentinel"

# Built once: building these statements for every observation would cost as much as executing them.
_OWN: Final = and_(
    observations.c.observer == bindparam("our"),
    observations.c.deployment == bindparam("our_deployment"),
    observations.c.master == bindparam("our_master"),
    observations.c.number == bindparam("our_number"),
)
_OWN_ROW: Final = select(observations.c.failover).where(_OWN)
_CHANGE_OWN: Final = update(observations).where(_OWN)
_ROW: Final = select(failovers.c.line, failovers.c.updated).where(failovers.c.id == bindparam("row"))
_CHANGE_ROW: Final = update(failovers).where(failovers.c.id == bindparam("row"))
_BY_EPOCH: Final = select(failovers.c.id, failovers.c.new_host, failovers.c.new_port).where(
    failovers.c.deployment == bindparam("of"),
    failovers.c.master == bindparam("name"),
    failovers.c.incarnation == bindparam("count"),
    failovers.c.epoch == bindparam("at"),
)
_ALL: Final = (
    select(observers.c.name, observations.c.record)
    .join(observers, observers.c.id == observations.c.observer)
    .where(observations.c.failover == bindparam("row"))
)
_OTHERS: Final = _ALL.where(~_OWN)


@dataclass(frozen=True, slots=True)
class Written:
    """A line that a commit added to the stream."""

    id: int
    line: Line
    failover: str | None = None
    """The id of the failover that it is about."""


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

    def rollback(self) -> None:
        """Forget what was learned: the transaction is gone."""
        self._last_known.rollback()

    def apply(self, connection: Connection, batch: Iterable[Entry]) -> list[Written]:
        """
        Write entries in order.

        Args:
            connection: in a transaction of a writing engine.
            batch: what to write.

        Returns:
            What they added to the stream; nothing for what the journal had already.
        """
        written: list[Written] = []
        for only_told, some in groupby(batch, key=lambda entry: isinstance(entry, Seen)):
            if only_told:
                written += self._tell_all(connection, [entry for entry in some if isinstance(entry, Seen)])
            else:
                for entry in some:
                    written += self._apply(connection, entry)
        return written

    def _apply(self, connection: Connection, entry: Entry) -> list[Written]:
        match entry:
            case Seen():
                return self._tell_all(connection, [entry])
            case Alive():
                self._alive(connection, entry)
                return []
            case WatchStarted():
                self._last_known.restart(entry.deployment)
                return []
            case SwitchSeen():
                return self._switch(connection, entry)
            case Sighting():
                return self._sighting(connection, entry)
            case Observation():
                incarnation = self._last_known.incarnation(
                    connection, entry.deployment, entry.master, entry.incarnation
                )
                return self._observation(connection, replace(entry, incarnation=incarnation))

    def doubted(self) -> set[tuple[str, str]]:
        """Return, and forget, the masters (deployment, name) whose sighting could not be judged yet."""
        return self._last_known.doubted()

    def relays(self) -> dict[str, tuple[Address, ...]] | None:
        """Return, and forget, the other runs' relays by deployment; None if they were not read since the last call."""
        relays, self._relays = self._relays, None
        return relays

    def close_unseen(self, connection: Connection, now: float) -> list[Written]:
        """Close the failovers without news for so long that none will come."""
        limit = now - OPEN - 60
        rows = connection.execute(
            select(failovers).where(failovers.c.closed.is_(False), failovers.c.updated < limit).limit(1_000)
        ).all()
        written = []
        for row in rows:
            written += self._put(connection, _unseen_end(_failover(row), row.id), row.id)
        return written

    # -- the stream ---------------------------------------------------------------------------------

    def _tell(self, connection: Connection, time: float, line: Line, failover: str | None = None) -> Written:
        key = connection.execute(insert(entries), self._row(time, line, failover)).inserted_primary_key
        assert key is not None
        return Written(key[0], line, failover)

    def _tell_all(self, connection: Connection, some: Sequence[Seen]) -> list[Written]:
        """Write many at once: events come by the thousand."""
        rows = [self._row(one.time, one.line, None) for one in some]
        asked = insert(entries).returning(entries.c.id, sort_by_parameter_order=True)
        ids = connection.execute(asked, rows).scalars()
        return [Written(id, one.line) for id, one in zip(ids, some, strict=True)]

    def _row(self, time: float, line: Line, failover: str | None) -> dict[str, Any]:
        return {
            "time": time,
            "type": line["type"],
            "deployment": line.get("deployment"),
            "master": line.get("master"),
            "failover": failover,
            "observer": self.observer,
            "line": to_json(line),
        }

    def _alive(self, connection: Connection, entry: Alive) -> None:
        connection.execute(update(observers).where(observers.c.id == self.observer).values(seen=entry.time))
        self._relays = exchange_relays(connection, self.observer, entry.relays, entry.time)
        for name in entry.deployments:
            changed = connection.execute(
                update(deployments).where(deployments.c.deployment == name).values(heard=entry.time)
            )
            if not changed.rowcount:
                connection.execute(insert(deployments).values(deployment=name, heard=entry.time))

    # -- switches and heads -------------------------------------------------------------------------

    def _switch(self, connection: Connection, entry: SwitchSeen) -> list[Written]:
        said = entry.switch
        incarnation = self._last_known.incarnation(connection, said.deployment, said.master, said.incarnation)
        seen = replace(entry, switch=replace(said, incarnation=incarnation))
        switch, first = record_switch(connection, seen, self.name)
        if not self._past:
            place = (said.epoch, said.new, entry.time)
            self._last_known.move(connection, said.deployment, said.master, incarnation, *place)
        if switch is None:
            return []
        # A switch only once, so that a reader of the stream gets no second line when witnesses are added.
        line = switch_to_line(switch)
        told = line if first else {**line, "type": "witness"}
        return [self._tell(connection, entry.time, told, _failover_of(connection, switch))]

    def _sighting(self, connection: Connection, entry: Sighting) -> list[Written]:
        missed = self._last_known.sight(connection, entry)
        if missed is None:
            return []
        written = self._observation(connection, missed_failover(entry, missed))
        if missed.old == entry.address:
            return written
        seen = missed_switch(entry, missed)
        switch, first = record_switch(connection, seen, self.name)
        if switch is None or not first:
            return written
        told = self._tell(connection, entry.time, switch_to_line(switch), _failover_of(connection, switch))
        return [*written, told]

    # -- failovers ----------------------------------------------------------------------------------

    def _observation(self, connection: Connection, observation: Observation) -> list[Written]:
        own = self._own_row(connection, observation)
        target = self._by_epoch(connection, observation)
        if target is None and own is not None and self._still_fits(connection, observation, own):
            target = own
        target = target or self._by_time(connection, observation, own) or _new_id(observation, self.observer, own)
        written = self._put(connection, observation, target)
        if own not in (None, target):
            self._leave(connection, str(own), target)
        return written

    def _own_row(self, connection: Connection, observation: Observation) -> str | None:
        found: str | None = connection.scalar(_OWN_ROW, self._key(observation))
        return found

    def _key(self, observation: Observation) -> dict[str, Any]:
        """Return the parameters of `_OWN`."""
        return {
            "our": self.observer,
            "our_deployment": observation.deployment,
            "our_master": observation.master,
            "our_number": observation.number,
        }

    def _by_epoch(self, connection: Connection, observation: Observation) -> str | None:
        """
        Return the row of that very epoch; the one with the same new address before one without any.

        `same_failover` needs no more than this where both epochs are known, so no record is read.
        """
        if observation.epoch is None:
            return None
        master = {"of": observation.deployment, "name": observation.master, "count": observation.incarnation}
        rows = connection.execute(_BY_EPOCH, {**master, "at": observation.epoch}).all()
        known = {row.id: (row.new_host, row.new_port) for row in rows}
        if observation.new is not None:
            same = next((row for row, new in known.items() if new == observation.new), None)
            return same or next((row for row, (host, _) in known.items() if host is None), None)
        return next(iter(known), None)

    def _still_fits(self, connection: Connection, observation: Observation, row: str) -> bool:
        others = _observed(connection, _OTHERS, {"row": row, **self._key(observation)})
        return all(same_failover(observation, other) for _, other in others)

    def _by_time(self, connection: Connection, observation: Observation, but: str | None) -> str | None:
        """Return the row of an attempt that may be the same: without both epochs, time decides."""
        begin = observation.started if observation.earliest is None else observation.earliest
        unknown = [failovers.c.epoch.is_(None)] if observation.epoch is not None else []
        rows = connection.execute(
            select(failovers)
            .where(*_master(observation), *unknown)
            .where(failovers.c.started <= observation.heard + OPEN, failovers.c.updated >= begin - OPEN)
            .order_by(failovers.c.started.desc())
            .limit(CANDIDATES)
        ).all()
        for row in rows:
            if row.id == but or not same_failover(observation, _failover(row)):
                continue
            if observation.missed or not self._is_ours(connection, row.id):
                return str(row.id)
        return None

    def _is_ours(self, connection: Connection, row: str) -> bool:
        """Return whether this run has an observation in this row: another one of ours is not of the same attempt."""
        # But one that we recorded as missed may be the one whose end comes now.
        ours = select(observations.c.number).where(
            observations.c.failover == row,
            observations.c.observer == self.observer,
            observations.c.number > MISSED_NUMBERS,
        )
        return connection.execute(ours.limit(1)).first() is not None

    def _put(self, connection: Connection, observation: Observation, row: str) -> list[Written]:
        """Write the observation and its row again; return nothing if nothing changed."""
        known = connection.execute(_ROW, {"row": row}).first()
        rest = _observed(connection, _OTHERS, {"row": row, **self._key(observation)})
        whole = replace(merged([*rest, (self.name, observation)]), id=row)
        line = failover_to_line(whole)
        text = to_json(line)
        values = _columns(whole, text)
        if known is None:
            connection.execute(insert(failovers), {"id": row, "acknowledged": None, **values})
        elif known.line != text or known.updated != whole.heard:
            connection.execute(_CHANGE_ROW, {"row": row, **values})
        self._observe(connection, observation, row)
        if known is not None and known.line == text:
            return []
        return [self._tell(connection, whole.heard, line, row)]

    def _observe(self, connection: Connection, observation: Observation, row: str) -> None:
        key, values = self._key(observation), {"failover": row, "record": to_json(observation_to_line(observation))}
        if not connection.execute(_CHANGE_OWN, {**key, **values}).rowcount:
            names = {name: key[f"our_{name}"] for name in ("deployment", "master", "number")}
            connection.execute(insert(observations), {"observer": self.observer, **names, **values})

    def _leave(self, connection: Connection, row: str, target: str) -> None:
        """Write a row again that an observation has left; remove it if that was the last one."""
        rest = _observed(connection, _ALL, {"row": row})
        if rest:
            whole = replace(merged(rest), id=row)
            connection.execute(_CHANGE_ROW, {"row": row, **_columns(whole, to_json(failover_to_line(whole)))})
            return
        for table in (comments, entries):
            connection.execute(update(table).where(table.c.failover == row).values(failover=target))
        connection.execute(delete(failovers).where(failovers.c.id == row))


def _master(observation: Observation) -> tuple[Any, ...]:
    return (
        failovers.c.deployment == observation.deployment,
        failovers.c.master == observation.master,
        failovers.c.incarnation == observation.incarnation,
    )


def _observed(
    connection: Connection, asked: Select[Any], parameters: Mapping[str, Any]
) -> list[tuple[str, Observation]]:
    """Return the observations of a row, each with its observer's name."""
    rows = connection.execute(asked, parameters)
    return [(name, observation_from_line(json.loads(record))) for name, record in rows]


def _failover_of(connection: Connection, switch: SwitchRecord) -> str | None:
    """Return the id of the failover that a switch belongs to."""
    if switch.epoch is None:
        return None
    found: str | None = connection.scalar(
        select(failovers.c.id).where(
            failovers.c.deployment == switch.deployment,
            failovers.c.master == switch.master,
            failovers.c.incarnation == switch.incarnation,
            failovers.c.epoch == switch.epoch,
            failovers.c.new_host == switch.new.host,
            failovers.c.new_port == switch.new.port,
        )
    )
    return found


def _new_id(observation: Observation, observer: str, left: str | None) -> str:
    """Return an id that says when it began and is unique: ``20261125T030000Z-1a2b3c4d``."""
    who = "\0".join((observation.deployment, observation.master, observer, str(observation.number), str(left)))
    digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{datetime.fromtimestamp(observation.started, UTC):%Y%m%dT%H%M%SZ}-{digest[:8]}"


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


def _failover(row: Row[Any]) -> FailoverRecord:
    return failover_from_line(json.loads(row.line), started=row.started, heard=row.updated)


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
