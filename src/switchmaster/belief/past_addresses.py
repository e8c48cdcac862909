"""
The past addresses of one master: the switches that were decided, in order.

`View.index` counts how many of them a Sentinel has made, so that a late announcement is distinguished from a new one
even without an epoch. The numbering goes on when the oldest are forgotten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..model import LIMITS, Address

__all__ = ["PastAddresses", "Transition"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One switch that was decided."""

    epoch: int | None
    old: Address | None
    new: Address


class PastAddresses:
    """The last `LIMITS.transitions` switches of one incarnation."""

    def __init__(self) -> None:
        self._transitions: deque[Transition] = deque(maxlen=LIMITS.transitions)
        self.made = 0
        """How many switches there were, the forgotten ones included: the index of a Sentinel that has made them all."""

    def add(self, transition: Transition) -> None:
        """Remember a switch."""
        self._transitions.append(transition)
        self.made += 1

    def clear(self) -> None:
        """Forget all of them: a new incarnation begins."""
        self._transitions.clear()
        self.made = 0

    def _numbered(self) -> list[tuple[int, Transition]]:
        return list(enumerate(self._transitions, self.made - len(self._transitions)))

    def was_at(self, address: Address) -> bool:
        """Return whether the master was at this address and left it."""
        return any(address == transition.old for transition in self._transitions)

    def next_to(self, node: Address, index: int) -> tuple[int, Transition] | None:
        """Return the next switch to this node, with its number, that a Sentinel at `index` has not made."""
        for number, transition in self._numbered():
            if number >= index and transition.new == node:
                return number, transition
        return None

    def index_of(self, address: Address) -> int:
        """Return how many switches a Sentinel that gives a former address has made."""
        numbers = [number for number, transition in self._numbered() if transition.old == address]
        return numbers[-1] if numbers else self.made

    def index_at(self, epoch: int) -> int:
        """Return how many switches were made by that epoch."""
        known = [t for t in self._transitions if t.epoch is not None and t.epoch <= epoch]
        return self.made - len(self._transitions) + len(known)
