"""
Where a client's commands may go now: the belief about one master, as a client needs it.

Two values are made from a `MasterState`, again with each change, and compared by identity: `Phase` for connections
that write to the master, `Replicas` for those that read from replicas. A connection keeps the value under which it was
made ready; while that is the newest, a command may be sent without any other check.

Rules of `phase_of`:

1. While a failover of the believed master is known to run, the phase is `GateState.FAILING`, from the agreement that
   it is down (or from the election, if we began to listen later) until the belief moves or the attempt ends.
2. If no Sentinel says that the master is down, it is alive, and the failover is planned: commands flow until a replica
   is selected. From then on the phase is `GateState.HELD`: what is sent now could be lost.
3. In a coordinated failover it stays held, at the new address, until its leader has seen the promotion too. Valkey's
   Sentinel ends all connections of the new master at that moment, up to a second after the promotion, with everything
   that is in flight (9.1.2; a plain failover ends them within the promotion).
4. An aborted failover opens the gate to the old master again; so does one about which nothing is heard for long.
5. Without an address there is nothing to follow: `GateState.UNKNOWN`.
6. If several failovers are under way, the strictest state counts: a failover that one Sentinel invents beside a true
   one does not open the gate.

Rule of `replicas_of`, beside what its fields say: Sentinel ends all connections of a replica when it points it to the
new master (CLIENT KILL in the MULTI of SLAVEOF), and publishes ``+slave-reconf-sent`` at the same moment, which is too
late to leave. So readers leave every replica when the promotion is known, some 50 ms to 1 s before the first replica is
reconfigured, and return to each with its ``+slave-reconf-done``. In between they read from the new master. While
commands for the master are held, readers without a replica wait too: connections to the master may end.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model import Address, FailoverKind, Stage

if TYPE_CHECKING:
    from ..belief.failover import Failover
    from ..belief.topology import MasterState

__all__ = ["NO_REPLICAS", "UNKNOWN", "GateState", "Phase", "Replicas", "WaitLimits", "phase_of", "replicas_of"]


class GateState(enum.Enum):
    """Whether commands may be sent to a master."""

    OPEN = "open"
    HELD = "held"
    """A replica was selected in a planned failover, whose leader may still end connections or lose what is written:
    commands that are not sent yet wait, at most `WaitLimits.hold` seconds."""
    FAILING = "failing"
    """The master is agreed to be down: commands that are not sent yet wait, at most `WaitLimits.failover_wait`
    seconds."""
    UNKNOWN = "unknown"
    """The master's address is not known."""


