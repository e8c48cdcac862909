"""Why a database can't be used, and what helps: the words for every way to ask it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["BUSY", "NO_FILE", "advice_for"]

BUSY: Final = 5.0
"""Seconds to wait for another writer's lock, or for a connection to PostgreSQL."""
NO_FILE: Final = ("there is no such file", "has `switchmaster serve` run yet?")
"""The reason and the advice where an SQLite journal does not exist."""
_ADVICE: Final[Mapping[str, str]] = {
    "readonly": "give the daemon's user write permission",
    "unable to open": "create its folder, or name another file in [journal] url",
    "is full": "free space on that disk",
    "locked": "another program holds its lock; stop that program",
    "lock timeout": "another daemon holds the journal's lock; is it hung?",
}


def advice_for(reason: str) -> str:
    """Return what to do about what a database reported; empty if that is not known."""
    return next((words for key, words in _ADVICE.items() if key in reason), "")
