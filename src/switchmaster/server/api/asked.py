"""What requests may say, in the terms of FastAPI: parameters that several routes share."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import Depends, Path, Query, Request
from pydantic import AwareDatetime, BeforeValidator

from .answers import Problem
from .state import State

__all__ = [
    "ERRORS",
    "Cursor",
    "Deployment",
    "Entry",
    "Id",
    "Limit",
    "Master",
    "OfFailover",
    "Since",
    "StateOf",
    "Types",
    "Until",
]

ERRORS: Final[dict[int | str, dict[str, Any]]] = {"default": {"model": Problem}, 422: {"model": Problem}}
"""What every route may answer besides its own."""

TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
ID: Final = r"^[0-9A-Za-z-]{1,64}$"


def state_of(request: Request) -> State:
    """Return what the composition root handed over."""
    state: State = request.app.state.switchmaster
    return state


def rfc3339(value: Any) -> Any:
    """Return a time as it is written in RFC 3339; pydantic alone would take numbers too, of whatever unit."""
    if not isinstance(value, str) or not TIME.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-11-23T03:00:00Z")
    return value


StateOf: TypeAlias = Annotated[State, Depends(state_of)]
Deployment: TypeAlias = Annotated[str | None, Query(max_length=1_000, description="Only of this deployment.")]
Master: TypeAlias = Annotated[str | None, Query(max_length=2_000, description="Only of this master.")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=1_000, description="Items of the page at most.")]
Cursor: TypeAlias = Annotated[str | None, Query(max_length=10_000, description="`next` of the page before.")]
Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(rfc3339)]
Since: TypeAlias = Annotated[
    Moment | None, Query(description="That began then or later, such as `2026-11-23T03:00:00Z`.")
]
Until: TypeAlias = Annotated[Moment | None, Query(description="That began before.")]
Id: TypeAlias = Annotated[str, Path(pattern=ID, description="The failover's id.")]
OfFailover: TypeAlias = Annotated[str | None, Query(pattern=ID, description="Only what tells of this failover.")]
Type: TypeAlias = Literal["event", "switch", "failover", "notice", "action", "daemon"]
Types: TypeAlias = Annotated[list[Type] | None, Query(description="Only lines of these types; all unless given.")]
Entry: TypeAlias = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="As `Last-Event-ID`.")]
