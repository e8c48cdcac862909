"""
From the address that Sentinel announces to the one that is dialled.

Nothing here opens a socket; names are resolved only to compare them with addresses.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TypeAlias

from ..errors import UsageError
from ..model import Address

__all__ = ["AddressMap", "map_address", "same_place"]

AddressMap: TypeAlias = (
    Mapping[Address, Address] | Mapping[tuple[str, int], tuple[str, int]] | Callable[[Address], Address]
)
"""What Sentinel announces -> what can be dialled, as a table or as a function."""


def map_address(mapping: AddressMap | None, address: Address) -> Address:
    """
    Translate an announced address into the one to dial.

    Args:
        mapping: a table or a function; None for none. An address that is not in the table stays as it is.
        address: as Sentinel announces it.

    Returns:
        The address to dial.

    Raises:
        UsageError: the function failed, or did not return an address.
    """
    if mapping is None:
        return address
    if isinstance(mapping, Mapping):
        mapped: object = mapping.get(address, address)
    else:
        try:
            mapped = mapping(address)
        except Exception as error:
            raise UsageError(f"address_map failed for {address}: {error!r}") from error
    match mapped:
        case (str() as host, int() as port):
            return Address(host, port)
        case _:
            raise UsageError(f"address_map must give (host, port) for {address}, not {mapped!r}")


def same_place(one: Address, other: Address) -> bool:
    """
    Return whether two announced addresses are the same place, if Sentinels announce both names and IP addresses.

    Names are resolved only then, which waits for the resolver.
    """
    if one == other or one.port != other.port:
        return one == other
    places = [_resolved(address.host) for address in (one, other)]
    return not places[0].isdisjoint(places[1])


def _resolved(host: str) -> set[str]:
    try:
        return {str(ip_address(host))}
    except ValueError:
        pass
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()
