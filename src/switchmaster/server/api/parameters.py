"""
Parameters of requests that several routes share, in the terms of FastAPI.

A name may hold any bytes. In a query it is percent-encoded; bytes that are not UTF-8 (``%FF``) become lone surrogates
(``surrogateescape``), as in answers (``"\\udcff"``).

Dependencies are coroutines although they wait for nothing: the framework would run a function in a thread, and a
balancer's request would wait for that thread.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import parse_qs

from fastapi import Depends, Path, Query, Request
from pydantic import AwareDatetime, BeforeValidator

from .answers import Problem, ProblemError
from .served_state import ServedState

__all__ = [
    "ERRORS",
    "AfterQuery",
    "CursorQuery",
    "DeploymentQuery",
    "FailoverPath",
    "FailoverQuery",
    "FindQuery",
    "LimitQuery",
    "MasterQuery",
    "SinceQuery",
    "StateOf",
    "TypesQuery",
    "UntilQuery",
    "known_parameters",
]

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": Problem, "description": "What went wrong, in a sentence."},
    422: {"model": Problem, "description": "A parameter or the body is invalid."},
}
"""What every route may answer besides its own responses."""

RFC3339: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
ID: Final = r"^[0-9A-Za-z-]{1,64}$"


async def state_of(request: Request) -> ServedState:
    """Return what is served."""
    state: ServedState = request.app.state.switchmaster
    return state


def rfc3339(value: Any) -> Any:
    """Return a time in the form of RFC 3339; pydantic alone would accept numbers too, of any unit."""
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-11-23T03:00:00Z")
    return value


async def known_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not have: a misspelt filter would silently filter nothing."""
    route = request.scope["route"]
    operation = request.app.openapi()["paths"][route.path_format][request.method.lower()]
    known = sorted(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")
    for name in request.query_params:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            there = ", ".join(known) or "none"
            raise ProblemError(422, f"unknown query parameter {name[:100]!r}; {hint}known: {there}")


async def deployment_of(
    request: Request,
    deployment: Annotated[str | None, Query(max_length=1_000, description="Only this deployment.")] = None,
) -> str | None:
    """Return the requested deployment."""
    return _exact(request, "deployment", deployment)


async def master_of(
    request: Request,
    master: Annotated[
        str | None, Query(max_length=2_000, description="Only this master; bytes that are not UTF-8 as `%FF`.")
    ] = None,
) -> str | None:
    """Return the requested master."""
    return _exact(request, "master", master)


async def find_of(
    request: Request,
    find: Annotated[
        str, Query(max_length=2_000, description="Only masters whose name, deployment or address has all these words.")
    ] = "",
) -> str:
    """Return the requested words."""
    return _exact(request, "find", find) or ""


def _exact(request: Request, parameter: str, read: str | None) -> str | None:
    """Return a parameter's text as sent: the framework replaces bytes that are not UTF-8 by U+FFFD."""
    if read is None or "\ufffd" not in read:
        return read
    query: str = request.scope["query_string"].decode("latin-1")
    return parse_qs(query, keep_blank_values=True, errors="surrogateescape")[parameter][-1]


StateOf: TypeAlias = Annotated[ServedState, Depends(state_of)]
DeploymentQuery: TypeAlias = Annotated[str | None, Depends(deployment_of)]
MasterQuery: TypeAlias = Annotated[str | None, Depends(master_of)]
FindQuery: TypeAlias = Annotated[str, Depends(find_of)]
LimitQuery: TypeAlias = Annotated[int, Query(ge=1, le=1_000, description="Most items of the page.")]
CursorQuery: TypeAlias = Annotated[str | None, Query(max_length=10_000, description="`next` of the previous page.")]
Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(rfc3339)]
SinceQuery: TypeAlias = Annotated[
    Moment | None, Query(description="Only what began at this time or later, such as `2026-11-23T03:00:00Z`.")
]
UntilQuery: TypeAlias = Annotated[Moment | None, Query(description="Only what began before this time.")]
FailoverPath: TypeAlias = Annotated[str, Path(pattern=ID, description="The failover's id.")]
FailoverQuery: TypeAlias = Annotated[str | None, Query(pattern=ID, description="Only lines about this failover.")]
Type: TypeAlias = Literal["event", "switch", "failover", "notice", "action", "daemon", "pulse"]
TypesQuery: TypeAlias = Annotated[list[Type] | None, Query(description="Only lines of these types; all by default.")]
AfterQuery: TypeAlias = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="As `Last-Event-ID`.")]
