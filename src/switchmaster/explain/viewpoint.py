"""
What one Sentinel answered about one master: everything that the forecast looks at.

A Sentinel that gave no answer has a viewpoint too: it may still count as a voter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..doctor.inspection import MasterInspection, SentinelInspection
from ..model import Address, RunId, SentinelName
from ..wire.replies import MasterReply, QuorumReply, ReplicaReply, SentinelReply

__all__ = ["Viewpoint", "viewpoints"]


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """One Sentinel's account of one master."""

    sentinel: SentinelName
    host: str
    """Its host, as the other Sentinels know it; else as it was given."""
    address: Address
    """As the user gave it, or as the others list it."""
    run_id: RunId | None = None
    """None if it was not told."""
    master: MasterReply | None = None
    """None if it gave no answer, or does not monitor the master; `reason` says which."""
    gives: Address | None = None
    """The master's address by SENTINEL GET-MASTER-ADDR-BY-NAME."""
    replicas: tuple[ReplicaReply, ...] = ()
    others: tuple[SentinelReply, ...] = ()
    """The other Sentinels that it knows for this master."""
    quorum: QuorumReply | None = None
    """Its answer to CKQUORUM; None if it refuses that."""
    tilt: bool = False
    """It is in TILT: it starts no failover, and agrees to none, until 30 s after the last trigger."""
    tilt_since: int | None = None
    """For how many seconds; None outside TILT, and before Redis 7.0."""
    uptime: int | None = None
    """Seconds since it started: a Sentinel forgets its last attempt when it is restarted. None if not told."""
    simulates_failures: bool = False
    """SENTINEL SIMULATE-FAILURE was left on: it crashes as soon as it leads a failover."""
    reason: str = ""
    """Why there is no `master`, in words; empty if there is one."""
    answers: bool = True
    """Whether it can be reached, and lets us ask."""


def viewpoints(inspected: MasterInspection) -> tuple[Viewpoint, ...]:
    """
    Return what each Sentinel of a deployment answered about one master.

    Args:
        inspected: what was collected about the master.
    """
    listed = {
        other.run_id: other.address.host
        for told in inspected.answers.values()
        for other in told.sentinels or ()
        if other.address.host
    }
    return tuple(_viewpoint(inspected.name, one, listed) for one in inspected.sentinels.values())


def _viewpoint(name: str, one: SentinelInspection, listed: Mapping[RunId, str]) -> Viewpoint:
    told = one.masters.get(name)
    info = one.info
    base = Viewpoint(
        one.name,
        listed.get(one.run_id, one.address.host) if one.run_id is not None else one.address.host,
        one.address,
        one.run_id,
        answers=one.answered,
        reason=one.reason,
    )
    if told is None and one.lacks("SENTINEL"):
        return replace(base, answers=False, reason="our user may not send SENTINEL MASTERS there")
    if told is None:
        return base if not one.answered else replace(base, reason="it does not monitor this master")
    return replace(
        base,
        master=told.master,
        gives=told.address or told.master.address,
        replicas=told.replicas or (),
        others=told.sentinels or (),
        quorum=told.quorum,
        tilt=info is not None and bool(info.tilt),
        tilt_since=info.tilt_since_seconds if info is not None and info.tilt else None,
        uptime=one.number("server", "uptime_in_seconds"),
        simulates_failures=info is not None and bool(info.simulate_failure_flags),
    )
