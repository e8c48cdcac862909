"""The route of the doctor: what it found in its last inspection of each deployment, in the lines of the CLI."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response

from ...render import Line, iso
from . import shapes
from .answers import answer, page
from .parameters import ERRORS, DeploymentQuery, MasterQuery, StateOf, known_parameters
from .served_state import DoctorSource

__all__ = ["make_doctor_routes"]


def make_doctor_routes() -> APIRouter:
    """Return the route."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/doctor", response_model=shapes.DoctorPage)
    async def doctor(
        request: Request, state: StateOf, deployment: DeploymentQuery = None, master: MasterQuery = None
    ) -> Response:
        """What the doctor found: risks, findings, suppressed ones, and the sum; nothing where it is off."""
        known = state.doctors()
        chosen = [known[name] for name in state.chosen(deployment) if name in known]
        return answer(
            request, page(await asyncio.to_thread(lambda: [line for one in chosen for line in _lines(one, master)]))
        )

    return router


def _lines(source: DoctorSource, master: str | None) -> list[Line]:
    report = source.report
    if report is None:
        return []
    time = iso(report.found.wall)
    return [{**line, "time": time} for line in report.lines if master is None or _concerns(line, master)]


def _concerns(line: Line, master: str) -> bool:
    """Whether a line is about one master; findings of the whole deployment are about each."""
    if line["type"] == "diagnosis":
        return False
    return line["master"] in (master, None) or master in line.get("same_in", ())
