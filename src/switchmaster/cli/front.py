"""
A front that runs in the foreground until a signal: what `relay` and `proxy` share.

SIGTERM and SIGINT end it in an orderly way, with exit code 0: a front has no end of its own.
"""

from __future__ import annotations

import asyncio
import signal

from ..belief.decisions import Switch
from ..model import Address
from ..net.watcher import Watcher
from ..render import iso, switch_line
from .output import Output

__all__ = ["MoveLines", "stopped_by_signals"]


def stopped_by_signals() -> asyncio.Event:
    """Return an event that the signals set; in the running loop, from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


class MoveLines:
    """
    Prints the switch behind each move of a front.

    Args:
        watcher: reports the switches.
        output: where they are printed.
    """

    def __init__(self, watcher: Watcher, output: Output) -> None:
        self._output = output
        self._last: dict[str, Switch] = {}
        watcher.on_switch(self._take)

    def _take(self, switch: Switch) -> None:
        self._last[switch.master] = switch

    def print(self, master: str, new: Address | None = None) -> None:
        """
        Print the last switch of a master; nothing if there was none.

        Args:
            master: its name.
            new: where the front moved; a switch to another address is not printed. None for anywhere.
        """
        switch = self._last.get(master)
        if switch is None or new not in (None, switch.new):
            return
        if self._output.form != "pretty":
            self._output.line(switch_line(switch))
            return
        old = "nowhere" if switch.old is None else str(switch.old)
        when = "" if switch.time is None else f"{iso(switch.time)}  "
        words = ((f"{when}{switch.master}  ", ""), (f"{old} -> {switch.new}", "bold"), (f"  {switch.why}", "dim"))
        self._output.words(words)
