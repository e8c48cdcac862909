"""
What everything in the world shares: the clock, the network, random numbers, and the transcript.

It also records what only the invariants need: which node was named master, and when.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from switchmaster.model import Address

from .clock import Clock
from .instance import Monitored
from .network import Network

if TYPE_CHECKING:
    from .node import DataNode
    from .process import Process
    from .sentinel import Sentinel

__all__ = ["World"]


class World:
    """
    One run's world.

    Args:
        seed: everything that happens follows from it.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.network = Network(self.clock, self.chance)
        self.nodes: dict[Address, DataNode] = {}
        self.sentinels: dict[str, Sentinel] = {}
        self.processes: dict[Address, Process] = {}
        self.loss = 0.0
        """How often a message does not reach a subscriber although it is connected."""
        self.lost_at = -1e9
        """When a published message was lost last."""
        self.resync_after = 0.0
        """Seconds after the start of a master until its replicas have copied it."""
        self.named: dict[tuple[str, Address], float] = {}
        """When a Sentinel first named a node as a master's address, by master name."""
        self.epochs: dict[tuple[str, Address], set[int]] = {}
        """The config epochs at which a node was ever named."""
        self.holders: dict[tuple[str, Address], set[str]] = {}
        """Which Sentinels ever used a node as a master's address."""
        self.heard: Callable[[Sentinel, str], None] = lambda sentinel, channel: None
        """Called with each publication of a Sentinel."""
        self.ordered: Callable[[Sentinel, Monitored], None] = lambda sentinel, master: None
        """Called before a Sentinel executes a client's SENTINEL FAILOVER."""
        self.promoted: Callable[[DataNode], None] = lambda node: None
        """Called with each node that a Sentinel has promoted."""
        self.lines: list[str] = []

    @property
    def counts(self) -> Counter[str]:
        """Counts of faults and other things, by name."""
        return self.network.counts

    def say(self, who: str, text: str) -> None:
        """Write one line of the transcript."""
        self.lines.append(f"{self.clock.elapsed:9.3f}  {who:<8} {text}")

    def name(self, master: str, node: Address, epoch: int) -> None:
        """Record that a Sentinel has named this node, in or since the failover at that epoch."""
        self.named.setdefault((master, node), self.clock.now)
        self.epochs.setdefault((master, node), set()).add(epoch)

    def hold(self, sentinel: str, master: str, node: Address, epoch: int) -> None:
        """Record that a Sentinel uses this node as a master's address, and says so."""
        self.name(master, node, epoch)
        self.holders.setdefault((master, node), set()).add(sentinel)

    def links_may_have_changed(self) -> None:
        """Let every replica check whether it still has its master."""
        for node in self.nodes.values():
            node.look()
