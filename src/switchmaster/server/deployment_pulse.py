"""
The pauses of one deployment's nodes, measured and kept: what `explain --down-after` takes as evidence.

With ``measure_pauses`` the daemon PINGs each node that most of the Sentinels list, once a second, over a connection of
its own. After `FIRST_SECONDS`, every `KEPT_SECONDS`, when a node is no longer listed, and at the end, what was measured
becomes a line of the journal (``pulse``); lines add up, so that neither a restart nor a second daemon loses any. It
lives in the Watcher's loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from ..errors import UnknownMaster
from ..explain.pauses import Pauses
from ..model import Address
from ..net.pulse import LoopLateness, Pulse
from ..net.watcher import Watcher
from ..render import Line, iso

__all__ = ["DeploymentPulse"]

KEPT_SECONDS: Final = 3600.0
"""Seconds between two lines about a node."""
FIRST_SECONDS: Final = 600.0
"""Seconds until the first lines, so that something is known soon after the start."""
NODES: Final = 512
"""Nodes that are measured in one deployment, at most; those of the first masters by name."""


class DeploymentPulse:
    """
    Measures the nodes of one deployment.

    Args:
        watcher: of the deployment.
        tell: takes a line of the journal.
        wanted: whether to measure.
    """

    def __init__(self, watcher: Watcher, tell: Callable[[Line], None], wanted: bool) -> None:
        self._watcher, self._tell = watcher, tell
        self.wanted = wanted
        """May change at any time; `beat` follows it."""
        self.on_answer: Callable[[str, float], None] = lambda master, seconds: None
        """Takes each answer that counts: the master's name, and seconds."""
        self._pulses: dict[tuple[str, Address], Pulse] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._lateness: LoopLateness | None = None
        self._due = 0.0

    def beat(self) -> None:
        """Follow the topology, and keep what is due; called about once a second, in the Watcher's loop."""
        nodes = self._nodes() if self.wanted else set()
        if nodes and self._lateness is None:
            self._lateness = LoopLateness()
            self._due = time.monotonic() + FIRST_SECONDS
        for key in self._pulses.keys() - nodes:
            self._end(key)
        for master, node in nodes - self._pulses.keys():
            assert self._lateness is not None
            dial = partial(self._watcher.node_target, node, master)
            self._pulses[master, node] = Pulse(dial, self._lateness, partial(self.on_answer, master))
        if self._pulses and time.monotonic() >= self._due:
            self._due = time.monotonic() + KEPT_SECONDS
            for master, node in self._pulses:
                self._keep(master, node)

    async def close(self) -> None:
        """Keep what was measured, and end all connections."""
        for key in list(self._pulses):
            self._end(key)
        await asyncio.gather(*self._ending, return_exceptions=True)
        if self._lateness is not None:
            self._lateness.close()
            self._lateness = None

    def _nodes(self) -> set[tuple[str, Address]]:
        found: set[tuple[str, Address]] = set()
        for master in sorted(self._watcher.masters()):
            try:
                state = self._watcher.state(master)
            except UnknownMaster:
                continue
            listed = {state.address, *(replica.address for replica in state.replicas)} & state.listed
            if len(found) + len(listed) > NODES:
                break
            found |= {(master, node) for node in listed if node is not None}
        return found

    def _end(self, key: tuple[str, Address]) -> None:
        self._keep(*key)
        task = asyncio.get_running_loop().create_task(self._pulses.pop(key).close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _keep(self, master: str, node: Address) -> None:
        pauses = self._pulses[master, node].take()
        if pauses.answers or pauses.left_out or pauses.restarts:
            self._tell(pulse_line(self._watcher.topology.deployment, master, node, pauses))


def pulse_line(deployment: str, master: str, node: Address, pauses: Pauses) -> Line:
    """Return the line of the journal about one node's pauses."""
    longest = f"{pauses.longest[0].seconds:.3f} s" if pauses.longest else "below 0.05 s"
    return {
        "type": "pulse",
        "time": iso(time.time()),
        "deployment": deployment,
        "master": master,
        "node": {"host": node.host, "port": node.port},
        "text": f"{node} answered {pauses.answers:,} PINGs in {pauses.measured:.0f} s, its longest pause was {longest}",
        **pauses.to_line(),
    }
