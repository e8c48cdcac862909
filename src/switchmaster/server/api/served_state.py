"""
What the composition root hands over: watchers, the journal's reader, and what else there is to tell of the daemon.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from ... import __version__
from ...belief.topology import MasterState, Topology
from ...errors import SwitchmasterError, UnknownMaster, WatcherClosed
from ...journal import Reader
from ...journal.writer import Writer
from ...link.counters import LinkCounters
from ...model import Address, SentinelName
from .answers import ProblemError
from .http_connections import HttpConnections
from .journal_queries import JournalQueries
from .journal_stream import JournalStream

__all__ = ["BeliefSource", "LinkReadings", "ServedState"]

STUCK_SECONDS: Final = 10.0
"""Seconds without a turn of the loop that listens after which the daemon does not count as alive."""


LinkReadings: TypeAlias = Mapping[SentinelName, tuple[float | None, LinkCounters]]
"""Each Sentinel's silence in seconds (None where no byte came yet), and what its link has counted."""


class BeliefSource(Protocol):
    """What the API asks of a deployment: never waits, and may be asked by any thread (`server.published`)."""

    @property
    def topology(self) -> Topology:
        """All that is believed."""

    @property
    def hearing(self) -> bool:
        """Whether a Sentinel is heard now."""

    @property
    def established(self) -> bool:
        """Whether enough Sentinels have answered since the start."""

    @property
    def counters(self) -> dict[str, int]:
        """What was counted."""

    def masters(self) -> tuple[str, ...]:
        """Return the names of the masters that are known."""

    def state(self, name: str) -> MasterState:
        """Return what is believed of one master, or raise `UnknownMaster`."""

    def links(self) -> LinkReadings:
        """Return each Sentinel's silence in seconds, and what its link has counted."""

    def dialled(self, address: Address) -> Address:
        """Return what to connect to for an announced address."""


@dataclass(slots=True)
class ServedState:
    """Everything that is served."""

    deployments: Callable[[], Mapping[str, BeliefSource]]
    """Gives what is watched, by the deployment's name; asked at each request, because a reload changes it."""
    reader: Reader | None = None
    """The journal's; None where there is none."""
    writer: Writer | None = None
    """The journal's."""
    started: float = field(default_factory=time.time)
    """Seconds since 1970."""
    version: str = __version__
    history: JournalQueries = field(init=False)
    stream: JournalStream = field(init=False)
    """The composition root calls its ``wake`` after each commit."""
    refused: Counter[str] = field(default_factory=Counter, init=False)
    """Requests that the guard refused, by reason."""
    responses: Counter[int] = field(default_factory=Counter, init=False)
    """Answers, by status."""
    connections: HttpConnections = field(default_factory=HttpConnections)
    """The server's."""
    turned: float | None = field(default=None, init=False)
    """When the loop that listens to Sentinels turned last, in monotonic seconds; None where nobody notes it."""
    late: float = field(default=0.0, init=False)
    """Seconds by which that turn was late."""

    def __post_init__(self) -> None:
        self.history = JournalQueries(self.reader)
        self.stream = JournalStream(self.history)

    def chosen(self, deployment: str | None) -> dict[str, BeliefSource]:
        """
        Return the deployments that a request means, in order of name.

        Args:
            deployment: the one that it names; None for all.

        Raises:
            ProblemError: there is none of that name.
        """
        watched = self.deployments()
        if deployment is None:
            return dict(sorted(watched.items()))
        if deployment not in watched:
            known = ", ".join(map(repr, sorted(watched))) or "none"
            raise ProblemError(404, f"there is no deployment {deployment!r} here; there is {known}")
        return {deployment: watched[deployment]}

    def turn(self, late: float) -> None:
        """Note that the loop that listens turned, so many seconds later than it wanted to."""
        self.turned, self.late = time.monotonic(), max(0.0, late)

    @property
    def alive(self) -> bool:
        """Whether the loop that listens turns."""
        return self.turned is None or time.monotonic() - self.turned < STUCK_SECONDS

    def having(self, name: str, deployment: str | None) -> list[tuple[str, MasterState]]:
        """
        Return what is believed of the masters of a name, each with its deployment, in the order of these.

        Args:
            name: the masters'.
            deployment: the one that the request names; None for all.

        Raises:
            ProblemError: there is no deployment of that name.
        """
        found, _ = self._look_up(name, deployment)
        return [(of, state) for of, _, state in found]

    def the_one(self, name: str, deployment: str | None) -> tuple[str, BeliefSource]:
        """
        Return the deployment that has a master of that name, with its own name.

        Args:
            name: the master's.
            deployment: the one that the request names; None for whichever has it.

        Raises:
            ProblemError: none has it, or several have.
        """
        found, error = self._look_up(name, deployment)
        if len(found) > 1:
            names = ", ".join(repr(of) for of, *_ in found)
            raise ProblemError(409, f"several deployments have a master named {name!r}: {names}; add ?deployment=NAME")
        if not found:
            raise ProblemError(404, "no deployment is watched" if error is None else str(error))
        return found[0][:2]

    def _look_up(
        self, name: str, deployment: str | None
    ) -> tuple[list[tuple[str, BeliefSource, MasterState]], SwitchmasterError | None]:
        """Return who has a master of that name, and why one has it not."""
        found: list[tuple[str, BeliefSource, MasterState]] = []
        error: SwitchmasterError | None = None
        for of, watched in self.chosen(deployment).items():
            try:
                found.append((of, watched, watched.state(name)))
            except (UnknownMaster, WatcherClosed) as why:
                error = why
        return found, error

    def close(self) -> None:
        """End all streams and questions."""
        self.stream.close()
        self.history.close()
