"""How long the start of a Watcher waits for the Sentinels, and what it raises if none has answered."""

from __future__ import annotations

from typing import Final

from ..belief.watch import Watch
from ..errors import AccessRefused, NoSentinelReachable
from ..wire.refusal import Refusal

__all__ = ["Patience"]

LONGEST: Final = 60
"""How many timeouts a start may take while the Sentinels answer; 10,000 masters take some 15 s."""


class Patience:
    """
    How long one start waits.

    Args:
        watch: what is believed.
        timeout: seconds in which a Sentinel must answer.
        now: monotonic seconds, as in the methods.
    """

    def __init__(self, watch: Watch, timeout: float, now: float) -> None:
        self._watch, self._timeout = watch, timeout
        self._start = self._newest = now
        self._heard = watch.heard

    def left(self, now: float) -> float:
        """Return the seconds to wait for more from the Sentinels; 0 or less if the start is over."""
        watch, timeout = self._watch, self._timeout
        if watch.established and watch.heard_enough:
            return 0.0
        if not watch.answering and watch.all_failed:
            return 0.0  # for reasons that waiting does not change
        if watch.heard != self._heard:
            self._heard, self._newest = watch.heard, now
        since = self._newest if watch.established else max(self._newest, self._start + timeout * watch.answering)
        return min(since + timeout, self._start + timeout * LONGEST) - now

    def unreachable(self, now: float) -> NoSentinelReachable:
        """Return the error of a start in which no Sentinel has answered."""
        states = self._watch.topology.sentinels.values()
        silent, waited = f"no answer within {self._timeout:g} s", now - self._start
        reasons: dict[str, str] = {state.name: state.reason or silent for state in states}
        refused = [state for state in states if state.refusal is not None]
        if not refused:
            return NoSentinelReachable(reasons, waited)
        return AccessRefused(reasons, waited, [state.name for state in refused if state.refusal is Refusal.PERMISSION])
