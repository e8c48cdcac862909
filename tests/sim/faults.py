"""
Faults: random ones, and ambushes that wait for a certain event of a failover.

Everything is drawn from the world's random numbers. Most faults undo themselves after a while; `Deployment.heal` ends
the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from switchmaster.model import Address

from . import failover
from .deployment import WATCHER
from .instance import State
from .network import Stream
from .node import DataNode
from .process import Process
from .sentinel import Sentinel

if TYPE_CHECKING:
    from .story import Story

__all__ = ["AMBUSHES", "CALM", "FAULTS", "GUARDED", "Faults"]

Drawn: TypeAlias = "dict[str, tuple[float, Callable[[Faults], None]]]"


class Faults:
    """
    The faults of one run.

    Args:
        story: the run.
        drawn: the faults that may come at random.
    """

    def __init__(self, story: Story, drawn: Drawn) -> None:
        self.story, self._drawn = story, drawn
        self.world, self.deployment = story.world, story.deployment
        self.chance, self.clock, self.network = self.world.chance, self.world.clock, self.world.network
        self.over = False
        self.last_at = -1e9
        """When the last fault began or ended."""

    # -- chance -------------------------------------------------------------------------------------

    def strike(self) -> None:
        """Cause one fault, drawn by weight."""
        names = list(self._drawn)
        name = self.chance.choices(names, [self._drawn[each][0] for each in names])[0]
        self._do(name, self._drawn[name][1])

    def _do(self, name: str, fault: Callable[[Faults], None]) -> None:
        if self.over:
            return
        self.world.counts[name] += 1
        self.world.say("fault", name)
        self.last_at = self.clock.now
        fault(self)

    def heard(self, sentinel: Sentinel, channel: str) -> None:
        """Take a Sentinel's publication: an ambush may have waited for it."""
        for name, (awaited, odds, fault) in AMBUSHES.items():
            if channel == awaited and self.chance.random() < odds and not self.over:
                # Later in the same millisecond, not in the middle of the Sentinel's own turn.
                pause = self.chance.choice([0.0, 0.001, 0.03])
                self.clock.after(pause, lambda name=name, fault=fault: self._do(name, lambda me: fault(me, sentinel)))

    def length(self) -> float:
        """Draw the length of a fault: mostly short, sometimes long."""
        return min(15.0, 0.2 + self.chance.expovariate(1 / 3.0))

    def later(self, act: Callable[[], None], seconds: float | None = None) -> None:
        """Undo something after a while, unless everything is healed by then."""

        def undo() -> None:
            if not self.over:
                self.last_at = self.clock.now
                act()

        self.clock.after(self.length() if seconds is None else seconds, undo)

    def sentinel(self) -> Sentinel:
        return self.chance.choice(self.deployment.sentinels)

    def node(self) -> DataNode:
        return self.chance.choice(self.deployment.nodes)

    def master(self) -> DataNode:
        """Return a node, preferably a master."""
        masters = [node for node in self.deployment.nodes if node.is_master and node.alive]
        return self.chance.choice(masters) if masters else self.node()

    # -- processes ----------------------------------------------------------------------------------

    def bring_back(self, process: Process) -> None:
        """Restart a process after a while, as it was or changed."""
        if isinstance(process, DataNode):
            as_master = self.chance.random() < 0.3
            self.later(lambda: process.start(as_master))
            return
        assert isinstance(process, Sentinel)
        memory = process.copy_of_memory() if self.chance.random() < 0.7 else self.story.old_memory(process)
        renewed = self.chance.random() < 0.1
        # Only one: if all have moved while the watcher was down, it can't find them.
        known = len(self.story.settings.seeds) == len(self.deployment.sentinels)
        # If one of three moves, two vouch for it, and neither of them may have been told REMOVE.
        many = len(self.deployment.sentinels) > 3
        if known and not self.world.counts["Sentinel moves"] and self.chance.random() < 0.15 and many:
            self.world.counts["Sentinel moves"] += 1
            process.move(Address(f"10.0.99.{process.host.rpartition('.')[2]}", 26379))
        self.later(lambda: process.start(memory, renewed))

    def crash(self, process: Process) -> None:
        """Crash a process if it lives, with or without a reset to its peers; it comes back."""
        if process.alive:
            process.crash(dark=self.chance.random() < 0.3)
            self.bring_back(process)

    def hang(self, process: Process, seconds: float | None = None) -> None:
        """Stop a process for a while."""
        process.hang()
        self.later(process.resume, seconds)

    def cut_off(self, hosts: set[str], others: set[str], both: bool = True) -> None:
        """Block the network between two sets of hosts for a while."""
        pairs = [(a, b) for a in hosts for b in others if a != b]
        pairs += [(b, a) for a, b in pairs] if both else []
        for pair in pairs:
            self.network.block(*pair)
        self.world.links_may_have_changed()

        def undo() -> None:
            self.network.blocked.difference_update(pairs)
            for stream in list(self.network.streams):
                for way in stream.ways:
                    if (way.source, way.target) in pairs:
                        way.wake()
            self.world.links_may_have_changed()

        self.later(undo)


