"""
How a client's connection gets to where its commands may go: the plan, without I/O, clock or threads.

A plan is a generator. It yields what to do (`Dial`, `Wait`, `FindMaster`, `HangUp`), is sent the outcome (None, or the
error), and returns the value of the gate under which the connection is ready. Threads and asyncio drive the same plan,
each with its own sockets and clocks, and so does the simulation.

Every plan holds to this: it dials only what the newest value names, and no connection is ready for commands before that
value says so. It waits no longer than `WaitLimits` allow; after that it dials one more node if there is news, and the
master if no replica answers. A connection that is in a transaction, or bound, never moves: it ends. Every failure has
a reason that a person can act on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ..errors import NoMasterElected, SessionMoved, TransactionMoved
from ..model import Address
from .gate import GateState, Phase, Replicas, WaitLimits

__all__ = ["Dial", "Effect", "FindMaster", "Gate", "HangUp", "Movable", "Reach", "Wait"]

FIRST_PAUSE: Final = 0.02
"""Seconds before a master that could not be reached is dialled again."""
LONGEST_PAUSE: Final = 0.5
"""The pause doubles up to this; any news of the failover ends it at once."""


class Gate(Protocol):
    """What holds the newest value."""

    @property
    def current(self) -> Any:
        """The newest `Phase`, or the newest `Replicas`; compared by identity."""


class Movable(Protocol):
    """One connection, as a plan sees it."""

    @property
    def at(self) -> Address | None:
        """The node to which it is connected; None if it is not connected, or was cut."""

    @property
    def pinned(self) -> bool:
        """Whether the server holds something for it that can't move: WATCH, or an open MULTI."""

    @property
    def bound(self) -> bool:
        """Whether its holder would not notice that it moved: then the holder must see it end."""

    @property
    def ended(self) -> bool:
        """Whether the server has closed it, as far as that is known without reading."""

    def goes_ahead(self, phase: Phase) -> bool:
        """Whether this connection is the one that may go to `Phase.next` before the belief moves."""

    def may_pass(self, failure: Exception) -> bool:
        """Whether waiting may help after this failure of a `Dial`; otherwise the configuration is wrong."""

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        """Return these replicas, the least used first."""

    def crowded(self, usable: Sequence[Address]) -> bool:
        """Whether it should move because its replica has many more connections than another."""


class Dial(NamedTuple):
    """
    Disconnect, connect to this node, and check that it is what it should be: a master, or a replica in step.
    """

    address: Address
    master: bool


class Wait(NamedTuple):
    """Wait until the gate has another value than this one, at most until a moment (monotonic seconds)."""

    seen: Phase | Replicas
    until: float


@dataclass(frozen=True, slots=True)
class FindMaster:
    """Ask the Sentinels where the master is; the outcome is None only once the gate knows."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Disconnect; nothing is dialled after it."""


Effect: TypeAlias = Dial | Wait | FindMaster | HangUp
Step: TypeAlias = Generator[Effect, Exception | None, None]


