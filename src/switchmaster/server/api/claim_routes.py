"""The route of shared deployments: which daemon watches which."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from . import claim_shapes
from .answers import ProblemError, answer, page
from .claim_lines import claim_lines
from .parameters import ERRORS, DeploymentQuery, StateOf, known_parameters

__all__ = ["make_claim_routes"]


def make_claim_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/claims", response_model=claim_shapes.ClaimPage)
    async def claims(request: Request, state: StateOf, deployment: DeploymentQuery = None) -> Response:
        """Which daemons watch each deployment, where several share them; empty where nothing is shared."""
        lines = [] if state.claims is None else claim_lines(state.claims)
        if deployment is not None:
            lines = [line for line in lines if line["deployment"] == deployment]
            if not lines:
                raise ProblemError(404, f"no daemon that shares deployments has one named {deployment!r}")
        return answer(request, page(lines))

    return router
