"""The reports of a Watcher, in order; for tests against a lab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from rig.conditions import eventually
from switchmaster.belief.decisions import Notice, Switch
from switchmaster.lab import Lab
from switchmaster.model import Address
from switchmaster.net.heard import Heard
from switchmaster.sync import Watcher
from switchmaster.wire.facts import LinkState

FAILOVER_LIMIT = 60.0
"""Seconds: a split vote is followed by a pause of twice the failover timeout."""


class WatcherLog:
    """Everything that a Watcher reports from now on: events, switches and notices, in one order."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.log: list[Heard | Switch | Notice] = []
        watcher.on_event(self.log.append)
        watcher.on_switch(self.log.append)
        watcher.on_notice(self.log.append)

    def switches(self, master: str = "mymaster") -> list[Switch]:
        return [item for item in list(self.log) if isinstance(item, Switch) and item.master == master]

    def wait_for_switch(self, master: str = "mymaster") -> Switch:
        eventually(lambda: self.switches(master), FAILOVER_LIMIT, what=f"a switch of {master}")
        return self.switches(master)[0]

    def heard(self, channel: str, master: str = "mymaster") -> list[Heard]:
        return [
            item
            for item in list(self.log)
            if isinstance(item, Heard) and item.event.channel == channel and item.event.master == master
        ]

    def wait_for(self, channel: str, count: int = 1, master: str = "mymaster") -> Heard:
        eventually(lambda: len(self.heard(channel, master)) >= count, FAILOVER_LIMIT, what=f"{count} x {channel}")
        return self.heard(channel, master)[0]

    def is_before(self, first: object, second: object) -> bool:
        places = [next(at for at, item in enumerate(self.log) if item is one) for one in (first, second)]
        return places[0] < places[1]

    def agreed(self, master: str = "mymaster", sentinels: int = 3) -> bool:
        """Whether at least this many Sentinels are heard, and all of them give the believed address."""
        live = [opinion for opinion in self.watcher.state(master).opinions if opinion.live]
        return len(live) >= sentinels and all(opinion.agrees for opinion in live)

    def settled(self, master: str = "mymaster", sentinels: int = 3) -> bool:
        """Whether they agree, and no failover is under way."""
        return self.watcher.state(master).failover is None and self.agreed(master, sentinels)

    def wait_until_settled(self, master: str = "mymaster", sentinels: int = 3) -> None:
        eventually(lambda: self.settled(master, sentinels), FAILOVER_LIMIT, what=f"agreement on {master}")


@contextmanager
def watcher_logs(lab: Lab, *several: dict[str, Any]) -> Iterator[list[WatcherLog]]:
    """Watch a lab with several Watchers at once, each with its own options."""
    with ExitStack() as stack:
        watchers = [stack.enter_context(Watcher(lab.sentinel_addresses, **{**options})) for options in several]
        for watcher in watchers:
            # A majority is enough to start; a failover that begins before the rest is heard may lack its epoch.
            eventually(partial(_hears_all, watcher), what="every Sentinel to be heard")
        yield [WatcherLog(watcher) for watcher in watchers]


def _hears_all(watcher: Watcher) -> bool:
    return all(state.state is LinkState.LIVE for state in watcher.topology.sentinels.values())


@contextmanager
def watcher_log(lab: Lab, **options: Any) -> Iterator[WatcherLog]:
    """Watch a lab with one Watcher."""
    with watcher_logs(lab, options) as [one]:
        yield one


def check_one_switch_each_epoch(lab: Lab, told: WatcherLog, old: Address, master: str = "mymaster") -> None:
    """
    Check that each failover gave exactly one Switch, and that the last one is true.

    A failover counts if its leader's log says that it promoted a replica. One is expected; a Sentinel that keeps an old
    opinion may start a second one by itself (Valkey 9.1, and Redis on a busy machine).
    """
    switches = told.switches(master)
    promoted = re.compile(rf" \+promoted-slave slave \S+ \S+ \d+ @ {re.escape(master)} ")
    failovers = sum(len(promoted.findall(lab.log(sentinel))) for sentinel in lab.sentinels)
    assert len(switches) == failovers <= 2, switches
    epochs = [switch.epoch for switch in switches]
    assert None not in epochs
    assert epochs == sorted(set(epochs)), epochs
    assert [switch.old for switch in switches] == [old, *(switch.new for switch in switches[:-1])]
    fields = lab.sentinel_command(0, "SENTINEL", "MASTER", master)
    assert switches[-1].epoch == int(dict(zip(fields[::2], fields[1::2], strict=True))["config-epoch"])
    assert switches[-1].new == lab.master(master).address == told.watcher.master(master)
    assert {switch.cause.value for switch in switches} == {"failover"}
