"""
One run: a deployment, a watcher with its clients, faults, the healing, and a time in which everything must settle.

Everything follows from one seed; two runs of one seed have the same transcript, byte for byte.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from switchmaster.belief.decisions import Switch
from switchmaster.guard.policy import Arming, Policy, Restart
from switchmaster.model import Grade

from .clock import VirtualLoop
from .deployment import WATCHER, Deployment, Plan
from .faults import CALM, FAULTS, GUARDED, Faults
from .guard_truth import GuardTruth
from .invariants import Broken, Invariants
from .sentinel import Flavour, Memory, Sentinel
from .watcher import Settings, WatcherProcess, virtual
from .world import World

__all__ = ["Story", "Told", "tell"]

TROUBLE = 30.0
"""Seconds with faults."""
QUIET = 60.0
"""Seconds after the healing."""
WELL = 6
"""Seconds without any deviation after which a run ends early."""
GUARDED_SHARE = 6
"""One story of so many has a guard."""
INSPECT_EVERY = 0.1
LAST_WORDS = 300
"""Lines of the transcript that a failure shows."""


@dataclass
class Told:
    """The outcome of one run."""

    seed: int
    failure: str = ""
    lines: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    behind: float = 0.0
    seconds: float = 0.0
    """Virtual seconds."""

    def transcript(self) -> str:
        """Return a failure in words: the end of the transcript, and how to run it again."""
        left_out = max(0, len(self.lines) - LAST_WORDS)
        head = [f"seed {self.seed}: {self.failure}", f"again: python -m sim --seed {self.seed}"]
        head += [f"({left_out} lines left out)"] if left_out else []
        return "\n".join([*head, *self.lines[left_out:]])


class Story:
    """
    One run in progress.

    Args:
        seed: everything follows from it.
        trouble: seconds with faults.
    """

    def __init__(self, seed: int, trouble: float = TROUBLE) -> None:
        self.seed, self.trouble = seed, trouble
        self.world = World(seed)
        chance = self.world.chance
        self.calm = chance.random() < 0.15
        """Whether there are failovers and no other faults: then the watcher must be fast as well as right."""
        plan, self.guarded = draw_plan(self.world), seed % GUARDED_SHARE == 1
        guarding = random.Random(f"guard of {seed}")  # so that the other stories stay as they are
        if self.guarded:
            plan = replace(plan, flavour=replace(plan.flavour, down_after=guarding.choice([1.0, 2.0, 4.0, 8.0])))
        self.deployment = Deployment(self.world, plan)
        self.settings = draw_settings(self.deployment, self.calm)
        self.world.network.dead_hosts_refuse = not self.guarded
        if self.guarded:
            self.settings.policy = draw_policy(guarding)
            self.world.resync_after = guarding.choice([0.1, 1.0, 3.0])
            persists = guarding.random() < 0.5
            for node in self.deployment.nodes:
                node.persists = persists
        # Clients that miss a master make the watcher ask; without clients it must find the master by itself.
        self.settings.clients = seed % 4 != 3
        self.pause = 8.0 if self.calm else chance.choice([0.7, 1.5, 4.0])
        """Seconds between two faults, on average."""
        self.process: WatcherProcess | None = None
        self.time: Any = None
        self.invariants = Invariants(self.world, self.deployment, lambda: self.process)
        drawn = CALM if self.calm else FAULTS
        self.faults = Faults(self, drawn | GUARDED if self.guarded and not self.calm else drawn)
        self.invariants.calm = self.calm
        if self.calm:
            self.world.promoted = self.invariants.expect
        self.truth = GuardTruth(self.world, self.deployment, self.invariants.broken)
        self.truth.calm = self.calm
        self.world.ordered = self.truth.execute
        self.world.heard = self._heard
        self._memories: dict[str, dict[str, Memory]] = {}
        self._restarting = False

    def _heard(self, sentinel: Sentinel, channel: str) -> None:
        self.truth.heard(sentinel, channel)
        if not self.calm:
            self.faults.heard(sentinel, channel)

    # -- what faults do to the run ------------------------------------------------------------------

    def old_memory(self, sentinel: Sentinel) -> dict[str, Memory] | None:
        """Return what a Sentinel's configuration file held some time ago."""
        return self._memories.get(sentinel.name)

    def restart_watcher(self) -> None:
        self._restarting = True

    def slow_reader(self, until: float) -> None:
        if self.process is not None:
            self.process.events.sleeps_until = self.process.records.sleeps_until = until

    # -- the run ------------------------------------------------------------------------------------

    def run(self) -> Told:
        """Run it from beginning to end."""
        world, network = self.world, self.world.network

        async def open_stream(*where: Any) -> Any:
            return await network.open(WATCHER, *where)

        loop = VirtualLoop(world.clock, self.invariants.look, open_stream)
        loop.set_exception_handler(lambda _, context: self.invariants.broken(f"in the loop: {context}"))
        told = Told(self.seed)
        try:
            with virtual(world) as self.time:
                asyncio.set_event_loop(loop)
                loop.run_until_complete(self._tell(loop))
                self.invariants.look()
        except Broken as broken:
            told.failure = str(broken)
        except Exception as error:
            # Whether the simulation or the product failed, this seed needs a look.
            told.failure = f"{type(error).__name__}: {error}"
            world.lines += traceback.format_exception(error)
        finally:
            asyncio.set_event_loop(None)
            _abandon(loop)
        told.lines, told.counts = world.lines, world.counts
        told.behind, told.seconds = self.invariants.longest_behind, world.clock.elapsed
        return told

    async def _tell(self, loop: VirtualLoop) -> None:
        world, chance = self.world, self.world.chance
        plan = self.deployment.plan
        world.say("plan", f"{plan} seeds {len(self.settings.seeds)} {self.settings.grade} probe {self.settings.probe}")
        await asyncio.sleep(chance.choice([0.0, 3.0, 12.0]))
        await self._start_watcher()
        inspecting = loop.create_task(self._inspect())
        end = loop.time() + self.trouble
        while loop.time() < end:
            await asyncio.sleep(chance.expovariate(1 / self.pause))
            self.faults.strike()
            if chance.random() < 0.1:
                self._memories = {each.name: each.copy_of_memory() for each in self.deployment.sentinels}
            if self._restarting:
                await self._stop_watcher(loop, inspecting)
                await self._start_watcher()
                self._restarting = False
        self.faults.over = True
        world.say("story", "all is healed")
        self.deployment.heal()
        self.invariants.healed_at = loop.time()
        await self._come_right(loop.time() + QUIET)
        assert self.process is not None
        self.invariants.finish(self.process, patience=5.0)
        await self._stop_watcher(loop, inspecting)
        inspecting.cancel()

    async def _come_right(self, until: float) -> None:
        """Let time pass until everything has been settled for a while."""
        well = 0
        while asyncio.get_running_loop().time() < until and well < WELL:
            await asyncio.sleep(1.0)
            process = self.process
            known = all(
                process is not None and process.watcher._watch.address(name) == self.deployment.settled(name)
                for name in self.deployment.plan.masters
            )
            well = well + 1 if known else 0

    async def _inspect(self) -> None:
        while True:
            await asyncio.sleep(INSPECT_EVERY)
            self.invariants.inspect()

    async def _start_watcher(self) -> None:
        self.invariants.watcher_begins()
        process = WatcherProcess(
            self.world,
            self.settings,
            self.deployment.plan.masters,
            self._take,
            self.invariants.broken,
            self.deployment.replaces if self.calm else lambda address: False,
            self.truth.told,
        )
        self.process = process
        await process.start()

    def _take(self, switch: Switch) -> None:
        self.world.counts["switches"] += 1
        self.invariants.take(switch)

    async def _stop_watcher(self, loop: VirtualLoop, inspecting: asyncio.Task[None]) -> None:
        process, self.process = self.process, None
        assert process is not None
        await process.stop()
        self.invariants.check_closed(loop, inspecting)


