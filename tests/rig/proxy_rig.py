"""
A proxy's line for one master, as the daemon serves it: tests of the API and of the dashboard change what they need.
"""

from __future__ import annotations

from typing import Any

__all__ = ["proxy_line"]

NODE = {"host": "10.0.0.1", "port": 6379}


def proxy_line(master: str, **more: Any) -> dict[str, Any]:
    """Return the line of a master that is served."""
    given = {
        "type": "proxy",
        "deployment": "kvdb",
        "master": master,
        "writes": NODE,
        "reads": None,
        "state": "serving",
        "address": NODE,
        "since": "2026-11-29T03:00:00.000000Z",
        "in_sync": True,
        "connections": 3,
        "reading": None,
        "moves": 1,
        "holds": 1,
        "last_move_seconds": 0.002,
        "checks": [{**NODE, "master": True}],
        "haproxy": {"pid": 7, "version": "2.6.12", "starts": 1, "reloads": 0, "drifts": 0, "trouble": None},
    }
    return given | more
