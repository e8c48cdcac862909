"""Routes that answer from memory: this daemon, deployments, masters, topology, Sentinels."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from ...belief.topology import Topology
from ..settings.http_settings import HttpSettings
from . import shapes
from .answers import answer, etag_of, page
from .belief_lines import (
    all_masters,
    deployment_line,
    detailed_master_line,
    master_page,
    sentinel_lines,
    status_body,
    topology_body,
)
from .overview import Overviews
from .parameters import (
    ERRORS,
    CursorQuery,
    DeploymentQuery,
    FindQuery,
    LimitQuery,
    MasterQuery,
    StateOf,
    known_parameters,
)

__all__ = ["make_live_routes"]


def make_live_routes(settings: HttpSettings) -> APIRouter:
    """Return the routes; `/api/v1/status` reports the access rules of `settings`."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/status", response_model=shapes.Status)
    async def status(request: Request, state: StateOf) -> Response:
        """The version, deployments, journal and access rules of this daemon."""
        return answer(request, status_body(state, settings, time.time()))

    @router.get("/api/v1/deployments", response_model=shapes.DeploymentPage)
    async def deployments(request: Request, state: StateOf) -> Response:
        """The watched deployments."""
        asked = [(watched.topology, watched.hearing, watched.established) for watched in state.chosen(None).values()]
        lines = await asyncio.to_thread(lambda: [deployment_line(*each) for each in asked])
        return answer(request, page(lines))

    @router.get("/api/v1/sentinels", response_model=shapes.SentinelPage)
    async def sentinels(request: Request, state: StateOf, deployment: DeploymentQuery = None) -> Response:
        """Each Sentinel: its link, when its last byte came, and for which masters it gives another address."""
        now = time.time()
        asked = [(watched.topology, watched.links()) for watched in state.chosen(deployment).values()]
        lines = await asyncio.to_thread(lambda: [line for t, links in asked for line in sentinel_lines(t, links, now)])
        return answer(request, page(lines))

    _add_masters(router)
    return router


def _add_masters(router: APIRouter) -> None:
    renderings, overviews = _Renderings(), Overviews()

    @router.get("/api/v1/topology", response_model=shapes.TopologyPage)
    async def topology(request: Request, state: StateOf, deployment: DeploymentQuery = None) -> Response:
        """The whole belief; poll it with `If-None-Match`."""
        made = [await renderings.topology(watched.topology) for watched in state.chosen(deployment).values()]
        body = b'{"items":[' + b",".join(body for body, _ in made) + b'],"next":null}'
        return answer(request, body, etag_of("".join(etag for _, etag in made).encode("ascii")))

    @router.get("/api/v1/overview", response_model=shapes.Overview)
    async def overview(
        request: Request,
        state: StateOf,
        find: FindQuery,
        deployment: DeploymentQuery = None,
        only: Annotated[
            shapes.StateName | None, Query(alias="state", description="Only masters in this state.")
        ] = None,
        limit: LimitQuery = 100,
    ) -> Response:
        """How many masters are in which state, the most urgent ones, and some of the list: those in trouble first."""
        topologies = [watched.topology for watched in state.chosen(deployment).values()]
        overviews.forget_all_but(state.chosen(None))
        return answer(request, await asyncio.to_thread(overviews.line, topologies, find.split(), only, limit))

    @router.get("/api/v1/masters", response_model=shapes.MasterPage)
    async def masters(
        request: Request,
        state: StateOf,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        health: Annotated[shapes.HealthName | None, Query(description="Only masters with this health.")] = None,
        cursor: CursorQuery = None,
        limit: LimitQuery = 100,
    ) -> Response:
        """The belief about each master, by deployment and name."""
        if master is None:
            found = all_masters([watched.topology for watched in state.chosen(deployment).values()])
        else:
            found = iter(state.having(master, deployment))
        lines, following = await asyncio.to_thread(master_page, found, cursor, limit, health)
        return answer(request, page(lines, following))

    @router.get("/api/v1/masters/{name:path}", response_model=shapes.MasterLine)
    async def master(request: Request, state: StateOf, name: str, deployment: DeploymentQuery = None) -> Response:
        """The belief about one master; name the deployment if several have one of that name."""
        of, watched = state.the_one(name, deployment)
        return answer(request, detailed_master_line(of, watched.state(name)))


class _Renderings:
    """Topologies as JSON, made in a thread and kept until something changes: one for each deployment."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Topology, bytes, str]] = {}
        self._making = asyncio.Lock()

    async def topology(self, topology: Topology) -> tuple[bytes, str]:
        """Return the JSON and its ETag."""
        async with self._making:
            made = self._made.get(topology.deployment)
            if made is None or made[0] is not topology:
                body, etag = await asyncio.to_thread(_render, topology)
                made = self._made[topology.deployment] = (topology, body, etag)
            return made[1:]


def _render(topology: Topology) -> tuple[bytes, str]:
    body = topology_body(topology)
    return body, etag_of(body)
