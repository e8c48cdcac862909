"""
The entries of one transaction: what each changes, in order, and what it adds to the stream.

A `Batch` lives as long as its transaction. It reads the rows that its entries are about before it begins
(`failover_rows`, `switch_rows`, `master_rows`), and writes what has changed at its end, the stream last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, insert, update

from ..account.record import FailoverRecord, Observation, SwitchRecord
from ..account.record_lines import failover_to_json, failover_to_line, stages_to_json, switch_to_line
from ..model import Address
from ..render import Line
from .entries import Alive, Draft, Entry, Seen, Sighting, SwitchSeen, WatchStarted
from .failover_rows import FailoverRow, FailoverRows, new_id
from .fast_json import fast_json
from .last_known import LastKnown
from .many_rows import add_entries
from .master_rows import MasterRow, MasterRows
from .merge import merged, same_failover
from .missed import missed_failover, missed_switch
from .relay_rows import exchange_relays
from .schema import deployments, observers
from .switch_rows import SwitchRows
from .switches import prefetch_switches, record_switch

__all__ = ["Batch", "Written"]

CANDIDATES: Final = 20
"""Rows that an observation without an epoch is compared with, newest first."""


@dataclass(frozen=True, slots=True)
class Written:
    """A line that a commit added to the stream."""

    id: int
    said: Line | FailoverRecord
    """The line, or the record whose line it is."""
    failover: str | None = None
    """The id of the failover that it is about."""

    @property
    def type(self) -> str:
        """The type of the line."""
        return "failover" if isinstance(self.said, FailoverRecord) else str(self.said["type"])

    @property
    def missed(self) -> bool:
        """Whether it is of a failover that no daemon heard."""
        return self.said.missed if isinstance(self.said, FailoverRecord) else bool(self.said.get("missed"))

    @property
    def line(self) -> Line:
        """The line; of a failover it is made with each call."""
        return failover_to_line(self.said) if isinstance(self.said, FailoverRecord) else self.said


class _Told(NamedTuple):
    """A line that will be added to the stream."""

    time: float
    said: Line | FailoverRecord
    text: str
    failover: str | None


class Batch:
    """
    What one transaction of one run writes.

    Args:
        connection: in a transaction of a writing engine.
        observer: the run's id.
        name: the name that people know the daemon by.
        last_known: what the run has learned in the transactions before.
        failovers: the rows of failovers, on this connection.
        past: whether all entries are of the past.
    """

    def __init__(
        self,
        connection: Connection,
        observer: str,
        name: str,
        last_known: LastKnown,
        failovers: FailoverRows,
        *,
        past: bool = False,
    ) -> None:
        self._connection = connection
        self._observer, self._name = observer, name
        self._last_known = last_known
        self._past = past
        self._failovers = failovers
        self._switches = SwitchRows(connection)
        self._masters = MasterRows(connection)
        self._told: list[_Told] = []
        self._written: list[Written] = []
        self.relays: dict[str, tuple[Address, ...]] | None = None
        """The other runs' relays by deployment; None if no entry asked for them."""

    def write(self, some: Sequence[Entry]) -> list[Written]:
        """Write entries in order, and return what they added to the stream."""
        made = [entry.make() if isinstance(entry, Draft) else entry for entry in some]
        self._prefetch(made)
        for entry in made:
            self._apply(entry)
        return self._end()

    def close(self, ends: Sequence[tuple[str, Observation]]) -> list[Written]:
        """Put an observation into each of these rows, and return what that added to the stream."""
        self._failovers.read([row for row, _ in ends])
        for row, observation in ends:
            self._put(observation, row)
        return self._end()

    def _prefetch(self, some: Sequence[Entry]) -> None:
        seen = [entry for entry in some if isinstance(entry, Observation)]
        switched = [entry for entry in some if isinstance(entry, SwitchSeen)]
        restarted = {entry.deployment for entry in some if isinstance(entry, WatchStarted)}
        names = {(entry.deployment, entry.master) for entry in some if isinstance(entry, (Observation, Sighting))}
        unknown = {key for key in names if key[0] in restarted or not self._last_known.knows(*key)}
        needed = {(entry.switch.deployment, entry.switch.master) for entry in switched}
        needed |= {(entry.deployment, entry.master) for entry in some if isinstance(entry, Sighting)}
        self._masters.prefetch(unknown | needed)
        self._failovers.prefetch(seen)
        prefetch_switches(self._switches, switched)

    def _apply(self, entry: Entry) -> None:
        match entry:
            case Seen():
                self._tell(entry.time, entry.line)
            case Observation():
                self._observation(self._counted(entry))
            case SwitchSeen():
                self._switch(entry)
            case Sighting():
                self._sighting(entry)
            case Alive():
                self._alive(entry)
            case WatchStarted():
                self._last_known.restart(entry.deployment)

    def _end(self) -> list[Written]:
        self._failovers.flush()
        self._switches.flush()
        self._masters.flush()
        self._flush_told()
        return self._written

    # -- the stream ---------------------------------------------------------------------------------

    def _tell(self, time: float, line: Line, failover: str | None = None) -> None:
        self._told.append(_Told(time, line, fast_json(line), failover))

    def _flush_told(self) -> None:
        told, self._told = self._told, []
        if told:
            ids = add_entries(self._connection, [self._row(one) for one in told])
            self._written += [Written(id, one.said, one.failover) for id, one in zip(ids, told, strict=True)]

    def _row(self, told: _Told) -> tuple[Any, ...]:
        said = told.said
        if isinstance(said, FailoverRecord):
            what: tuple[Any, ...] = ("failover", said.deployment, said.master)
        else:
            what = (said["type"], said.get("deployment"), said.get("master"))
        return (told.time, *what, told.failover, self._observer, told.text)

    def _alive(self, entry: Alive) -> None:
        execute = self._connection.execute
        execute(update(observers).where(observers.c.id == self._observer).values(seen=entry.time))
        self.relays = exchange_relays(self._connection, self._observer, entry.relays, entry.time)
        for name in entry.deployments:
            changed = execute(update(deployments).where(deployments.c.deployment == name).values(heard=entry.time))
            if not changed.rowcount:
                execute(insert(deployments).values(deployment=name, heard=entry.time))

    # -- switches and sightings ---------------------------------------------------------------------

    def _switch(self, entry: SwitchSeen) -> None:
        said = entry.switch
        incarnation = self._last_known.incarnation(self._masters, said.deployment, said.master, said.incarnation)
        seen = replace(entry, switch=replace(said, incarnation=incarnation))
        switch, first = record_switch(self._switches, seen, self._name)
        if not self._past:
            place = MasterRow(incarnation, said.epoch, said.new, entry.time)
            self._last_known.move(self._masters, said.deployment, said.master, place)
        if switch is None:
            return
        # A switch only once, so that a reader of the stream gets no second line when witnesses are added.
        line = switch_to_line(switch)
        self._tell(entry.time, line if first else {**line, "type": "witness"}, self._failover_of(switch))

    def _sighting(self, entry: Sighting) -> None:
        missed = self._last_known.sight(self._connection, self._masters, self._switches, entry)
        if missed is None:
            return
        self._observation(missed_failover(entry, missed))
        if missed.old == entry.address:
            return
        seen = missed_switch(entry, missed)
        switch, first = record_switch(self._switches, seen, self._name)
        if switch is not None and first:
            self._tell(entry.time, switch_to_line(switch), self._failover_of(switch))

    def _failover_of(self, switch: SwitchRecord) -> str | None:
        """Return the id of the failover that a switch belongs to."""
        if switch.epoch is None:
            return None
        of = (switch.deployment, switch.master, switch.incarnation)
        row = self._failovers.at_place(*of, switch.epoch, switch.new)
        return None if row is None else row.id

    # -- failovers ----------------------------------------------------------------------------------

    def _counted(self, entry: Observation) -> Observation:
        """Return an observation with the journal's incarnation."""
        of = (entry.deployment, entry.master, entry.incarnation)
        incarnation = self._last_known.incarnation(self._masters, *of)
        return entry if incarnation == entry.incarnation else replace(entry, incarnation=incarnation)

    def _observation(self, observation: Observation) -> None:
        own = self._failovers.own(observation)
        target = self._by_epoch(observation, own)
        if target is None and own is not None and self._still_fits(observation, own):
            target = own
        target = target or self._by_time(observation, own)
        row = target.id if target else new_id(observation, self._observer, None if own is None else own.id)
        self._put(observation, row)
        if own is not None and own.id != row:
            self._leave(own.id, row)

    def _by_epoch(self, observation: Observation, own: FailoverRow | None) -> FailoverRow | None:
        """
        Return the row of that very epoch; the one with the same new address before one without any.

        `same_failover` needs no more than this where both epochs are known, so no record is read.
        """
        epoch, new = observation.epoch, observation.new
        if epoch is None:
            return None
        if own is not None and (own.incarnation, own.epoch, own.new) == (observation.incarnation, epoch, new):
            return own
        of = (observation.deployment, observation.master, observation.incarnation)
        rows = self._failovers.at_epoch(*of, epoch)
        if new is not None:
            same = next((row for row in rows if row.new == new), None)
            return same or next((row for row in rows if row.new is None), None)
        return next(iter(rows), None)

    def _still_fits(self, observation: Observation, row: FailoverRow) -> bool:
        others = self._failovers.parts(row.id, but=observation)
        return all(same_failover(observation, other) for _, other in others)

    def _by_time(self, observation: Observation, but: FailoverRow | None) -> FailoverRow | None:
        """Return the row of an attempt that may be the same: without both epochs, time decides."""
        for row in self._failovers.near(observation)[:CANDIDATES]:
            if row is but or not same_failover(observation, row.record()):
                continue
            # Another observation of ours in a row is not of the same attempt.
            # But one that we recorded as missed may be the one whose end comes now.
            if observation.missed or not self._failovers.has_ours(row.id):
                return row
        return None

    def _put(self, observation: Observation, id: str) -> None:
        """Write the observation and its row again; tell nothing if nothing changed."""
        known = self._failovers.get(id)
        # An observation is kept as its own row even where the failover's record stays the same.
        rest = [] if known is None else self._failovers.parts(id, but=observation)
        whole = merged([*rest, (self._name, observation)], id)
        stages = stages_to_json(whole.stages, fast_json, None if known is None else known.stages)
        text = failover_to_json(whole, stages, fast_json)
        changed = known is None or known.line != text
        if known is None or changed or known.updated != whole.heard:
            self._failovers.put(id, whole, text, stages)
        # Nearly always they are this observation's own, and need not be written twice.
        same = len(whole.stages) == len(observation.stages) and all(map(is_, whole.stages, observation.stages))
        self._failovers.observe(observation, id, stages if same else None)
        if changed:
            self._told.append(_Told(whole.heard, whole, text, id))

    def _leave(self, row: str, target: str) -> None:
        """Write a row again that an observation has left; remove it if that was the last one."""
        rest = self._failovers.parts(row)
        if rest:
            whole = merged(rest, row)
            self._failovers.put(row, whole, failover_to_json(whole, encode=fast_json))
            return
        self._flush_told()
        self._failovers.remove(row, target)
