"""
Everything that the HTTP server serves: the belief of each deployment, the journal, the stream, and counters.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ... import __version__
from ...belief.topology import MasterState, Topology
from ...doctor.diagnosis_lines import DoctorReport
from ...errors import JournalUnavailable, SwitchmasterError, UnknownMaster, WatcherClosed
from ...guard.policy import Arming, Policy
from ...guard.status import GuardStatus
from ...journal import Reader
from ...journal.claims import Sharer, watchers_of
from ...journal.writer import Writer
from ...link.counters import LinkCounters
from ...model import Address, SentinelName
from ...planned.planned_status import PlannedStatus
from ...planned.request import FailoverRequest
from ...render import Line
from .answers import ProblemError
from .http_connections import HttpConnections
from .journal_queries import JournalQueries
from .journal_stream import JournalStream

if TYPE_CHECKING:
    from ...react.reactor import Reactor
    from ..settings.share_settings import ShareSettings

__all__ = [
    "ActionSource",
    "BeliefSource",
    "ClaimSource",
    "FailoverSource",
    "GuardSource",
    "LinkReadings",
    "ServedState",
]

STUCK_SECONDS: Final = 10.0
"""Seconds without a turn of the main loop after which the daemon no longer counts as alive."""


LinkReadings: TypeAlias = Mapping[SentinelName, tuple[float | None, LinkCounters]]
"""Each Sentinel's silence in seconds (None where no byte came yet), and what its link has counted."""


class BeliefSource(Protocol):
    """What the API reads of a deployment, from any thread and without waiting (see `server.published_belief`)."""

    @property
    def topology(self) -> Topology:
        """The whole belief."""

    @property
    def hearing(self) -> bool:
        """Whether any Sentinel is connected now."""

    @property
    def established(self) -> bool:
        """Whether enough Sentinels have answered since the start."""

    @property
    def counters(self) -> dict[str, int]:
        """The Watcher's counters."""

    @property
    def forced(self) -> Mapping[str, int]:
        """Turns whose work for the journal could wait no longer, by the bound that was hit: ``full``, ``late``."""

    def masters(self) -> tuple[str, ...]:
        """Return the names of the known masters."""

    def state(self, name: str) -> MasterState:
        """Return the belief about one master, or raise `UnknownMaster`."""

    def links(self) -> LinkReadings:
        """Return each Sentinel's silence in seconds, and its link's counters."""

    def dialled(self, address: Address) -> Address:
        """Return the address to dial for an announced one."""


class GuardSource(Protocol):
    """What the API reads of a deployment's guards, and tells them (see `server.deployment_guard`)."""

    @property
    def statuses(self) -> Mapping[str, GuardStatus]:
        """The last state of each master's guard, by name; empty where no master is guarded."""

    @property
    def leased(self) -> bool | None:
        """Whether this daemon holds the lease; None if no lease is shared."""

    def policy(self, master: str) -> Policy:
        """Return the configured policy of a master."""

    async def arm(self, master: str, arming: Arming, by: str = "") -> None:
        """Arm or disarm the guard of one master until the next start or reload."""

    async def suspend(self, master: str, seconds: float | None, by: str = "") -> None:
        """Suspend the guard of one master for some seconds; None ends a suspension."""


class RelaySource(Protocol):
    """What the metrics read of a deployment's relay (see `server.deployment_relay`)."""

    @property
    def readings(self) -> Mapping[str, float]:
        """Its numbers, by name; empty if the deployment has no relay."""


