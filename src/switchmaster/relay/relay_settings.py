"""
How a relay is set up: where it listens, for which clients, and what it refuses as unsafe.

Beyond loopback nothing is served without a password: the addresses of all masters, and when they fail, are nothing for
strangers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, TypeAlias

from ..errors import UsageError
from ..model import Address
from ..url import DEFAULT_PORT, is_loopback, is_wildcard
from .served_masters import RelayPolicy

__all__ = ["ClientRange", "RelaySettings"]

ClientRange: TypeAlias = IPv4Network | IPv6Network
"""Addresses of clients."""


LOOPBACK_LISTEN: Final = Address("127.0.0.1", DEFAULT_PORT)
"""Where a relay listens if nothing else is said: as a Sentinel on this machine would."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """One relay."""

    listen: Address = LOOPBACK_LISTEN
    """Port 0 means any free port."""
    announce: Address | None = None
    """Where clients on other machines reach it, if that is not `listen`."""
    password: str | None = field(default=None, repr=False)
    """Of the default user."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The passwords of named users; all users may only read."""
    cert: str | None = None
    """The certificate file; None for no TLS."""
    key: str | None = None
    """The key file."""
    client_ca: str | None = None
    """The authorities of which clients must show a certificate; None if they need none."""
    peers: tuple[Address, ...] = ()
    """The other relays, for SENTINEL SENTINELS."""
    address_map: Mapping[Address, Address] = field(default_factory=dict)
    """Announced address -> the address that clients can dial."""
    address_maps: Mapping[ClientRange, Mapping[Address, Address]] = field(default_factory=dict)
    """The same for clients of a range of addresses, instead of `address_map`; the narrowest range counts."""
    policy: RelayPolicy = field(default_factory=RelayPolicy)
    maxclients: int = 10_000
    output_bytes: int = 8 * 1024 * 1024
    """Bytes that may wait for a client that reads too slowly, before it is cut."""
    auth_timeout: float = 10.0
    """Seconds in which a client must authenticate, if it has to."""

    @property
    def announced(self) -> Address | None:
        """Where clients on other machines reach it; None if they can't, or if that is not known."""
        if self.announce is not None:
            return self.announce
        host, port = self.listen
        return self.listen if port and not is_loopback(host) and not is_wildcard(host) else None

    def __post_init__(self) -> None:
        if not is_loopback(self.listen.host) and self.password is None and not self.users:
            raise UsageError(
                f"refused to relay on {self.listen} without a password: any client that reaches it could read all "
                "addresses. Name a file with a password, or listen on 127.0.0.1"
            )
        if self.announce is not None and not self.announce.port:
            raise UsageError(f"the relay can't be announced at {self.announce}: clients need its port")
        for name, password in (("default", self.password), *self.users.items()):
            if password is not None and not password:
                raise UsageError(f"the password of the relay's user {name!r} is empty")
        if (self.cert is None) != (self.key is None):
            raise UsageError("TLS for the relay's clients needs both a certificate and its key")
        if self.client_ca is not None and self.cert is None:
            raise UsageError("certificates of the relay's clients can be checked only with TLS: give its certificate")
        if self.maxclients < 1 or self.output_bytes < 1 or not self.auth_timeout > 0 or not self.policy.stale_for >= 0:
            raise UsageError("maxclients, the output limit and the time to authenticate must be more than 0")

    def range_of(self, client: str) -> ClientRange | None:
        """Return the narrowest range of `address_maps` that holds a client's address; None if none does."""
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            return None
        mapped = getattr(address, "ipv4_mapped", None) or address
        holding = [one for one in self.address_maps if mapped.version == one.version and mapped in one]
        return max(holding, key=lambda one: one.prefixlen, default=None)
