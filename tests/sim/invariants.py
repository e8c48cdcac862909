"""
What must hold whatever happens, checked after every step of the run.

1. At most one Switch for each (master, incarnation, epoch, address) in one life of the watcher.
2. Within an incarnation neither the decided nor the believed epoch falls; incarnations never fall.
3. Every decision has an address and an epoch that a Sentinel named. A node of grade ``promoted`` was a master at some
   moment since; an ``agreed`` switch and a new incarnation were held by enough Sentinels.
4. After the healing the belief is what the majority of the Sentinels says, within the stated bound, and every Sentinel
   that can be reached is heard within its own.
5. No queue exceeds its limit, dropped items are counted, and no counter falls.
6. Every command of a client is released in time; after the healing they succeed.
7. In a calm run the watcher believes a promoted node at once, and no write goes to a master that is being replaced.
8. No task of the watcher fails, and nothing is left of it when it is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from switchmaster.belief.decisions import Switch
from switchmaster.model import LIMITS, Address, Cause, Grade
from switchmaster.wire.facts import LinkState

from .deployment import Deployment
from .node import DataNode
from .watcher import WatcherProcess
from .world import World

__all__ = ["BOUND", "Broken", "Invariants"]

ROLE_MAY_BE: Final = 3.5
"""Seconds by which an answer to ROLE may be older than the switch: a slow network, and ``timeout``."""
RECONCILED: Final = 13.0
"""Seconds within which every Sentinel that is heard has been asked."""
HEARD_AGAIN: Final = 6.5
"""Seconds until a Sentinel that can be reached is heard: backoff 2, connect 1, greeting 3."""
BOUND: Final = 20.0
"""Seconds until the belief is the majority's: backoff 2, connect 1, greeting 3, then the next reconcile (12) and
``timeout`` (1) for those whose events were lost."""
LONG: Final = 60.0
"""Seconds for which a lost message may make us mistake one epoch for another: no real Sentinel loses single messages.
So may the votes for two masters that fail at once, if their leader is not heard."""
AT_ONCE: Final = 0.1
"""Seconds from a promotion until an unhindered watcher believes it: two polls and a little."""
SETTLED_IN: Final = 3.0
"""Seconds after its start until the watcher hears every Sentinel."""
QUICK: Final = 10.5
"""The same if no single message was lost: a silence is noticed after 2 s, then backoff, connect, greeting, and
``timeout`` for the proof."""
BOUND_ANEW: Final = 46.0
"""The same if the majority's epoch is not higher, so that they must hold it for `SETTLE`, and if a node that was
promoted unseen must first be demoted: by INFO every 10 s, after it called itself master for 8 s."""


class Broken(AssertionError):
    """An invariant does not hold."""


class Invariants:
    """
    The inspector of one run.

    Args:
        world: the world.
        deployment: its servers.
        process: returns the current watcher process.
    """

    def __init__(self, world: World, deployment: Deployment, process: Callable[[], WatcherProcess | None]) -> None:
        self._world, self._deployment, self._process = world, deployment, process
        self._failures: list[str] = []
        self._seen: set[tuple[str, int, int | None, Address]] = set()
        self._highest: dict[tuple[str, int], int] = {}
        self._beliefs: dict[str, tuple[int, int]] = {}
        self._counts: dict[str, int] = {}
        self._agreed: dict[str, tuple[object, float]] = {}
        self._silent_since: dict[str, float] = {}
        self._majorities: dict[str, Address] = {}
        self._told: dict[str, set[Address]] = {}
        self._now, self._turns, self._inspections = world.clock.now, 0, 0
        self.calm = False
        """Whether no fault touches the watcher and its links."""
        self.healed_at: float | None = None
        self.longest_behind = 0.0
        """For how many seconds after the healing the belief was not the majority's."""

    def broken(self, text: str) -> None:
        """Record a broken invariant; `look` raises it."""
        self._world.say("BROKEN", text)
        self._failures.append(text)

    def watcher_begins(self) -> None:
        """Take a restarted watcher, which remembers nothing."""
        self._seen.clear()
        self._highest.clear()
        self._beliefs.clear()
        self._counts.clear()

    # -- switches -----------------------------------------------------------------------------------

    def take(self, switch: Switch) -> None:
        """Inspect one Switch as it is reported."""
        key = (switch.master, switch.incarnation, switch.epoch, switch.new)
        if key in self._seen and switch.epoch is not None:
            self.broken(f"decided twice: {switch.master} at {switch.new}, epoch {switch.epoch}")
        self._seen.add(key)
        if switch.old == switch.new:
            self.broken(f"a switch from {switch.old} to itself")
        place = (switch.master, switch.incarnation)
        if switch.epoch is not None:
            if switch.epoch <= self._highest.get(place, -1):
                self.broken(f"the decided epoch went from {self._highest[place]} to {switch.epoch}")
            self._highest[place] = switch.epoch
        self._told.setdefault(switch.master, set()).add(switch.new)
        self._check_proof(switch)

    def _check_proof(self, switch: Switch) -> None:
        now, node = self._world.clock.now, self._world.nodes.get(switch.new)
        named = self._world.named.get((switch.master, switch.new))
        epochs = self._world.epochs.get((switch.master, switch.new), set())
        whole = self._world.clock.now > self._world.lost_at + LONG and len(self._deployment.plan.masters) == 1
        if whole and switch.epoch is not None and switch.epoch not in epochs:
            self.broken(f"{switch.new} is decided at epoch {switch.epoch}, and was named at {sorted(epochs)} alone")
        if named is None or node is None:
            self.broken(f"{switch.new} was never named by a Sentinel")
        elif switch.grade is Grade.PROMOTED:
            slowest = 4 * sum(self._world.network.slow.values())
            if not node.was_master(max(named, now - ROLE_MAY_BE - slowest), now):
                self.broken(f"{switch.new} is reported as promoted, and was no master")
        if switch.grade is Grade.AGREED or switch.cause is not Cause.FAILOVER:
            held = len(self._world.holders.get((switch.master, switch.new), ()))
            voters = self._deployment.voters(switch.master)
            if 2 * held <= voters and 2 * self._heard() <= voters:
                # It was cut off from the others since its start, and the Sentinel that it heard knew no others: it
                # can't know better.
                self._world.counts["decided without ever having heard a majority"] += 1
            elif 2 * held <= voters:
                self.broken(f"a majority is reported to agree on {switch.new}, and only {held} Sentinels ever had it")

    def _heard(self) -> int:
        """Return how many Sentinels have answered since the watcher started."""
        process = self._process()
        return 0 if process is None else sum(sentinel.answered for sentinel in process.watcher._watch._roster)

    # -- after every step ---------------------------------------------------------------------------

    def look(self) -> None:
        """Inspect everything that is cheap."""
        if self._world.clock.now != self._now:
            self._now, self._turns = self._world.clock.now, 0
        self._turns += 1
        if self._turns > 5_000:
            self.broken("the watcher does not come to rest")
        process = self._process()
        if process is not None:
            self._look_at_beliefs(process)
        if self._failures:
            raise Broken(self._failures[0])

    def _look_at_beliefs(self, process: WatcherProcess) -> None:
        for name, master in process.watcher._watch._masters.by_name.items():
            belief = master.belief
            if not belief.established:
                continue  # what the first answers give is not settled yet
            new = (belief.incarnation, -1 if belief.epoch is None else belief.epoch)
            old = self._beliefs.get(name)
            if old == new:
                continue
            if old is not None and belief.epoch is not None and new < old:
                self.broken(f"the belief about {name} went from incarnation and epoch {old} back to {new}")
            if belief.epoch is not None:
                self._beliefs[name] = new
            if belief.candidates > LIMITS.candidates:
                self.broken("more candidates than LIMITS.candidates")

    # -- now and then -------------------------------------------------------------------------------

    def inspect(self) -> None:
        """Inspect everything else."""
        process = self._process()
        for name in self._deployment.plan.masters:
            self._count_moves(name)
        if process is None:
            return
        self._inspect_bounds(process)
        self._inspections += 1
        if self._inspections % 10 == 0:
            self._inspect_counts(process)
        for client in process.clients:
            client.check_released()
        for error in process.failed_tasks():
            self.broken(f"a task of the watcher process failed: {error!r}")
        if self.calm and self._world.clock.now > process.started_at + SETTLED_IN:
            for name in self._deployment.plan.masters:
                if process.watcher._watch.address(name) is None:
                    self.broken(f"{SETTLED_IN} s after the start nothing is believed of {name}")
        if self.healed_at is not None:
            self._inspect_links(process, self.healed_at)
            for name in self._deployment.plan.masters:
                self._inspect_belief(process, name)

    def _count_moves(self, name: str) -> None:
        """Count how often the majority's address moved, and how often no Switch reported where it had been."""
        majority = self._deployment.majority(name)
        before = self._majorities.get(name)
        if majority is None or majority[0] == before:
            return
        self._majorities[name] = majority[0]
        if before is None:
            return
        self._world.counts["moves of a majority"] += 1
        if before in self._told.get(name, set()) or before == self._deployment.groups[name][0].address:
            self._told[name] = {majority[0]} & self._told.get(name, set())
        else:
            self._world.counts["moves that no Switch reported"] += 1

    def _inspect_bounds(self, process: WatcherProcess) -> None:
        watch = process.watcher._watch
        sizes = [("feed", len(process.events.feed._items), process.settings.queue)]
        sizes.append(("Sentinels", sum(1 for _ in watch._roster), LIMITS.sentinels))
        for name, master in watch._masters.by_name.items():
            sizes += [
                (f"candidates of {name}", master.belief.candidates, LIMITS.candidates),
                (f"open failovers of {name}", len(master.attempts.open), LIMITS.failovers_open),
                (f"undelivered decisions of {name}", len(master.belief._out), 0),
            ]
        sizes += [("undelivered decisions", len(watch._out), 0)]
        for connection in process.watcher._connections.values():
            sizes.append((f"undelivered facts of {connection.name}", len(connection.link._facts), 0))
        for what, size, limit in sizes:
            if size > limit:
                self.broken(f"{size} {what}, and the limit is {limit}")
        for reader in (process.events, process.records):
            if reader.unaccounted:
                self.broken(f"{reader.unaccounted} items of a feed were dropped and not counted")

    def _inspect_counts(self, process: WatcherProcess) -> None:
        counts = process.watcher.counters
        for name, count in counts.items():
            if count < self._counts.get(name, 0):
                self.broken(f"the count of {name} went down from {self._counts[name]} to {count}")
        self._counts = counts
        if counts["callback_errors"]:
            self.broken("a callback raised")
        if counts["unrecognised"] or counts["link_unrecognised"]:
            self.broken("something that a Sentinel said was not recognised")
        if counts["events"] != counts["link_events"]:
            self.broken(f"{counts['link_events']} events came in, and {counts['events']} were judged")

    def _inspect_links(self, process: WatcherProcess, healed_at: float) -> None:
        """Check that each Sentinel that can be reached is heard in time."""
        now = self._world.clock.now
        living = {sentinel.address for sentinel in self._deployment.sentinels if sentinel.alive}
        for name, connection in process.watcher._connections.items():
            if connection.link.state is LinkState.LIVE or Address.parse(name) not in living:
                self._silent_since.pop(name, None)
            elif now - max(self._silent_since.setdefault(name, now), healed_at) > HEARD_AGAIN:
                self.broken(f"{connection.link!r} could be reached for {HEARD_AGAIN} s, and is not heard")

    def _inspect_belief(self, process: WatcherProcess, name: str) -> None:
        now, majority = self._world.clock.now, self._deployment.majority(name)
        watch = process.watcher._watch
        state, believed = watch.state(name), watch.address(name)
        tilted = any(each.tilted for each in self._deployment.sentinels)
        agreed = (majority, believed, process, tilted)
        if self._agreed.get(name, (None,))[0] != agreed:
            self._agreed[name] = (agreed, now)
        assert self.healed_at is not None
        behind = now - max(self._agreed[name][1], self.healed_at)
        if majority is None or majority[0] == believed or tilted or not self._may_be_followed(majority[0]):
            return
        self.longest_behind = max(self.longest_behind, behind)
        higher = state is not None and state.epoch is not None and majority[1] > state.epoch
        bound = QUICK if now > self._world.lost_at + LONG else BOUND
        if behind > (bound if higher or believed is None else BOUND_ANEW):
            self.broken(
                f"{behind:.1f} s after the healing {name} is believed at {believed}, epoch "
                f"{state.epoch if state else None}, and a majority says {majority[0]}, epoch {majority[1]}"
            )

    def _may_be_followed(self, address: Address) -> bool:
        """Whether the node is what they say: a Sentinel that is told to monitor a replica finds its master down."""
        node = self._world.nodes.get(address)
        return node is not None and node.is_master

    # -- calm runs ----------------------------------------------------------------------------------

    def expect(self, node: DataNode) -> None:
        """Take a promotion that the watcher must know at once."""
        process = self._process()
        if process is None or self._world.clock.now < process.started_at + SETTLED_IN:
            return
        name = next(name for name, nodes in self._deployment.groups.items() if node in nodes)

        def look() -> None:
            belief = process.watcher._watch._masters.by_name[name].belief
            believed, epoch = belief.address, max(self._world.epochs[name, node.address])
            if self._process() is not process or not node.is_master or not node.alive or believed == node.address:
                return
            if epoch == belief.epoch:
                # SENTINEL FAILOVER takes an epoch without a vote; others may elect at the same: they have no order.
                self._world.counts["one epoch for two masters"] += 1
            else:
                self.broken(f"{AT_ONCE} s after the promotion of {node.address} {name} is believed at {believed}")

        self._world.clock.after(AT_ONCE, look)

    # -- the end ------------------------------------------------------------------------------------

    def finish(self, process: WatcherProcess, patience: float) -> None:
        """Inspect what must be true after this many seconds without faults."""
        now = self._world.clock.now
        for name in self._deployment.plan.masters:
            majority = self._deployment.majority(name)
            if majority is not None and majority[0] != process.watcher._watch.address(name):
                continue  # `_inspect_belief` says when that is too late
            self._check_end(process, name)
            nodes = self._world.nodes
            if majority is None or not nodes[majority[0]].is_master:
                self._world.counts["masters that were not settled at the end"] += 1
                continue
            for client in process.clients:
                if client.master == name and now - client.done_at > patience:
                    self.broken(f"a client of {name} has done nothing for {now - client.done_at:.1f} s")

    def _check_end(self, process: WatcherProcess, name: str) -> None:
        """Inspect what is left of a failover that is over."""
        if self._deployment.settled(name) is None:
            return
        belief = process.watcher._watch._masters.by_name[name].belief
        switch = belief.switch
        agree = [
            view.sentinel
            for view in belief.views.by_sentinel.values()
            if view.live and (view.epoch, view.incarnation) == (belief.epoch, belief.incarnation)
        ]
        told = switch is not None and self._world.clock.now > switch.at + RECONCILED
        if switch is not None and told and switch.epoch == belief.epoch and not set(agree) <= set(switch.witnesses):
            self.broken(f"{agree} say what was decided, and its witnesses are {switch.witnesses}")
        for (node, _), (_, wanted) in process.watcher._probes._asked.items():
            if name in wanted and not belief.wants(node):
                self.broken(f"{node} is asked although no decision needs it")

    def check_closed(self, loop: asyncio.AbstractEventLoop, ours: asyncio.Task[None]) -> None:
        """Check that nothing is left of a closed watcher, except our own task."""
        tasks = [task for task in asyncio.all_tasks(loop) if task not in (ours, asyncio.current_task(loop))]
        if tasks:
            self.broken(f"{len(tasks)} tasks are left of a closed watcher: {tasks[0]!r}")
        streams = [stream for stream in self._world.network.streams if stream.open]
        if streams:
            self.broken(f"{len(streams)} streams are left of a closed watcher")
