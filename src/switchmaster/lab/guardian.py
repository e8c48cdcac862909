"""
Kill the lab's servers if the lab itself was killed.

A program of its own, run as ``python -I -S guardian.py``. It reads lines from standard input: ``+PID`` and ``-PID`` add
and remove a server, ``=FOLDER`` names a folder to remove, ``.`` means that the lab has cleaned up by itself. At the end
of input without ``.`` it kills what is left. (PR_SET_PDEATHSIG would not do: it fires when the *thread* that started a
server ends, and it needs a hook between fork and exec.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable


def guard(lines: Iterable[str]) -> None:
    """Read all lines, then clean up unless the lab has done so."""
    pids: set[int] = set()
    folders: set[str] = set()
    for line in lines:
        sign, value = line[:1], line[1:].rstrip("\n")
        if sign == ".":
            return
        if sign == "+":
            pids.add(int(value))
        elif sign == "-":
            pids.discard(int(value))
        elif sign == "=":
            folders.add(value)
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    guard(sys.stdin)
