"""
How long to wait before the next attempt: exponential, jittered, bounded.

Pure: chance is an argument. All clients of a Sentinel that returns after an outage must not dial in the same
millisecond, so every delay is drawn from a range that grows with each failed attempt.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """
    The delays between attempts.

    The n-th delay lies between ``base / 2`` and ``min(cap, base * factor ** n)``. Call `reset` only after a connection
    has worked for a while: otherwise a peer that accepts, answers and drops us would be dialled without delay for ever.

    Args:
        base: seconds; the first delay is at most this.
        cap: seconds; no delay is longer.
        factor: how much the range grows with each attempt.
    """

    __slots__ = ("_base", "_cap", "_ceiling", "_factor")

    def __init__(self, base: float = 0.05, cap: float = 2.0, factor: float = 2.0) -> None:
        if not (0 < base <= cap and factor >= 1):
            raise ValueError("expected 0 < base <= cap and factor >= 1")
        self._base = base
        self._cap = cap
        self._factor = factor
        self._ceiling = base

    def next_delay(self, rng: Callable[[], float]) -> float:
        """
        Draw the next delay, and widen the range for the following one.

        Args:
            rng: returns a number in [0, 1), such as `random.random`.

        Returns:
            Seconds, never below ``base / 2`` and never above ``cap``.
        """
        ceiling = self._ceiling
        self._ceiling = min(self._cap, ceiling * self._factor)
        return self._base / 2 + rng() * (ceiling - self._base / 2)

    def longest_delay(self, rng: Callable[[], float]) -> float:
        """
        Draw a delay from the upper half of the whole range, at once.

        For refusals that time alone does not resolve, such as a wrong password.

        Args:
            rng: returns a number in [0, 1).

        Returns:
            Seconds between ``cap / 2`` and ``cap``.
        """
        self._ceiling = self._cap
        return self._cap / 2 + rng() * self._cap / 2

    def reset(self) -> None:
        """Restart at the first delay: the connection has been live for a while."""
        self._ceiling = self._base
