"""
The nouns of the domain: addresses, moments, grades, causes, and the limits of the core.

Nothing here knows a protocol, a clock or a socket. An identity is what Sentinel announces; what is dialled may differ
(``address_map``) and is never compared.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple, NewType, TypeAlias

from .errors import UsageError

__all__ = [
    "EPOCH_MAX",
    "LIMITS",
    "Address",
    "Cause",
    "FailoverKind",
    "Grade",
    "Limits",
    "Moment",
    "PlainValue",
    "RunId",
    "SentinelName",
    "Stage",
    "Via",
    "Wall",
    "is_ip",
]

SentinelName = NewType("SentinelName", str)
"""Our name for one Sentinel: ``host:port``, as the user gave it or as the others announce it."""

RunId = NewType("RunId", str)
"""The 40 hexadecimal digits by which Sentinels know each other (SENTINEL MYID)."""

EPOCH_MAX: Final = 2**63 - 1
"""The highest epoch that is believed. Sentinel counts failovers from 0, so no honest one comes near it."""

Wall: TypeAlias = float | None
"""Seconds since 1970, for people; None if the input has no time. Never used for order or durations."""


class PlainValue:
    """
    The base of values of which a message makes several, for speed: events, and the records of failovers.

    They are dataclasses with an ``__init__`` that is written out. It takes a third of the time of a frozen one's, and a
    tenth where this package is compiled. Their fields are final: type checkers refuse to set one, and compiled code
    does so too. Arguments are in the order of the fields, so that they can be copied and pickled in either form.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[type[PlainValue], tuple[object, ...]]:
        fields: dict[str, object] = getattr(self, "__dataclass_fields__")  # noqa: B009  # only its subclasses have it
        return type(self), tuple(getattr(self, name) for name in fields)


class Moment(NamedTuple):
    """When something was observed, on both clocks: one for order and durations, one for people."""

    now: float
    """Monotonic seconds. All order, durations and deadlines are computed from it."""
    wall: Wall = None
    """Seconds since 1970, copied into records; None if the input has no time."""


class Address(NamedTuple):
    """
    A host and a port, as Sentinel announces them.

    Equal to the tuple ``(host, port)``, so it can be passed wherever a socket address is expected.
    """

    host: str
    """An IPv4 or IPv6 address without brackets, or a host name; empty if Sentinel could not resolve it."""
    port: int
    """0 to 65535; Redis 6.2 gives 0 for a Sentinel that lost its address."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def possible(self) -> bool:
        """
        Whether a node can have this address.

        False for port 0, an empty host, the unspecified, multicast and broadcast addresses, and for words that a
        resolver reads as an address though they are none (``0``, ``0x7f.1``).
        """
        return 0 < self.port <= 65535 and _possible_host(self.host)

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Address:
        """
        Parse ``HOST:PORT``, ``[IPV6]:PORT``, or ``HOST`` if a default port is given.

        Args:
            text: what the user wrote.
            default_port: the port to use if the text has none.

        Returns:
            The address.

        Raises:
            UsageError: the text is not an address; the sentence says what one looks like.
        """
        if "@" in text:
            # The part before it may be a password, so it is not shown.
            raise UsageError("an address has no user and no '@': expected HOST:PORT, or a URL: redis+sentinel://…")
        host, colon, port = text.strip().rpartition(":")
        if not colon or (port.endswith("]") and text.strip().startswith("[")):
            host, port = text.strip(), "" if default_port is None else str(default_port)
        elif ":" in host and not host.startswith("["):
            raise UsageError(f"{text!r} is not an address: write an IPv6 address as [::1]:26379")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if not host or any(c.isspace() or c in "[]" or not c.isprintable() for c in host):
            raise UsageError(f"{text!r} is not an address: expected HOST:PORT, such as 10.0.0.1:26379")
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535):
            raise UsageError(f"{text!r} has no valid port: expected HOST:PORT with a port from 1 to 65535")
        return cls(host, int(port))


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def _possible_host(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        # Resolvers read a name whose last label is a number as an IPv4 address in an old notation.
        last = host.rstrip(".").rpartition(".")[2].lower()
        return bool(last) and not last.isdigit() and not last.startswith("0x")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return not (address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255")


class Grade(enum.IntEnum):
    """How well a belief is supported; a policy names the least grade that a Switch must have."""

    ANNOUNCED = 1
    """One Sentinel said so, and no majority of the Sentinels that are heard contradicts it."""
    PROMOTED = 2
    """The node itself answers ROLE ``master``, after a Sentinel named it."""
    AGREED = 3
    """A majority of the known Sentinels give that address at that epoch."""

    def __str__(self) -> str:
        return self.name.lower()


class Cause(enum.StrEnum):
    """Why a master's address changed."""

    FAILOVER = "failover"
    RECONFIGURED = "reconfigured"
    """REMOVE and MONITOR, SET, RESET, or a restart with another configuration."""
    UNKNOWN = "unknown"


