"""
Clients of the Watcher: one that writes to the master and one that reads from replicas, by the production plans.

`Follower` and `Reach` are the product's; their effects happen on the virtual network here, as those of
`switchmaster.client` do on sockets. Records how long each command was held, and its outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from switchmaster.belief.decisions import Switch
from switchmaster.client.follower import Follower
from switchmaster.errors import NoMasterElected, SwitchmasterError
from switchmaster.follow.gate import GateState, Phase, WaitLimits
from switchmaster.follow.reach import Dial, Effect, FindMaster, HangUp, Reach, Wait
from switchmaster.model import Address
from switchmaster.wire.resp import encode

from .clock import VirtualLoop
from .world import World

__all__ = ["LIMITS", "Client"]

LIMITS = WaitLimits(hold=1.0, failover_wait=3.0)
ATTEMPT = 1.0
"""Seconds that a connection, or the answer to a command, may take."""
KEPT_AT_MOST = LIMITS.hold + LIMITS.failover_wait + 2 * ATTEMPT + 0.1
"""A plan ends within its wait, plus one attempt begun within it, plus a hold that follows."""
PAUSE = 0.25
"""Seconds between two commands."""


class _Connection(asyncio.Protocol):
    """One open connection to a node."""

    def __init__(self) -> None:
        self.up = True
        self.transport: Any = None
        self._reader = hiredis.Reader()
        self._waiting: asyncio.Future[Any] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.up = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError("the connection is lost"))

    async def ask(self, *words: str) -> Any:
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(encode(words))
        async with asyncio.timeout(ATTEMPT):
            return await self._waiting


class Client:
    """
    An application that sends one command after the other.

    Args:
        world: its world.
        follower: its knowledge of the master.
        writes: whether it writes to the master; else it reads from replicas.
        refresh: asks the Sentinels.
        broken: called with each broken invariant.
        too_late: whether a write to a node is too late; only asked if nothing hinders the watcher.
    """

    pinned = bound = False
    ended = False
    """`at` is None as soon as the connection is lost: here the loop learns of that at once."""

    def __init__(
        self,
        world: World,
        follower: Follower,
        writes: bool,
        refresh: Callable[[], None],
        broken: Callable[[str], None],
        too_late: Callable[[Address], bool],
    ) -> None:
        self._too_late = too_late
        self._world, self._follower, self._writes = world, follower, writes
        self._refresh, self._broken = refresh, broken
        self.master = follower.master
        self._connection: _Connection | None = None
        self._target: Address | None = None
        self._started: float | None = None
        self.view: Any = follower.phases if writes else follower.replicas
        self.done_at = -1e9
        """When a command was last executed."""
        self.longest = 0.0
        follower.add(self)

    # -- for a plan and a follower ------------------------------------------------------------------

    @property
    def at(self) -> Address | None:
        return self._target if self._connection is not None and self._connection.up else None

    def goes_ahead(self, phase: Phase) -> bool:
        return True

    def may_pass(self, failure: Exception) -> bool:
        return True

    def order(self, usable: Sequence[Address]) -> Sequence[Address]:
        return self._world.chance.sample(list(usable), len(usable))

    def crowded(self, usable: Sequence[Address]) -> bool:
        return False

    def settle(self) -> None:
        current = self.view.current
        kept = {current.address, current.next} if self._writes else current.kept
        known = current.address if self._writes else current.master
        if known is not None and self._target not in kept:
            self._hang_up()

    def switched(self, switch: Switch) -> None:
        pass

    def renew(self) -> None:
        pass

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.up = False
            self._connection.transport.abort()
        self._connection = self._target = None

    # -- commands -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send commands forever."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._started = loop.time()
                await self._command(loop.time)
                self.check_released()
                self._started = None
                await asyncio.sleep(PAUSE)
        finally:
            self._hang_up()

    def check_released(self) -> None:
        """Check how long the current command has been held against the limits."""
        if self._started is None:
            return
        kept = self._world.clock.now - self._started
        self.longest = max(self.longest, kept)
        if kept > KEPT_AT_MOST + ATTEMPT:
            self._broken(f"a command of the {'writer' if self._writes else 'reader'} is kept for {kept:.1f} s")

    async def _command(self, clock: Callable[[], float]) -> None:
        reach = Reach(self, self.view, LIMITS, clock, self._follower.master)
        try:
            await self._reach(reach)
            assert self._connection is not None
            reply = await self._connection.ask("SET" if self._writes else "GET", "k", "v")
        except (SwitchmasterError, OSError, TimeoutError) as error:
            if not isinstance(error, SwitchmasterError):
                self._hang_up()
            self._world.counts["failed command"] += 1
            return
        if isinstance(reply, Exception):
            self._world.counts["refused command"] += 1
            self._hang_up()
        else:
            self.done_at = clock()

    async def _reach(self, reach: Reach) -> None:
        plan: Any = reach.to_master() if self._writes else reach.to_replica()
        try:
            effect = next(plan)
            while True:
                effect = plan.send(await self._do(effect))
        except StopIteration as done:
            self._check_sent(done.value, reach)

    def _check_sent(self, phase: Any, reach: Reach) -> None:
        if self._writes and phase.gate is GateState.HELD and self._world.clock.now < phase.since + LIMITS.hold:
            self._broken("a write is sent to a master that is being replaced, before the hold is over")
        if self._writes and self.at is not None and self._too_late(self.at):
            self._broken(f"a write is sent to {self.at}, which a Sentinel is replacing")
        if self._writes and self.at != phase.address:
            self._broken(f"a write is sent to {self.at}, and the gate says {phase.address}")

    async def _do(self, effect: Effect) -> Exception | None:
        match effect:
            case Dial(address, master):
                return await self._dial(address, master)
            case Wait(seen, until):
                await self.view.wait_in_loop(seen, until)
            case HangUp():
                self._hang_up()
            case FindMaster():
                return await self._ask()
        return None

    async def _ask(self) -> Exception | None:
        self._refresh()
        await self.view.wait_in_loop(self.view.current, self._world.clock.now + ATTEMPT)
        current = self.view.current
        known = current.address if self._writes else current.master
        return None if known is not None else NoMasterElected(self._follower.master, ATTEMPT, "no Sentinel answers")

    async def _dial(self, address: Address, master: bool) -> Exception | None:
        self._hang_up()
        self._target = address
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        try:
            async with asyncio.timeout(ATTEMPT):
                _, connection = await loop.create_connection(_Connection, address.host, address.port)
                assert isinstance(connection, _Connection)
                self._connection = connection
                role = await connection.ask("ROLE")
        except (OSError, TimeoutError) as error:
            self._hang_up()
            return error if isinstance(error, OSError) else TimeoutError(f"no answer of {address}")
        if role[0] != (b"master" if master else b"slave"):
            self._hang_up()
            return ConnectionError(f"{address} is a {role[0]!r}")
        return None
