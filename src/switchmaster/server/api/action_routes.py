"""
Routes of the actions: what is configured, what each is to do and did, and the orders of operators to them.

An order needs the token for writing; carrying an action out again needs the action's name as a confirmation too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from ...errors import UsageError
from ...journal.reaction_lines import pause_line
from ...react.action_kinds import AttemptFailed, ConfiguredAction
from ...react.reactor import Reactor
from ...render import Line
from . import action_shapes as shapes
from .answers import ProblemError, answer, answer_page, page
from .parameters import (
    ERRORS,
    CursorQuery,
    DeploymentQuery,
    LimitQuery,
    MasterQuery,
    StateOf,
    known_parameters,
)
from .served_state import ServedState

__all__ = ["make_action_routes"]

ActionQuery = Annotated[str | None, Query(max_length=200, description="Only this action.")]
ActionPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="The action's name.")]


def make_action_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])
    _add_lists(router)
    _add_orders(router)
    _add_pauses(router)
    return router


def _add_lists(router: APIRouter) -> None:
    @router.get("/api/v1/actions", response_model=shapes.ActionPage)
    async def actions(request: Request, state: StateOf) -> Response:
        """The configured actions."""
        configured = _reactor(state).actions
        counts = await state.history.ask(lambda reader: reader.reaction_counts())
        return answer(request, page([_line(state, one, counts.get((one.name, one.place), {})) for one in configured]))

    @router.get("/api/v1/reactions", response_model=shapes.ReactionPage)
    async def reactions(
        request: Request,
        state: StateOf,
        action: ActionQuery = None,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        is_in: Annotated[Literal["idle", "pending", "done", "failed"] | None, Query(alias="state")] = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 50,
    ) -> Response:
        """What each action is to do for each master, and how far it has come."""
        wanted = (action, deployment, master, is_in)
        found = await state.history.ask(lambda reader: reader.reactions(*wanted, cursor, limit))
        return answer_page(request, found)

    @router.get("/api/v1/receipts", response_model=shapes.ReceiptPage)
    async def receipts(
        request: Request,
        state: StateOf,
        action: ActionQuery = None,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        outcome: Annotated[
            Literal["running", "done", "gave-up", "superseded", "interrupted", "expired", "dry-run", "drifted"] | None,
            Query(),
        ] = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 50,
    ) -> Response:
        """What actions did, newest first."""
        wanted = (action, deployment, master, outcome)
        found = await state.history.ask(lambda reader: reader.receipts(*wanted, cursor, limit))
        return answer_page(request, found)


def _add_orders(router: APIRouter) -> None:
    @router.post("/api/v1/actions/{name}/run", response_model=shapes.ReactionLine)
    async def run(request: Request, state: StateOf, name: ActionPath, body: shapes.ActionOrder) -> Response:
        """Carry an action out again for one master: the newest wish, or one switch; returns its row."""
        reactor = _reactor(state)
        action = _named(reactor, name)
        if body.confirm != name:
            raise ProblemError(409, "nothing was done: confirm must be the action's name, typed once more")
        deployment, _ = state.the_one(body.master, body.deployment)
        target = reactor.target(action, deployment, body.master)
        try:
            await state.history.ask(lambda _: reactor.store.order_run(target, body.switch))
        except UsageError as error:
            raise ProblemError(409, str(error)) from None
        reactor.wake()
        found = await state.history.ask(lambda reader: reader.reactions(name, deployment, body.master, limit=1000))
        lines = [line for line in found.items if line["place"] == action.place]
        return answer(request, lines[0])

    @router.post("/api/v1/actions/{name}/test", response_model=shapes.ActionTested)
    async def test(request: Request, state: StateOf, name: ActionPath, body: shapes.ActionTest) -> Response:
        """Prove from this daemon that an action's target can be reached; changes nothing."""
        reactor = _reactor(state)
        _named(reactor, name)
        try:
            text, passed = await reactor.test(name), True
        except AttemptFailed as error:
            text, passed = error.output, False
        return answer(request, {"action": name, "passed": passed, "text": text})


def _add_pauses(router: APIRouter) -> None:
    @router.get("/api/v1/pauses", response_model=shapes.PausePage)
    async def pauses(request: Request, state: StateOf) -> Response:
        """The pauses that hold now, on all daemons of this journal."""
        store = _reactor(state).store
        found, _ = await state.history.ask(lambda _: store.pauses())
        return answer(request, page([pause_line(one) for one in found]))

    @router.post("/api/v1/actions/pause", response_model=shapes.PauseLine)
    async def pause(request: Request, state: StateOf, body: shapes.PauseOrder) -> Response:
        """Pause actions on all daemons: switches are recorded, and carried out when they are resumed."""
        store = _reactor(state).store
        names = (body.action, body.deployment, body.master)
        made = await state.history.ask(lambda _: store.pause(*names, body.seconds, body.by, body.reason))
        return answer(request, pause_line(made))

    @router.post("/api/v1/actions/resume", response_model=shapes.PausePage)
    async def resume(request: Request, state: StateOf, body: shapes.PauseEnd) -> Response:
        """End the pause of these names; returns the pauses that are left."""
        reactor = _reactor(state)
        ended = await state.history.ask(lambda _: reactor.store.resume(body.action, body.deployment, body.master))
        if not ended:
            raise ProblemError(409, "no pause has these names; GET /api/v1/pauses lists them")
        reactor.wake()
        left, _ = await state.history.ask(lambda _: reactor.store.pauses())
        return answer(request, page([pause_line(one) for one in left]))


def _reactor(state: ServedState) -> Reactor:
    if state.actions is None:
        raise ProblemError(503, "this daemon carries out no actions")
    return state.actions.reactor


def _named(reactor: Reactor, name: str) -> ConfiguredAction:
    try:
        return reactor.action(name)
    except UsageError as error:
        raise ProblemError(404, str(error)) from None


def _line(state: ServedState, action: ConfiguredAction, states: dict[str, int]) -> Line:
    runs = {} if state.actions is None else state.actions.runs.copy()
    return {
        "type": "configured-action",
        "action": action.name,
        "kind": action.action.kind,
        "summary": action.action.summary,
        "group": action.group,
        "grade": str(action.grade),
        "local": bool(action.place),
        "every": action.every,
        "dry_run": action.dry_run,
        "masters": list(action.masters),
        "deployments": list(action.deployments),
        "states": states,
        "runs": {outcome: count for (name, outcome), count in sorted(runs.items()) if name == action.name},
    }
