"""
The application: routes, errors, admission and dashboard put together. No I/O happens here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from ...errors import UsageError
from ..settings.http_settings import HttpSettings
from .action_routes import make_action_routes
from .admission import GUARDED_PATHS, Admission
from .answers import ProblemError, problem
from .claim_routes import make_claim_routes
from .dashboard import WEB, Dashboard
from .doctor_routes import make_doctor_routes
from .failover_routes import make_failover_routes
from .guard_routes import make_guard_routes
from .health_routes import make_health_routes
from .journal_routes import make_journal_routes
from .live_routes import make_live_routes
from .metrics import Metrics
from .proxy_routes import make_proxy_routes
from .served_state import ServedState

__all__ = ["WEB", "create_app"]

ABOUT: Final = """\
What switchmaster knows about Redis and Valkey masters behind Sentinel: now, and in the past.

A list is `{"items": [...], "next": cursor or null}`. An error is `{"status", "title", "detail"}`, its `detail` a
sentence. Under `/api/v1/` every answer but the stream's has an `ETag` and respects `If-None-Match`. POST always needs
the token; GET needs one if the daemon listens beyond loopback or has a read token."""


def create_app(state: ServedState, settings: HttpSettings, metrics: Metrics | None = None, web: Path = WEB) -> FastAPI:
    """
    Make the application.

    Args:
        state: what is served.
        settings: who has access.
        metrics: what `/metrics` serves; None makes a new one.
        web: the dashboard's folder; if it does not exist, `/` answers 404.

    Returns:
        The ASGI application; it needs no lifespan.
    """
    app = FastAPI(
        title="switchmaster",
        version=state.version,
        description=ABOUT,
        docs_url=None,  # they load scripts from other hosts; `/docs` is a page of the dashboard
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.switchmaster = state
    app.include_router(make_guard_routes())
    app.include_router(make_doctor_routes())
    app.include_router(make_proxy_routes())
    app.include_router(make_failover_routes())
    app.include_router(make_action_routes())
    app.include_router(make_claim_routes())
    app.include_router(make_live_routes(settings))
    app.include_router(make_journal_routes())
    app.include_router(make_health_routes(settings, metrics or Metrics(state)))
    # Not a mount at "/": that would answer API routes requested with another method.
    app.router.default = Dashboard(web)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(UsageError, _on_usage)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_mistake)
    app.add_middleware(Admission, settings=settings, refused=state.refused, responses=state.responses)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _on_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.detail, error.retry)


async def _on_usage(_: Request, error: Exception) -> Response:
    return problem(400, str(error))


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5]]
    return problem(422, "; ".join(wrong))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, "not found" if error.status_code == 404 else error.detail)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    if error.status_code == 405:
        # A route knows only its own method, and several may share a path.
        path = getattr(request.scope.get("route"), "path_format", "")
        methods = request.app.openapi()["paths"].get(path, {})
        if methods:
            answer.headers["Allow"] = ", ".join(sorted(method.upper() for method in methods))
    return answer


async def _on_mistake(_: Request, error: Exception) -> Response:
    return problem(500, "internal error; see the log")


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the document, with the access rules at every operation."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if method == "post":
                    operation["security"] = [{"token": []}]
                elif path.startswith(GUARDED_PATHS):
                    operation["security"] = [{}, {"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
