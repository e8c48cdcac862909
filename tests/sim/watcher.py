"""
The watcher process: the product's own `Watcher` under the virtual loop, its readers and its clients.

No production code is copied here. `virtual` replaces its three impure sources (time.time, time.monotonic and
random.random) with the world's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import switchmaster.client.observable
import switchmaster.net.guard
import switchmaster.net.kept_connection
import switchmaster.net.probes
import switchmaster.net.watcher
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.belief.failover import Failover
from switchmaster.client.follower import Follower
from switchmaster.guard.policy import Policy
from switchmaster.model import Address, Grade
from switchmaster.net.guard import Guard
from switchmaster.net.watcher import Watcher

from .client import Client
from .world import World

__all__ = ["Settings", "WatcherProcess", "virtual"]

WALL = 1_700_000_000.0


class _Time:
    """Replaces the module `time`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.offset = 0.0

    def time(self) -> float:
        return WALL + self._world.clock.now + self.offset

    def monotonic(self) -> float:
        return self._world.clock.now


@contextlib.contextmanager
def virtual(world: World) -> Iterator[_Time]:
    """Give the product the world's time and random numbers."""
    time = _Time(world)
    replaced: list[tuple[Any, str, Any]] = [
        (switchmaster.net.watcher, "time", time),
        (switchmaster.client.observable, "time", time),
        (switchmaster.net.watcher, "random", world.chance),
        (switchmaster.net.probes, "random", world.chance),
        (switchmaster.net.guard, "time", time),
        (switchmaster.net.kept_connection, "random", world.chance),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    try:
        for module, name, value in replaced:
            setattr(module, name, value)
        yield time
    finally:
        for module, name, value in before:
            setattr(module, name, value)


class Settings:
    """The settings of a Watcher."""

    def __init__(self, seeds: list[Address], grade: Grade, probe: bool) -> None:
        self.seeds, self.grade, self.probe = seeds, grade, probe
        self.queue = 20
        self.clients = True
        self.policy: Policy | None = None
        """That of its guard; None without one."""


class Reader:
    """A reader of one feed, sometimes a slow one, that counts its items."""

    def __init__(self, feed: Any) -> None:
        self.feed = feed
        self.told = self.taken = 0
        self.sleeps_until = 0.0

    def tell(self, _: object) -> None:
        """Record that an item was reported."""
        self.told += 1

    async def run(self) -> None:
        """Read forever."""
        loop = asyncio.get_running_loop()
        async for _ in self.feed:
            self.taken += 1
            if self.sleeps_until > loop.time():
                await asyncio.sleep(self.sleeps_until - loop.time())

    @property
    def unaccounted(self) -> int:
        """Items that were neither read, nor counted as missed, and are not in the queue."""
        return self.told - self.taken - self.feed.missed - len(self.feed._items)


class WatcherProcess:
    """
    One life of the watcher process.

    Args:
        world: its world.
        settings: the settings of its Watcher.
        masters: the names of the masters that its clients use.
        on_switch: called with each switch.
        broken: called with each broken invariant.
        too_late: whether a write to a node is too late.
        on_guard: called with each notice of its guard.
    """

    def __init__(
        self,
        world: World,
        settings: Settings,
        masters: tuple[str, ...],
        on_switch: Callable[[Switch], None],
        broken: Callable[[str], None],
        too_late: Callable[[Address], bool] = lambda address: False,
        on_guard: Callable[[WatcherProcess, Notice], None] = lambda process, notice: None,
    ) -> None:
        self.world, self.settings, self.on_guard = world, settings, on_guard
        self.watcher = watcher = Watcher(
            settings.seeds, grade=settings.grade, probe=settings.probe, queue=settings.queue
        )
        self.started_at = world.clock.now
        self.switches: list[Switch] = []
        self.followers = {name: Follower(name) for name in masters}
        watcher.on_switch(self.switches.append)
        watcher.on_switch(on_switch)
        watcher.on_switch(self._say_switch)
        watcher.on_notice(self._say_notice)
        watcher.on_failover(self._say_failover)
        watcher.on_change(self._look)
        self.events = Reader(watcher.events())
        watcher.on_event(self.events.tell)
        self.records = Reader(watcher.failovers())
        watcher.on_failover(self.records.tell)
        self.clients = [
            Client(world, follower, writes, watcher.refresh, broken, too_late)
            for follower in self.followers.values()
            for writes in (True, False)
            if settings.clients
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self.guard = None if settings.policy is None else self._made_guard(settings.policy)

    def _made_guard(self, policy: Policy) -> Guard:
        return Guard(self.watcher, lambda master: policy, identity="sim", on_notice=self._say_guard)

    async def start(self) -> None:
        self.world.say("watcher", "starts")
        await self.watcher.start(wait=False)
        if self.guard is not None:
            self.guard.start()
        loop = asyncio.get_running_loop()
        runs = [self.events.run(), self.records.run(), *(client.run() for client in self.clients)]
        self._tasks = [loop.create_task(run) for run in runs]

    async def stop(self) -> None:
        """End it, and everything that it has started."""
        self.world.say("watcher", "stops")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.guard is not None:
            self.count_guard(self.guard)
            await self.guard.close()
        await self.watcher.close()

    def count_guard(self, guard: Guard) -> None:
        """Add what a guard has counted to the run's counts."""
        for status in guard.status():
            for name, count in status.counts.items():
                self.world.counts[f"guard: {name}"] += count
            for name, count in status.objected.items():
                self.world.counts[f"guard: refused, {name}"] += count

    def failed_tasks(self) -> list[BaseException]:
        """Return what ended its tasks, which should run forever."""
        ended = [task for task in self._tasks if task.done() and not task.cancelled()]
        return [task.exception() or RuntimeError(f"{task} ended") for task in ended]

    def _look(self) -> None:
        if not self.watcher.established:
            return
        for name, follower in self.followers.items():
            known = name in self.watcher.masters()
            follower.look(self.watcher.state(name) if known else None)

    def _say_switch(self, switch: Switch) -> None:
        self.world.say(
            "watcher",
            f"SWITCH {switch.master} {switch.old} -> {switch.new} epoch {switch.epoch} incarnation "
            f"{switch.incarnation} {switch.grade} {switch.cause} via {switch.via}: {switch.why}",
        )

    def _say_notice(self, notice: Notice) -> None:
        self.world.say("watcher", f"notice {notice.kind}: {notice.text}")

    def _say_guard(self, notice: Notice) -> None:
        self.world.say("guard", f"{notice.kind}: {notice.text}")
        self.on_guard(self, notice)

    def _say_failover(self, record: Failover) -> None:
        closed = f" ({record.outcome}, closed)" if record.closed else ""
        self.world.say("watcher", f"failover #{record.number} {record.stage}{closed}")
