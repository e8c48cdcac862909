"""
Switches to rows: each once, by (deployment, master, incarnation, epoch, address), whichever observers decided it.

Switches without an epoch can have the same address and be two: their rows are numbered below `ANY_EPOCH`. Which switch
one of them is, only its time tells, until the observer that decided it knows its epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from typing import Final

from ..account.record import SwitchRecord
from ..account.record_lines import switch_from_line, switch_to_line
from .entries import SwitchSeen
from .fast_json import fast_json
from .merge import OVERLAP
from .schema import ANY_EPOCH
from .switch_rows import SwitchRow, SwitchRows

__all__ = ["prefetch_switches", "record_switch"]

NEAR: Final = 60.0
"""Seconds within which a switch without an epoch, and the last one, to one address are the same."""


def prefetch_switches(rows: SwitchRows, some: Iterable[SwitchSeen]) -> None:
    """Read what `record_switch` will need of these switches."""
    of = ((entry.switch, *_range(entry)) for entry in some)
    rows.prefetch((switch.deployment, switch.master, switch.epoch, since, until) for switch, since, until in of)


def record_switch(rows: SwitchRows, entry: SwitchSeen, observer: str) -> tuple[SwitchRecord | None, bool]:
    """
    Write a switch, or what is new in it.

    Args:
        rows: of the transaction.
        entry: the switch, with the journal's incarnation.
        observer: the daemon that decided it.

    Returns:
        The record as it is now (the first that was decided, with the witnesses of all; None if nothing is new), and
        whether the journal did not have the switch before.
    """
    exact, unnumbered = _exact(rows, entry), _unnumbered(rows, entry)
    known = exact or unnumbered or _last(rows, entry)
    switch = replace(entry.switch, observers=(observer,))
    if known is None:
        _add(rows, switch, entry.time)
        return switch, True
    before = after = switch_from_line(json.loads(known.line))
    if exact is not None and unnumbered is not None:
        # Another observer wrote it with the epoch while this one had none: one row, with the witnesses of both.
        after = _one(after, switch_from_line(json.loads(unnumbered.line)))
        rows.remove(unnumbered)
    after = _one(after, switch)
    if after == before:
        return None, False
    epoch = known.epoch if after.epoch is None else after.epoch
    rows.change(known, epoch, min(known.time, entry.time), fast_json(switch_to_line(after)))
    return after, False


def _add(rows: SwitchRows, switch: SwitchRecord, time: float) -> None:
    epoch = switch.epoch
    if epoch is None:
        epoch = min((row.epoch - 1 for row in _at(rows, switch, None)), default=ANY_EPOCH)
    place = (switch.deployment, switch.master, switch.incarnation, epoch, switch.new)
    rows.add(SwitchRow(inf, *place, time, fast_json(switch_to_line(switch))))


def _at(rows: SwitchRows, switch: SwitchRecord, epoch: int | None) -> list[SwitchRow]:
    return rows.at(switch.deployment, switch.master, switch.incarnation, epoch, switch.new)


def _exact(rows: SwitchRows, entry: SwitchSeen) -> SwitchRow | None:
    """Return the row of this very epoch and address."""
    if entry.switch.epoch is None:
        return None
    return next(iter(_at(rows, entry.switch, entry.switch.epoch)), None)


def _unnumbered(rows: SwitchRows, entry: SwitchSeen) -> SwitchRow | None:
    """Return the row that was written of this switch, of this very moment, before its epoch was known."""
    if entry.switch.epoch is None:
        return None
    return next((row for row in _at(rows, entry.switch, None) if row.time == entry.time), None)


def _range(entry: SwitchSeen) -> tuple[float, float]:
    return entry.time - NEAR, entry.time + OVERLAP


def _last(rows: SwitchRows, entry: SwitchSeen) -> SwitchRow | None:
    """Return the last switch if it is this one: without both epochs, only its place among the others tells."""
    switch = entry.switch
    last = rows.last(switch.deployment, switch.master, switch.incarnation, *_range(entry))
    # A master may return to an address.
    if last is None or last.address != switch.new:
        return None
    return last if switch.epoch is None or last.epoch <= ANY_EPOCH else None


def _one(known: SwitchRecord, other: SwitchRecord) -> SwitchRecord:
    """Return both records as one: the earlier leads, but one that was found afterwards never leads one that was not."""
    first, second = known, other
    if known.via == "missed" != other.via:
        first, second = other, known
    return replace(
        first,
        epoch=second.epoch if first.epoch is None else first.epoch,
        witnesses=tuple(dict.fromkeys((*first.witnesses, *second.witnesses))),
        observers=tuple(dict.fromkeys((*first.observers, *second.observers))),
    )
