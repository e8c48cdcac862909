"""
When each step of a failover comes after the master's process died: bounds, from settings and from measurements.

The figures beside the settings were measured on real servers on one host (docs/topics/protocol.md, 5.2 and 5.3): 10
crashes of Redis 7.0.15, with the other versions alike. Between hosts add a round trip for each step. A hang is noticed
later than a crash, by up to the ping period.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ..model import Stage
from .viewpoint import Viewpoint

__all__ = ["Milestone", "milestones"]


class Milestone(NamedTuple):
    """One step, in seconds after the death."""

    stage: Stage
    earliest: float
    latest: float | None
    """None if no limit is known."""


_AFTER_DOWN: Final = (
    (Stage.SUSPECTED, 0.0, 0.15),
    (Stage.AGREED_DOWN, 0.1, 0.2),
    (Stage.ELECTED, 0.15, 0.3),
    (Stage.SELECTED, 0.2, 0.4),
    (Stage.PROMOTED, 0.3, 0.5),
    (Stage.SWITCHED, 0.6, 1.6),
)
"""
Seconds after down-after-milliseconds. The leader's timer ticks each 50 to 100 ms, and takes one step a tick.

Announced last: the leader sees the promotion in the next INFO, which it asks for each second, and the others hear of it
in a hello.
"""
ROUND: Final = 1.0
"""Seconds at least for one round of reconfigured replicas: the leader sees each in an INFO, each second."""
PING_PERIOD_MS: Final = 1_000


def milestones(views: Sequence[Viewpoint], *, hangs: bool = False) -> tuple[Milestone, ...]:
    """
    Return when each step comes, if nothing hinders the Sentinels.

    Args:
        views: those of the Sentinels that answer; down-after-milliseconds may differ between them.
        hangs: the process is there and does not answer, or its host does not; else it ended.

    Returns:
        The steps in order; empty if no Sentinel answered. Those that did not are taken to have the longest
        down-after-milliseconds of the others.
    """
    told = [view.master for view in views if view.master is not None]
    downs = sorted(master.down_after_ms for master in told)
    if not told:
        return ()
    quorum = min(max(1, min(master.quorum for master in told)), len(told))
    first, agreed = downs[0] / 1000, downs[quorum - 1] / 1000
    late = min(downs[quorum - 1], PING_PERIOD_MS) / 1000 if hangs else 0.0
    steps = [
        Milestone(stage, base + low, base + high + late)
        for stage, low, high in _AFTER_DOWN
        for base in [first if stage is Stage.SUSPECTED else agreed]
    ]
    others = max(len(view.replicas) for view in views if view.master is not None) - 1
    parallel = max(1, min(master.parallel_syncs for master in told))
    rounds = -(-max(others, 0) // parallel)
    timeout = max(master.failover_timeout_ms for master in told) / 1000
    switched = steps[-1]
    steps.append(
        Milestone(
            Stage.SETTLED,
            switched.earliest + ROUND * rounds,
            (switched.latest or 0.0) + (timeout if rounds else ROUND),
        )
    )
    return tuple(steps)
