"""
What the relay tells clients of each master, and when that changes.

`ServedMasters.look` compares the belief about a master with what clients were told of it, and returns the move that
they must be told of now. It is level-triggered: a move is due because the address differs, not because an event came,
so each is told once, whatever was missed or heard twice. Invariants:

1. The address that is told is one that the belief held when it was first told; no event's text ever reaches it.
2. Nothing is told of a master without a believed address, nor of any while the relay is stale.
3. A planned failover's move waits for the first Sentinel that uses the new address, if the policy says so; any move
   waits for the policy's grade.

Everything else that a Sentinel's answer has (run ids, timeouts, offsets) comes from what the Sentinels answered. A
replica is told only if a majority lists it. Pure: time is an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Final

from ..belief.topology import Health, MasterState, Obstacle
from ..model import LIMITS, Address, Grade, Stage
from ..wire.facts import MasterSnapshot
from ..wire.replies import ReplicaReply

__all__ = ["Move", "RelayPolicy", "ServedMaster", "ServedMasters", "ServedReplica"]


@dataclass(frozen=True, slots=True)
class RelayPolicy:
    """When clients are told of a switch, and how long the last belief counts."""

    grade: Grade = Grade.ANNOUNCED
    """The least grade; the Watcher's own policy is asked before it, so ANNOUNCED adds nothing."""
    early: bool = True
    """Whether a planned failover's switch is told at the promotion, too; else when the first Sentinel uses it."""
    stale_for: float = 60.0
    """Seconds that the last belief is served without a connection to any Sentinel."""


@dataclass(frozen=True, slots=True)
class Move:
    """Clients must be told that a master is elsewhere."""

    master: str
    old: Address
    new: Address
    replicas: tuple[Address, ...] = ()
    """The replicas of the new master, the old master last: a Sentinel names them after ``+switch-master``."""


@dataclass(frozen=True, slots=True)
class ServedReplica:
    """One replica, as clients are told of it."""

    address: Address
    down: bool
    link_up: bool
    offset: int
    priority: int
    answer: ReplicaReply | None
    """What a Sentinel answered about it last; None if none did since it was listed."""


@dataclass(slots=True)
class ServedMaster:
    """One master, as clients are told of it."""

    name: str
    address: Address | None = None
    """Where clients are told it is; None if nothing is told."""
    last: Address | None = None
    """The last address that was told, also while nothing is."""
    since: float = 0.0
    """When `address` was first told, in monotonic seconds."""
    state: MasterState | None = None
    """What was believed when it was last looked at."""
    answer: MasterSnapshot | None = None
    """The last answer of a Sentinel that gave the address told."""
    answered_at: float = 0.0
    """When that came, in monotonic seconds."""
    down_since: float | None = None
    """Since when most Sentinels say that it is down, in monotonic seconds; None while they do not."""
    agreed_down_since: float | None = None
    """Since when as many as the quorum say so."""
    replicas: tuple[ServedReplica, ...] = ()
    run_id: str = ""
    """Of the process at `address`, as far as a Sentinel has said."""
    waits: str = ""
    """Why the believed address is not told yet, for people; empty if it is told."""

    @property
    def epoch(self) -> int:
        """The config epoch; 0 if none is known."""
        return (self.state.epoch if self.state is not None else None) or 0

    @property
    def quorum(self) -> int:
        """The quorum; 0 if no Sentinel was asked."""
        return (self.state.quorum if self.state is not None else None) or 0

    @property
    def others(self) -> int:
        """How many Sentinels count for it beside one."""
        if self.state is None:
            return 0
        known = self.state.electorate
        return max(0, (known.counted or known.known) - 1)

    @property
    def usable(self) -> int:
        """How many Sentinels answer and can vote."""
        return (self.state.electorate.answering if self.state is not None else None) or 0

    @property
    def needed(self) -> int:
        """How many Sentinels an election needs beside the quorum: a majority of all that count."""
        return (self.others + 1) // 2 + 1

    @property
    def in_tilt(self) -> bool:
        """Whether TILT keeps the Sentinels from a failover."""
        return self.state is not None and self.state.electorate.obstacle is Obstacle.TILT

    @property
    def failover_state(self) -> str:
        """The state of a failover that has not promoted a replica yet, in Sentinel's words; empty outside of one."""
        state = self.state
        if state is None or state.address != self.address or state.health is not Health.FAILING_OVER:
            return ""
        return _STATES.get(state.failover.stage, "wait_start") if state.failover is not None else "wait_start"


