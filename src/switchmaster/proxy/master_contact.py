"""
Whether the believed master's address refuses connections: one connection of ours to it, kept open.

When a process ends, the kernel ends its connections, so we learn of it within milliseconds. That alone proves nothing:
CLIENT KILL, the server's ``timeout`` and a promotion end connections too. So the address is dialled again at once, and
only a refusal counts (``ECONNREFUSED``): nothing listens there. Silence, a reset after the accept, ``maxclients``, and
a login or a certificate that is refused are never reported. A full backlog is no refusal: Linux drops the SYN, or
accepts and resets (``net.ipv4.tcp_abort_on_overflow``).

After a refusal the address is dialled every `SOON` seconds until it accepts: TCP only, so that a node with TLS logs at
most one failed handshake, when it is back. Silence is no acceptance: a host that shuts down refuses first, and then is
silent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from ..errors import UsageError
from ..guard.evidence import Dialled
from ..model import Address
from ..net.command_connection import CommandConnection
from ..net.dial import DialTarget
from ..net.kept_connection import KeptConnection, Loss
from ..net.witnesses import dial_master

__all__ = ["MasterContact"]

CONTACT_NAME: Final = "switchmaster-proxy"
"""What CLIENT LIST shows of our connection."""
SOON: Final = 0.05
"""Seconds between two attempts while connections may wait for the node."""
LATER: Final = 1.0
"""Seconds between two attempts after that."""
TIMEOUT: Final = 1.0
"""Seconds for an attempt."""


class MasterContact:
    """
    Reports when the believed master's address begins to refuse connections, and when it accepts them again.

    Args:
        dial: returns what to dial for a node, at each attempt; it may raise UsageError if there is nothing.
        on_change: called in the loop with the node, and whether it refuses.
        wait: seconds from the refusal on for which the node is dialled often.
    """

    def __init__(
        self, dial: Callable[[Address], DialTarget], on_change: Callable[[Address, bool], None], wait: float
    ) -> None:
        self._dial, self._on_change, self._wait = dial, on_change, wait
        self._node: Address | None = None
        self._kept: KeptConnection | None = None
        """None only if there is no node."""
        self._redial: asyncio.Task[None] | None = None
        """Runs from a refusal until the node accepts."""
        self._ending: set[asyncio.Task[Any]] = set()

    def follow(self, node: Address | None) -> None:
        """
        Watch another node instead.

        Args:
            node: as it is announced; None for none.
        """
        if node == self._node:
            return
        self._leave()
        self._node = node
        if node is not None:
            self._kept = KeptConnection(
                partial(self._dial, node),
                partial(self._connected, node),
                partial(self._on_loss, node),
                CONTACT_NAME,
                TIMEOUT,
            )

    async def close(self) -> None:
        """End the connection; no task or socket is left."""
        self._node = None
        self._leave()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _leave(self) -> None:
        self._stop_redialling()
        if self._kept is not None:
            self._spawn(self._kept.close())
            self._kept = None

    def _spawn(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _connected(self, node: Address, connection: CommandConnection) -> None:
        if node == self._node:  # else the connection is being closed
            self._stop_redialling()
            self._on_change(node, False)

    def _on_loss(self, node: Address, loss: Loss) -> None:
        if loss is Loss.REFUSED and node == self._node and self._redial is None:
            self._redial = asyncio.get_running_loop().create_task(self._await_acceptance(node))
            self._on_change(node, True)

    async def _await_acceptance(self, node: Address) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        result = Dialled.REFUSED
        while result is not Dialled.ACCEPTED:
            await asyncio.sleep(SOON if loop.time() < begun + self._wait else LATER)
            with contextlib.suppress(UsageError):
                result = await dial_master(self._dial(node), TIMEOUT)
        self._redial = None
        self._on_change(node, False)
        if self._kept is not None:
            self._kept.hurry()

    def _stop_redialling(self) -> None:
        if self._redial is not None:
            self._redial.cancel()
            self._ending.add(self._redial)
            self._redial.add_done_callback(self._ending.discard)
            self._redial = None
