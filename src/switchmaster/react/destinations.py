"""
Where a request of an action may go: the addresses of a host, checked before one is connected to.

A link-local address is never used: in clouds the credentials of the machine are served there. With ``public`` only
addresses of the public Internet are, as for receivers that others choose. The checked address is the one that is
connected to, so that a name that resolves differently the next time does not matter.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

from .action_kinds import AttemptFailed, GiveUp

__all__ = ["is_allowed", "resolve"]


def is_allowed(address: IPv4Address | IPv6Address, *, public: bool) -> bool:
    """Return whether a request may go to an address."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
        return False
    return bool(mapped.is_global) if public else True


async def resolve(host: str, port: int, *, public: bool) -> str:
    """
    Return an address of a host that a request may go to.

    Args:
        host: a name or an address.
        port: the port.
        public: whether only public addresses are allowed.

    Raises:
        AttemptFailed: the name does not resolve now.
        GiveUp: all of its addresses are refused.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        raise AttemptFailed(f"{host} can't be resolved: {getattr(error, 'strerror', None) or error}") from None
    addresses = [str(one[4][0]).partition("%")[0] for one in found]
    allowed = [one for one in addresses if is_allowed(ip_address(one), public=public)]
    if not allowed:
        where = "is not a public address" if public else "is a link-local or multicast address"
        raise GiveUp(f"{host} {where}: {', '.join(dict.fromkeys(addresses)) or 'none'}")
    return allowed[0]
