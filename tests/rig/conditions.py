"""
Wait for a condition, with a limit, instead of sleeping.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], timeout: float = 10.0, interval: float = 0.02, what: str = "") -> T:
    """
    Wait until `condition()` is true, and return its value.

    Args:
        condition: called repeatedly. An exception counts as "not yet", except AssertionError.
        timeout: limit in seconds.
        interval: seconds between two calls.
        what: what is waited for, for the message of a failure; if empty, the condition's name and place.

    Raises:
        AssertionError: the limit passed. It names what was waited for and the last value.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            value = condition()
            last = value
            if value:
                return value
        except AssertionError:
            raise
        except Exception as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what or _place(condition)}: {last!r}")
        time.sleep(interval)


def _place(condition: Callable[[], object]) -> str:
    code = getattr(condition, "__code__", None)
    name = getattr(condition, "__qualname__", repr(condition))
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name
