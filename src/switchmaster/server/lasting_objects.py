"""
Keep the garbage collector away from what lives as long as the daemon.

A full collection looks at every object and holds up all threads meanwhile, the one that listens to Sentinels too: 60 to
140 ms with the 150,000 objects that a daemon has after its start, almost all of them modules, routes and settings that
never end. `gc.freeze` takes them out of its sight. Reference counts still free them; only a cycle of them that a later
reload gives up stays in memory, once, because what is made after the last freeze is collected as always.

It is for a process that is the daemon and nothing else: a program that runs a `Daemon` within has its own collector.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

__all__ = ["AFTER", "spare_lasting_objects"]

AFTER: Final = (1.0, 30.0)
"""
Seconds after the start: when everything is imported and connected, and when the first inspections of the doctors have
made theirs and even a fleet's masters are known.
"""


async def spare_lasting_objects() -> None:
    """Collect what is garbage and take what is left out of later collections, at the times of `AFTER`."""
    passed = 0.0
    for at in AFTER:
        await asyncio.sleep(at - passed)
        passed = at
        gc.collect()
        gc.freeze()
