"""
The data nodes that are asked for their ROLE: a connection to each while a decision needs it, and single questions.

A node is asked for a master, with the credentials for that master's nodes. Masters that share a node share the
connection if their access is the same. Otherwise each has its own connection, and gets only its answers: a refusal
says something about one access only.

Bounded: with `PROBES` connections open, a switch must do without the node's proof; each refusal is counted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from ..link.node_link import NodeLink
from ..model import Address
from ..wire.facts import Probe
from .dial import DialTarget
from .diallers import AnyTls, Dialler, NodeDiallers
from .node_connection import NodeConnection, OnProbes

__all__ = ["PROBES", "Probes"]

PROBES: Final = 256
"""The most connections at once; one for each node, more for nodes of several masters with different access."""


class Probes:
    """
    The nodes of one deployment that are asked.

    Args:
        diallers: how the nodes of each master are dialled.
        timeout: seconds in which a node must answer.
        lists: whether a node may be given the password of a master's nodes; None as master stands for any.
        on_probes: called with the answers.
        leave: closes a connection that is no longer needed.
    """

    def __init__(
        self,
        diallers: NodeDiallers,
        timeout: float,
        lists: Callable[[Address, str | None], bool],
        on_probes: OnProbes,
        leave: Callable[[NodeConnection], None],
    ) -> None:
        self._diallers, self._timeout, self._lists = diallers, timeout, lists
        self._on_probes, self._leave = on_probes, leave
        self._asked: dict[tuple[Address, Dialler], tuple[NodeConnection, set[str]]] = {}
        """The connections, each with the masters for which it is open."""
        self.refused = 0
        """Questions that were not asked, because too many others were open."""

    def start(self, node: Address, master: str) -> None:
        """Ask a node for one master, until `stop`."""
        dialler = self._diallers.of(master)
        if (node, dialler) in self._asked:
            asked, others = self._asked[node, dialler]
            if master not in others:
                others.add(master)
                # An answer is reported if it differs from the last one, which only the other masters got. Soon, not
                # now: the caller is not ready for an answer yet.
                asyncio.get_running_loop().call_soon(asked.report_again)
            return
        masters = {master}

        def take(probes: list[Probe], now: float) -> None:
            self._on_probes([replace(probe, masters=frozenset(masters)) for probe in probes], now)

        if len(self._asked) >= PROBES:
            self.refused += 1
            loop = asyncio.get_running_loop()
            loop.call_soon(take, [Probe(node, None, f"{PROBES} other nodes are being asked")], loop.time())
            return
        shell = self._connection(node, dialler, masters, take)
        self._asked[node, dialler] = (shell, masters)
        shell.start()

    def stop(self, node: Address, master: str) -> None:
        """Stop asking a node for one master."""
        dialler = self._diallers.of(master)
        shell, masters = self._asked.get((node, dialler), (None, set()))
        masters.discard(master)
        if shell is not None and not masters:
            del self._asked[node, dialler]
            self._leave(shell)

    async def ask_once(self, node: Address, master: str | None) -> Probe:
        """
        Ask a node over a connection of its own.

        Args:
            node: its address, as Sentinel announces it.
            master: the master whose access is used; None for the deployment's.

        Returns:
            Its answer, or why it did not answer in time.
        """
        answer: asyncio.Future[Probe] = asyncio.get_running_loop().create_future()

        def take(probes: list[Probe], now: float) -> None:
            if not answer.done():
                answer.set_result(probes[0])

        shell = self._connection(node, self._diallers.of(master), [master], take)
        shell.start()
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            return Probe(node, None, f"no answer within {self._timeout:g} s")
        finally:
            await shell.close()

    def target(self, node: Address, master: str) -> DialTarget:
        """Return what one attempt for one master dials; by the next one a majority may list the node."""
        return self._diallers.of(master).target(node, self._lists(node, master))

    def tls(self, master: str | None) -> AnyTls:
        """Return TLS for a master's nodes as the user gave it; None for none."""
        return self._diallers.of(master).tls

    def shells(self) -> Iterable[NodeConnection]:
        """Return the connections that are open until `stop`."""
        return [shell for shell, _ in self._asked.values()]

    def clear(self) -> None:
        """Forget all connections; the caller closes `shells`."""
        self._asked.clear()

    def _connection(
        self, node: Address, dialler: Dialler, masters: Iterable[str | None], on_probes: OnProbes
    ) -> NodeConnection:
        def target() -> DialTarget:
            # At each attempt: by the next one a majority may list it.
            return dialler.target(node, any(self._lists(node, master) for master in masters))

        link = NodeLink(node, rng=random.random, timeout=self._timeout)
        return NodeConnection(link, target, on_probes)