class ProxySource(Protocol):
    """What API and metrics read of a deployment's proxy (see `server.deployment_proxy`)."""

    @property
    def readings(self) -> Mapping[str, float]:
        """Its numbers, by name; empty if the deployment has no proxy."""

    @property
    def masters(self) -> Mapping[str, Mapping[str, float]]:
        """The numbers of each master, by its name."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """A line for each master; none if the deployment has no proxy."""


class FailoverSource(Protocol):
    """What the API reads of a deployment's planned failovers, and orders (see `server.deployment_failover`)."""

    @property
    def statuses(self) -> Mapping[str, PlannedStatus]:
        """The last planned failover of each master since the start, by name."""

    async def plan(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        """Return the plan of a failover; nothing is changed."""

    async def order(self, request: FailoverRequest, by: str = "") -> PlannedStatus:
        """Begin a planned failover, and do not wait for its end."""


class DoctorSource(Protocol):
    """What the API reads of a deployment's doctor (see `server.deployment_doctor`)."""

    @property
    def report(self) -> DoctorReport | None:
        """The last inspection and what was found in it; None if there is none."""


class ActionSource(Protocol):
    """What the API reads of the actions, and tells them (see `server.daemon_actions`)."""

    @property
    def reactor(self) -> Reactor:
        """The engine."""

    @property
    def runs(self) -> Counter[tuple[str, str]]:
        """How many runs ended, by action and outcome."""


class ClaimSource(Protocol):
    """What the API reads of the claims, where daemons share deployments (see `server.daemon_claims`)."""

    @property
    def run(self) -> str:
        """This daemon's run."""

    @property
    def settings(self) -> ShareSettings | None:
        """How deployments are shared; None if they are not."""

    @property
    def sharers(self) -> tuple[Sharer, ...]:
        """The daemons that live, as of the last look."""

    @property
    def held(self) -> frozenset[str]:
        """The deployments that this daemon is to watch."""

    @property
    def trouble(self) -> JournalUnavailable | None:
        """Why the last look failed; None if it did not."""

    @property
    def decided(self) -> bool:
        """Whether it is known what this daemon is to watch."""

    @property
    def moves(self) -> Counter[str]:
        """How many deployments were claimed and released."""


@dataclass(slots=True)
class ServedState:
    """Everything that is served."""

    deployments: Callable[[], Mapping[str, BeliefSource]]
    """Returns the watched deployments by name; called for each request, because a reload changes them."""
    reader: Reader | None = None
    """The journal's; None if there is no journal."""
    writer: Writer | None = None
    """The journal's."""
    started: float = field(default_factory=time.time)
    """Seconds since 1970."""
    version: str = __version__
    guards: Callable[[], Mapping[str, GuardSource]] = dict
    """Returns the guards of the watched deployments by name, as `deployments` does."""
    relays: Callable[[], Mapping[str, RelaySource]] = dict
    """Returns the relays of the watched deployments by name, as `deployments` does."""
    proxies: Callable[[], Mapping[str, ProxySource]] = dict
    """The same of proxies."""
    failovers: Callable[[], Mapping[str, FailoverSource]] = dict
    """Returns what orders planned failovers, in the same way."""
    doctors: Callable[[], Mapping[str, DoctorSource]] = dict
    """Returns the doctors of the watched deployments by name, as `deployments` does."""
    actions: ActionSource | None = None
    """What follows a switch; None if nothing can."""
    claims: ClaimSource | None = None
    """Who watches which deployments; None if none can be shared."""
    history: JournalQueries = field(init=False)
    stream: JournalStream = field(init=False)
    """The daemon calls its ``wake`` after each commit."""
    refused: Counter[str] = field(default_factory=Counter, init=False)
    """Requests that `admission` refused, by reason."""
    responses: Counter[int] = field(default_factory=Counter, init=False)
    """Answers, by status."""
    connections: HttpConnections = field(default_factory=HttpConnections)
    """The server's."""
    turned: float | None = field(default=None, init=False)
    """When the main loop last turned, in monotonic seconds; None before the first turn."""
    late: float = field(default=0.0, init=False)
    """Seconds by which that turn was late."""

    def __post_init__(self) -> None:
        self.history = JournalQueries(self.reader)
        self.stream = JournalStream(self.history)

    def chosen(self, deployment: str | None) -> dict[str, BeliefSource]:
        """
        Return the deployments that a request selects, by name.

        Args:
            deployment: the one that it names; None for all.

        Raises:
            ProblemError: no deployment has that name.
        """
        watched = self.deployments()
        if deployment is None:
            return dict(sorted(watched.items()))
        if deployment not in watched:
            others = [] if self.claims is None else watchers_of(self.claims.sharers, deployment)
            if others:
                names = " and ".join(sorted({one.name for one, _ in others}))
                raise ProblemError(404, f"the deployment {deployment!r} is watched by {names}, not by this daemon")
            known = ", ".join(map(repr, sorted(watched))) or "none"
            raise ProblemError(404, f"no deployment is named {deployment!r}; known: {known}")
        return {deployment: watched[deployment]}

    def turn(self, late: float) -> None:
        """Record a turn of the main loop, and how many seconds late it was."""
        self.turned, self.late = time.monotonic(), max(0.0, late)

    @property
    def alive(self) -> bool:
        """Whether the main loop runs."""
        return self.turned is None or time.monotonic() - self.turned < STUCK_SECONDS

    def having(self, name: str, deployment: str | None) -> list[tuple[str, MasterState]]:
        """
        Return the belief about all masters of a name, each with its deployment, by deployment.

        Args:
            name: the name of the masters.
            deployment: the one that the request names; None for all.

        Raises:
            ProblemError: no deployment has that name.
        """
        found, _ = self._look_up(name, deployment)
        return [(of, state) for of, _, state in found]

    def the_one(self, name: str, deployment: str | None) -> tuple[str, BeliefSource]:
        """
        Return the name and the belief of the deployment that has a master of that name.

        Args:
            name: the name of the master.
            deployment: the deployment that the request names; None for any.

        Raises:
            ProblemError: no deployment has it, or several have.
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
        """Return the deployments that have a master of that name, and the error of one that has not."""
        found: list[tuple[str, BeliefSource, MasterState]] = []
        error: SwitchmasterError | None = None
        for of, watched in self.chosen(deployment).items():
            try:
                found.append((of, watched, watched.state(name)))
            except (UnknownMaster, WatcherClosed) as why:
                error = why
        return found, error

    def close(self) -> None:
        """End all streams and queries."""
        self.stream.close()
        self.history.close()
