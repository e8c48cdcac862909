"""
The belief, handed from the loop that listens to Sentinels to the thread that serves HTTP.

The Watcher belongs to its loop; the other thread touches nothing of it but the numbers of its links. After a turn that
changed something, the loop puts immutable values here: `MASTERS_PER_TURN` masters at a time, with pauses that grow with
what that costs (`PAUSE_SHARE`), and later while the loop is busy (`PUT_OFF_SECONDS`), so that a storm leaves the loop
to decisions, and ten thousand changed masters block neither thread. A switch is put here at once. The other thread
reads the values and never waits.

Each value is set by one assignment, and a dict is copied by one call: no reader sees half of either.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Final

from ..belief.decisions import Switch
from ..belief.topology import MasterState, SentinelState, Topology
from ..errors import UnknownMaster
from ..model import Address, SentinelName
from ..net.watcher import Watcher
from .api.served_state import LinkReadings
from .loop_load import LATE_SECONDS

__all__ = ["PublishedBelief"]

MASTERS_PER_TURN: Final = 100
"""Masters handed over in one turn of the loop."""
TURN_PAUSE_SECONDS: Final = 0.01
"""Seconds between two such turns, at least."""
PAUSE_SHARE: Final = 5.0
"""How many times as long as the turn before a pause is: in a storm each event changes a master that was just made."""
PUT_OFF_SECONDS: Final = 1.0
"""Seconds for which a busy loop may put such a turn off."""


class PublishedBelief:
    """
    What the API reads of one Watcher, from another thread.

    Args:
        deployment: its name.
        watcher: the Watcher whose belief it is.
        forced: see `forced`; only read here.
    """

    def __init__(self, deployment: str, watcher: Watcher, forced: Mapping[str, int]) -> None:
        self._deployment = deployment
        self._watcher = watcher
        self._states: dict[str, MasterState] = {}
        self._sentinels: Mapping[SentinelName, SentinelState] = {}
        self._version = 0
        self._topology = Topology(deployment, {}, {}, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._pause = TURN_PAUSE_SECONDS
        """Seconds until the next turn."""
        self._due = 0.0
        """When the next turn is due; in monotonic seconds, as is the next one."""
        self._wished = 0.0
        """When the next turn was first asked for."""
        self.counters: dict[str, int] = {}
        """The Watcher's counters at the last `beat`."""
        self.forced = forced
        """Turns whose work for the journal could wait no longer, by the bound (see `backlog`), now."""
        self.hearing = False
        """Whether any Sentinel is connected."""
        self.established = False
        """Whether enough Sentinels have answered since the start."""
        self._counted = (0, 0)
        """The version in which masters were counted, and how many were known."""
        self.changed: set[str] = set()
        """The masters that were handed over since the Watcher's loop last emptied this."""

    # -- in the Watcher's loop ----------------------------------------------------------------------

    def follow(self) -> None:
        """Hand over all changes from now on."""
        self._watcher.on_switch(self._on_switch)
        self._watcher.on_change(self._on_change)

    def beat(self) -> None:
        """Hand over the counters; called about once a second."""
        self.counters = self._watcher.counters

    @property
    def known(self) -> int:
        """The number of known masters, as far as they were handed over; counted again only after a change."""
        if self._counted[0] != self._version:
            self._counted = self._version, sum(map(_is_known, self._states.values()))
        return self._counted[1]

    def close(self) -> None:
        """Stop handing over."""
        if self._timer is not None:
            self._timer.cancel()

    def _on_switch(self, switch: Switch) -> None:
        with contextlib.suppress(UnknownMaster):  # it was removed in the same turn
            self._states[switch.master] = self._watcher.state(switch.master)
        self._version += 1

    def _on_change(self) -> None:
        if self._timer is None:
            self._wished = time.monotonic()
            self._arm()

    def _arm(self) -> None:
        self._due = time.monotonic() + self._pause
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._hand_over)

    def _hand_over(self) -> None:
        begun = time.monotonic()
        if begun - self._due > LATE_SECONDS and begun - self._wished < PUT_OFF_SECONDS:
            self._arm()
            return
        self._timer = None
        changed = self._watcher.changed(MASTERS_PER_TURN)
        self._states.update(changed.masters)
        self.changed.update(changed.masters)
        self._sentinels = changed.sentinels
        self.hearing, self.established = self._watcher.hearing, self._watcher.established
        self._version += 1
        self._pause = max(TURN_PAUSE_SECONDS, PAUSE_SHARE * (time.monotonic() - begun))
        if len(changed.masters) == MASTERS_PER_TURN:
            self._on_change()

    # -- in any thread ------------------------------------------------------------------------------

    @property
    def topology(self) -> Topology:
        """The whole belief; the same object until something changes."""
        version = self._version
        if self._topology.version != version:
            self._topology = Topology(self._deployment, self._states.copy(), self._sentinels, version)
        return self._topology

    def masters(self) -> tuple[str, ...]:
        """Return the names of the known masters."""
        return tuple(sorted(name for name, state in self._states.copy().items() if _is_known(state)))

    def state(self, name: str) -> MasterState:
        """
        Return the belief about one master.

        Raises:
            UnknownMaster: no Sentinel that answered monitors it.
        """
        state = self._states.get(name)
        if state is None or not _is_known(state):
            raise UnknownMaster(name, self.masters(), tuple(self._sentinels))
        return state

    @property
    def size(self) -> int:
        """The number of masters that were ever handed over."""
        return len(self._states)

    def links(self) -> LinkReadings:
        """Return each Sentinel's silence in seconds, and its link's counters, now."""
        return self._watcher.links()

    def dialled(self, address: Address) -> Address:
        """Return the address to dial for an announced one."""
        return self._watcher.dialled(address)


def _is_known(state: MasterState) -> bool:
    return state.address is not None and bool(state.opinions)