# Random faults -----------------------------------------------------------------------------


def _to_a_stream(do: Callable[[Stream], None]) -> Callable[[Faults], None]:
    def fault(me: Faults) -> None:
        if me.network.streams:
            do(me.chance.choice(list(me.network.streams)))

    return fault


def _one_sided(me: Faults) -> None:
    ends = [{WATCHER}, {me.chance.choice(me.deployment.hosts[1:])}]
    me.chance.shuffle(ends)
    me.cut_off(ends[0], ends[1], both=False)


def _partition(me: Faults) -> None:
    hosts = list(me.deployment.hosts)
    me.chance.shuffle(hosts)
    size = me.chance.randrange(1, len(hosts))
    me.cut_off(set(hosts[:size]), set(hosts[size:]))


def _alone(me: Faults) -> None:
    host = me.chance.choice(me.deployment.hosts)
    me.cut_off({host}, set(me.deployment.hosts))


def _slow(me: Faults) -> None:
    host = me.chance.choice(me.deployment.hosts)
    me.network.slow[host] = me.chance.choice([0.02, 0.2, 0.8])
    me.later(lambda: me.network.slow.pop(host, None))


def _ragged(me: Faults) -> None:
    me.network.raggedness = 0.7
    me.later(lambda: setattr(me.network, "raggedness", 0.02))


def _lossy(me: Faults) -> None:
    me.world.loss = me.chance.choice([0.1, 0.5, 1.0])
    me.later(lambda: setattr(me.world, "loss", 0.0))


def _crash_sentinel(me: Faults) -> None:
    me.crash(me.sentinel())


def _all_sentinels(me: Faults) -> None:
    for sentinel in me.deployment.sentinels:
        me.crash(sentinel)


def _hang_sentinel(me: Faults) -> None:
    me.hang(me.sentinel())


def _crash_master(me: Faults) -> None:
    me.crash(me.master())


def _restart_master(me: Faults) -> None:
    node = me.master()
    if node.alive:
        node.crash()
        me.later(node.start, me.chance.choice([0.02, 0.1, 0.3, 1.0, 4.0]))


def _crash_node(me: Faults) -> None:
    me.crash(me.node())


def _hang_node(me: Faults) -> None:
    me.hang(me.master() if me.chance.random() < 0.6 else me.node())


def _restart_watcher(me: Faults) -> None:
    me.story.restart_watcher()


def _watcher_wall(me: Faults) -> None:
    me.story.time.offset += me.chance.choice([-3600.0, -5.0, -0.2, 0.3, 7.0, 86400.0])


def _sentinel_wall(me: Faults) -> None:
    me.sentinel().wall_offset += me.chance.choice([-60.0, -1.0, 1.5, 5.0, 3600.0])


def _slow_reader(me: Faults) -> None:
    me.story.slow_reader(me.clock.now + me.length())


