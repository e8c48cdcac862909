"""
What was collected about a deployment at one moment: `Inspection`, the input of every rule.

Values only. Whatever could not be had is None, and `refused` of its server says whether a right was lacking. Addresses
are those that Sentinel announces; `dialled_ip` is where the connection really went. No value holds a secret: settings
that are secrets are replaced by a digest that is the same for the same secret within one inspection, and by nothing
else (`SECRET_SETTINGS`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ..model import Address, RunId, SentinelName
from ..wire.info import InfoReply
from ..wire.refusal import Refusal
from ..wire.replies import MasterReply, QuorumReply, ReplicaReply, RoleReply, SentinelReply

__all__ = [
    "SECRET_SETTINGS",
    "Inspection",
    "MasterAnswers",
    "MasterInspection",
    "NodeInspection",
    "SentinelInspection",
    "ServerInspection",
]

SECRET_SETTINGS: Final = frozenset(
    {"masterauth", "primaryauth", "requirepass", "sentinel-pass", "tls-key-file-pass", "tls-client-key-file-pass"}
)
"""Settings that are given as a digest; empty ones stay empty."""


@dataclass(frozen=True, slots=True)
class ServerInspection:
    """What Sentinels and data nodes have in common."""

    address: Address
    """As the user gave it, or as Sentinel announces it."""
    reason: str
    """Why it was not reached, or left during the questions, as the end of a sentence; empty if it answered."""
    refusal: Refusal | None
    """The kind of its refusal, if it refused the login; else None."""
    dialled_ip: str | None
    """The IP address that the connection went to; None if there was none."""
    logged_in: bool
    """Whether we sent a password."""
    round_trip: float | None
    """Seconds from the first question to its answer; None without one."""
    clock_ahead: float | None
    """Seconds by which its wall clock is ahead of ours, known within half a round trip; None if it told no time."""
    certificate_ends: float | None
    """When its TLS certificate expires, in seconds since 1970; None without TLS."""
    info: InfoReply | None
    settings: Mapping[str, str] | None = field(repr=False)
    """By name in lower case. CONFIG GET of a node, SENTINEL CONFIG GET of a Sentinel."""
    user: str | None
    """Our user there (ACL WHOAMI)."""
    refused: Mapping[tuple[str, ...], Refusal] = field(repr=False)
    """The questions that were answered with an error, as they were asked."""

    @property
    def answered(self) -> bool:
        """Whether it let us in and answered anything."""
        return self.round_trip is not None and self.refusal is None

    @property
    def version(self) -> tuple[int, ...]:
        """The server's version, such as ``(7, 0, 15)``; empty if it is unknown."""
        text = "" if self.info is None else self.info.version or ""
        return tuple(int(part) for part in text.split(".")[:3] if part.isascii() and part.isdigit())

    @property
    def is_valkey(self) -> bool:
        """Whether it is Valkey."""
        return self.info is not None and self.info.server == "valkey"

    def said(self, section: str, name: str) -> str | None:
        """Return a field of its INFO; None if it was not told."""
        return None if self.info is None else self.info.sections.get(section, {}).get(name)

    def number(self, section: str, name: str) -> int | None:
        """Return a field of its INFO as a whole number; None if it was not told, or is none."""
        text = self.said(section, name) or ""
        return int(text) if text.removeprefix("-").isdecimal() and len(text) <= 20 else None

    def setting(self, *names: str) -> str | None:
        """Return the first of these settings that it has: names differ between servers; None if none was told."""
        found = (self.settings[name] for name in names if self.settings is not None and name in self.settings)
        return next(found, None)

    def lacks(self, *command: str) -> bool:
        """Whether our user may not ask this, by the words that it begins with."""
        asked = (words for words, kind in self.refused.items() if kind is Refusal.PERMISSION)
        return any(words[: len(command)] == command for words in asked)


@dataclass(frozen=True, slots=True)
class MasterAnswers:
    """What one Sentinel says of one master. What was refused or unreadable is None."""

    master: MasterReply
    address: Address | None
    """By SENTINEL GET-MASTER-ADDR-BY-NAME: on the leader of a failover it changes before `master.address`."""
    replicas: tuple[ReplicaReply, ...] | None
    sentinels: tuple[SentinelReply, ...] | None
    """The others, never itself."""
    quorum: QuorumReply | None