class FailoverKind(enum.StrEnum):
    """Who started a failover."""

    AUTOMATIC = "automatic"
    """Sentinels agreed that the master is down."""
    MANUAL = "manual"
    """SENTINEL FAILOVER."""
    COORDINATED = "coordinated"
    """SENTINEL FAILOVER … COORDINATED (Valkey 9)."""


class Stage(enum.StrEnum):
    """The stages of a failover, in the order in which they come."""

    SUSPECTED = "suspected"
    """``+sdown master``: one Sentinel gets no valid answer from the master."""
    AGREED_DOWN = "agreed-down"
    """``+odown``: as many Sentinels as the quorum say so."""
    ELECTING = "electing"
    """``+try-failover``: a Sentinel asks the others for their votes; or ``+vote-for-leader``: one gives its own."""
    ELECTED = "elected"
    """``+elected-leader``: one Sentinel leads the failover."""
    SELECTED = "selected"
    """``+selected-slave``: the leader has chosen the replica. The first event with the future address."""
    PROMOTING = "promoting"
    """``+failover-state-wait-promotion``: SLAVEOF NO ONE is on its way to the replica."""
    PROMOTED = "promoted"
    """The node itself answers ROLE master, or the leader saw so in its INFO (``+promoted-slave``)."""
    SWITCHED = "switched"
    """``+switch-master``: the first Sentinel uses the new address."""
    RECONFIGURING = "reconfiguring"
    """``+slave-reconf-…``: another replica is reconfigured to follow the new master."""
    SETTLED = "settled"
    """``+failover-end``: the leader has done its work."""
    ABORTED = "aborted"
    """``-failover-abort-…``, a reset, or nothing more was heard."""


class Via(enum.StrEnum):
    """The news that decided a Switch, earliest first."""

    ROLE = "role"
    """The selected replica itself answered ROLE ``master``."""
    PROMOTED = "+promoted-slave"
    """The leader saw the promotion in the replica's INFO."""
    SWITCH = "+switch-master"
    """A Sentinel announced that it uses the new address."""
    SNAPSHOT = "snapshot"
    """A Sentinel answered so when it was asked: the events were missed, or there were none."""
    HELLO = "hello"
    """A Sentinel told the others so over a data node; only in a replay of what such a node published."""


class Limits(NamedTuple):
    """Every bound of the core, in one place. Whatever is dropped is counted there."""

    payload_shown: int = 200
    """Characters that are kept of an unrecognised payload."""
    text: int = 1023
    """Characters of a name, a host, or another word of a reply: sentinelEvent() publishes no more (LOG_MAX_LEN)."""
    reply_bytes: int = 16 * 1024 * 1024
    """Bytes of one reply or event; a peer that sends more counts as broken. 10,000 names in ROLE are 0.5 MB."""
    sentinels: int = 64
    """Sentinels of one deployment that are dialled; more are only counted."""
    masters: int = 20_000
    """Masters of one deployment that are followed; more are counted and reported once. A flood of names ends here."""
    replicas: int = 1_000
    """Replicas of one master."""
    witnesses: int = 64
    """Witnesses of one Switch, and votes in one failover."""
    transitions: int = 64
    """Past switches that are kept for each master, to distinguish a late announcement from a new one."""
    failovers_open: int = 8
    """Failovers of one master that are followed at once; the oldest is closed first."""
    candidates: int = 8
    """Candidates of one master at once: a failover has one, a chain of three has three."""
    stages: int = 1_000
    """Entries in one failover's record."""
    batch: int = 64
    """Masters that one write asks about, so that each answer comes within the timeout."""


LIMITS = Limits()
