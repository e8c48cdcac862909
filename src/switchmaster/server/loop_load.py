"""
Whether the loop that listens to Sentinels has more to do than it can, as other threads and its own timers see it.

Python runs one thread at a time. In a storm of failovers each share of the processor that the journal's thread or the
dashboard takes makes decisions late, and both can wait: for a while, which their callers bound.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final

__all__ = ["LATE_SECONDS", "is_busy"]

LATE_SECONDS: Final = 0.02
"""A loop whose turn takes longer is busy. In a storm one takes several times as long, at rest some hundredths of it."""


def is_busy(loop: asyncio.AbstractEventLoop) -> bool:
    """
    Return whether a loop of another thread is busy: it takes longer than `LATE_SECONDS` to come round.

    Returns at the latest after that time; False for a loop that is closed.
    """
    answered = threading.Event()
    try:
        loop.call_soon_threadsafe(answered.set)
    except RuntimeError:
        return False
    return not answered.wait(LATE_SECONDS)
