"""
A sample of evidence: what each witness said when a connection to the master had ended, and what that proves.

A shell collects it, all witnesses at once. Nothing that did not answer in time is evidence: an absent word counts for
the master's life. `doubts` is the whole judgement.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass

from ..model import Address, SentinelName
from ..wire.replies import MasterReply, ReplicaReply
from .node_info import NodeInfo

__all__ = ["Dialled", "ProcessState", "Sample", "SentinelWord", "doubts"]


class Dialled(enum.StrEnum):
    """What came of our own connect to the master."""

    REFUSED = "refused"
    """Its own address refused: its kernel is up, and nothing listens there."""
    ACCEPTED = "accepted"
    SILENT = "silent"
    """No answer in time."""
    FAILED = "failed"
    """Another error, such as ``EHOSTUNREACH``: it proves nothing about the process."""
    INDIRECT = "indirect"
    """It was not dialled: the way leads through an ``address_map``, a proxy or a service address."""


class ProcessState(enum.StrEnum):
    """The master's process, where it runs on this very host."""

    GONE = "gone"
    RUNNING = "running"
    UNKNOWN = "unknown"
    """It runs elsewhere, or it can't be looked up."""


@dataclass(frozen=True, slots=True)
class SentinelWord:
    """What one Sentinel answered in a sample; a Sentinel that did not answer has no word."""

    sentinel: SentinelName
    host: str
    """Where it runs, as it is announced."""
    master: MasterReply
    replicas: tuple[ReplicaReply, ...]
    leads: bool
    """Whether it leads a failover of this master."""

    @property
    def disconnected(self) -> bool:
        """Whether it has no connection to the master."""
        return "disconnected" in self.master.flags


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything that the witnesses said at one moment."""

    master: Address
    at: float
    """Monotonic seconds, when the last answer had come or the time was over."""
    dialled: Dialled
    sentinels: tuple[SentinelWord, ...]
    """One word at most of each Sentinel that votes."""
    replicas: tuple[NodeInfo, ...]
    """Of the replicas that answered."""
    process: ProcessState = ProcessState.UNKNOWN

    def words_of(self) -> tuple[SentinelWord, ...]:
        """Return the words of the Sentinels that speak of this very master."""
        return tuple(each for each in self.sentinels if each.master.address == self.master)

    def cut_off(self) -> int:
        """Return how many Sentinels have no connection to the master."""
        return len({each.sentinel for each in self.words_of() if each.disconnected})

    def followers(self, among: Collection[Address]) -> list[NodeInfo]:
        """Return the reports of the replicas among these that follow this master by its announced address."""
        return [each for each in self.replicas if each.node in among and each.following == self.master]

    def orphaned(self, among: Collection[Address]) -> int:
        """Return how many replicas among these follow this master and have lost their link to it."""
        return len({each.node for each in self.followers(among) if each.link_up is False})


def doubts(sample: Sample, sentinels: int, replicas: Collection[Address]) -> tuple[str, ...]:
    """
    Return what speaks against the master's death; empty if the sample proves it.

    Args:
        sample: the sample.
        sentinels: how many Sentinels count for this master, whether they answer or not.
        replicas: its replicas, whether they answer or not.

    Returns:
        The reasons in words, the strongest first.
    """
    found: list[str] = []
    if sample.process is ProcessState.RUNNING:
        found.append("its process runs")
    if sample.dialled is not Dialled.REFUSED:
        found.append(_OF_DIALLED[sample.dialled])
    if 2 * sample.cut_off() <= sentinels:
        found.append(f"{sample.cut_off()} of {sentinels} Sentinels are disconnected from it, which is no majority")
    orphaned = sample.orphaned(replicas)
    if 2 * orphaned <= len(replicas):
        found.append(f"{orphaned} of {len(replicas)} replicas have lost it, which is no majority")
    return tuple(found)


_OF_DIALLED = {
    Dialled.ACCEPTED: "it accepts connections",
    Dialled.SILENT: "it did not refuse our connection: silence proves nothing",
    Dialled.FAILED: "our connection to it failed, and was not refused",
    Dialled.INDIRECT: "it can't be dialled at its own address from here",
}