@dataclass(frozen=True, slots=True)
class SentinelInspection(ServerInspection):
    """One Sentinel."""

    name: SentinelName
    given: bool
    """Whether the user named it; else the others list it."""
    run_id: RunId | None
    timers: Mapping[str, str] | None
    """Milliseconds by name in lower case (SENTINEL DEBUG; Redis 7.0 and later)."""
    masters: Mapping[str, MasterAnswers]
    """By the master's name; empty if SENTINEL MASTERS was refused."""
    may_failover: bool | None
    """Whether our user may send SENTINEL FAILOVER; None if that is not known."""


@dataclass(frozen=True, slots=True)
class NodeInspection(ServerInspection):
    """One data node."""

    masters: frozenset[str]
    """The names of the masters in whose group a Sentinel lists it."""
    role: RoleReply | None
    sentinel_users: Mapping[str, Mapping[str, bool]]
    """Of each user by which Sentinels are logged in here (CLIENT LIST): what it may do (ACL DRYRUN, Redis 7.0 and
    later), by command line. Empty if that can't be asked."""

    def is_master(self) -> bool | None:
        """Whether the node itself says that it is a master, by ROLE, else by INFO; None if it says neither."""
        if self.role is not None:
            return str(self.role.role) == "master"
        role = self.said("replication", "role")
        return None if role is None else role == "master"

    def following(self) -> Address | None:
        """Return the master that a replica follows by its own word; None for a master, and if it does not tell."""
        return None if self.role is None else self.role.master


@dataclass(frozen=True, slots=True)
class Inspection:
    """A deployment at one moment."""

    deployment: str
    sentinels: tuple[SentinelInspection, ...]
    """Those that the user named, then those that the others list."""
    nodes: tuple[NodeInspection, ...]
    """Every address that a Sentinel or a master names as a node of one of the masters."""
    wall: float
    """When it began, in seconds since 1970."""
    seconds: float
    """How long it took."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """The zone of each host, as far as the user named it; by the host as Sentinel announces it, or its IP address."""

    @property
    def masters(self) -> tuple[str, ...]:
        """The names of all masters that any Sentinel monitors, sorted."""
        return tuple(sorted({name for each in self.sentinels for name in each.masters}))

    def of_master(self, name: str) -> MasterInspection:
        """Return what was collected about one master."""
        nodes = {node.address: node for node in self.nodes if name in node.masters}
        return MasterInspection(self, name, {each.name: each for each in self.sentinels}, nodes)

    def each_master(self) -> Iterator[MasterInspection]:
        """Yield what was collected about each master, by name."""
        return map(self.of_master, self.masters)


@dataclass(frozen=True, slots=True)
class MasterInspection:
    """What was collected about one master and its group."""

    whole: Inspection
    name: str
    sentinels: Mapping[SentinelName, SentinelInspection]
    """All Sentinels of the deployment, also those that do not monitor this master or did not answer."""
    nodes: Mapping[Address, NodeInspection]
    """The nodes of its group, the master included."""

    @property
    def answers(self) -> dict[SentinelName, MasterAnswers]:
        """What each Sentinel that monitors it says."""
        return {name: one.masters[self.name] for name, one in self.sentinels.items() if self.name in one.masters}

    @property
    def newest(self) -> MasterAnswers | None:
        """The answers with the highest config epoch, of these the ones that the most Sentinels agree with."""
        told = list(self.answers.values())
        agree = [one.address for one in told]
        return max(told, key=lambda one: (one.master.config_epoch, agree.count(one.address)), default=None)

    @property
    def address(self) -> Address | None:
        """The master's address by the newest answers."""
        told = self.newest
        return None if told is None else told.address or told.master.address

    @property
    def master(self) -> NodeInspection | None:
        """The master's node; None if no Sentinel names one."""
        address = self.address
        return None if address is None else self.nodes.get(address)

    @property
    def replicas(self) -> tuple[NodeInspection, ...]:
        """The other nodes of its group, by address."""
        return tuple(node for address, node in sorted(self.nodes.items()) if address != self.address)

    @property
    def known_sentinels(self) -> int:
        """How many Sentinels count for its elections: the most that any of them knows, itself included."""
        return max((1 + one.master.num_other_sentinels for one in self.answers.values()), default=0)

    @property
    def majority(self) -> int:
        """How many Sentinels must vote for a leader (with the quorum, if that is higher)."""
        return self.known_sentinels // 2 + 1
