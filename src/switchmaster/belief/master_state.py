"""
The value that a reader gets of one master, made from what is believed when it is read.
"""

from __future__ import annotations

from typing import Final

from ..model import SentinelName
from .attempts import Attempts
from .decide import Belief
from .electorate import electorate_of
from .failover import Attempt
from .roster import Roster
from .topology import Health, MasterState
from .views import merge_replicas

__all__ = ["master_state"]

_UNPROMOTED: Final = ("wait_start", "select_slave", "send_slaveof_noone", "wait_promotion")
"""States of a failover whose replica is not known to be promoted; for one that began before we listened."""


def master_state(belief: Belief, attempts: Attempts, roster: Roster) -> MasterState:
    """
    Combine a master's belief, its views and its failovers into one value.

    Args:
        belief: what is believed of it.
        attempts: its failovers.
        roster: all Sentinels of the deployment.

    Returns:
        What a reader gets; immutable.
    """
    attempt = attempts.current
    views = [view for view in belief.views.by_sentinel.values() if view.address == belief.address]
    down_by = tuple(sorted(view.sentinel for view in views if view.live and view.sdown))
    return MasterState(
        name=belief.master,
        address=belief.address,
        epoch=belief.epoch,
        incarnation=belief.incarnation,
        grade=belief.grade,
        health=_health(belief, attempt, down_by),
        down_by=down_by,
        quorum=next((view.quorum for view in views if view.quorum is not None), None),
        replicas=merge_replicas((view for view in views if view.live), belief.address),
        opinions=belief.voters.opinions(belief.address),
        listed=belief.voters.listed(roster.awaited),
        failover=attempt.record() if attempt is not None else None,
        beside=tuple(other.record() for other in attempts.open[:-1]),
        switch=belief.switch,
        imminent=belief.imminent,
        led_by=tuple(sorted(view.sentinel for view in belief.views.by_sentinel.values() if view.live and view.leads)),
        electorate=electorate_of(belief.master, belief.views.by_sentinel, belief.voters.count, roster),
    )


def _health(belief: Belief, attempt: Attempt | None, down_by: tuple[SentinelName, ...]) -> Health:
    if belief.address is None or not any(view.live for view in belief.views.by_sentinel.values()):
        return Health.UNKNOWN
    if attempt is not None and attempt.candidates and (not attempt.promoted or belief.address == attempt.old):
        return Health.FAILING_OVER
    if attempt is None and any(view.live and view.leads in _UNPROMOTED for view in belief.views.by_sentinel.values()):
        return Health.FAILING_OVER
    if any(view.odown for view in belief.views.by_sentinel.values() if view.address == belief.address):
        return Health.DOWN
    return Health.SUSPECTED if down_by else Health.OK
