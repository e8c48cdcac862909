"""
Where a client's commands may go now: the belief about one master, as a client needs it.

Two values are made from a `MasterState`, anew with each change, and compared by identity ever after: `Phase` for
those who write to the master, `Replicas` for those who read from replicas. A connection remembers the value under
which it was made ready; as long as that is still the newest, a command may be sent without another thought.

Rules of `phase_of`:

1. While a failover of the believed master is known to run, the phase is `GateState.FAILING`, from the agreement that
   it is down (or, where we came late, from the election) to the moment when the belief moves or the attempt ends.
2. Where nobody says that the master is down, it is alive, and the failover is planned: commands flow until a replica
   is selected. From then on the phase is `GateState.HELD`: what is sent now could be lost.
3. In a coordinated failover it stays held, at the new address, until its leader has seen the promotion too. Valkey's
   Sentinel ends all connections of the new master at that moment, up to a second after the promotion, with whatever
   is in flight (9.1.2; a plain failover ends them within the promotion).
4. An aborted failover opens the way to the old master again; so does one of which nothing is heard any more.
5. Without an address there is nothing to follow: `GateState.UNKNOWN`.
6. Of several failovers that go on, the strictest word counts: what one Sentinel makes up beside a true failover opens
   no way that this one holds.

Rule of `replicas_of`, beside what its fields say: Sentinel ends all connections of a replica when it points it to the
new master (CLIENT KILL in the MULTI of SLAVEOF), and publishes ``+slave-reconf-sent`` in the same moment, which is too
late to leave. So readers leave every replica when the promotion is known, some 50 ms to 1 s before the first of them is
told, and come back to each with its ``+slave-reconf-done``. In between they read from the new master. While commands
for the master are held, readers without a replica wait too: connections to it may end.

Pure: no I/O, no clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from ..belief.failover import Failover, FailoverKind, replicas_following
from ..belief.topology import MasterState
from ..model import Address, Stage

__all__ = ["NO_REPLICAS", "UNKNOWN", "GateState", "Phase", "Replicas", "WaitLimits", "phase_of", "replicas_of"]


class GateState(enum.Enum):
    """Whether commands may be sent to a master."""

    OPEN = "open"
    HELD = "held"
    """A replica was selected in a planned failover, and its leader may yet end connections or lose what is written:
    what is not sent yet waits, `WaitLimits.hold` seconds at most."""
    FAILING = "failing"
    """The master is agreed to be down: what is not sent yet waits, `WaitLimits.failover_wait` seconds at most."""
    UNKNOWN = "unknown"
    """It is not known where the master is."""


_STRICTNESS: Final = {GateState.OPEN: 0, GateState.HELD: 1, GateState.FAILING: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """Where a master's commands may go; a new value, and so a new identity, with every change."""

    gate: GateState
    address: Address | None
    """Where the master is believed to be; None only where it is unknown."""
    since: float
    """Of `GateState.HELD`: when the replica was selected; of `GateState.FAILING`: the newest stage of the failover;
    in monotonic seconds."""
    epoch: int | None = None
    next: Address | None = None
    """Where it is about to be, by the node's own behaviour: one connection may go ahead and greet there, so that the
    first command need not wait for that when the belief moves. Nothing else is sent."""

    def same(self, other: Phase) -> bool:
        """Whether both say the same, so that the newer one need not take the older one's place."""
        mine = (self.gate, self.address, self.since, self.epoch, self.next)
        return mine == (other.gate, other.address, other.since, other.epoch, other.next)


@dataclass(frozen=True, slots=True, eq=False)
class Replicas:
    """The replicas that may be read from, and the master for want of one."""

    usable: tuple[Address, ...]
    """In order of address: not down, link not known to be broken, not selected to become the master, and after a
    promotion not before it follows the new master."""
    kept: frozenset[Address]
    """Where a connection may stay until its command is answered: the master, and every replica that is not down. Who
    is selected, or has lost its link, still answers what was asked."""
    master: Address | None
    held: float | None = None
    """Since when what would be read from the master, for want of a replica, waits as commands for it do
    (`GateState.HELD`); in monotonic seconds."""

    def same(self, other: Replicas) -> bool:
        """Whether both say the same."""
        mine = (self.usable, self.kept, self.master, self.held)
        return mine == (other.usable, other.kept, other.master, other.held)


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long a command that has not been sent may wait, and one that has been sent may still be answered."""

    hold: float = 2.0
    """Seconds that commands wait in a planned failover, from the selection of the replica on; 0 holds nothing."""
    failover_wait: float = 10.0
    """Seconds that a command waits for a master while there is none; 0 fails at once, as redis-py does."""
    drain: float = 0.0
    """Seconds that commands in flight on the old master have after a switch before their connections are cut."""

    def waits_until(self, phase: Phase, started: float) -> float | None:
        """
        Return until when a command waits in this phase.

        Args:
            phase: the newest.
            started: when the command began to wait, in monotonic seconds.

        Returns:
            Monotonic seconds; None where it need not wait at all. A failover of which nothing was heard for
            `failover_wait` keeps nobody waiting any more: the old master is tried again, since Sentinels that can
            neither agree nor elect must not keep us from a master that we can reach.
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
    Return where commands may go by what is believed of a master.

    Args:
        state: the belief; None where no Sentinel speaks of this master.
    """
    if state is None or state.address is None:
        return UNKNOWN
    gate, since, record = _gate(state)
    ahead = record.new if record is not None and record.new == state.imminent != state.address else None
    return Phase(gate, state.address, since, state.epoch, ahead)


def _under_way(state: MasterState) -> tuple[Failover, ...]:
    """Return the failovers that go on, oldest first."""
    records = state.beside if state.failover is None else (*state.beside, state.failover)
    return tuple(record for record in records if not record.closed and record.stage is not Stage.ABORTED)


def _gate(state: MasterState) -> tuple[GateState, float, Failover | None]:
    """Return the strictest of what the failovers that go on ask for, since when, and by which; of equals the newest."""
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
    # The leader goes on to the replicas, or to the switch, in the turn after the one that ends the connections.
    if record.new != address or record.stage is not Stage.PROMOTED or record.entry(Stage.AGREED_DOWN) is not None:
        return False
    # Where the kind can't be known, holding is the safe side: a plain SENTINEL FAILOVER has no election.
    elected = any(voter not in record.candidates for voter, _, _ in record.votes)
    return record.kind is FailoverKind.COORDINATED or (record.kind is None and elected)


def replicas_of(state: MasterState | None, before: Replicas = NO_REPLICAS) -> Replicas:
    """
    Return the replicas that may be read from by what is believed of a master.

    Args:
        state: the belief; None where no Sentinel speaks of this master.
        before: what was returned last. Between a promotion and the first ``+switch-master`` no Sentinel names any
            replica of the new master: until then these are taken for its own.
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
            usable = tuple(address for address in usable if address in replicas_following(record))
    gate, since, _ = _gate(state)
    held = since if gate is GateState.HELD and not usable else None
    return Replicas(usable, frozenset((*answering, state.address)), state.address, held)