def _failover(me: Faults) -> None:
    sentinel, name = me.sentinel(), me.chance.choice(me.deployment.plan.masters)
    coordinated = sentinel.flavour.valkey and me.chance.random() < 0.5
    if sentinel.alive and not sentinel.hung:
        sentinel.command_failover(name, coordinated)


def _lone_failover(me: Faults) -> None:
    if not any(master.in_progress for each in me.deployment.sentinels for master in each.masters.values()):
        _failover(me)


def _two_failovers(me: Faults) -> None:
    # Two operators on two Sentinels: one epoch may be taken twice.
    for _ in range(2):
        _failover(me)


def _reset_master(me: Faults) -> None:
    sentinel, name = me.sentinel(), me.chance.choice(me.deployment.plan.masters)
    if sentinel.alive and not sentinel.hung:
        sentinel.command_reset(name)


def _monitor_anew(me: Faults) -> None:
    name = me.chance.choice(me.deployment.plan.masters)
    sentinels = me.deployment.sentinels
    chosen = sentinels if me.chance.random() < 0.5 else [me.sentinel()]
    masters = [node for node in me.deployment.groups[name] if node.is_master and node.alive]
    at = me.chance.choice(masters or me.deployment.groups[name]).address
    for sentinel in chosen:
        if sentinel.alive and not sentinel.hung:
            sentinel.command_remove(name)
            me.clock.after(me.chance.uniform(0.01, 2.0), lambda sentinel=sentinel: _monitor(sentinel, name, at))


def _monitor(sentinel: Sentinel, name: str, at: object) -> None:
    if sentinel.alive and name not in sentinel.masters:
        sentinel.monitor(name, at)  # type: ignore[arg-type]


def _promote_by_hand(me: Faults) -> None:
    node = me.node()
    if node.alive and not node.hung:
        node.promote()


# Faults that wait for an event --------------------------------------------------------------------------


def _crash_after_promotion(me: Faults, sentinel: Sentinel) -> None:
    sentinel.crash_after_promotion = True
    memory = None if me.chance.random() < 0.5 else me.story.old_memory(sentinel)
    me.later(lambda: sentinel.start(memory), me.length() + 2.0)


def _selected(sentinel: Sentinel) -> DataNode | None:
    for master in sentinel.masters.values():
        if master.promoted is not None:
            return sentinel.world.nodes.get(master.promoted.address)
    return None


def _hang_selected(me: Faults, sentinel: Sentinel) -> None:
    node = _selected(sentinel)
    if node is not None:
        timeout = sentinel.flavour.failover_timeout
        me.hang(node, me.chance.choice([0.3, timeout / 2, timeout + 2.0]))


def _crash_selected(me: Faults, sentinel: Sentinel) -> None:
    node = _selected(sentinel)
    if node is not None:
        me.crash(node)


def _cut_leader_off(me: Faults, sentinel: Sentinel) -> None:
    everybody = set(me.deployment.hosts)
    others = everybody if me.chance.random() < 0.5 else {each.host for each in me.deployment.sentinels}
    me.cut_off({sentinel.host}, others)


def _cut_watcher_from_leader(me: Faults, sentinel: Sentinel) -> None:
    me.cut_off({WATCHER}, {sentinel.host})


def _cut_watcher_from_node(me: Faults, sentinel: Sentinel) -> None:
    node = _selected(sentinel)
    if node is not None:
        me.cut_off({WATCHER}, {node.host})


def _reset_streams(me: Faults, sentinel: Sentinel) -> None:
    for stream in [each for each in me.network.streams if each.server is sentinel]:
        stream.reset()


def _lose_all(me: Faults, sentinel: Sentinel) -> None:
    me.world.loss = 1.0
    me.later(lambda: setattr(me.world, "loss", 0.0), 8.0)


def _reset_leader(me: Faults, sentinel: Sentinel) -> None:
    for name, master in list(sentinel.masters.items()):
        if master.state is not State.NONE and sentinel.alive and not sentinel.hung:
            sentinel.command_reset(name)


