"""
What an action is to bring about, and which of two wishes is newer.

A `Wish` is a switch that was recorded, or a master's place where no switch led to it. Wishes of one master are ordered
by incarnation, then by epoch, and by time only where no epoch says more: as the belief orders facts, and never by the
order in which daemons write.

Pure.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..line import Line, seconds_of
from ..model import Address

__all__ = ["Wish", "is_newer", "newest", "wish_from_line"]

NAMESPACE: Final = uuid.UUID("6f2d7c3c-52a0-4d0e-9c5b-1f0a8a3f2f61")
"""Ours, for the ids of deliveries."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A master's address, and everything that is known of the switch to it."""

    deployment: str
    master: str
    new: Address
    old: Address | None
    """None where no earlier address is known."""
    incarnation: int
    """The journal's."""
    epoch: int | None
    time: float
    """Seconds since 1970: when it was decided."""
    switch: int
    """The switch's id in the journal; 0 where the wish comes from no switch."""
    delivery: str
    """Names the wish to receivers: the same on each attempt, and whichever daemon makes it."""
    line: Line
    """The switch, as the API and ``watch`` print it."""


def wish_from_line(line: Line, switch: int = 0, delivery: str | None = None) -> Wish:
    """
    Return the wish for a switch.

    Args:
        line: the switch's.
        switch: its id in the journal.
        delivery: the wish's id, if it has one already.
    """
    new, old = line["new"], line["old"]
    incarnation, epoch = line.get("incarnation", 0), line["epoch"]
    order = f"epoch {epoch}" if epoch is not None else f"time {line['time']}"
    named = "\0".join((line["deployment"], line["master"], new["host"], str(new["port"]), str(incarnation), order))
    return Wish(
        deployment=line["deployment"],
        master=line["master"],
        new=Address(new["host"], new["port"]),
        old=None if old is None else Address(old["host"], old["port"]),
        incarnation=incarnation,
        epoch=epoch,
        time=seconds_of(line["time"]),
        switch=switch,
        delivery=delivery or str(uuid.uuid5(NAMESPACE, named.encode("utf-8", "surrogatepass").hex())),
        line={key: value for key, value in line.items() if key != "observers"},
    )


def is_newer(one: Wish, other: Wish) -> bool:
    """Return whether one wish is newer than another of the same master."""
    if one.incarnation != other.incarnation:
        return one.incarnation > other.incarnation
    if one.epoch is not None and other.epoch is not None and one.epoch != other.epoch:
        return one.epoch > other.epoch
    return (one.time, one.switch) > (other.time, other.switch)


def newest(wishes: Iterable[Wish]) -> Wish | None:
    """Return the newest wish of one master; None if there is none."""
    best: Wish | None = None
    for one in wishes:
        if best is None or is_newer(one, best):
            best = one
    return best
