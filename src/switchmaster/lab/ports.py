"""
Loopback ports that no other program is likely to take.

The ports were free a moment ago and are all different. They lie below the kernel's range for outgoing connections: any
client can take a crashed server's port from inside that range, and a client that redials it can even connect to itself.
"""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

from switchmaster.errors import LabError

__all__ = ["free_ports"]

LOWEST = 12000
OUTGOING_BY_DEFAULT = 32768
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """
    Return `count` different ports that can be bound on `host` now.

    Raises:
        LabError: the host is not on this machine, or not enough ports are free.
    """
    found: list[int] = []
    start = random.SystemRandom().randrange(LOWEST, _outgoing())
    span = _outgoing() - LOWEST
    for step in range(span):
        if len(found) == count:
            return found
        port = LOWEST + (start - LOWEST + step) % span
        if _is_free(host, port):
            found.append(port)
    raise LabError(f"found {len(found)} free ports on {host} but needs {count}; stop other servers and try again")


def _outgoing() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        first = int(OUTGOING.read_text().split()[0])
        if first >= LOWEST + 1000:
            return first
    return OUTGOING_BY_DEFAULT


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Like the servers: a port whose last connections are in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
