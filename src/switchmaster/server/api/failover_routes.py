"""
Routes of planned failovers: ordering one, and how it goes.

An order needs the token for writing and a typed confirmation, the master's name. It answers at once; the state is read
again until ``running`` is false. A dry run only plans: it changes nothing and needs no confirmation.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from ...errors import UnknownMaster, UsageError
from ...model import Address
from ...planned.request import FailoverRequest
from ...render import planned_status_line
from . import shapes
from .answers import ProblemError, answer, page
from .parameters import ERRORS, DeploymentQuery, MasterQuery, StateOf, known_parameters

__all__ = ["make_failover_routes"]


def make_failover_routes() -> APIRouter:
    """Return the routes; they come before those of masters, whose names may hold a slash."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/planned-failovers", response_model=shapes.PlannedFailoverPage)
    async def all_planned(
        request: Request, state: StateOf, deployment: DeploymentQuery = None, master: MasterQuery = None
    ) -> Response:
        """The planned failover of each master that was moved since the daemon's start, or is being moved."""
        known = state.failovers()
        chosen = [known[name] for name in state.chosen(deployment) if name in known]
        found = [one for source in chosen for _, one in sorted(source.statuses.items()) if master in (None, one.master)]
        return answer(request, page([planned_status_line(one) for one in found]))

    @router.get("/api/v1/masters/{name:path}/planned-failover", response_model=shapes.PlannedFailoverLine)
    async def planned(request: Request, state: StateOf, name: str, deployment: DeploymentQuery = None) -> Response:
        """The planned failover of one master that runs, or the last one since the daemon's start; 404 if none was."""
        of, _ = state.the_one(name, deployment)
        source = state.failovers().get(of)
        found = None if source is None else source.statuses.get(name)
        if found is None:
            raise ProblemError(404, f"no planned failover of {name!r} was ordered here since the daemon's start")
        return answer(request, planned_status_line(found))

    @router.post("/api/v1/masters/{name:path}/planned-failover", response_model=shapes.PlannedFailoverLine)
    async def order(
        request: Request,
        state: StateOf,
        name: str,
        body: shapes.PlannedFailoverOrder,
        deployment: DeploymentQuery = None,
    ) -> Response:
        """Order a planned failover of one master, or only plan it; returns how it stands now."""
        of, _ = state.the_one(name, deployment)
        source = state.failovers().get(of)
        if source is None:
            raise ProblemError(503, f"no failover can be ordered in the deployment {of!r} now")
        if not body.dry_run and body.confirm != name:
            raise ProblemError(409, "nothing was done: confirm must be the master's name, typed once more")
        try:
            wanted = FailoverRequest(
                name,
                to=None if body.to is None else Address.parse(body.to),
                if_master=None if body.if_master is None else Address.parse(body.if_master),
                coordinated=body.coordinated,
                wait_replicas=body.wait_replicas,
            )
        except UsageError as error:
            raise ProblemError(422, str(error)) from None
        try:
            found = await (source.plan(wanted, body.by) if body.dry_run else source.order(wanted, body.by))
        except UnknownMaster as error:
            raise ProblemError(404, str(error)) from None
        except UsageError as error:
            raise ProblemError(409, str(error)) from None
        except TimeoutError:
            raise ProblemError(503, "the main loop did not answer; ask for the state again") from None
        return answer(request, planned_status_line(found))

    return router
