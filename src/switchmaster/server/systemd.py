"""
Notifications to systemd (sd_notify): ready, reloading, stopping, alive. Without ``NOTIFY_SOCKET`` they do nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Systemd"]


class Systemd:
    """
    The other end of ``Type=notify``.

    Args:
        environ: ``NOTIFY_SOCKET`` is where to send, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` how often to report alive.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL of an abstract socket.
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(microseconds) / 1e6 if ours and microseconds.isdigit() and self._address else None
        """Seconds within which `alive` must be called; None without a watchdog."""

    def ready(self, status: str) -> None:
        """Report that the daemon is ready, with its status in words."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Report that the configuration is being reloaded; `ready` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def status(self, words: str) -> None:
        """Report the status in words."""
        self._tell(f"STATUS={words}")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.setblocking(False)
            try:
                end.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)
            except OSError:
                return  # a daemon that works does not stop because systemd does not listen
