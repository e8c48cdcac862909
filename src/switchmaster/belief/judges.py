"""
What each event means for a belief: the table `JUDGES`, and a short function for each `Judgement`.

Channels that are not in the table say nothing about a master's address; they are recorded only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ..model import Moment, Via
from ..wire.events import EVENTS, Event, InstanceEvent, Judgement, Kind, RoleChanged, SwitchedMaster
from .decide import Belief
from .failover import Attempt
from .roster import KnownSentinel

__all__ = ["JUDGES", "Judge"]

Judge: TypeAlias = Callable[[Belief, KnownSentinel, Event, Attempt | None, Moment], None]
"""Takes the belief, the Sentinel that said something, the event, the attempt that it belongs to, and when."""


def _named(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if isinstance(event, InstanceEvent) and attempt is not None:
        belief.named(sentinel.name, event.instance.address, attempt.epoch, moment)


def _promoted(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if isinstance(event, InstanceEvent):
        node, old = event.instance.address, event.instance.master_address
        epoch = attempt.epoch if attempt is not None else None
        belief.announced(sentinel.name, node, old, epoch, Via.PROMOTED, sentinel.can_ask, moment)


def _switched(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if isinstance(event, SwitchedMaster):
        # Its epoch is that of the attempt only if that ends at this very address; else its Sentinel is asked.
        known = attempt is not None and attempt.new == event.new and not (attempt.guessed and sentinel.can_ask)
        epoch = attempt.epoch if attempt is not None and known else None
        belief.announced(sentinel.name, event.new, event.old, epoch, Via.SWITCH, sentinel.can_ask, moment)


def _aborted(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if attempt is not None and attempt.new is not None and not attempt.promoted:
        belief.withdrawn(attempt.new, moment.now)


def _role_changed(
    belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment
) -> None:
    if isinstance(event, RoleChanged) and event.instance.kind is Kind.REPLICA:
        belief.claims(sentinel.name, event.instance.address, moment)


def _converted(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if isinstance(event, InstanceEvent):
        belief.demoted(sentinel.name, event.instance.address, moment)


def _monitored(belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment) -> None:
    if isinstance(event, InstanceEvent):
        belief.monitored(sentinel.name, event.instance.address, sentinel.can_ask, moment)


def _unmonitored(
    belief: Belief, sentinel: KnownSentinel, event: Event, attempt: Attempt | None, moment: Moment
) -> None:
    _aborted(belief, sentinel, event, attempt, moment)
    belief.forgotten(sentinel.name, moment)


_JUDGES: Final[Mapping[Judgement, Judge]] = {
    Judgement.NAMED: _named,
    Judgement.PROMOTED: _promoted,
    Judgement.SWITCHED: _switched,
    Judgement.ABORTED: _aborted,
    Judgement.ROLE_CHANGED: _role_changed,
    Judgement.CONVERTED: _converted,
    Judgement.MONITORED: _monitored,
    Judgement.UNMONITORED: _unmonitored,
}

JUDGES: Final[dict[str, Judge]] = {
    spec.channel: _JUDGES[spec.judged] for spec in EVENTS if spec.judged is not Judgement.RECORDED
}
"""What to do with a channel's events; the channels that are recorded only are not here."""
