"""
Routes of the guards: what each would do now, and the orders of operators to them.

An order needs the token for writing and a typed confirmation, the master's name: a guard that is armed by mistake may
order a failover, one that is disarmed by mistake lets an outage last.
"""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from ...errors import UnknownMaster, UsageError
from ...guard.master_guard import GuardPhase
from ...guard.policy import Arming, Policy
from ...guard.status import GuardStatus
from ...render import Line, guard_line
from . import shapes
from .answers import ProblemError, answer, page
from .parameters import ERRORS, DeploymentQuery, MasterQuery, StateOf, known_parameters
from .served_state import ServedState

__all__ = ["make_guard_routes"]

DISARMED: Final = "the guard is disarmed"
NOT_YET: Final = "the guard has not begun yet"


def make_guard_routes() -> APIRouter:
    """Return the routes; they come before those of masters, whose names may hold a slash."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/guard", response_model=shapes.GuardPage)
    async def guards(
        request: Request, state: StateOf, deployment: DeploymentQuery = None, master: MasterQuery = None
    ) -> Response:
        """The guard of each master, in deployments that have any: armed or not, and what it would do now."""
        known = state.guards()
        chosen = [known[name] for name in state.chosen(deployment) if name in known]
        every = ((one, guard.leased) for guard in chosen for _, one in sorted(guard.statuses.items()))
        found = [each for each in every if master is None or each[0].master == master]
        return answer(request, page(await asyncio.to_thread(lambda: [guard_line(*each) for each in found])))

    @router.get("/api/v1/masters/{name:path}/guard", response_model=shapes.GuardLine)
    async def guard(request: Request, state: StateOf, name: str, deployment: DeploymentQuery = None) -> Response:
        """The guard of one master: what it would do if the master died now, and why not."""
        of, _ = state.the_one(name, deployment)
        return answer(request, _line(state, of, name))

    @router.post("/api/v1/masters/{name:path}/guard", response_model=shapes.GuardLine)
    async def order(
        request: Request,
        state: StateOf,
        name: str,
        body: shapes.GuardArming | shapes.GuardSuspension,
        deployment: DeploymentQuery = None,
    ) -> Response:
        """Arm, disarm or suspend the guard of one master until the next start or reload; returns its guard."""
        of, _ = state.the_one(name, deployment)
        source = state.guards().get(of)
        if source is None:
            raise ProblemError(503, f"the deployment {of!r} can't be guarded now")
        if body.confirm != name:
            raise ProblemError(409, "nothing was done: confirm must be the master's name, typed once more")
        try:
            if isinstance(body, shapes.GuardArming):
                await source.arm(name, Arming(body.arming), body.by)
            else:
                await source.suspend(name, body.suspend or None, body.by)
        except UnknownMaster as error:
            raise ProblemError(404, str(error)) from None
        except UsageError as error:
            raise ProblemError(409, str(error)) from None
        except TimeoutError:
            raise ProblemError(503, "the main loop did not answer; ask for the state again") from None
        return answer(request, _line(state, of, name))

    return router


def _line(state: ServedState, deployment: str, master: str) -> Line:
    source = state.guards().get(deployment)
    found = None if source is None else source.statuses.get(master)
    if found is None:
        policy = Policy() if source is None else source.policy(master)
        address = state.chosen(deployment)[deployment].state(master).address
        found = GuardStatus(
            deployment=deployment,
            master=master,
            address=address,
            policy=policy,
            phase=GuardPhase.WATCHING,
            outlook=(NOT_YET if policy.arming is not Arming.DISARMED else DISARMED,),
            would_ask=None,
            would_promote=None,
            may_order=None,
            reports={},
            counts={},
            objected={},
            suspended_until=None,
        )
    return guard_line(found, None if source is None else source.leased)
