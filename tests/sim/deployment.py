"""
A deployment in the simulated world: masters with their replicas, and Sentinels that monitor them and know each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from switchmaster.model import Address

from .instance import State
from .node import DataNode
from .sentinel import Flavour, Sentinel
from .world import World

__all__ = ["WATCHER", "Deployment", "Plan"]

WATCHER = "10.0.9.1"
"""The host of the watcher and its clients."""

LOST_ON = 4.0
"""Seconds after the healing in which messages are still lost: a switch in them is known only by asking."""


@dataclass(frozen=True)
class Plan:
    """The size of a deployment, and its server version."""

    flavour: Flavour
    sentinels: int = 3
    nodes: int = 3
    """Nodes of each master, itself included."""
    masters: tuple[str, ...] = ("mymaster",)


class Deployment:
    """
    The inhabitants of a world.

    Args:
        world: their world.
        plan: how many there are.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.world, self.plan = world, plan
        self.groups: dict[str, list[DataNode]] = {}
        """The nodes of each master, whichever is the master now."""
        for number, name in enumerate(plan.masters):
            first = Address(f"10.0.{number + 1}.1", 6379)
            self.groups[name] = [
                DataNode(world, f"{chr(97 + number)}{place}", address, None if address == first else first)
                for place in range(1, plan.nodes + 1)
                for address in [Address(f"10.0.{number + 1}.{place}", 6379)]
            ]
        self.sentinels = [
            Sentinel(world, f"s{place}", Address(f"10.0.0.{place}", 26379), plan.flavour)
            for place in range(1, plan.sentinels + 1)
        ]
        for sentinel in self.sentinels:
            self._introduce(sentinel)

    def _introduce(self, sentinel: Sentinel) -> None:
        for name, nodes in self.groups.items():
            master = sentinel.monitor(name, nodes[0].address, say=False)
            for other in self.sentinels:
                if other is not sentinel:
                    sentinel.know(master, other.run_id, other.address)

    @property
    def nodes(self) -> list[DataNode]:
        return [node for nodes in self.groups.values() for node in nodes]

    @property
    def hosts(self) -> list[str]:
        return [WATCHER, *(process.host for process in (*self.sentinels, *self.nodes))]

    def replaces(self, address: Address) -> bool:
        """Whether a Sentinel has begun to replace the master at this address, recently enough not to be known
        everywhere."""
        for master in [each for sentinel in self.sentinels for each in sentinel.masters.values()]:
            begun = self.world.clock.now - master.changed_at
            if master.address == address and master.state is State.WAIT_PROMOTION and 0.05 < begun < 0.5:
                return True
        return False

    def voters(self, name: str) -> int:
        """Return how many Sentinels monitor a master, or did a few seconds ago."""
        lately = self.world.clock.now - 9.0
        return sum(name in each.masters or each.removed.get(name, 0.0) > lately for each in self.sentinels)

    def majority(self, name: str) -> tuple[Address, int] | None:
        """
        Return the address that more than half of all Sentinels use, with the highest epoch they have of it.

        They count themselves: one that returned with another id counts twice until SENTINEL RESET on the others.
        """
        held: dict[Address, list[int]] = {}
        voters = len(self.sentinels)
        for sentinel in self.sentinels:
            master = sentinel.masters.get(name)
            if sentinel.alive and not sentinel.hung and master is not None:
                held.setdefault(master.believed, []).append(master.config_epoch)
                voters = max(voters, len(master.sentinels) + 1)
        for address, epochs in held.items():
            if 2 * len(epochs) > voters:
                return address, max(epochs)
        return None

    def settled(self, name: str) -> Address | None:
        """Return where a master is once everything has settled: all agree, and there is no other master."""
        masters = [each.masters.get(name) for each in self.sentinels]
        held = {(each.believed, each.config_epoch, each.in_progress) for each in masters if each is not None}
        reigning = [node.address for node in self.groups[name] if node.is_master]
        if None in masters or len(held) != 1 or any(each.tilted for each in self.sentinels) or len(reigning) != 1:
            return None
        address, _, in_progress = held.pop()
        return address if [address] == reigning and not in_progress else None

    def heal(self) -> None:
        """Undo all faults: every process runs and can be reached; lost messages end soon after."""
        self.world.clock.after(LOST_ON, lambda: setattr(self.world, "loss", 0.0))
        self.world.network.raggedness = 0.02
        self.world.network.heal()
        for process in (*self.sentinels, *self.nodes):
            process.resume()
            process.start()
        for sentinel in self.sentinels:
            sentinel.crash_after_promotion = False
        self.world.links_may_have_changed()
