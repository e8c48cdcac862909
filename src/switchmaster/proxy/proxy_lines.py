"""A proxy as lines for the API and the dashboard: one for each master, from what was last read of HAProxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Address
from ..render import Line, iso

if TYPE_CHECKING:
    from .master_lane import MasterLane
    from .proxy import Proxy

__all__ = ["proxy_lines"]


def proxy_lines(deployment: str, proxy: Proxy) -> tuple[Line, ...]:
    """
    Return the lines, by the masters' names.

    Args:
        deployment: the deployment's name.
        proxy: its proxy; read in its loop.
    """
    return tuple(_line(deployment, proxy, lane) for _, lane in sorted(proxy.lanes.items()))


def _line(deployment: str, proxy: Proxy, lane: MasterLane) -> Line:
    ports = proxy.settings.ports.get(lane.name, proxy.settings.only)
    assert ports is not None  # a lane is begun for a port
    key = lane.names.key
    state = "holding" if lane.held else "unknown" if lane.address is None else "serving"
    serving = state == "serving"
    return {
        "type": "proxy",
        "deployment": deployment,
        "master": lane.name,
        "writes": _node(ports.writes),
        "reads": _node(ports.reads),
        "state": state,
        "address": _node(lane.served) if serving else None,
        "since": iso(lane.served_since) if serving else None,
        "in_sync": lane.in_sync,
        "connections": proxy.connections.get(f"w-{key}"),
        "reading": proxy.connections.get(f"r-{key}"),
        "moves": lane.moves,
        "holds": lane.holds,
        "last_move_seconds": round(lane.move_seconds, 6) if lane.moves else None,
        "checks": [
            {"host": node.host, "port": node.port, "master": is_master} for node, is_master in sorted(lane.checks())
        ],
        "haproxy": _haproxy(proxy),
    }


def _haproxy(proxy: Proxy) -> Line:
    program = proxy.program
    return {
        "pid": program.pid,
        "version": program.version,
        "starts": program.starts,
        "reloads": program.reloads,
        "drifts": proxy.drifts,
        "trouble": proxy.trouble or None,
    }


def _node(address: Address | None) -> Line | None:
    return None if address is None else {"host": address.host, "port": address.port}
