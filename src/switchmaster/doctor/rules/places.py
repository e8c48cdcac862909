"""
On which host a server is, as far as it can be seen from outside: by the IP address that the connection went to; and in
which zone, as far as the user has named the zones of hosts (``[doctor.zones]``).

All names and addresses of one loopback network count as one host. What runs on one hypervisor cannot be seen: name it
as a zone.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from ...model import Address
from ..inspection import MasterInspection, SentinelInspection, ServerInspection

__all__ = ["commands_for", "in_zones", "is_loopback", "node_place", "on_hosts", "place_of", "voting"]


def place_of(server: ServerInspection) -> str:
    """Return the host of a server: where the connection went, else where it is announced."""
    host = server.dialled_ip or server.address.host
    return "127.0.0.1" if is_loopback(host) else host


def is_loopback(host: str) -> bool:
    """Whether a host is this very one, by its address or as ``localhost``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.localdomain")


def on_hosts(servers: Iterable[ServerInspection]) -> dict[str, list[ServerInspection]]:
    """Return servers by their host."""
    found: dict[str, list[ServerInspection]] = {}
    for one in servers:
        found.setdefault(place_of(one), []).append(one)
    return found


def in_zones(found: MasterInspection, servers: Iterable[ServerInspection]) -> dict[str, list[ServerInspection]]:
    """Return servers by the zone of their host; those whose host is in no known zone are left out."""
    zones = found.whole.zones
    several: dict[str, list[ServerInspection]] = {}
    for one in servers:
        zone = zones.get(one.address.host) or zones.get(one.dialled_ip or "")
        if zone is not None:
            several.setdefault(zone, []).append(one)
    return several


def node_place(found: MasterInspection, address: Address) -> tuple[str, int]:
    """
    Return where a node's address leads, as an IP address and the announced port: the same for a name and an IP address.

    An address of no known node stays as it is.
    """
    ips = {(one.dialled_ip, one.address.port) for one in found.nodes.values()}
    node = found.nodes.get(address)
    if node is None and tuple(address) in ips:
        return address.host, address.port
    return (address.host if node is None or node.dialled_ip is None else node.dialled_ip), address.port


def voting(found: MasterInspection) -> list[SentinelInspection]:
    """Return the Sentinels that count for a master: those that monitor it, and those that others list for it."""
    listed = {each.address for told in found.answers.values() for each in told.sentinels or () if each.address.possible}
    return [one for name, one in found.sentinels.items() if name in found.answers or one.address in listed]


def commands_for(servers: Iterable[ServerInspection], *words: str) -> tuple[str, ...]:
    """Return one redis-cli command for each server, in order."""
    return tuple(f"redis-cli -h {one.address.host} -p {one.address.port} {' '.join(words)}" for one in servers)