_STRICTNESS: Final = {GateState.OPEN: 0, GateState.HELD: 1, GateState.FAILING: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """Where a master's commands may go; a new value, and so a new identity, with every change."""

    gate: GateState
    address: Address | None
    """Where the master is believed to be; None only if the gate is `GateState.UNKNOWN`."""
    since: float
    """Monotonic seconds. If held: when the replica was selected; if failing: when the failover's newest stage began."""
    epoch: int | None = None
    next: Address | None = None
    """Where the master is about to be, by the node's own behaviour: one connection may go ahead and greet there, so
    that the first command does not wait for the greeting when the belief moves. Nothing else is sent."""

    def same(self, other: Phase) -> bool:
        """Whether both say the same, so that the older one may stay."""
        mine = (self.gate, self.address, self.since, self.epoch, self.next)
        return mine == (other.gate, other.address, other.since, other.epoch, other.next)


@dataclass(frozen=True, slots=True, eq=False)
class Replicas:
    """The replicas that may be read from, and the master if there is none."""

    usable: tuple[Address, ...]
    """In order of address: not down, link not known to be broken, not selected to become the master, and after a
    promotion not before it follows the new master."""
    kept: frozenset[Address]
    """Where a connection may stay until its command is answered: the master, and every replica that is not down. A
    replica that is selected, or has lost its link, still answers commands that were sent."""
    master: Address | None
    held: float | None = None
    """Since when readers without a replica wait, as commands for the master do (`GateState.HELD`); in monotonic
    seconds."""

    def same(self, other: Replicas) -> bool:
        """Whether both say the same."""
        mine = (self.usable, self.kept, self.master, self.held)
        return mine == (other.usable, other.kept, other.master, other.held)


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a command that has not been sent may wait, and how long one that was sent may still be answered."""

    hold: float = 2.0
    """Seconds that commands wait in a planned failover, from the selection of the replica on; 0 turns holding off."""
    failover_wait: float = 10.0
    """Seconds that a command waits for a master while there is none; with 0 it fails at once, as in redis-py."""
    drain: float = 0.0
    """Seconds between a switch and the cut of connections with commands in flight on the old master."""

    def waits_until(self, phase: Phase, started: float) -> float | None:
        """
        Return until when a command waits in this phase.

        Args:
            phase: the newest.
            started: when the command began to wait, in monotonic seconds.

        Returns:
            Monotonic seconds; None if it does not wait. After `failover_wait` seconds without news of a failover
            commands stop waiting for it, and the old master is tried again: Sentinels that can neither agree nor elect
            must not keep us from a master that we can reach.
        """
        if phase.gate is GateState.HELD and self.hold > 0:
            return phase.since + self.hold
        if phase.gate is GateState.FAILING and started < phase.since + self.failover_wait:
            return started + self.failover_wait
        return None


UNKNOWN = Phase(GateState.UNKNOWN, None, 0.0)
"""The phase before anything is known."""

NO_REPLICAS = Replicas((), frozenset(), None)
"""The replicas before anything is known."""


def phase_of(state: MasterState | None) -> Phase:
    """
    Return where commands may go, by the belief about a master.

    Args:
        state: the belief; None if no Sentinel knows this master.
    """
    if state is None or state.address is None:
        return UNKNOWN
    gate, since, record = _gate(state)
    ahead = record.new if record is not None and record.new == state.imminent != state.address else None
    return Phase(gate, state.address, since, state.epoch, ahead)


def _under_way(state: MasterState) -> tuple[Failover, ...]:
    """Return the failovers under way, oldest first."""
    records = state.beside if state.failover is None else (*state.beside, state.failover)
    return tuple(record for record in records if not record.closed and record.stage is not Stage.ABORTED)


def _gate(state: MasterState) -> tuple[GateState, float, Failover | None]:
    """Return the strictest state that the failovers under way ask for, since when, and which asks; the newest first."""
    found: tuple[GateState, float, Failover | None] = (GateState.OPEN, 0.0, None)
    for record in _under_way(state):
        gate, since = _gate_in(record, state.address)
        if _STRICTNESS[gate] >= _STRICTNESS[found[0]] and gate is not GateState.OPEN:
            found = (gate, since, record)
    return found


def _gate_in(record: Failover, address: Address | None) -> tuple[GateState, float]:
    if record.old != address and not _about_to_end_connections(record, address):
        return GateState.OPEN, 0.0
    if record.entry(Stage.AGREED_DOWN) is not None:
        return GateState.FAILING, max(entry.at for entry in record.stages)
    selected = record.entry(Stage.SELECTED) or record.entry(Stage.PROMOTING)
    if selected is not None:
        return GateState.HELD, selected.at
    return GateState.OPEN, 0.0


def _about_to_end_connections(record: Failover, address: Address | None) -> bool:
    # In the turn after it ended the connections, the leader goes on to the replicas, or to the switch.
    if record.new != address or record.stage is not Stage.PROMOTED or record.entry(Stage.AGREED_DOWN) is not None:
        return False
    # If the kind is unknown, holding is safe: a plain SENTINEL FAILOVER has no election.
    elected = any(voter not in record.candidates for voter, _, _ in record.votes)
    return record.kind is FailoverKind.COORDINATED or (record.kind is None and elected)


def replicas_of(state: MasterState | None, before: Replicas = NO_REPLICAS) -> Replicas:
    """
    Return the replicas that may be read from, by the belief about a master.

    Args:
        state: the belief; None if no Sentinel knows this master.
        before: what was returned last. Between a promotion and the first ``+switch-master`` no Sentinel names a
            replica of the new master: until then these count as its replicas.
    """
    if state is None or state.address is None:
        return NO_REPLICAS
    under_way = _under_way(state)
    chosen = {record.new for record in under_way}
    if any(opinion.live and opinion.agrees for opinion in state.opinions):
        up = [row for row in state.replicas if not row.down_by and row.address != state.address]
        well, answering = [row.address for row in up if row.link_up is not False], [row.address for row in up]
    else:
        well = answering = sorted(before.kept - {state.address, before.master})
    usable = tuple(address for address in well if address not in chosen)
    for record in under_way:
        if record.new == state.address and not _about_to_end_connections(record, state.address):
            usable = tuple(address for address in usable if address in record.following)
    gate, since, _ = _gate(state)
    held = since if gate is GateState.HELD and not usable else None
    return Replicas(usable, frozenset((*answering, state.address)), state.address, held)
