"""
The guards of a deployment without sockets: a test says how they stand, and reads what operators ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rig.api_rig import S1, A, B, C
from rig.guard_cases import node_info
from switchmaster.errors import UnknownMaster, UsageError
from switchmaster.guard.master_guard import GuardPhase
from switchmaster.guard.policy import Arming, Policy
from switchmaster.guard.status import GuardStatus

COUNTS = dict.fromkeys(("walks", "samples", "orders", "verified", "in_vain", "restarts", "empty"), 0)


def guard_status(deployment: str = "kvdb", master: str = "mymaster1", arming: Arming = Arming.ARMED) -> GuardStatus:
    """Return the state of a guard that would act; its nodes have no persistence."""
    bare = {"offset": 4711, "appends": False, "snapshots": False}
    return GuardStatus(
        deployment=deployment,
        master=master,
        address=A,
        policy=Policy(arming),
        phase=GuardPhase.WATCHING,
        outlook=(),
        would_ask=S1,
        would_promote=B,
        may_order=True,
        reports={A: node_info(A, None, lags={B: 0.0, C: 1.0}, **bare), B: node_info(B, A, **bare)},
        counts=COUNTS,
        objected={},
        suspended_until=None,
    )


class FakeGuard:
    """The guards of a deployment; to the API they are a `DeploymentGuard`."""

    def __init__(self, *statuses: GuardStatus, leased: bool | None = None) -> None:
        self.by_name = {one.master: one for one in statuses}
        self.leased = leased
        self.orders: list[tuple[object, ...]] = []
        """What operators ordered."""
        self.stuck = False

    @property
    def statuses(self) -> Mapping[str, GuardStatus]:
        return self.by_name

    def policy(self, master: str) -> Policy:
        return Policy()

    async def arm(self, master: str, arming: Arming, by: str = "") -> None:
        self._check(master)
        self.orders.append((master, arming, by))
        status = self.by_name[master]
        self.by_name[master] = replace(status, policy=replace(status.policy, arming=arming))

    async def suspend(self, master: str, seconds: float | None, by: str = "") -> None:
        self._check(master)
        self.orders.append((master, seconds, by))
        if not self.by_name:
            raise UsageError("no guard is armed")

    def _check(self, master: str) -> None:
        if self.stuck:
            raise TimeoutError
        if master not in self.by_name:
            raise UnknownMaster(master, tuple(self.by_name), ())
