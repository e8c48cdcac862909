"""Switches to rows: each once, by (deployment, master, incarnation, epoch, address), whoever decided it."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from ..render import Line, to_json
from .entries import SwitchSeen
from .merge import OVERLAP
from .schema import ANY_EPOCH, switches

__all__ = ["record_switch"]

NEAR: Final = 60.0
"""Seconds within which a switch without an epoch, and the last one, to one address are the same."""


def record_switch(connection: Connection, entry: SwitchSeen, observer: str) -> tuple[Line | None, bool]:
    """
    Write a switch, or what is new in it.

    Args:
        connection: in a writing transaction.
        entry: the switch, with the journal's incarnation.
        observer: who decided it.

    Returns:
        The line as it is now (the first that was decided, with everybody's witnesses; None where nothing is new), and
        whether the journal did not have the switch before.
    """
    known = _known(connection, entry)
    line = {**entry.line, "incarnation": entry.incarnation, "observers": [observer]}
    if known is None:
        key = {
            "deployment": entry.deployment,
            "master": entry.master,
            "incarnation": entry.incarnation,
            "epoch": ANY_EPOCH if entry.epoch is None else entry.epoch,
            "host": entry.new.host,
            "port": entry.new.port,
        }
        connection.execute(insert(switches).values(**key, time=entry.time, line=to_json(line)))
        return line, True
    before = json.loads(known.line)
    after = _one(before, line)
    if after == before:
        return None, False
    epoch = known.epoch if after["epoch"] is None else after["epoch"]
    values = {"epoch": epoch, "time": min(known.time, entry.time), "line": to_json(after)}
    connection.execute(update(switches).where(switches.c.id == known.id).values(**values))
    return after, False


def _known(connection: Connection, entry: SwitchSeen) -> Row[Any] | None:
    ours = select(switches).where(
        switches.c.deployment == entry.deployment,
        switches.c.master == entry.master,
        switches.c.incarnation == entry.incarnation,
    )
    place = (entry.new.host, entry.new.port)
    if entry.epoch is not None:
        here = ours.where(switches.c.host == place[0], switches.c.port == place[1])
        exact = connection.execute(here.where(switches.c.epoch == entry.epoch)).first()
        if exact is not None:
            return exact
    # Without an epoch on both sides only the place among the others tells, for a master may come back to an address.
    before = ours.where(switches.c.time <= entry.time + OVERLAP)
    last = connection.execute(before.order_by(switches.c.time.desc(), switches.c.id.desc()).limit(1)).first()
    if last is None or (last.host, last.port) != place or last.time < entry.time - NEAR:
        return None
    return last if entry.epoch is None or last.epoch == ANY_EPOCH else None


def _one(known: Line, other: Line) -> Line:
    """Return both lines as one: the earlier news, but no finding in hindsight where there is news."""
    first, second = known, other
    if known["via"] == "missed" != other["via"]:
        first, second = other, known
    merged = dict(first)
    if merged["epoch"] is None:
        merged["epoch"] = second["epoch"]
    for key in ("witnesses", "observers"):
        merged[key] = [*first[key], *(name for name in second[key] if name not in first[key])]
    return merged
