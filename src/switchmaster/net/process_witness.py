"""
Whether the master's process runs, where it runs on this very host: the one certain witness.

Linux only. A pid says little: it may be reused, or be one of another namespace. So the process is found while the
master lives, by the owner of the socket that listens on its port, and held by a pidfd, which names that very process
for ever and is readable once it has ended (pidfd_open(2), Linux 5.3).
"""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from typing import Final, Self

from ..guard.evidence import ProcessState
from ..model import Address

__all__ = ["ProcessWitness"]

LISTENING: Final = "0A"
"""The state of a listening socket in /proc/net/tcp."""


class ProcessWitness:
    """
    Holds one process; made by `find`.

    Args:
        descriptor: its pidfd.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def find(cls, node: Address, process_id: int | None) -> Self | None:
        """
        Find the process of a node that answers now.

        Args:
            node: its own address.
            process_id: by its INFO.

        Returns:
            Its witness; None if it runs on another host, or can't be looked up.
        """
        if process_id is None or not 0 < process_id < 2**31 or not hasattr(os, "pidfd_open"):
            return None
        try:
            if not _is_here(node.host):
                return None
            descriptor = os.pidfd_open(process_id)
        except (OSError, ValueError):
            return None
        if _owns(process_id, node.port):
            return cls(descriptor)
        os.close(descriptor)
        return None

    @property
    def state(self) -> ProcessState:
        """Whether it runs now."""
        poller = select.poll()
        poller.register(self._descriptor, select.POLLIN)
        return ProcessState.GONE if poller.poll(0) else ProcessState.RUNNING

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def _is_here(host: str) -> bool:
    """Whether an address is one of this host's: only those can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except (OSError, UnicodeError):
            return False
    return True


def _owns(process_id: int, port: int) -> bool:
    """Whether a process holds a socket that listens on a port."""
    listening = {
        fields[9]
        for table in ("tcp", "tcp6")
        for fields in _rows(Path(f"/proc/{process_id}/net/{table}"))
        if fields[3] == LISTENING and fields[1].rpartition(":")[2] == f"{port:04X}"
    }
    wanted = {f"socket:[{inode}]" for inode in listening}
    try:
        with os.scandir(f"/proc/{process_id}/fd") as entries:
            return any(os.readlink(entry.path) in wanted for entry in entries)
    except OSError:
        return False


def _rows(table: Path) -> list[list[str]]:
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()[1:]
    except OSError:
        return []
    return [fields for fields in map(str.split, lines) if len(fields) > 9]
