"""
Recorded events through the belief and the ledger: what a daemon would have decided and kept, had it listened.

Events go in, in order; decisions come out, and the entries that a journal would keep. Records can be annotated on the
way, because logs know more than events. Pure, and without a database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..account.record import FailoverRecord, Observation, SwitchRecord
from ..account.replay import decided
from ..account.transcript import Said
from ..belief.decisions import Decision, Notice, Switch
from ..belief.failover import Failover
from ..belief.watch import Watch
from ..model import Address, Grade, Moment, SentinelName
from ..wire.events import Event
from .entries import Entry, SwitchSeen
from .ledger import Ledger
from .merge import merged

__all__ = ["Replayed", "replay_into_entries"]


@dataclass(slots=True)
class Replayed:
    """What a recording leads to."""

    decisions: list[Decision] = field(default_factory=list)
    """As `account.replay.decided` yields them."""
    entries: list[Entry] = field(default_factory=list)
    """What a journal keeps of it, in order."""

    def failovers(self, observer: str) -> list[tuple[FailoverRecord, list[SwitchRecord]]]:
        """
        Return each failover as a journal's reader gets it, with its switches.

        Args:
            observer: the name under which it is seen.

        Returns:
            Pairs of a failover, with the ``number`` of its record, and its switches, by time. Attempts that remained a
            suspicion are left out.
        """
        last: dict[tuple[str, int], Observation] = {}
        switches: dict[tuple[str, int | None, Address], SwitchRecord] = {}
        for entry in self.entries:
            if isinstance(entry, Observation):
                last[entry.master, entry.number] = entry
            elif isinstance(entry, SwitchSeen):
                switches[entry.switch.master, entry.switch.epoch, entry.switch.new] = entry.switch
        found = []
        for part in sorted(last.values(), key=lambda part: part.started):
            if not part.attempted:
                continue
            id = f"{datetime.fromtimestamp(part.started, UTC):%Y%m%dT%H%M%SZ}-{part.number}"
            record = replace(merged([(observer, part)]), started=round(part.started, 6), id=id, number=part.number)
            switch = None if part.new is None else switches.get((part.master, part.epoch, part.new))
            found.append((record, [] if switch is None else [switch]))
        return found


def replay_into_entries(
    said: Iterable[Said],
    deployment: str = "default",
    *,
    events: bool = False,
    sightings: bool = False,
    annotate: Callable[[Failover], Failover] = lambda record: record,
) -> Replayed:
    """
    Decide on recorded events again, and make the entries of a journal.

    Args:
        said: what the Sentinels published, in order; events without a time have the time of the one before.
        deployment: the name that the records carry.
        events: whether each event is an entry too.
        sightings: whether entries say where each master is: not for a recording of the past.
        annotate: adds to a record what is known beside the events.

    Returns:
        The decisions and the entries.
    """
    watch = Watch(deployment=deployment, policy=Grade.ANNOUNCED, probing=False, asking=False)
    ledger = Ledger(deployment, watch.whereabouts, events)
    replayed = Replayed()

    def before(sentinel: SentinelName, event: Event, moment: Moment) -> None:
        replayed.entries += ledger.event(sentinel, event, moment.now, moment.wall or 0.0)

    def after(moment: Moment) -> None:
        replayed.entries += ledger.end_turn(moment.wall or 0.0)
        if sightings:
            replayed.entries += ledger.sightings(watch.names, moment.wall or 0.0)

    for decision in decided(said, deployment, watch, before, after):
        match decision:
            case Switch():
                replayed.entries += ledger.switch(decision)
            case Failover():
                decision = annotate(decision)
                replayed.entries += ledger.failover(decision)
            case Notice():
                replayed.entries += ledger.notice(decision)
        replayed.decisions.append(decision)
    return replayed