def _abandon(loop: VirtualLoop) -> None:
    """End the tasks of a failed run, silently."""
    loop.set_exception_handler(lambda *_: None)
    loop.quiet()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def draw_plan(world: World) -> Plan:
    """Draw a deployment."""
    chance = world.chance
    sentinels = chance.choice([3, 3, 3, 5])
    version = chance.choice(["redis-6.2.14", "redis-7.0.15", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2"])
    flavour = Flavour(
        version=version,
        quorum=chance.choice([2, 2, sentinels // 2 + 1]),
        down_after=chance.choice([0.5, 1.0, 2.0]),
        failover_timeout=chance.choice([3.0, 6.0, 10.0]),
        resp2=chance.random() < 0.1,
        stale_opinions=version == "valkey-9.1.2",
    )
    masters = ("mymaster", "cache-2") if chance.random() < 0.15 else ("mymaster",)
    return Plan(flavour, sentinels, nodes=chance.choice([2, 3, 3, 4]), masters=masters)


def draw_settings(deployment: Deployment, calm: bool) -> Settings:
    """Draw the settings of the Watcher."""
    chance = deployment.world.chance
    addresses = [sentinel.address for sentinel in deployment.sentinels]
    if calm:
        return Settings(addresses, Grade.PROMOTED, probe=True)
    seeds = addresses if chance.random() < 0.8 else chance.sample(addresses, chance.randrange(1, len(addresses)))
    grade = chance.choice([Grade.PROMOTED, Grade.PROMOTED, Grade.PROMOTED, Grade.ANNOUNCED, Grade.AGREED])
    return Settings(seeds, grade, probe=chance.random() < 0.9)


def draw_policy(chance: random.Random) -> Policy:
    """Draw what an operator has decided about the guard."""
    return Policy(
        arming=Arming.ARMED if chance.random() < 0.9 else Arming.DRY_RUN,
        grace=chance.choice([0.0, 0.25, 0.25, 1.0]),
        restart=chance.choice([Restart.UNKNOWN, Restart.UNKNOWN, Restart.WIPES, Restart.KEEPS]),
        cool_down=chance.choice([5.0, 60.0]),
    )


def tell(seed: int, trouble: float = TROUBLE) -> Told:
    """Run the story of one seed."""
    return Story(seed, trouble).run()
