"""
Many networks around a hub, made for one test and removed after it. The hub reaches every arm; each arm reaches every
other.

Each arm is a Linux network namespace with one address; a bridge in the hub joins them. `StarNetwork.isolate` drops
everything between one arm and all the others, silently; the hub still reaches it. Needs root and `ip`.
"""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from itertools import permutations
from typing import Final, Self

from rig.netns import CABLE, Network, ip, new_name

__all__ = ["StarNetwork"]

PREFIX: Final = "198.51.100"
"""TEST-NET-2 of RFC 5737: addresses that no host has."""
NOBODY: Final = "02:00:00:00:00:01"
"""A MAC address that no card has: packets to it are lost silently, whereas a neighbour without ARP is an error."""


class StarNetwork:
    """
    The hub and its arms, for the length of a block.

    Args:
        arms: how many; at most 253.
    """

    def __init__(self, arms: int) -> None:
        begin = new_name()
        self.hub = Network(f"{begin}-hub", f"{PREFIX}.254")
        self.arms = [Network(f"{begin}-{number}", f"{PREFIX}.{number}") for number in range(1, arms + 1)]
        self._isolated: set[Network] = set()
        self._lost: set[tuple[Network, Network]] = set()
        """Pairs of arms that must not reach each other."""
        self._stack = ExitStack()

    def isolate(self, arm: Network) -> None:
        """Drop everything between this arm and all others."""
        self._isolated.add(arm)
        self._introduce()

    def rejoin(self, arm: Network) -> None:
        """Let everything through again, except to arms that are isolated themselves."""
        self._isolated.discard(arm)
        self._introduce()

    def __enter__(self) -> Self:
        with self._stack:
            for network in (self.hub, *self.arms):
                ip("netns", "add", network.name)
                self._stack.callback(ip, "netns", "del", network.name)
                network.ip("link", "set", "lo", "up")
            self.hub.ip("link", "add", CABLE, "type", "bridge")
            self._join(self.hub)
            for number, arm in enumerate(self.arms, 1):
                end = f"arm{number}"
                self.hub.ip("link", "add", end, "type", "veth", "peer", "name", CABLE, "netns", arm.name)
                self.hub.ip("link", "set", end, "master", CABLE, "up")
                self._join(arm)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _join(self, network: Network) -> None:
        network.ip("addr", "add", f"{network.host}/24", "dev", CABLE)
        network.ip("link", "set", CABLE, "up")

    def _introduce(self) -> None:
        """Give arms that must not reach each other the MAC address that no card has, and all others ARP."""
        lost = {pair for pair in permutations(self.arms, 2) if self._isolated & {*pair}}
        orders: dict[Network, list[str]] = {}
        for arm, other in lost - self._lost:
            orders.setdefault(arm, []).append(f"neigh replace {other.host} lladdr {NOBODY} nud permanent dev {CABLE}")
        for arm, other in self._lost - lost:
            orders.setdefault(arm, []).append(f"neigh del {other.host} dev {CABLE}")
        self._lost = lost
        for arm, lines in orders.items():
            words, text = ["ip", "-n", arm.name, "-batch", "-"], "\n".join(lines) + "\n"
            done = subprocess.run(words, input=text, capture_output=True, text=True)
            assert done.returncode == 0, f"{' '.join(words)}: {done.stderr.strip()}"
