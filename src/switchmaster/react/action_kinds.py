"""
What an action is: a target that is made to show a master's place, or told of a switch.

An action's value holds what is configured; secrets are read from their files at each attempt. It keeps nothing between
attempts, so that any daemon can go on where another one was killed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..model import Grade

__all__ = ["Action", "AttemptFailed", "ConfiguredAction", "GiveUp", "Run"]


class AttemptFailed(Exception):
    """
    An attempt failed; another one may succeed.

    Args:
        output: what happened, for people; bounded by whoever keeps it.
        after: seconds to wait before the next attempt; None for the backoff's.
    """

    def __init__(self, output: str, after: float | None = None) -> None:
        super().__init__(output)
        self.output, self.after = output, after


class GiveUp(Exception):
    """
    An attempt failed, and none will succeed.

    Args:
        output: what happened, for people.
    """

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


@dataclass(frozen=True, slots=True)
class Run:
    """What an attempt knows besides its wish."""

    action: str
    """The action's name."""
    attempt: int
    """Counts from 1."""
    cause: RunCause
    elsewhere: Callable[[], list[Wish]]
    """Returns the newest wishes of all masters of this action, for targets that show several at once."""


class Action(ABC):
    """One kind of action, as configured."""

    kind: ClassVar[str]
    compares: ClassVar[bool] = False
    """Whether the target can be read back."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What it acts on, without secrets."""

    @abstractmethod
    async def apply(self, wish: Wish, run: Run) -> str:
        """
        Make one attempt; return what happened, for people.

        Raises:
            AttemptFailed: it may succeed later.
            GiveUp: it can't succeed.
        """

    async def compare(self, wish: Wish, run: Run) -> str:
        """Return what the target shows instead of the wish; empty if it is right. Errors as of `apply`."""
        return ""

    @abstractmethod
    async def test(self) -> str:
        """Prove that the target can be reached, without a change; return how. Errors as of `apply`."""

    @abstractmethod
    def plan(self, wish: Wish) -> str:
        """Return what would be done, in words."""


@dataclass(frozen=True, slots=True)
class ConfiguredAction:
    """An action with everything that holds for all kinds."""

    name: str
    action: Action
    group: str
    grade: Grade
    """The least grade of a switch that it carries out."""
    place: str
    """Empty if one daemon acts for all, else this daemon's name."""
    masters: tuple[str, ...]
    """Patterns; none for all."""
    deployments: tuple[str, ...]
    every: bool
    correct: bool
    """Whether a target that shows something else is put right, or only reported."""
    check_every: float
    """Seconds between two comparisons."""
    timeout: float
    """Seconds of one attempt."""
    give_up: float
    """Seconds after which a wish is given up."""
    max_age: float | None
    """Seconds after which a switch is not carried out any more."""
    dry_run: bool
