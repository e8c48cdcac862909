"""The routes of the doctor: what it found in its last inspection of each deployment, and what its rules say."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Depends, Query, Request, Response

from ...doctor.symptom import RULES, sections
from ...render import Line, iso
from . import shapes
from .answers import answer, page
from .parameters import ERRORS, DeploymentQuery, MasterQuery, StateOf, known_parameters
from .served_state import DoctorSource

__all__ = ["make_doctor_routes"]

DoctorLineType: TypeAlias = Literal["risk", "finding", "suppressed", "diagnosis"]
LineTypes: TypeAlias = Annotated[
    list[DoctorLineType] | None, Query(alias="type", description="Only lines of these types; all by default.")
]


def make_doctor_routes() -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS, dependencies=[Depends(known_parameters)])

    @router.get("/api/v1/doctor", response_model=shapes.DoctorPage)
    async def doctor(
        request: Request,
        state: StateOf,
        deployment: DeploymentQuery = None,
        master: MasterQuery = None,
        types: LineTypes = None,
    ) -> Response:
        """What the doctor found: risks, findings, suppressed ones, and the sum; nothing where it is off."""
        known = state.doctors()
        chosen = [known[name] for name in state.chosen(deployment) if name in known]
        wanted = frozenset(types) if types else None

        def lines() -> list[Line]:
            found = (line for one in chosen for line in _lines(one, master))
            return [line for line in found if wanted is None or line["type"] in wanted]

        return answer(request, page(await asyncio.to_thread(lines)))

    @router.get("/api/v1/doctor/rules", response_model=shapes.DoctorRulePage)
    async def doctor_rules(request: Request) -> Response:
        """What each rule of the doctor looks for, why it hurts, and how to mend it."""
        return answer(request, page([_rule(rule_id) for rule_id in RULES]))

    return router


def _rule(rule_id: str) -> Line:
    rule = RULES[rule_id]
    text = sections(rule.text)
    return {
        "rule": rule_id,
        "severity": str(rule.severity),
        "title": rule.title,
        **{part.lower(): text.get(part, "") for part in ("Why", "Mend", "Source", "Versions")},
    }


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
