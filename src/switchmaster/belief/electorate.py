"""
Which Sentinels count for a master, and whether they could fail it over now.

A failover needs a Sentinel that sees as many others agree as the quorum asks, and the votes of a majority of all that
it knows (sentinelIsQuorumReachable() in sentinel.c, which SENTINEL CKQUORUM answers). We know two things that Sentinel
does not: a Sentinel that does not monitor the master can't vote on it (sentinelCommand(), IS-MASTER-DOWN-BY-ADDR), and
one in TILT neither leads nor agrees that a node is down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ..model import RunId, SentinelName
from ..wire.facts import LinkState
from .roster import KnownSentinel, Roster
from .topology import Electorate, Obstacle
from .views import View

__all__ = ["electorate_of"]

_LIVE: Final = LinkState.LIVE  # as a global: reading a member from its class calls a function in Python 3.11


def electorate_of(master: str, views: Mapping[SentinelName, View], known: int, roster: Roster) -> Electorate:
    """
    Return which Sentinels count for a master, and whether a failover is possible.

    Args:
        master: its name.
        views: what each Sentinel says of it.
        known: how many Sentinels are known to count for it.
        roster: all Sentinels of the deployment.
    """
    heard = [sentinel for sentinel in roster if sentinel.state is _LIVE and not sentinel.parked]
    unaware = [s for s in heard if s.name not in views and s.can_ask and s.answered and master not in s.monitors]
    tilted = [s for s in heard if s.tilt]
    names = tuple(sorted(sentinel.name for sentinel in unaware))
    unaware_ids = _ids(unaware)
    best: tuple[Electorate, View] | None = None
    for view in views.values():
        if view.live and view.others is not None and view.quorum is not None:
            one = _as_seen(view, view.others + 1, view.quorum, unaware_ids, tilted)
            if best is None or _margin(one) > _margin(best[0]):
                best = one, view
    if best is None:
        return Electorate(known, unaware=names)
    seen, by = best
    return replace(seen, known=known, unaware=names, absent=_absent(by, heard))


def _as_seen(view: View, counted: int, quorum: int, unaware: set[RunId], tilted: list[KnownSentinel]) -> Electorate:
    usable = counted - len(view.silent) if view.usable is None else view.usable
    answering = usable - len(view.sentinels.keys() & unaware - view.silent) if unaware else usable
    needed = max(counted // 2 + 1, quorum)
    obstacle = None
    if quorum > counted:
        obstacle = Obstacle.QUORUM_TOO_HIGH
    elif answering < needed:
        obstacle = Obstacle.TOO_FEW
    elif tilted and _in_tilt(view, quorum, answering, unaware, tilted):
        obstacle = Obstacle.TILT
    return Electorate(counted, counted, answering, needed, obstacle)


def _in_tilt(view: View, quorum: int, answering: int, unaware: set[RunId], tilted: list[KnownSentinel]) -> bool:
    able = view.sentinels.keys() - view.silent - unaware
    return any(s.name == view.sentinel for s in tilted) or answering - len(able & _ids(tilted)) < quorum


def _absent(view: View, heard: list[KnownSentinel]) -> tuple[SentinelName, ...]:
    if not view.silent:
        return ()
    silent = (view.silent & view.sentinels.keys()) - _ids(heard)
    return tuple(sorted({SentinelName(str(view.sentinels[run_id])) for run_id in silent} - {s.name for s in heard}))


def _ids(sentinels: list[KnownSentinel]) -> set[RunId]:
    return {sentinel.run_id for sentinel in sentinels if sentinel.run_id is not None}


def _margin(electorate: Electorate) -> tuple[bool, int]:
    return electorate.obstacle is None, (electorate.answering or 0) - (electorate.needed or 0)
