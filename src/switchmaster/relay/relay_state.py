"""
What all conversations of one relay share: the masters, the users, what INFO says, and counters.

A `ClientView` is the same for clients of one range of addresses: it translates addresses for them, and remembers the
bytes of answers that they ask for all the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ..model import Address, RunId
from .accounts import Accounts
from .served_masters import ServedMasters

__all__ = ["ClientView", "RelayCounters", "RelayState", "identity_of"]

REMEMBERED_REQUESTS: Final = 2048
"""Different requests whose answers are remembered; beyond it they are forgotten together."""


def identity_of(address: Address) -> RunId:
    """Return the id of the relay at an address, as a Sentinel's looks: relays know each other's without asking."""
    return RunId(hashlib.sha256(f"switchmaster relay {address}".encode("utf-8", "surrogateescape")).hexdigest()[:40])


@dataclass(slots=True)
class RelayCounters:
    """What a relay has counted since its start."""

    connections: int = 0
    """Clients that were accepted."""
    rejected: int = 0
    """Clients that were turned away: over ``maxclients``."""
    cut: int = 0
    """Clients that were cut because they read too slowly."""
    timed_out: int = 0
    """Clients that were cut because they did not authenticate in time."""
    broken: int = 0
    """Clients that were cut because they did not speak the protocol."""
    commands: int = 0
    """Commands that were answered."""
    errors: int = 0
    """Those among them that were answered with an error."""
    auth_failures: int = 0
    """Wrong passwords."""
    messages: int = 0
    """Messages that were sent to subscribers."""


@dataclass(slots=True)
class RelayState:
    """What one relay knows and counts."""

    masters: ServedMasters
    accounts: Accounts = field(default_factory=Accounts)
    identity: RunId = field(default_factory=lambda: identity_of(Address("127.0.0.1", 26379)))
    peers: tuple[Address, ...] = ()
    """The other relays; never a Sentinel."""
    port: int = 26379
    started: float = 0.0
    """Monotonic seconds."""
    server: str = "redis"
    version: str = "7.0.15"
    """Of the Sentinel whose stream is passed on, so that clients expect of us what it has."""
    clients: int = 0
    """Connected clients."""
    subscribers: int = 0
    """Those that are subscribed."""
    heard: int = 0
    """Sentinels that are connected."""
    known: int = 0
    """Sentinels that are known."""
    events: Mapping[str, int] = field(default_factory=dict)
    """What the stream of events has counted, for INFO."""
    counters: RelayCounters = field(default_factory=RelayCounters)


class ClientView:
    """
    The relay as clients of one range of addresses see it.

    Args:
        state: what all share.
        address_map: announced address -> the address that these clients can dial.
    """

    def __init__(self, state: RelayState, address_map: Mapping[Address, Address] | None = None) -> None:
        self.state = state
        self._map = dict(address_map or {})
        self._answers: dict[int, dict[bytes, tuple[bytes, int]]] = {2: {}, 3: {}}
        self._version = -1

    @property
    def translates(self) -> bool:
        """Whether any address is translated."""
        return bool(self._map)

    def translate(self, address: Address) -> Address:
        """Return what these clients can dial for an announced address."""
        return self._map.get(address, address)

    def remembered(self, protocol: int) -> dict[bytes, tuple[bytes, int]]:
        """Return the answers that are still right, with their number, by the bytes of the requests."""
        if self._version != self.state.masters.changes:
            self._version = self.state.masters.changes
            self._answers[2].clear()
            self._answers[3].clear()
        return self._answers[protocol]

    def remember(self, protocol: int, requests: bytes, answers: tuple[bytes, int]) -> None:
        """Remember the answers to requests for addresses, and their number, until an address changes."""
        known = self.remembered(protocol)
        if len(known) >= REMEMBERED_REQUESTS:
            known.clear()
        known[requests] = answers
