"""
What the journal keeps of actions, as values: the row of each action and master, its receipts, and pauses.

Pure: `reaction_store` reads and writes them, `switchmaster.react` decides by them.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .wishes import Wish

__all__ = ["ActionPause", "Decide", "ReactionRow", "ReactionState", "RunCause", "RunOutcome", "Target", "WishStep"]


class ReactionState(enum.StrEnum):
    """How far a wish has come."""

    IDLE = "idle"
    """There is no wish yet."""
    PENDING = "pending"
    """It is to be carried out, or being carried out."""
    DONE = "done"
    FAILED = "failed"
    """It was given up."""


class RunCause(enum.StrEnum):
    """Why an action is carried out."""

    SWITCH = "switch"
    STANDING = "standing"
    """The action is new here: its target must show where the master is, without any switch."""
    DRIFT = "drift"
    """The target was found to show something else."""
    RUN = "run"
    """A person asked for it."""


class RunOutcome(enum.StrEnum):
    """What became of one run."""

    RUNNING = "running"
    DONE = "done"
    GAVE_UP = "gave-up"
    """It can't succeed, or its time is over."""
    SUPERSEDED = "superseded"
    """A newer wish came first."""
    INTERRUPTED = "interrupted"
    """Its daemon ended or lost its hold; the wish is still carried out, perhaps by another one."""
    EXPIRED = "expired"
    """The switch was too old when it could be carried out."""
    DRY_RUN = "dry-run"
    DRIFTED = "drifted"
    """The target shows something else, and is only reported."""


@dataclass(frozen=True, slots=True)
class Target:
    """One action for one master, and what is configured of it that decides about wishes."""

    action: str
    place: str
    """Empty for an action that one daemon carries out for all, else the daemon's name."""
    deployment: str
    master: str
    every: bool
    """Whether each switch is carried out, in order; else only the newest."""
    standing: bool
    """Whether the target must show the master's place, also where no switch led to it."""


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """The queue of one of an action and a master."""

    id: int
    action: str
    place: str
    deployment: str
    master: str
    seen: int
    """The newest switch that was considered."""
    wish: Wish | None
    state: ReactionState
    cause: RunCause
    wished: float
    """When the wish was written, in seconds since 1970."""
    attempts: int
    """That have ended without success."""
    checked: float
    """When the target was last found to be right, or compared."""
    problem: str
    """What the last attempt without success said; empty after a success."""
    holder: str | None
    """The run of the daemon that carries it out."""
    held_until: float


@dataclass(frozen=True, slots=True)
class WishStep:
    """What becomes of a row."""

    seen: int
    wish: Wish | None = None
    """The new wish; None to keep the one there is."""
    cause: RunCause = RunCause.SWITCH


@dataclass(frozen=True, slots=True)
class ActionPause:
    """Actions that are recorded and not carried out; an empty name stands for all."""

    action: str
    deployment: str
    master: str
    since: float
    until: float | None
    by: str
    reason: str

    def covers(self, action: str, deployment: str, master: str, now: float) -> bool:
        """Return whether an action for a master is paused by it."""
        named = ((self.action, action), (self.deployment, deployment), (self.master, master))
        return (self.until is None or now < self.until) and all(mine in ("", given) for mine, given in named)


Decide: TypeAlias = Callable[[Target, ReactionRow, Sequence[Wish], Wish | None], WishStep | None]
"""Returns what becomes of a row, from the switches that it has not seen (oldest first) and the master's place."""
