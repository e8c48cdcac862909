"""
One master as its clients see it: the Watcher's belief, turned into the values of the gate.

`look` runs in the Watcher's thread after every turn. It sets the two values and has all pools settle: connections that
must no longer be where they are, are cut. Everything is derived from the newest belief, never from single events, so a
follower that starts late misses nothing.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Protocol

from ..follow.gate import NO_REPLICAS, UNKNOWN, GateState, Phase, Replicas, phase_of, replicas_of
from ..model import Address
from ..net.threads import RLock
from .observable import Observable

if TYPE_CHECKING:
    from ..belief.decisions import Switch
    from ..belief.topology import MasterState
    from ..link.location import Located

__all__ = ["Follower", "Settling"]


class Settling(Protocol):
    """What must settle after news: the connections of a pool."""

    def settle(self) -> None:
        """Cut the connections that must not be where they are, by the newest values."""

    def switched(self, switch: Switch) -> None:
        """Record a switch, after connections were sent to the new master."""

    def renew(self) -> None:
        """Start over in a forked child: the connections belong to the parent."""


class Follower:
    """
    One master.

    Args:
        master: its name.
    """

    def __init__(self, master: str) -> None:
        self.master = master
        self.phases: Observable[Phase] = Observable(UNKNOWN)
        self.replicas: Observable[Replicas] = Observable(NO_REPLICAS)
        self.by_hand = False
        """Whether the address came from a library's own discovery, because the Sentinels refuse our questions."""
        self.early: Located | None = None
        """What the Sentinels that answered first said, until the Watcher has heard enough of them."""
        self._early_listed: frozenset[Address] = frozenset()
        self._state: MasterState | None = None
        self._switches: list[Switch] = []
        self._pools: weakref.WeakSet[Settling] = weakref.WeakSet()
        self._lock = RLock()  # see `Shared`: garbage is collected under it too

    def __repr__(self) -> str:
        phase = self.phases.current
        return f"<Follower of {self.master!r}: {phase.gate.value} at {phase.address}>"

    @property
    def others(self) -> int:
        """How many other Sentinels are known to the best connected of those that agree on the address."""
        if self.early is not None:
            return self.early.others
        opinions = self._state.opinions if self._state is not None else ()
        return max((opinion.others or 0 for opinion in opinions if opinion.agrees and opinion.live), default=0)

    @property
    def listed(self) -> frozenset[Address]:
        """The nodes that a majority of the Sentinels list: only those are given a password."""
        if self.early is not None:
            return self._early_listed
        return self._state.listed if self._state is not None else frozenset()

    def add(self, pool: Settling) -> None:
        """Have a pool settle after each change, as long as it lives."""
        with self._lock:
            self._pools.add(pool)

    def switched(self, switch: Switch) -> None:
        """Keep a switch until the next `look`, which passes it on after the values have changed."""
        self._switches.append(switch)

    def look(self, state: MasterState | None) -> None:
        """
        Follow the newest belief.

        Args:
            state: the belief; None if there is none (yet).
        """
        if state is self._state and not self._switches and self.early is None:
            return
        if state is None and self.by_hand:
            return
        self._state, self.by_hand, self.early = state, False, None
        self._set(phase_of(state), replicas_of(state, self.replicas.current))
        switches, self._switches = self._switches, []
        for pool in self._all():
            for switch in switches:
                pool.switched(switch)

    def believe(self, phase: Phase, replicas: Replicas) -> None:
        """Use addresses that a library found by its own means, until the Watcher knows better."""
        self.by_hand, self.early = True, None
        self._set(phase, replicas)

    def expect(self, located: Located, listed: frozenset[Address]) -> None:
        """
        Use what the first Sentinels said, until the Watcher has heard enough of them; nodes are proved anyway.

        Args:
            located: the answer that counts; it names an address.
            listed: the nodes that a majority of the answers list.
        """
        assert located.address is not None
        self.by_hand, self.early, self._early_listed = False, located, listed
        kept = frozenset((*located.replicas, located.address))
        self._set(Phase(GateState.OPEN, located.address, 0.0), Replicas(located.replicas, kept, located.address))

    def forget(self) -> None:
        """Forget everything: the Watcher has ended, or the answers of others must be asked for again."""
        self._state, self.by_hand, self.early = None, False, None
        self._set(UNKNOWN, NO_REPLICAS)

    def renew(self) -> None:
        """Start over in a forked child, where none of the parent's threads run."""
        self._lock = RLock()
        for pool in self._all():
            pool.renew()
        self.phases.renew()
        self.replicas.renew()
        self._switches = []
        self._state, self.by_hand, self.early = None, False, None
        self.phases.current, self.replicas.current = UNKNOWN, NO_REPLICAS

    def _set(self, phase: Phase, replicas: Replicas) -> None:
        moved = not phase.same(self.phases.current)
        if moved:
            self.phases.set(phase)
        if not replicas.same(self.replicas.current):
            self.replicas.set(replicas)
            moved = True
        if moved:
            for pool in self._all():
                pool.settle()

    def _all(self) -> list[Settling]:
        with self._lock:
            return list(self._pools)
