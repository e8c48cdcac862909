"""
Switches to rows: each once, by (deployment, master, incarnation, epoch, address), whichever observers decided it.

Switches without an epoch can have the same address and be two: their rows are numbered below `ANY_EPOCH`. Which switch
one of them is, only its time tells, until the observer that decided it knows its epoch.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from ..account.record import SwitchRecord
from ..account.record_lines import switch_from_line, switch_to_line
from ..render import to_json
from .entries import SwitchSeen
from .merge import OVERLAP
from .schema import ANY_EPOCH, switches

__all__ = ["record_switch"]

NEAR: Final = 60.0
"""Seconds within which a switch without an epoch, and the last one, to one address are the same."""


def record_switch(connection: Connection, entry: SwitchSeen, observer: str) -> tuple[SwitchRecord | None, bool]:
    """
    Write a switch, or what is new in it.

    Args:
        connection: in a writing transaction.
        entry: the switch, with the journal's incarnation.
        observer: the daemon that decided it.

    Returns:
        The record as it is now (the first that was decided, with the witnesses of all; None if nothing is new), and
        whether the journal did not have the switch before.
    """
    exact, unnumbered = _exact(connection, entry), _unnumbered(connection, entry)
    known = exact or unnumbered or _last(connection, entry)
    switch = replace(entry.switch, observers=(observer,))
    if known is None:
        _insert(connection, switch, entry.time)
        return switch, True
    before = after = switch_from_line(json.loads(known.line))
    if exact is not None and unnumbered is not None:
        # Another observer wrote it with the epoch while this one had none: one row, with the witnesses of both.
        after = _one(after, switch_from_line(json.loads(unnumbered.line)))
        connection.execute(delete(switches).where(switches.c.id == unnumbered.id))
    after = _one(after, switch)
    if after == before:
        return None, False
    epoch = known.epoch if after.epoch is None else after.epoch
    values = {"epoch": epoch, "time": min(known.time, entry.time), "line": to_json(switch_to_line(after))}
    connection.execute(update(switches).where(switches.c.id == known.id).values(**values))
    return after, False


def _insert(connection: Connection, switch: SwitchRecord, time: float) -> None:
    epoch = switch.epoch
    if epoch is None:
        lowest = connection.scalar(_there(switch).with_only_columns(func.min(switches.c.epoch)))
        epoch = ANY_EPOCH if lowest is None else min(lowest - 1, ANY_EPOCH)
    key = {
        "deployment": switch.deployment,
        "master": switch.master,
        "incarnation": switch.incarnation,
        "epoch": epoch,
        "host": switch.new.host,
        "port": switch.new.port,
    }
    connection.execute(insert(switches).values(**key, time=time, line=to_json(switch_to_line(switch))))


def _ours(switch: SwitchRecord) -> Select[Any]:
    return select(switches).where(
        switches.c.deployment == switch.deployment,
        switches.c.master == switch.master,
        switches.c.incarnation == switch.incarnation,
    )


def _there(switch: SwitchRecord) -> Select[Any]:
    return _ours(switch).where(switches.c.host == switch.new.host, switches.c.port == switch.new.port)


def _exact(connection: Connection, entry: SwitchSeen) -> Row[Any] | None:
    """Return the row of this very epoch and address."""
    if entry.switch.epoch is None:
        return None
    return connection.execute(_there(entry.switch).where(switches.c.epoch == entry.switch.epoch)).first()


def _unnumbered(connection: Connection, entry: SwitchSeen) -> Row[Any] | None:
    """Return the row that was written of this switch, of this very moment, before its epoch was known."""
    if entry.switch.epoch is None:
        return None
    without = _there(entry.switch).where(switches.c.epoch <= ANY_EPOCH, switches.c.time == entry.time)
    return connection.execute(without).first()


def _last(connection: Connection, entry: SwitchSeen) -> Row[Any] | None:
    """Return the last switch if it is this one: without both epochs, only its place among the others tells."""
    switch = entry.switch
    before = _ours(switch).where(switches.c.time <= entry.time + OVERLAP)
    last = connection.execute(before.order_by(switches.c.time.desc(), switches.c.id.desc()).limit(1)).first()
    # A master may return to an address.
    if last is None or (last.host, last.port) != switch.new or last.time < entry.time - NEAR:
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
