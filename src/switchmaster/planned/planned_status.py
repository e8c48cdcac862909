"""
What a reader gets of one planned failover that a daemon runs or has run: an immutable value.
"""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Plan
from .progress import Conclusion

__all__ = ["PlannedStatus"]


@dataclass(frozen=True, slots=True)
class PlannedStatus:
    """One planned failover of one master, as far as it has come."""

    deployment: str
    master: str
    by: str
    """Who asked for it."""
    began: float
    """Seconds since 1970."""
    running: bool = False
    ended: float | None = None
    """Seconds since 1970; None while it runs, and for a plan that was not carried out."""
    said: tuple[str, ...] = ()
    """What was done, in sentences, the oldest first."""
    plan: Plan | None = None
    conclusion: Conclusion | None = None
    error: str = ""
    """Why it ended without a conclusion; empty otherwise."""
