"""The shapes of answers about shared deployments, for the OpenAPI document; see `shapes`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from . import shapes

__all__ = ["ClaimPage"]


class Claimant(BaseModel):
    """A daemon that watches a deployment."""

    daemon: str
    run: str = Field(description="The id of its run, as in `/api/v1/observers`.")
    state: Literal["starting", "ready", "deaf"] = Field(
        description="`ready`: it knows the masters. `deaf`: it does not reach enough Sentinels, and does not count."
    )
    kept: bool = Field(description="It needs the deployment itself, for a relay, a proxy or an action of its own.")
    masters: int


class ClaimLine(shapes.Row):
    """Who watches a deployment."""

    type: Literal["claim"]
    deployment: str
    here: bool = Field(description="Whether this daemon watches it.")
    wanted: int = Field(description="How many daemons are to watch it: fewer than configured if fewer offer it.")
    ready: int = Field(description="How many of them know its masters.")
    daemons: list[Claimant]


class ClaimPage(BaseModel):
    """A page of who watches which deployments."""

    items: list[ClaimLine]
    next: str | None
