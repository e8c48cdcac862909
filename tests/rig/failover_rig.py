"""
The planned failovers of a deployment without sockets: a test says how they stand, and reads what operators ordered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rig.planned_cases import moved, plan, record, survey, switched
from switchmaster.belief.failover import Outcome, Stage
from switchmaster.planned.planned_status import PlannedStatus
from switchmaster.planned.progress import FailoverProgress
from switchmaster.planned.request import FailoverRequest


def ended(master: str = "mymaster") -> PlannedStatus:
    """Return the status of a failover that is done."""
    progress = FailoverProgress(plan(), 100.0, survey())
    progress.observe(switched())
    progress.observe(record((Stage.ELECTED, 100.1), (Stage.SWITCHED, 101.2), outcome=Outcome.COMPLETED))
    conclusion = progress.conclude(moved(), 103.0)
    return PlannedStatus("kvdb", master, "ada", 1.0, False, 4.0, ("asked",), plan(), conclusion)


class FakeFailovers:
    """The planned failovers of a deployment; to the API they are a `DeploymentFailover`."""

    def __init__(self, *statuses: PlannedStatus) -> None:
        self.by_name = {one.master: one for one in statuses}
        self.asked: list[tuple[str, FailoverRequest, str]] = []
        self.error: Exception | None = None

    @property
    def statuses(self) -> Mapping[str, PlannedStatus]:
        return self.by_name

    async def plan(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        return self._take("plan", request, by)

    async def order(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        found = self._take("order", request, by)
        self.by_name[request.master] = found
        return found

    def end(self, master: str) -> None:
        """End what was ordered: it is done."""
        self.by_name[master] = replace(ended(master), by=self.by_name[master].by)

    def _take(self, what: str, request: FailoverRequest, by: str) -> PlannedStatus:
        if self.error is not None:
            raise self.error
        self.asked.append((what, request, by))
        return PlannedStatus("kvdb", request.master, by, 1.0, running=what == "order", plan=plan(request))
