"""
How a proxy is set up: which ports, for which masters, and where its files are.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..follow.gate import WaitLimits
from ..model import Address

__all__ = ["MasterPorts", "ProxySettings", "default_folder", "prepare_folder"]

SOCKET_PATH_MAX: Final = 90
"""Bytes that the path of a UNIX socket in the folder may have; the kernel takes 107, HAProxy needs some of them."""
_FOLDER: Final = re.compile(r"/[A-Za-z0-9_./+@=-]*")
"""Paths that HAProxy's configuration can hold without quotes."""


@dataclass(frozen=True, slots=True)
class MasterPorts:
    """Where clients find one master."""

    writes: Address
    """The port that leads to the master."""
    reads: Address | None = None
    """The port that leads to its replicas; None for no such port."""


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """One HAProxy for the masters of one deployment."""

    folder: Path
    """For its files and sockets, for us alone; the same at the next start, which then finds it running."""
    ports: Mapping[str, MasterPorts] = field(default_factory=dict)
    """By the master's name."""
    only: MasterPorts | None = None
    """Instead of `ports`: for the deployment's only master, whatever its name."""
    health: Address | None = None
    """Where HAProxy answers ``/livez`` and ``/readyz`` without touching a node; None for nowhere."""
    max_lag: float = 15.0
    """Seconds since a replica last had news of its master, beyond which it is not read from."""
    limits: WaitLimits = field(default_factory=WaitLimits)
    """How long new connections wait."""
    maxconn: int = 2000
    """Connections to each port."""
    program: str = "haproxy"
    cert: str | None = None
    """The certificate file for clients; None for no TLS."""
    key: str | None = None
    """The key file."""
    client_ca: str | None = None
    """The authorities of which clients must show a certificate; None if they need none."""

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise UsageError("TLS for the proxy's clients needs both a certificate and its key")
        if self.client_ca is not None and self.cert is None:
            raise UsageError("certificates of the proxy's clients can be checked only with TLS: give its certificate")
        if bool(self.ports) == (self.only is not None):
            raise UsageError("the proxy needs a port for writes: one for the only master, or one for each master")
        all_ports = (self.only,) if self.only is not None else tuple(self.ports.values())
        taken: set[Address] = set()
        for address in (self.health, *(one for pair in all_ports for one in (pair.writes, pair.reads))):
            if address is None:
                continue
            _check_listen(address)
            if address in taken:
                raise UsageError(f"two ports of the proxy are both {address}")
            taken.add(address)
        if not (self.max_lag >= 1 and 1 <= self.maxconn <= 100_000):
            raise UsageError("the proxy's max_lag must be at least 1 s, and its maxconn from 1 to 100,000")
        folder = str(self.folder)
        if not _FOLDER.fullmatch(folder) or len(folder) > SOCKET_PATH_MAX - len("/occupy-4294967295"):
            raise UsageError(
                f"the proxy's folder {folder!r} can't be used: it must be an absolute path without blanks and quotes, "
                "of at most 70 characters, because sockets are in it"
            )

    @property
    def queue_seconds(self) -> float:
        """How long HAProxy lets a new connection wait."""
        return max(self.limits.hold, self.limits.failover_wait, 1.0)


def _check_listen(address: Address) -> None:
    try:
        ip_address(address.host)
    except ValueError:
        raise UsageError(f"the proxy can listen on an IP address only, not on {address.host!r}") from None
    if "%" in address.host or not 0 < address.port <= 65535:
        raise UsageError(f"the proxy can't listen on {address}")


def default_folder(name: str, environ: Mapping[str, str]) -> Path:
    """
    Return where a proxy keeps its files.

    Args:
        name: tells it from others of this user: letters, digits, and ``-``.
        environ: the environment: systemd's ``RUNTIME_DIRECTORY``, else ``XDG_RUNTIME_DIR``.
    """
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        folder = environ.get(variable, "").partition(":")[0]
        if folder:
            return Path(folder) / (f"proxy-{name}" if variable == "RUNTIME_DIRECTORY" else f"switchmaster-proxy-{name}")
    if os.geteuid() == 0:
        return Path(f"/run/switchmaster-proxy-{name}")
    return Path(f"/tmp/switchmaster-proxy-{os.geteuid()}-{name}")


def prepare_folder(folder: Path) -> None:
    """
    Make the folder, or take one that is ours alone.

    Raises:
        UsageError: it can't be made, or belongs to another user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise UsageError(f"the proxy's folder {folder} belongs to another user")
        folder.chmod(0o700)
    except OSError as error:
        raise UsageError(f"the proxy's folder {folder} can't be used: {error.strerror}") from None
