"""
How Python's interpreter is set for a process that is the daemon and nothing else. A program that runs a `Daemon` within
has settings of its own.

- *Threads take turns sooner.* One that writes the journal or renders a page makes room for the loop that listens to
  Sentinels.
- *Cyclic garbage is searched for less often.* In a storm most new objects wait for the journal.
- *What lives as long as the daemon is not searched.* A full collection looks at every object and holds up all threads
  meanwhile: 60 to 140 ms with the 150,000 objects that a daemon has after its start, almost all of them modules,
  routes and settings that never end. `gc.freeze` takes them out of its sight. Reference counts still free them; only a
  cycle of them that a later reload gives up stays in memory, once: what is made later is collected as always.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Final

__all__ = ["tune_interpreter"]

TAKE_TURNS_SECONDS: Final = 0.0005
"""Seconds after which a thread that computes makes room for the loop: Python's default of 5 ms would delay each turn of
the loop by as much."""
COLLECT_AFTER: Final = (20_000, 20, 10)
"""New objects after which cyclic garbage is searched for, and how many searches before a wider one. With Python's
defaults searching took a quarter of the processor time of a storm."""
FREEZE_AT: Final = (1.0, 30.0)
"""
Seconds after the start: when everything is imported and connected, and when the first inspections of the doctors have
made theirs and even a fleet's masters are known.
"""


async def tune_interpreter() -> None:
    """Set the interpreter at once, and take what lasts out of later collections at the times of `FREEZE_AT`."""
    sys.setswitchinterval(TAKE_TURNS_SECONDS)
    gc.set_threshold(*COLLECT_AFTER)
    passed = 0.0
    for at in FREEZE_AT:
        await asyncio.sleep(at - passed)
        passed = at
        gc.collect()
        gc.freeze()