class Reach:
    """
    One plan, and how long it waited.

    Args:
        connection: the connection.
        gate: what holds the newest value.
        limits: how long it may wait.
        clock: returns monotonic seconds.
        master: the master's name, for errors.
        patient: False if this command has waited in vain already: then it fails instead of waiting again.
    """

    def __init__(
        self,
        connection: Movable,
        gate: Gate,
        limits: WaitLimits,
        clock: Callable[[], float],
        master: str,
        patient: bool = True,
    ) -> None:
        self._connection, self._gate, self._limits, self._clock, self._master = connection, gate, limits, clock, master
        self._patience = limits.failover_wait if patient else 0.0
        self._patient = patient
        self._pause = FIRST_PAUSE
        self._started = 0.0
        self._gone_ahead: Address | None = None
        """Where it went, or tried to go, before the belief moved."""
        self._late = False
        """News led to a last attempt after the time was up."""
        self.waited = 0.0
        """Seconds that the command waited for the gate."""
        self.ran_out = False
        """Whether a wait reached its limit."""
        self.provisional = False
        """Whether a usable replica could not be used: it was not in step yet, or did not answer. No news may ever
        follow about it, so the reader tries it again after a while."""

    def to_master(self) -> Generator[Effect, Exception | None, Phase]:
        """
        Plan for a connection to the master.

        Raises:
            NoMasterElected: no master could be reached in time.
            TransactionMoved: the master has changed, and the connection is in a transaction.
            SessionMoved: the master has changed, and the connection is bound.
        """
        self._started = self._clock()
        while True:
            phase: Phase = self._gate.current
            if phase.gate is GateState.UNKNOWN or phase.address is None:
                yield from self._ask()
                continue
            if (yield from self._held(phase)):
                continue
            if self._connection.at == phase.address:
                return phase
            yield from self._leave()
            failure = yield Dial(phase.address, master=True)
            if failure is not None:
                yield from self._fail(phase, failure, f"{phase.address}, which is still named as master")

    def to_replica(self) -> Generator[Effect, Exception | None, Replicas]:
        """
        Plan for a connection to a replica, or to the master if there is none.

        Raises:
            NoMasterElected: neither could be reached in time.
        """
        self._started = self._clock()
        while True:
            replicas: Replicas = self._gate.current
            if replicas.master is None:
                yield from self._ask()
                continue
            if (yield from self._held_reader(replicas)):
                continue
            if self._fits(replicas):
                return replicas
            yield from self._leave()
            failure = yield from self._dial_one_of(replicas)
            if failure is not None:
                yield from self._fail(replicas, failure, f"{len(replicas.usable)} replicas and the master")
            elif not self._news(replicas):
                # Wherever that is: a replica that could not be reached must not be tried again and again.
                return replicas

    def _news(self, seen: Phase | Replicas) -> bool:
        return self._gate.current is not seen

    # -- steps --------------------------------------------------------------------------------------

    def _ask(self) -> Step:
        failure = yield FindMaster()
        if failure is not None:
            raise failure

    def _held(self, phase: Phase) -> Generator[Effect, Exception | None, bool]:
        """Wait for the gate; return whether its value must be read again."""
        until = self._limits.waits_until(phase, self._started) if self._patient else None
        if until is None:
            return False
        if self._clock() < until:
            if self._may_go_ahead(phase):
                yield from self._go_ahead(phase)
            else:
                yield from self._wait(phase, until)
            return True
        if not self.ran_out:
            self.ran_out = True
            if phase.gate is GateState.FAILING:
                raise NoMasterElected(self._master, self._clock() - self._started, "the failover is not over yet")
        return False

    def _held_reader(self, replicas: Replicas) -> Generator[Effect, Exception | None, bool]:
        """Wait for a replica, or for the end of the hold; return whether the gate's value must be read again."""
        if replicas.held is None or not self._patient or self._limits.hold <= 0:
            return False
        until = replicas.held + self._limits.hold
        if self._clock() < until:
            yield from self._wait(replicas, until)
            return True
        self.ran_out = True
        return False

    def _may_go_ahead(self, phase: Phase) -> bool:
        if phase.next is None or phase.next in (self._connection.at, self._gone_ahead):
            return False
        return self._connection.goes_ahead(phase)

    def _go_ahead(self, phase: Phase) -> Step:
        """Greet the next master; if that fails, it is dialled again once it is the master."""
        assert phase.next is not None
        began, self._gone_ahead = self._clock(), phase.next
        yield Dial(phase.next, master=True)
        self.waited += self._clock() - began

    def _wait(self, seen: Phase | Replicas, until: float) -> Step:
        began = self._clock()
        yield Wait(seen, until)
        self.waited += self._clock() - began
        if self._connection.ended and not (self._connection.pinned or self._connection.bound):
            # A pool checks a connection before it hands it out. During a failover servers close connections that wait.
            yield HangUp()

    def _leave(self) -> Step:
        """End a connection that can't continue elsewhere."""
        if self._connection.pinned:
            yield HangUp()
            raise TransactionMoved(self._master)
        if self._connection.bound:
            yield HangUp()
            raise SessionMoved(self._master)

    def _fits(self, replicas: Replicas) -> bool:
        if not replicas.usable:
            return self._connection.at == replicas.master
        if self._connection.at not in replicas.usable:
            return False
        return self._connection.pinned or self._connection.bound or not self._connection.crowded(replicas.usable)

    def _dial_one_of(self, replicas: Replicas) -> Generator[Effect, Exception | None, Exception | None]:
        failure: Exception | None = None
        self.provisional = False
        for address in self._connection.order(replicas.usable):
            failure = yield Dial(address, master=False)
            if failure is None or self._news(replicas):
                return failure
            self.provisional = True
            if self._patience > 0 and self._left <= 0:
                break  # each may take a whole timeout, and the master must still be dialled
        if replicas.master is not None:
            failure = yield Dial(replicas.master, master=True)
        return failure

    @property
    def _left(self) -> float:
        """Seconds that the command may still wait."""
        return self._started + self._patience - self._clock()

    def _fail(self, seen: Phase | Replicas, failure: Exception, what: str) -> Step:
        """Pause before the next attempt, unless there is news, the time is up, or waiting can't help."""
        left = self._left
        if self._news(seen) and not self._late:
            self._late = left <= 0
            return
        if not self._connection.may_pass(failure):
            raise failure
        if left <= 0:
            if self._patience > 0:
                self.ran_out = True
                reason = f"{what}, can't be used ({failure})"
                raise NoMasterElected(self._master, self._clock() - self._started, reason) from failure
            raise failure
        yield from self._wait(seen, self._clock() + min(self._pause, left))
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
