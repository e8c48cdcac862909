"""
The guards of a deployment without sockets: a test says how they stand, and reads what operators ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rig.api_rig import S1, A, B, C
from switchmaster.errors import UnknownMaster, UsageError
from switchmaster.guard.master_guard import GuardPhase
from switchmaster.guard.node_info import NodeInfo
from switchmaster.guard.policy import Arming, Policy
from switchmaster.guard.status import GuardStatus
from switchmaster.model import Address

COUNTS = dict.fromkeys(("walks", "samples", "orders", "verified", "in_vain", "restarts", "empty"), 0)


def node_info(node: Address, master: bool, keys: int) -> NodeInfo:
    """Return the INFO of a node without persistence."""
    return NodeInfo(
        node=node,
        run_id="0" * 40,
        role="master" if master else "slave",
        process_id=1,
        port=node.port,
        keys=keys,
        offset=4711,
        following=None if master else A,
        link_up=None if master else True,
        lags={B: 0.0, C: 1.0} if master else {},
        appends=False,
        snapshots=False,
        loading=False,
        stopping=False,
    )


def guard_status(deployment: str = "kvdb", master: str = "mymaster1", arming: Arming = Arming.ARMED) -> GuardStatus:
    """Return the state of a guard that would act."""
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
        reports={A: node_info(A, True, 20_000), B: node_info(B, False, 20_000)},
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
