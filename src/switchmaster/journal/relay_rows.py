"""
The relays of the daemons that share a journal: each daemon records where clients reach its own, and reads the others'.

A daemon that has ended is left out at once; one that was killed `GONE_SECONDS` after its last sign of life. The clocks
of the daemons are compared: one that is `GONE_SECONDS` behind is left out too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from ..model import Address
from .entries import RelayPlace
from .schema import observers, relays

__all__ = ["exchange_relays"]

GONE_SECONDS: Final = 30.0
"""Three heartbeats of a daemon."""


def exchange_relays(
    connection: Connection, observer: str, own: Iterable[RelayPlace], now: float
) -> dict[str, tuple[Address, ...]]:
    """
    Record a run's relays, and return those of the other runs that are alive, by deployment.

    Args:
        connection: in a transaction of a writing engine.
        observer: the run's id.
        own: its relays now; what it has recorded before is replaced.
        now: seconds since 1970.
    """
    alive = observers.c.ended.is_(None) & (observers.c.seen >= now - GONE_SECONDS)
    ours = relays.c.observer == observer
    rows = connection.execute(
        select(relays).join(observers, observers.c.id == relays.c.observer).where(alive | ours)
    ).all()
    found: dict[str, set[Address]] = {}
    recorded: set[RelayPlace] = set()
    for row in rows:
        place = RelayPlace(row.deployment, Address(row.host, row.port))
        if row.observer == observer:
            recorded.add(place)
        else:
            found.setdefault(place.deployment, set()).add(place.address)
    wanted = set(own)
    if recorded != wanted:
        connection.execute(delete(relays).where(ours))
        for place in wanted:
            values = {"deployment": place.deployment, "host": place.address.host, "port": place.address.port}
            connection.execute(insert(relays).values(observer=observer, **values))
    return {deployment: tuple(sorted(addresses)) for deployment, addresses in found.items()}
