"""
The truth, from the observer's file: which node became a master when, and which masters the Sentinels kept.

Pure. Addresses are pairs of host and port; times are monotonic seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Held", "Kept", "Promotion", "Role", "Truth", "read"]

Where: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Role:
    """A node's answer from this moment on; ``gone`` and ``silent`` are answers too."""

    at: float
    node: Where
    role: str


@dataclass(frozen=True, slots=True)
class Held:
    """A Sentinel's opinion of a master from this moment on; None if it did not answer, or does not monitor it."""

    at: float
    sentinel: str
    master: str
    address: Where | None
    epoch: int | None = None
    leading: bool = False
    """Whether a failover of its own was under way."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A replica became a master, by its own answer."""

    at: float
    master: str
    address: Where


@dataclass(frozen=True, slots=True)
class Kept:
    """A majority of the Sentinels had another address than before, at a higher epoch."""

    at: float
    master: str
    address: Where
    epoch: int
    leader: str = ""
    """The Sentinel that led the failover; empty if none was seen to."""


@dataclass
class Truth:
    """Everything that the observer has seen."""

    groups: Mapping[str, tuple[Where, ...]]
    """The nodes of each master."""
    sentinels: int
    roles: list[Role] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)
    """From when to when a server that is observed gave no answer for too long: the machine was late."""
    pace: Mapping[str, float] = field(default_factory=dict)
    """The gaps between two questions to a node, in ms."""

    def promotions(self, master: str) -> list[Promotion]:
        """Return when nodes of a master that had reported being replicas reported being masters."""
        found, before = list[Promotion](), dict[Where, str]()
        for each in self.roles:
            if each.node not in self.groups[master] or each.role not in ("master", "slave"):
                continue
            if each.role == "master" and before.get(each.node) == "slave":
                found.append(Promotion(each.at, master, each.node))
            before[each.node] = each.role
        return found

    def stood_still(self, master: str, begin: float, end: float) -> bool:
        """Whether a node of a master gave no answer at some moment of a span."""
        since: dict[Where, float] = {}
        for each in self.roles:
            if each.node not in self.groups[master]:
                continue
            if each.role in ("silent", "gone"):
                since.setdefault(each.node, each.at)
            elif since.pop(each.node, end) < end and each.at > begin:
                return True
        return any(at < end for at in since.values())

    def was_late(self, begin: float, end: float) -> bool:
        """Whether the machine was late at some moment of a span: the observer had no answer for too long."""
        return any(since <= end and until >= begin for since, until in self.stalls)

    def late(self) -> list[tuple[float, float]]:
        """Return from when to when the machine was late: stalls of several servers at once are one."""
        found: list[tuple[float, float]] = []
        for since, until in sorted(self.stalls):
            if found and since <= found[-1][1]:
                found[-1] = found[-1][0], max(until, found[-1][1])
            else:
                found.append((since, until))
        return found

    def kept(self, master: str) -> list[Kept]:
        """Return, in order, the masters that a majority had, beginning with the first."""
        found: list[Kept] = []
        now: dict[str, Held] = {}
        led: dict[str, float] = {}
        newest = -1
        for each in self.held:
            if each.master != master:
                continue
            now[each.sentinel] = each
            if each.leading:
                led[each.sentinel] = each.at
            pairs = [(one.epoch, one.address) for one in now.values() if one.epoch is not None and one.address]
            epoch, address = max(pairs, key=pairs.count, default=(-1, None))
            if address is None or epoch <= newest or 2 * pairs.count((epoch, address)) <= self.sentinels:
                continue
            # The same address again, by a later failover, is no switch; but what follows must be newer still.
            newest = epoch
            if not found or address != found[-1].address:
                holders = [one for one in now.values() if (one.epoch, one.address) == (epoch, address)]
                found.append(Kept(each.at, master, address, epoch, _leader(holders, led)))
        return found


def _leader(holders: Iterable[Held], led: Mapping[str, float]) -> str:
    """Return the Sentinel that led a failover, among those that have its outcome: the one that still leads, or led
    last."""
    known = [one for one in holders if one.sentinel in led]
    return max(known, key=lambda one: (one.leading, led[one.sentinel])).sentinel if known else ""


def read(lines: Iterable[str], groups: Mapping[str, Mapping[str, Where]], sentinels: int) -> Truth:
    """
    Read the observer's file.

    Args:
        lines: of its file.
        groups: name and address of each node, by master.
        sentinels: how many there are.
    """
    nodes = {name: address for group in groups.values() for name, address in group.items()}
    truth = Truth({name: tuple(group.values()) for name, group in groups.items()}, sentinels)
    for told in _lines(lines):
        if "pace" in told:
            truth.pace = told["pace"]
        elif "stalled_since" in told:
            truth.stalls.append((told["stalled_since"], told["at"]))
        elif "node" in told:
            truth.roles.append(Role(told["at"], nodes[told["node"]], told["role"]))
        else:
            address = (told["address"][0], told["address"][1]) if told["address"] else None
            truth.held.append(
                Held(told["at"], told["sentinel"], told["master"], address, told["epoch"], told["leading"])
            )
    return truth


def _lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines)
