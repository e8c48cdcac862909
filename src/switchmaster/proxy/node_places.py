"""
From announced addresses to those that HAProxy can be given: dialled addresses, and IP addresses instead of names.

Names are resolved beforehand, off the loop, so that the move at a promotion waits for no resolver.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from ..model import Address

__all__ = ["NodePlaces"]

KEPT_SECONDS: Final = 10.0
"""Seconds after which a name is resolved again."""
RESOLVE_SECONDS: Final = 2.0
NAMES_MAX: Final = 10_000


class NodePlaces:
    """
    Where HAProxy finds nodes.

    Args:
        dialled: translates an announced address into the one to dial.
    """

    def __init__(self, dialled: Callable[[Address], Address]) -> None:
        self._dialled = dialled
        self._known: dict[str, tuple[str, float]] = {}
        """Host name -> IP address, and when it was resolved."""

    def at(self, node: Address) -> Address | None:
        """Return where HAProxy finds a node; None if its name is not resolved, or it can be no node's address."""
        place = self._dialled(node)
        host = _literal(place.host) or self._known.get(place.host, (None, 0.0))[0]
        found = None if host is None else Address(host, place.port)
        return found if found is not None and found.possible else None

    async def learn(self, nodes: Iterable[Address]) -> None:
        """Resolve the names of nodes that are not known, or not lately."""
        now = time.monotonic()
        hosts = {place.host for place in map(self._dialled, nodes) if _literal(place.host) is None and place.possible}
        due = [host for host in hosts if self._known.get(host, ("", -KEPT_SECONDS))[1] + KEPT_SECONDS <= now]
        await asyncio.gather(*(self._resolve(host) for host in due[:NAMES_MAX]))
        for host in self._known.keys() - hosts:
            del self._known[host]

    async def _resolve(self, host: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return  # the last one stays
        hosts = [literal for one in found if (literal := _literal(str(one[4][0]))) is not None]
        had = self._known.get(host, (None, 0.0))[0]
        if hosts:
            self._known[host] = (had if had in hosts else hosts[0], time.monotonic())


def _literal(host: str) -> str | None:
    """Return an IP address in its usual form; None for a name, or for an address with a zone."""
    try:
        return None if "%" in host else str(ip_address(host))
    except ValueError:
        return None