_STATES: Final = {
    Stage.ELECTED: "select_slave",
    Stage.SELECTED: "send_slaveof_noone",
    Stage.PROMOTING: "wait_promotion",
    Stage.PROMOTED: "reconf_slaves",
}


@dataclass(slots=True)
class ServedMasters:
    """
    All masters of one deployment, as clients are told of them.

    Args:
        policy: when clients are told what.
        source: returns the belief about a master, for `touch`.
    """

    policy: RelayPolicy = field(default_factory=RelayPolicy)
    source: Callable[[str], MasterState | None] | None = None
    """Returns the belief about a master now, for those that `touch` named; None if `look` alone brings it."""
    _touched: dict[str, float] = field(default_factory=dict)
    """Masters of which something else than the address has changed, and when; described when somebody asks."""
    _masters: dict[str, ServedMaster] = field(default_factory=dict)
    _held: dict[str, None] = field(default_factory=dict)
    """Masters whose believed address is not told yet."""
    _unheard_since: float | None = None
    stale: bool = False
    """Whether no Sentinel was connected for so long that nothing is told any more."""
    changes: int = 0
    """Rises whenever an address that is told changes."""
    moves: int = 0
    """Moves that clients were told of."""

    # -- what comes in ------------------------------------------------------------------------------

    def answered(self, snapshot: MasterSnapshot, now: float) -> None:
        """Record what a Sentinel answered about a master; only what is known of it already is kept."""
        master = self._masters.get(snapshot.name)
        if master is None:
            if len(self._masters) >= LIMITS.masters:
                return
            master = self._masters[snapshot.name] = ServedMaster(snapshot.name)
        if master.address is None or snapshot.address == master.address:
            master.answer, master.answered_at = snapshot, now

    def look(self, name: str, state: MasterState | None, now: float) -> Move | None:
        """
        Compare the belief about a master with what clients were told of it.

        Args:
            name: the master's name.
            state: the belief; None if no Sentinel monitors it.
            now: monotonic seconds.

        Returns:
            The move that clients must be told of now, if there is one.
        """
        master = self._masters.get(name)
        if master is None:
            if state is None or state.address is None:
                return None
            master = self._masters[name] = ServedMaster(name)
        if state is None or state.address is None:
            master.state = None
            self._held.pop(name, None)
            if master.address is not None:
                master.address = None
                self.changes += 1
            return None
        self._touched.pop(name, None)
        master.waits = self._waits(master, state)
        if master.waits:
            self._held[name] = None
            return None
        self._held.pop(name, None)
        master.state = state
        move = self._tell(master, state.address, now)
        self._describe(master, state, now)
        return move

    def touch(self, name: str, now: float) -> None:
        """Record that the belief about a master has changed, though not its address; cheaper than `look`."""
        if name in self._masters:
            self._touched[name] = now

    def settle(self, most: int) -> None:
        """Describe up to `most` of the masters that were touched, so that little is left to do when they are asked."""
        for name in list(self._touched)[:most]:
            self._refresh(name)

    def waiting(self) -> list[str]:
        """Return the masters whose believed address is not told yet."""
        return list(self._held)

    def is_waiting(self, name: str) -> bool:
        """Return whether the believed address of a master is not told yet."""
        return name in self._held

    def hearing(self, heard: bool, now: float) -> None:
        """
        Record whether any Sentinel is connected; call it after each change, and at `deadline`.

        Args:
            heard: whether one is.
            now: monotonic seconds.
        """
        if heard:
            self._unheard_since = None
        elif self._unheard_since is None:
            self._unheard_since = now
        due = self.deadline
        stale = due is not None and now >= due
        if stale is not self.stale:
            self.stale = stale
            self.changes += 1

    def forget(self, names: Iterable[str]) -> None:
        """Forget masters that nothing was ever told of, and that no Sentinel monitors any more."""
        for name in list(names):
            master = self._masters.get(name)
            if master is not None and master.last is None:
                del self._masters[name]

    # -- what goes out ------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When the last belief ends to count, in monotonic seconds; None while a Sentinel is connected."""
        return None if self._unheard_since is None else self._unheard_since + self.policy.stale_for

    @property
    def unheard_since(self) -> float | None:
        """Since when no Sentinel is connected, in monotonic seconds; None while one is."""
        return self._unheard_since

    def address(self, name: str) -> Address | None:
        """Return where clients are told a master is; None if nothing is told."""
        master = self._masters.get(name)
        return None if master is None or self.stale else master.address

    def told(self, name: str) -> Address | None:
        """Return where clients were told a master is, whether that still counts or not."""
        master = self._masters.get(name)
        return None if master is None else master.address

    def master(self, name: str) -> ServedMaster | None:
        """Return what clients are told of a master; None if nothing is."""
        master = self._masters.get(name)
        if master is None or master.address is None or self.stale:
            return None
        if name in self._touched:
            self._refresh(name)
        return master

    def names(self) -> list[str]:
        """Return the names of all masters that clients are told of, in order."""
        if self.stale:
            return []
        return sorted(name for name, master in self._masters.items() if master.address is not None)

    def known(self) -> list[str]:
        """Return the names of all masters that were ever looked at."""
        return list(self._masters)

    def addresses(self, name: str) -> Container[Address] | None:
        """
        Return the addresses that an event about a master may name: the nodes that a majority lists, and where clients
        were told the master is and was. None if nothing is told of it.
        """
        master = self._masters.get(name)
        return None if master is None or master.address is None or self.stale else _Nameable(self, master)

    def _refresh(self, name: str) -> None:
        """Describe a master by the newest belief, unless that has moved: then `look` tells it first."""
        touched, master = self._touched.pop(name), self._masters.get(name)
        state = self.source(name) if self.source is not None else None
        if master is not None and state is not None and state.address == master.address is not None:
            master.state = state
            self._describe(master, state, touched)

    # -- rules --------------------------------------------------------------------------------------

    def _waits(self, master: ServedMaster, state: MasterState) -> str:
        """Return why a believed address is not told yet; empty if it is to be told."""
        if master.last is None or state.address == master.last:
            return ""
        if state.grade < self.policy.grade:
            return f"it is {state.grade}, not {self.policy.grade}"
        if not self.policy.early and _is_planned(state) and not _is_used(state):
            return "the failover is planned, and no Sentinel uses the new address yet"
        return ""

    def _tell(self, master: ServedMaster, address: Address, now: float) -> Move | None:
        if address == master.address:
            return None
        self.changes += 1
        before, master.address = master.last, address
        master.last = address
        if before == address:
            return None
        promoted = next((one for one in master.replicas if one.address == address), None)
        answer = promoted.answer if promoted is not None else None
        master.run_id, master.since = answer.run_id if answer is not None else "", now
        master.replicas = tuple(one for one in master.replicas if one.address != address)
        master.down_since = master.agreed_down_since = None
        if before is None:
            return None
        self.moves += 1
        return Move(master.name, before, address, (*(one.address for one in master.replicas), before))

    def _describe(self, master: ServedMaster, state: MasterState, now: float) -> None:
        """Fill in what is told of a master beside its address."""
        heard = [opinion for opinion in state.opinions if opinion.live and opinion.agrees]
        down = bool(heard) and 2 * len(state.down_by) > len(heard)
        agreed = down and bool(state.quorum) and len(state.down_by) >= (state.quorum or 0)
        master.down_since = (master.down_since or now) if down else None
        master.agreed_down_since = (master.agreed_down_since or now) if agreed else None
        answer = master.answer
        if answer is not None and answer.address == answer.reply.address == master.address:
            master.run_id = answer.reply.run_id or master.run_id
        if not heard:
            # Until the first Sentinel uses the new address none lists its replicas: those of before still count.
            return
        rows = {row.address: row for row in (answer.replicas or ())} if answer is not None else {}
        master.replicas = tuple(
            ServedReplica(
                one.address,
                2 * len(one.down_by) > len(heard),
                one.link_up is not False,
                one.offset or 0,
                100 if one.priority is None else one.priority,
                rows.get(one.address),
            )
            for one in state.replicas
            if one.address in state.listed
        )


@dataclass(frozen=True, slots=True)
class _Nameable:
    """What `ServedMasters.addresses` returns: most events name the master alone, for which the belief is not read."""

    masters: ServedMasters
    of: ServedMaster

    def __contains__(self, address: object) -> bool:
        master = self.of
        if address in (master.address, master.last):
            return address is not None
        self.masters.master(master.name)  # with the newest belief
        state = master.state
        if state is None:
            return False
        return address in state.listed or (state.switch is not None and address in (state.switch.old, state.switch.new))


def _is_planned(state: MasterState) -> bool:
    """Return whether the believed address comes from a failover of a master that was not down."""
    records = state.beside if state.failover is None else (*state.beside, state.failover)
    moving = [record for record in records if record.new == state.address]
    return bool(moving) and all(record.entry(Stage.AGREED_DOWN) is None for record in moving)


def _is_used(state: MasterState) -> bool:
    return any(opinion.live and opinion.agrees for opinion in state.opinions)