def _another_failover(me: Faults, sentinel: Sentinel) -> None:
    other = me.sentinel()
    if other is not sentinel and other.alive and not other.hung:
        for name, master in other.masters.items():
            if not master.in_progress and failover.select(other, master) is not None:
                other.command_failover(name)


FAULTS: Final[Drawn] = {
    "reset stream": (3, _to_a_stream(Stream.reset)),
    "closed stream": (2, _to_a_stream(Stream.close)),
    "half-open stream": (3, _to_a_stream(Stream.half_open)),
    "one-sided block": (2, _one_sided),
    "partition": (2, _partition),
    "host cut off": (2, _alone),
    "slow host": (2, _slow),
    "ragged streams": (1, _ragged),
    "lossy Pub/Sub": (2, _lossy),
    "Sentinel crash": (2, _crash_sentinel),
    "all Sentinels crash": (0.5, _all_sentinels),
    "Sentinel hang": (2, _hang_sentinel),
    "master crash": (6, _crash_master),
    "node crash": (2, _crash_node),
    "node hang": (4, _hang_node),
    "watcher restart": (1, _restart_watcher),
    "watcher's wall clock jumps": (1, _watcher_wall),
    "Sentinel's wall clock jumps": (0.5, _sentinel_wall),
    "slow reader": (1, _slow_reader),
    "SENTINEL FAILOVER": (4, _failover),
    "two SENTINEL FAILOVER": (1, _two_failovers),
    "SENTINEL RESET": (1, _reset_master),
    "REMOVE and MONITOR": (1, _monitor_anew),
    "promotion by hand": (0.5, _promote_by_hand),
}
"""By name: the weight, and the function."""

GUARDED: Final[Drawn] = {"master crash": (12, _crash_master), "quick restart of a master": (10, _restart_master)}
"""More faults, or more of them, where a guard watches."""

CALM: Final[Drawn] = {"master crash": (6, _crash_master), "SENTINEL FAILOVER": (4, _lone_failover)}
"""Faults that do not touch the watcher."""

AMBUSHES: Final[dict[str, tuple[str, float, Callable[[Faults, Sentinel], None]]]] = {
    "candidate crashes": ("+try-failover", 0.05, Faults.crash),
    "leader crashes when elected": ("+elected-leader", 0.05, Faults.crash),
    "leader crashes when it has selected": ("+selected-slave", 0.05, Faults.crash),
    "leader crashes while it waits": ("+failover-state-wait-promotion", 0.08, Faults.crash),
    "leader crashes when it has seen the promotion": ("+promoted-slave", 0.05, Faults.crash),
    "leader crashes before it publishes the promotion": ("+selected-slave", 0.05, _crash_after_promotion),
    "leader hangs while it waits": ("+failover-state-wait-promotion", 0.06, Faults.hang),
    "selected replica hangs": ("+selected-slave", 0.1, _hang_selected),
    "selected replica crashes": ("+failover-state-wait-promotion", 0.05, _crash_selected),
    "promoted replica crashes": ("+promoted-slave", 0.05, _crash_selected),
    "leader is cut off": ("+failover-state-wait-promotion", 0.06, _cut_leader_off),
    "watcher is cut off from the leader": ("+selected-slave", 0.08, _cut_watcher_from_leader),
    "watcher is cut off from the selected": ("+selected-slave", 0.06, _cut_watcher_from_node),
    "streams to the leader are reset": ("+selected-slave", 0.06, _reset_streams),
    "streams to a Sentinel that switches are reset": ("+switch-master", 0.1, _reset_streams),
    "a whole failover is lost": ("+try-failover", 0.1, _lose_all),
    "leader is reset": ("+failover-state-wait-promotion", 0.04, _reset_leader),
    "another failover begins": ("+promoted-slave", 0.04, _another_failover),
}
"""By name: the event that it waits for, how likely it is then, and the function."""
