"""
Routes for programs: health, metrics, and whether a node is the master.

The last belief stays valid while no Sentinel is heard: a balancer that got 503 from all nodes at once would cut off a
master that works.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from ...model import Address
from ..settings.http_settings import HttpSettings
from . import shapes
from .answers import rendered
from .belief_lines import same_address
from .metrics import CONTENT_TYPE, Metrics
from .parameters import ERRORS, DeploymentQuery, StateOf, known_parameters

__all__ = ["make_health_routes"]


def make_health_routes(settings: HttpSettings, metrics: Metrics) -> APIRouter:
    """Return the routes; `settings` decide whether `/readyz` names deployments or only counts them."""
    router = APIRouter(responses=ERRORS)

    @router.get(
        "/livez",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, 503: {"content": {"text/plain": {}}}},
    )
    async def livez(state: StateOf) -> Response:
        """Whether the loop that listens to Sentinels runs: 503 if it has not for 10 s."""
        alive = state.alive
        return Response("ok\n" if alive else "stuck\n", 200 if alive else 503, media_type="text/plain")

    @router.get("/readyz", response_model=shapes.Ready, responses={503: {"model": shapes.Ready}})
    async def readyz(state: StateOf) -> Response:
        """Whether enough Sentinels of every deployment that is watched here have answered to know its masters."""
        waiting = [name for name, watched in state.chosen(None).items() if not watched.established]
        if state.claims is not None and not state.claims.decided:
            waiting.append("claims")
        told = waiting if settings.reading_is_open else [f"deployments: {len(waiting)}"] * bool(waiting)
        return _health({"ready": not waiting, "waiting_for": told}, not waiting)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics_text() -> Response:
        """All metrics, for Prometheus."""
        return Response(await metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    @router.get(
        "/masters/{name:path}/is-master",
        response_model=shapes.IsMaster,
        responses={503: {"model": shapes.IsMaster, "description": "It is not the master."}},
        dependencies=[Depends(known_parameters)],
    )
    async def is_master(
        state: StateOf,
        name: str,
        addr: Annotated[str, Query(max_length=300, description="`HOST:PORT`, as announced or as dialled.")],
        deployment: DeploymentQuery = None,
    ) -> Response:
        """For balancers: 200 if the node is the believed master, 503 if it is not."""
        asked = Address.parse(addr)
        of, watched = state.the_one(name, deployment)
        address = watched.state(name).address
        known = () if address is None else (address, watched.dialled(address))
        found = any(same_address(asked, one) for one in known)
        body = {
            "is_master": found,
            "deployment": of,
            "master": name,
            "address": None if address is None else {"host": address.host, "port": address.port},
            "hearing": watched.hearing,
        }
        return _health(body, found)

    return router


def _health(body: object, well: bool) -> Response:
    return Response(rendered(body), 200 if well else 503, media_type="application/json")
