"""
One master's servers in HAProxy, kept where the belief wants them.

`MasterLane.look` takes the newest belief, in the turn in which it changes, and wakes the lane's task. The task compares
what HAProxy has with what it should have, sends the commands in between, reads back, and tries again until both are
equal; a newer belief counts at once. So it does not matter what was missed, or what somebody else has changed.

`held_until` says how long new connections wait. Pure: time is an argument.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from ..belief.topology import MasterState
from ..errors import UsageError
from ..follow.gate import NO_REPLICAS, UNKNOWN, GateState, Phase, WaitLimits, phase_of, replicas_of
from ..model import Address
from ..net.haproxy_runtime import HaproxyRuntime, ServerMode, ServerRow, shut_session, shut_sessions
from .haproxy_config import SLOT, names_of
from .moves import Rows, Wanted, commands_between, fits
from .node_places import NodePlaces

__all__ = ["MasterLane", "held_until"]

_log = logging.getLogger("switchmaster.proxy")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0


def held_until(phase: Phase, refused_since: float | None, limits: WaitLimits) -> float | None:
    """
    Return until when new connections wait, in the loop's seconds; None if there is no reason to.

    Each reason has its own limit, counted from its beginning. A reason that lasts does not prolong it: after that
    connections are refused, as without a proxy, until something changes.

    Args:
        phase: the belief.
        refused_since: since when the believed address refuses connections; None if it does not.
        limits: how long connections wait; 0 for not at all.
    """
    ends = []
    if phase.gate is GateState.HELD and limits.hold > 0:
        ends.append(phase.since + limits.hold)
    if phase.gate is GateState.FAILING and limits.failover_wait > 0:
        ends.append(phase.since + limits.failover_wait)
    if phase.address is not None and refused_since is not None and limits.failover_wait > 0:
        ends.append(refused_since + limits.failover_wait)
    return max(ends, default=None)


class MasterLane:
    """
    One master.

    Args:
        name: its name.
        runtime: HAProxy's.
        places: where HAProxy finds nodes.
        limits: how long new connections wait.
        after_cut: called after sessions were ended, to end those that HAProxy has elsewhere.
        on_move: called with the old and the new announced address, once HAProxy has the new one.
    """

    def __init__(
        self,
        name: str,
        runtime: HaproxyRuntime,
        places: NodePlaces,
        limits: WaitLimits,
        after_cut: Callable[[], Awaitable[None]],
        on_move: Callable[[str, Address, Address], None],
    ) -> None:
        self.name, self.names = name, names_of(name)
        self._runtime, self._places, self._limits = runtime, places, limits
        self._after_cut, self._on_move = after_cut, on_move
        self._phase: Phase = UNKNOWN
        self._refused_since: float | None = None
        """Since when the believed address refuses connections, in the loop's seconds; None if it does not."""
        self._replicas = NO_REPLICAS
        self._nodes: tuple[Address, ...] = ()
        self._rows: Rows = {}
        self._served: Address | None = None
        """The announced address that HAProxy was last given."""
        self._served_since: float | None = None
        """Since when, in seconds since 1970."""
        self._open = False
        """Whether HAProxy runs and may be told."""
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._complaint = ""
        self.in_sync = False
        """Whether HAProxy had what it should have when it was last asked."""
        self.settling = False
        """Whether commands are under way."""
        self.attempts = 0
        """How often commands were sent, or looked for."""
        self.moves = 0
        self.holds = 0
        """How often new connections began to wait."""
        self.move_seconds = 0.0
        """From the belief's turn to HAProxy's answer, in the last move."""
        self._changed_at = 0.0

    # -- the belief ---------------------------------------------------------------------------------

    def look(self, state: MasterState | None) -> None:
        """Follow the newest belief; None if there is none."""
        phase, replicas = phase_of(state), replicas_of(state, self._replicas)
        nodes = () if state is None or state.address is None else tuple(sorted({*state.listed, state.address}))
        if phase.same(self._phase) and replicas.same(self._replicas) and nodes == self._nodes:
            return
        held = self.held
        if phase.address != self._phase.address:
            self._changed_at, self._refused_since = time.monotonic(), None
        self._phase, self._replicas, self._nodes = phase, replicas, nodes
        self.holds += self.held and not held
        self._news.set()

    def refuse(self, node: Address, refused: bool) -> None:
        """
        Record that a node's address refuses connections, or accepts them again; in the loop.

        New connections then wait, long before the Sentinels agree that the master is down: a client that lost its
        connection tries again some milliseconds later. Refused, it would sleep longer after each attempt, and miss the
        promotion by up to the last sleep.

        As in every hold, the server's sessions end. If the process is gone, they have ended already. A refusal for
        another reason, such as a firewall's REJECT, does no harm either: HAProxy runs on this host and dials the same
        address, so its new connections are refused too, whatever is in between (`address_map`, a proxy). And our own
        connection has ended before we dial: a rule that spares open connections is not noticed.

        Args:
            node: as it is announced; ignored if it is not the believed master.
            refused: whether it refuses.
        """
        if node != self._phase.address or refused == (self._refused_since is not None):
            return
        held = self.held
        self._refused_since = asyncio.get_running_loop().time() if refused else None
        self.holds += self.held and not held
        self._news.set()

    @property
    def announced(self) -> tuple[Address, ...]:
        """All nodes, as Sentinel announces them."""
        return self._nodes

    @property
    def address(self) -> Address | None:
        """Where the master is believed to be."""
        return self._phase.address

    @property
    def served(self) -> Address | None:
        """The announced address that HAProxy was last given; None before the first."""
        return self._served

    @property
    def served_since(self) -> float | None:
        """When it was given that, in seconds since 1970."""
        return self._served_since

    @property
    def held(self) -> bool:
        """Whether new connections wait; in the loop."""
        due = self._held_until()
        return due is not None and asyncio.get_running_loop().time() < due

    def checks(self) -> tuple[tuple[Address, bool], ...]:
        """Return the nodes, as HAProxy finds them, each with whether its own check found a master there last."""
        rows = [row for (backend, _), row in self._rows.items() if backend == self.names.classic]
        return tuple((row.address, row.running) for row in rows if row.address and row.mode is ServerMode.READY)

    def wanted(self) -> Wanted:
        """Return what HAProxy should have now."""
        at = None if self._phase.address is None else self._places.at(self._phase.address)
        return Wanted(at, self.held, self._found(self._nodes), self._found(self._replicas.usable))

    def _held_until(self) -> float | None:
        return held_until(self._phase, self._refused_since, self._limits)

    def _found(self, nodes: Iterable[Address]) -> tuple[Address, ...]:
        return tuple(dict.fromkeys(place for place in map(self._places.at, nodes) if place is not None))

    # -- HAProxy ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to keep HAProxy right."""
        self._task = asyncio.create_task(self._keep(), name=f"switchmaster: proxy {self.name}")

    async def close(self) -> None:
        """Stop; HAProxy stays as it is."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def check(self, rows: Iterable[ServerRow], attempts: int) -> bool:
        """
        Take what HAProxy has, and put right what differs.

        Args:
            rows: all servers.
            attempts: `attempts` before HAProxy was asked: what was read while we changed it says nothing.

        Returns:
            Whether it was right.
        """
        if self._open and (self.settling or attempts != self.attempts):
            return True
        mine = {self.names.believed, self.names.classic, self.names.reads}
        self._rows = {(row.backend, row.server): row for row in rows if row.backend in mine}
        self._open = True
        right = fits(self._rows, self.wanted(), self.names)
        if not right or not self.in_sync:
            self._news.set()
        return right

    def pause(self) -> None:
        """Wait until `check` is called again: HAProxy starts, or is gone."""
        self._open = self.in_sync = False

    async def _keep(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if self._open:
                self.settling = True
                try:
                    await self._settle()
                finally:
                    self.settling = False

    async def _settle(self) -> None:
        pause = FIRST_PAUSE
        while self._open:
            self.attempts += 1
            address, wanted = self._phase.address, self.wanted()
            self._ring_later()
            try:
                commands = commands_between(self._rows, wanted, self.names)
                if commands:
                    await self._carry_out(commands)
                    if wanted.served and address != self._served:
                        self.move_seconds = time.monotonic() - self._changed_at
                self._rows = await self._read()
                if any(command.startswith("shutdown") for command in commands):
                    await self._after_cut()
            except (OSError, TimeoutError, UsageError) as error:
                self._complain(str(error) or "it did not answer in time")
            else:
                if fits(self._rows, wanted, self.names):
                    self._settled(address, wanted)
                    return
            self.in_sync = False
            self._news.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _carry_out(self, commands: tuple[str, ...]) -> None:
        """
        Send commands; between the end of the believed server's sessions and all else, end those that it forgot.

        Each connection that has waited in HAProxy's queue is such a session (see `shut_sessions`).
        """
        end = shut_sessions(self.names.believed, SLOT)
        if end in commands:
            first, commands = commands[: commands.index(end) + 1], commands[commands.index(end) + 1 :]
            await self._runtime.ask(*first)
            left = await self._runtime.sessions_on(self.names.believed, SLOT)
            commands = (*map(shut_session, left), *commands)
        if commands:
            await self._runtime.ask(*commands)

    async def _read(self) -> Rows:
        backends = dict.fromkeys(backend for backend, _ in self._rows)
        rows = [row for backend in backends for row in await self._runtime.servers(backend)]
        return {(row.backend, row.server): row for row in rows}

    def _settled(self, address: Address | None, wanted: Wanted) -> None:
        self.in_sync, self._complaint = True, ""
        if not wanted.served or address is None or address == self._served:
            return
        before, self._served = self._served, address
        self._served_since = time.time()
        _log.info("HAProxy leads to %s at %s", self.name, address)
        if before is not None:
            self.moves += 1
            self._on_move(self.name, before, address)

    def _ring_later(self) -> None:
        """Look again when connections have waited long enough."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due, loop = self._held_until(), asyncio.get_running_loop()
        if due is not None and due > loop.time():
            self._timer = loop.call_at(due, self._news.set)

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            _log.warning("HAProxy can't be told where %s is: %s; it is tried again", self.name, why)
