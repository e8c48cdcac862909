"""
The end of the interpreter: whether it has begun, and what is closed then.

A module of its own, imported with the client library's classes: handlers of the program that are registered after that
import run before ours, as they do whenever the Watcher's modules are imported.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable

__all__ = ["close_at_exit", "exiting"]

_closing: list[Callable[[], None]] = []
_exiting: list[None] = []
"""Not empty once the interpreter is ending: no new thread would run."""


def exiting() -> bool:
    """Whether the interpreter is ending, so that nothing can be received any longer."""
    return bool(_exiting)


def close_at_exit(close: Callable[[], None]) -> None:
    """Have something called once the interpreter is ending."""
    _closing.append(close)


@atexit.register
def _close() -> None:
    _exiting.append(None)
    for close in _closing:
        close()
