"""A healthy deployment as three Sentinels see it, to be changed; for tests of `switchmaster explain`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recorded.answers import MASTER, REPLICA, SENTINEL
from switchmaster.explain.viewpoint import Viewpoint
from switchmaster.model import Address, RunId, SentinelName
from switchmaster.wire.replies import QuorumReply, ReplicaReply, SentinelReply

A, B, C = (Address(f"10.0.1.{number}", 6379) for number in (1, 2, 3))
"""The master and its replicas, each on a host of its own."""
IDS = [RunId(str(number) * 40) for number in (1, 2, 3)]
SENTINELS = [Address(f"10.0.1.{number}", 26379) for number in (1, 2, 3)]
"""One on each of these hosts."""
NAMES = [SentinelName(str(address)) for address in SENTINELS]


def replica(address: Address, **changed: Any) -> ReplicaReply:
    """Return a replica as a Sentinel lists it."""
    fields = {"name": str(address), "address": address, "master": A, "run_id": f"{address.host[-1]}" * 40}
    return replace(REPLICA, **{**fields, "offset": 100, **changed})


def other(number: int, *flags: str) -> SentinelReply:
    """Return the Sentinel of a number as another one lists it."""
    return replace(SENTINEL, run_id=IDS[number], address=SENTINELS[number], flags=frozenset({"sentinel", *flags}))


def view(number: int, down: tuple[int, ...] = (), **changed: Any) -> Viewpoint:
    """
    Return what a Sentinel answers.

    Args:
        number: 0 to 2.
        down: the Sentinels that are SDOWN for it.
        changed: fields of the viewpoint; ``master`` is a mapping of fields of the MasterReply.
    """
    fields = {"address": A, "down_after_ms": 30_000, "failover_timeout_ms": 180_000, **changed.pop("master", {})}
    others = tuple(other(each, *(("s_down",) if each in down else ())) for each in range(3) if each != number)
    usable = 3 - len(down)
    made = Viewpoint(
        NAMES[number],
        SENTINELS[number].host,
        SENTINELS[number],
        IDS[number],
        master=replace(MASTER, **fields),
        gives=A,
        replicas=(replica(B), replica(C)),
        others=others,
        quorum=QuorumReply(usable >= 2, usable, f"{'OK' if usable >= 2 else 'NOQUORUM'} {usable} usable Sentinels"),
        uptime=86_400,
    )
    return replace(made, **changed)


def silent(number: int) -> Viewpoint:
    """Return the viewpoint of a Sentinel that gives no answer."""
    address = SENTINELS[number]
    return Viewpoint(NAMES[number], address.host, address, reason="connection refused", answers=False)
