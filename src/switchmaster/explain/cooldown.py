"""
How long the Sentinels must wait before they may begin another attempt, from the records of earlier ones.

A Sentinel begins no failover of a master for 2 x failover-timeout after it began its last one, or gave its vote to
another Sentinel (sentinelStartFailoverIfNeeded(), sentinelVoteLeader()). A switch forgets that, and so does a restart
of the Sentinel. SENTINEL FAILOVER ignores it. SENTINEL MASTER does not show it, so records are the only source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..account.record import FailoverRecord
from ..model import SentinelName, Stage
from .viewpoint import Viewpoint

__all__ = ["attempt_of", "cooling_seconds", "took_part"]

DESYNC: Final = 1.0
"""Seconds at most that a Sentinel adds to the time of its attempt (SENTINEL_MAX_DESYNC)."""


def attempt_of(record: FailoverRecord) -> float:
    """Return when the attempt of a failover's record began, in seconds since 1970."""
    tried = record.times(Stage.ELECTING, Stage.ELECTED)
    return tried[0] if tried else record.started


def took_part(record: FailoverRecord) -> frozenset[str]:
    """Return the Sentinels that tried to lead or voted; empty if that is not known."""
    return frozenset({*record.candidates, *(vote.sentinel for vote in record.votes)})


def cooling_seconds(
    records: Sequence[FailoverRecord], views: Sequence[Viewpoint], wall: float
) -> dict[SentinelName, float]:
    """
    Return how long each Sentinel must still wait.

    Args:
        records: of the failovers of this master.
        views: what each Sentinel answers; one that does not tell its uptime counts as not restarted.
        wall: now, in seconds since 1970.

    Returns:
        Seconds, for those that must wait. An attempt whose voters are not known counts for all.
    """
    tried = [one for one in records if one.attempted and not one.missed]
    last = max(tried, key=attempt_of, default=None)
    if last is None or last.outcome != "aborted":
        return {}
    began, by = attempt_of(last), took_part(last)
    waits = {}
    for view in views:
        if view.master is None or (by and view.sentinel not in by):
            continue
        left = began + DESYNC + 2 * view.master.failover_timeout_ms / 1000 - wall
        if left > 0 and (view.uptime is None or view.uptime > wall - began):
            waits[view.sentinel] = left
    return waits
