"""The route of proxies: where HAProxy leads, and how it stands."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from . import shapes
from .answers import answer, page
from .parameters import ERRORS, DeploymentQuery, MasterQuery, StateOf, known_parameters

__all__ = ["make_proxy_routes"]


def make_proxy_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/proxy", response_model=shapes.ProxyPage)
    async def proxies(
        request: Request, state: StateOf, deployment: DeploymentQuery = None, master: MasterQuery = None
    ) -> Response:
        """Where the proxy of each deployment that has one leads, by master, and how its HAProxy stands."""
        known = state.proxies()
        chosen = [known[name] for name in state.chosen(deployment) if name in known]
        lines = [line for one in chosen for line in one.lines if master is None or line["master"] == master]
        return answer(request, page(lines))

    return router
