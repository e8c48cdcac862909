"""
Routes that read the journal: failovers, switches, events, runs of daemons, and the stream.

While the journal is unavailable they answer 503 with a sentence. Lists are newest first and continue from a position,
not from a count, so that additions move nothing.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from ...account.postmortem import document
from ...account.record_lines import failover_from_line, switch_from_line
from ...journal import FailoverFilter
from ...render import Line
from . import shapes
from .answers import ProblemError, answer, answer_page, page
from .journal_stream import StreamFilter
from .parameters import (
    ERRORS,
    AfterQuery,
    CursorQuery,
    DeploymentQuery,
    FailoverPath,
    FailoverQuery,
    LimitQuery,
    MasterQuery,
    SinceQuery,
    StateOf,
    TypesQuery,
    UntilQuery,
    known_parameters,
)
from .served_state import ServedState

__all__ = ["make_journal_routes"]


def make_journal_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])
    _add_failovers(router)
    _add_lists(router)
    _add_stream(router)
    return router


def _add_failovers(router: APIRouter) -> None:
    @router.get("/api/v1/failovers", response_model=shapes.FailoverPage)
    async def failovers(
        request: Request,
        state: StateOf,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        outcome: Annotated[Literal["completed", "aborted", "in-progress"] | None, Query()] = None,
        kind: Annotated[Literal["automatic", "manual", "coordinated"] | None, Query()] = None,
        since: SinceQuery = None,
        until: UntilQuery = None,
        suspicions: Annotated[bool, Query(description="Also suspicions without a failover attempt.")] = False,
        q: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=200,
                description="Only those that contain this text: names, id, addresses, Sentinels, reason, comments.",
            ),
        ] = None,
        missed: Annotated[bool | None, Query(description="Only those that no daemon heard, or the others.")] = None,
        acknowledged: Annotated[bool | None, Query(description="Only acknowledged ones, or the others.")] = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 50,
    ) -> Response:
        """Failovers, newest first."""
        wanted = FailoverFilter(
            deployment, master, outcome, kind, _seconds(since), _seconds(until), suspicions, missed, acknowledged, q
        )
        return answer_page(request, await state.history.ask(lambda reader: reader.failovers(wanted, cursor, limit)))

    @router.get("/api/v1/failovers/{id}", response_model=shapes.FailoverLine)
    async def failover(request: Request, state: StateOf, id: FailoverPath) -> Response:
        """One failover, with its comments."""
        return answer(request, await _failover(state, id))

    @router.get(
        "/api/v1/failovers/{id}/postmortem",
        response_class=Response,
        responses={200: {"description": "Markdown.", "content": {"text/markdown": {}}}},
    )
    async def postmortem(request: Request, state: StateOf, id: FailoverPath) -> Response:
        """One failover as a post-mortem in Markdown, to be completed by people."""
        line = await _failover(state, id)
        told = await state.history.ask(lambda reader: reader.entries(types=("switch",), failover=id))
        switches = [switch_from_line(switch) for _, switch in told]
        text = await asyncio.to_thread(document, failover_from_line(line), switches)
        return answer(request, text.encode("utf-8"), type="text/markdown; charset=utf-8", name=f"failover-{id}.md")

    @router.post("/api/v1/failovers/{id}/acknowledge", response_model=shapes.FailoverLine)
    async def acknowledge(request: Request, state: StateOf, id: FailoverPath, body: shapes.Acknowledgement) -> Response:
        """Acknowledge a failover; returns the failover."""
        found = await state.history.ask(lambda reader: reader.acknowledge(id, body.by, body.comment))
        return answer(request, await _failover(state, id) if found else _no_failover(id))

    @router.post("/api/v1/failovers/{id}/comments", response_model=shapes.FailoverLine)
    async def comment(request: Request, state: StateOf, id: FailoverPath, body: shapes.Comment) -> Response:
        """Add a comment; returns the failover."""
        found = await state.history.ask(lambda reader: reader.comment(id, body.by, body.text))
        return answer(request, await _failover(state, id) if found else _no_failover(id))


def _add_lists(router: APIRouter) -> None:
    @router.get("/api/v1/switches", response_model=shapes.SwitchPage)
    async def switches(
        request: Request,
        state: StateOf,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        since: SinceQuery = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 50,
    ) -> Response:
        """Switches, newest first."""
        began = _seconds(since)
        return answer_page(
            request,
            await state.history.ask(lambda reader: reader.switches(deployment, master, began, cursor, limit)),
        )

    @router.get("/api/v1/events", response_model=shapes.LinePage)
    async def events(
        request: Request,
        state: StateOf,
        type: TypesQuery = None,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        failover: FailoverQuery = None,
        since: SinceQuery = None,
        until: UntilQuery = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 100,
    ) -> Response:
        """All lines, newest first: the stream, backwards."""
        begin, end = _seconds(since), _seconds(until)
        return answer_page(
            request,
            await state.history.ask(
                lambda reader: reader.newest_entries(
                    type or (), deployment, master, failover, cursor, limit, begin, end
                )
            ),
        )

    @router.get("/api/v1/observers", response_model=shapes.ObserverPage)
    async def observers(request: Request, state: StateOf) -> Response:
        """The last 1,000 runs of daemons that have written to the journal, newest first."""
        return answer(request, page(await state.history.ask(lambda reader: reader.observers())))


def _add_stream(router: APIRouter) -> None:
    @router.get(
        "/api/v1/stream",
        response_class=Response,
        responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
    )
    async def stream(
        request: Request,
        state: StateOf,
        type: TypesQuery = None,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        after: AfterQuery = None,
        last_event_id: Annotated[
            str | None, Header(pattern=r"^[0-9]{1,18}$", description="Continue after this entry.")
        ] = None,
    ) -> Response:
        """Every line as it is committed, as server-sent events."""
        place = after if last_event_id is None else int(last_event_id)
        wanted = StreamFilter(frozenset(type or ()), deployment, master)
        return await state.stream.open(place, wanted, head="switchmaster.head" in request.scope)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


async def _failover(state: ServedState, id: str) -> Line:
    line = await state.history.ask(lambda reader: reader.failover(id))
    return _no_failover(id) if line is None else line


def _no_failover(id: str) -> Line:
    raise ProblemError(404, f"the journal has no failover {id}")
