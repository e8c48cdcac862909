"""Switches to rows: each once, by (deployment, master, incarnation, epoch, address), whichever observers decided it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

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
    known = _known(connection, entry)
    switch = replace(entry.switch, observers=(observer,))
    if known is None:
        key = {
            "deployment": switch.deployment,
            "master": switch.master,
            "incarnation": switch.incarnation,
            "epoch": ANY_EPOCH if switch.epoch is None else switch.epoch,
            "host": switch.new.host,
            "port": switch.new.port,
        }
        line = to_json(switch_to_line(switch))
        connection.execute(insert(switches).values(**key, time=entry.time, line=line))
        return switch, True
    before = switch_from_line(json.loads(known.line))
    after = _one(before, switch)
    if after == before:
        return None, False
    epoch = known.epoch if after.epoch is None else after.epoch
    values = {"epoch": epoch, "time": min(known.time, entry.time), "line": to_json(switch_to_line(after))}
    connection.execute(update(switches).where(switches.c.id == known.id).values(**values))
    return after, False


def _known(connection: Connection, entry: SwitchSeen) -> Row[Any] | None:
    switch = entry.switch
    ours = select(switches).where(
        switches.c.deployment == switch.deployment,
        switches.c.master == switch.master,
        switches.c.incarnation == switch.incarnation,
    )
    if switch.epoch is not None:
        here = ours.where(switches.c.host == switch.new.host, switches.c.port == switch.new.port)
        exact = connection.execute(here.where(switches.c.epoch == switch.epoch)).first()
        if exact is not None:
            return exact
    # If one of the two has no epoch, only its place among the others tells: a master may return to an address.
    before = ours.where(switches.c.time <= entry.time + OVERLAP)
    last = connection.execute(before.order_by(switches.c.time.desc(), switches.c.id.desc()).limit(1)).first()
    if last is None or (last.host, last.port) != switch.new or last.time < entry.time - NEAR:
        return None
    return last if switch.epoch is None or last.epoch == ANY_EPOCH else None


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
