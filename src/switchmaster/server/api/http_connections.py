"""
Which connections the HTTP server keeps, and which one it closes when there are too many. No I/O.

A connection is **asking** from the end of a request's header until the answer is sent, and **idle** before and between.
No new connection is refused: an idle one is closed to make room, the oldest first; those whose last request had a valid
token are closed last. A peer that has too many loses its own first. A connection that is asking is never closed here;
the number of those is bounded instead, and a request beyond the bound gets 503.

Health checks have slots of their own, so other requests take none of them. There are at most ``2 * most + HEALTH``
connections in all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Final

__all__ = ["HEALTH", "MOST", "MOST_OF_PEER", "HttpConnection", "HttpConnections", "is_health"]

MOST: Final = 256
"""Most connections that are asking, and as many that are idle."""
MOST_OF_PEER: Final = 128
"""The same for one address."""
HEALTH: Final = 64
"""Most health checks at once; each is answered from memory, in one turn."""

_HEALTH: Final = re.compile(r"/livez|/readyz|/masters/.+/is-master", re.DOTALL)


def is_health(path: str) -> bool:
    """Return whether a path is one that balancers and supervisors request."""
    return _HEALTH.fullmatch(path) is not None


class HttpPhase(Enum):
    """What a connection is doing."""

    IDLE = "idle"
    """No request is under way."""
    TRUSTED = "trusted"
    """Idle, and its last request had a valid token."""
    ASKING = "asking"
    HEALTH = "health"


_AT_REST: Final = (HttpPhase.IDLE, HttpPhase.TRUSTED)
"""The phases in which a connection may be closed, in this order."""


class HttpConnection:
    """
    One connection.

    Args:
        peer: the client's address, without port.
        end: closes it at once.
    """

    __slots__ = ("end", "peer", "phase")

    def __init__(self, peer: str, end: Callable[[], None]) -> None:
        self.peer = peer
        self.end = end
        self.phase: HttpPhase | None = None
        """None before it arrived and after it left."""


class HttpConnections:
    """
    All connections of the HTTP server.

    Args:
        most: most connections that are asking, and as many that are idle.
        most_of_peer: the same for one address.
        health: most health checks at once.
    """

    def __init__(self, most: int = MOST, most_of_peer: int = MOST_OF_PEER, health: int = HEALTH) -> None:
        self._most, self._most_of_peer, self._most_health = most, most_of_peer, health
        self._phases: dict[HttpPhase, dict[HttpConnection, None]] = {phase: {} for phase in HttpPhase}
        """In the order in which they entered the phase."""
        self._idle: Counter[str] = Counter()
        """By peer: how many are idle."""
        self._asking: Counter[str] = Counter()
        """By peer: how many are asking, health checks excluded."""
        self.cut: Counter[str] = Counter()
        """Connections that were closed, by reason: the ``header`` came too slowly, an answer was ``stalled``, too many
        were ``idle``, or too many of one ``peer``."""
        self.refused: Counter[str] = Counter()
        """Requests beyond a limit: of all (``busy``), of one ``peer``, or of ``health``."""

    def count(self, phase: HttpPhase) -> int:
        """Return how many connections are in a phase."""
        return len(self._phases[phase])

    def counts(self) -> dict[str, int]:
        """Return how many connections are in each phase."""
        return {phase.value: len(found) for phase, found in self._phases.items()}

    def is_full(self, peer: str) -> bool:
        """Return whether a new connection of this peer would close another; if so, count it as closed itself."""
        reason = "peer" if self._idle[peer] >= self._most_of_peer else "idle"
        if reason == "idle" and self._count_idle() < self._most:
            return False
        self.cut[reason] += 1
        return True

    def arrive(self, connection: HttpConnection) -> None:
        """Record a new connection, and close another if there are too many."""
        self._move(connection, HttpPhase.IDLE)

    def ask(self, connection: HttpConnection, path: str) -> str | None:
        """
        Record that a request has arrived.

        Returns:
            The limit that it exceeds, which is counted; None if it should be answered.
        """
        if is_health(path):
            full = "health" if self.count(HttpPhase.HEALTH) >= self._most_health else None
        elif self._asking[connection.peer] >= self._most_of_peer:
            full = "peer"
        else:
            full = "busy" if self.count(HttpPhase.ASKING) >= self._most else None
        if full is not None:
            self.refused[full] += 1
            return full
        self._move(connection, HttpPhase.HEALTH if is_health(path) else HttpPhase.ASKING)
        return None

    def rest(self, connection: HttpConnection, trusted: bool) -> None:
        """Record that a request was answered; `trusted` says whether it had a valid token."""
        if connection.phase is not None:
            self._move(connection, HttpPhase.TRUSTED if trusted else HttpPhase.IDLE)

    def leave(self, connection: HttpConnection) -> None:
        """Record that a connection has ended."""
        self._move(connection, None)

    def _move(self, connection: HttpConnection, phase: HttpPhase | None) -> None:
        if connection.phase is not None:
            del self._phases[connection.phase][connection]
            self._add(connection, connection.phase, -1)
        connection.phase = phase
        if phase is None:
            return
        self._phases[phase][connection] = None
        self._add(connection, phase, 1)
        if phase in _AT_REST:
            self._make_room(connection)

    def _add(self, connection: HttpConnection, phase: HttpPhase, one: int) -> None:
        if phase is HttpPhase.HEALTH:
            return
        counted = self._idle if phase in _AT_REST else self._asking
        counted[connection.peer] += one
        if not counted[connection.peer]:
            del counted[connection.peer]

    def _make_room(self, newest: HttpConnection) -> None:
        others = (one for phase in _AT_REST for one in self._phases[phase] if one is not newest)
        if self._idle[newest.peer] > self._most_of_peer:
            self._end("peer", next(one for one in others if one.peer == newest.peer))
        elif self._count_idle() > self._most:
            self._end("idle", next(others))

    def _count_idle(self) -> int:
        return sum(self.count(phase) for phase in _AT_REST)

    def _end(self, reason: str, connection: HttpConnection) -> None:
        self.cut[reason] += 1
        self._move(connection, None)
        connection.end()
