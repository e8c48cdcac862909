"""
The data nodes that are asked for their ROLE: one connection each while a decision wants it, and single questions.

Bounded: beyond `PROBES` nodes a switch has to do without the node's own word; each refusal is counted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Final

from ..core.facts import Probe
from ..core.model import Address
from ..core.nodelink import NodeLink
from .dial import DialTarget
from .node import NodeConnection, OnProbes

__all__ = ["PROBES", "Probes"]

PROBES: Final = 256
"""Nodes that are asked at once."""


class Probes:
    """
    The nodes of one deployment that are asked.

    Args:
        dial: says what to dial for a node.
        credentials: user and password for nodes.
        timeout: seconds that a node has to answer.
        on_probes: takes the answers.
        leave: closes a connection that is not wanted any more.
    """

    def __init__(
        self,
        dial: Callable[[Address], DialTarget],
        credentials: tuple[str | None, str | None],
        timeout: float,
        on_probes: OnProbes,
        leave: Callable[[NodeConnection], None],
    ) -> None:
        self._dial, self._credentials, self._timeout = dial, credentials, timeout
        self._on_probes, self._leave = on_probes, leave
        self._asked: dict[Address, tuple[NodeConnection, set[str]]] = {}
        self.refused = 0
        """Nodes that were not asked, because so many others were."""

    def start(self, node: Address, master: str) -> None:
        """Ask a node until `stop`, for the sake of one master."""
        if node in self._asked:
            self._asked[node][1].add(master)
            return
        if len(self._asked) >= PROBES:
            self.refused += 1
            probe = Probe(node, None, f"{PROBES} other nodes are being asked")
            loop = asyncio.get_running_loop()
            loop.call_soon(self._on_probes, [probe], loop.time())
            return
        shell = self._connection(node, self._on_probes)
        self._asked[node] = (shell, {master})
        shell.start()

    def stop(self, node: Address, master: str) -> None:
        """Ask a node no more for that master's sake."""
        shell, wanted = self._asked.get(node, (None, set()))
        wanted.discard(master)
        if shell is not None and not wanted:
            del self._asked[node]
            self._leave(shell)

    async def ask_once(self, node: Address) -> Probe:
        """Ask a node over a connection of its own; return its answer, or why it gave none in time."""
        answer: asyncio.Future[Probe] = asyncio.get_running_loop().create_future()

        def take(probes: list[Probe], now: float) -> None:
            if not answer.done():
                answer.set_result(probes[0])

        shell = self._connection(node, take)
        shell.start()
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            return Probe(node, None, f"no answer within {self._timeout:g} s")
        finally:
            await shell.close()

    def shells(self) -> Iterable[NodeConnection]:
        """Return the connections that are open until `stop`."""
        return [shell for shell, _ in self._asked.values()]

    def clear(self) -> None:
        """Forget all; the caller closes `shells` himself."""
        self._asked.clear()

    def _connection(self, node: Address, on_probes: OnProbes) -> NodeConnection:
        username, password = self._credentials
        link = NodeLink(node, username=username, password=password, rng=random.random, timeout=self._timeout)
        return NodeConnection(link, lambda: self._dial(node), on_probes)
