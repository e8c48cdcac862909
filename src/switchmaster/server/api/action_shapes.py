"""The shapes of answers and orders about actions, for the OpenAPI document; see `shapes`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from . import shapes

__all__ = [
    "ActionOrder",
    "ActionPage",
    "ActionTest",
    "ActionTested",
    "PauseEnd",
    "PauseLine",
    "PauseOrder",
    "PausePage",
    "ReactionLine",
    "ReactionPage",
    "ReceiptPage",
]


class ActionLine(shapes.Row):
    """A configured action."""

    type: Literal["configured-action"]
    action: str
    kind: str = Field(description="Its type: `script`, `webhook` and so on.")
    summary: str = Field(description="What it acts on, without secrets.")
    group: Literal["cut", "point", "notify"]
    grade: Literal["announced", "promoted", "agreed"]
    local: bool = Field(description="Whether each daemon does it for itself.")
    every: bool = Field(description="Whether each switch is carried out, in order.")
    dry_run: bool
    masters: list[str] = Field(description="Names or patterns; empty for all.")
    deployments: list[str] = Field(description="Empty for all.")
    states: dict[str, int] = Field(description="Masters by the state of their wish.")
    runs: dict[str, int] = Field(description="Runs of this daemon since its start, by outcome.")


class ReactionLine(shapes.Row):
    """What an action is to do for one master, and how far it has come."""

    type: Literal["reaction"]
    id: int
    action: str
    place: str = Field(description="The daemon that does it for itself; empty if one does it for all.")
    deployment: str
    master: str
    state: Literal["idle", "pending", "done", "failed"]
    cause: Literal["switch", "standing", "drift", "run"]
    wished: str = Field(description=f"When the wish was written: {shapes.TIME_EXAMPLE}")
    attempts: int = Field(description="Attempts for this wish.")
    problem: str = Field(description="What the last attempt without success said, or what the target shows instead.")
    checked: str | None = Field(
        description=f"When the target was last found to be right or compared: {shapes.TIME_EXAMPLE}"
    )
    holder: str | None = Field(description="The run of the daemon that carries it out now.")
    delivery: str | None = Field(description="The id of the wish, the same on every attempt.")
    new: shapes.Node | None = Field(description="The address that is wished for.")
    epoch: int | None


class ReceiptLine(shapes.Row):
    """What an action did for one wish."""

    type: Literal["receipt"]
    id: int
    action: str
    place: str
    deployment: str
    master: str
    delivery: str
    cause: Literal["switch", "standing", "drift", "run"]
    outcome: Literal["running", "done", "gave-up", "superseded", "interrupted", "expired", "dry-run", "drifted"]
    started: str = Field(description=shapes.TIME_EXAMPLE)
    ended: str | None = Field(description="The end of its last attempt.")
    attempts: int
    output: str = Field(description="What the last attempt said, cut to 4,000 characters.")
    observer: str = Field(description="The daemon.")
    switch: dict[str, Any] = Field(description="The switch, as `/api/v1/switches` has it.")


class PauseLine(shapes.Row):
    """Actions that are recorded and not carried out; an empty name stands for all."""

    type: Literal["pause"]
    action: str
    deployment: str
    master: str
    since: str
    until: str | None
    by: str
    reason: str


class _List(BaseModel):
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class ActionPage(_List):
    """The configured actions, in the order of the file."""

    items: list[ActionLine]


class ReactionPage(_List):
    """What actions are to do, the newest row first."""

    items: list[ReactionLine]


class ReceiptPage(_List):
    """What actions did, newest first."""

    items: list[ReceiptLine]


class PausePage(_List):
    """The pauses that hold now."""

    items: list[PauseLine]


class _ActionOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field("", max_length=200, description="Who asks for it.")


class ActionOrder(_ActionOrder):
    """Carry an action out again for one master."""

    confirm: str = Field(max_length=200, description="The action's name, typed once more.")
    master: str = Field(max_length=2_000)
    deployment: str | None = Field(None, max_length=1_000, description="If several have a master of that name.")
    switch: int | None = Field(None, ge=1, le=2**53 - 1, description="The id of a switch; by default the newest wish.")


class ActionTest(_ActionOrder):
    """Prove that an action's target can be reached."""


class ActionTested(BaseModel):
    """What a test found."""

    action: str
    passed: bool
    text: str


class PauseOrder(_ActionOrder):
    """A pause, on all daemons; an empty name stands for all."""

    action: str = Field("", max_length=200)
    deployment: str = Field("", max_length=1_000)
    master: str = Field("", max_length=2_000)
    seconds: float | None = Field(
        None, gt=0, le=31_536_000, description="For how long; until it is resumed by default."
    )
    reason: str = Field("", max_length=1_000)


class PauseEnd(_ActionOrder):
    """The names of a pause that ends."""

    action: str = Field("", max_length=200)
    deployment: str = Field("", max_length=1_000)
    master: str = Field("", max_length=2_000)
