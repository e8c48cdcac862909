"""One `NodeLink` under asyncio: it moves bytes between a socket and the link, and passes answers to one callback."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..link.greeting import Credentials
from ..link.node_link import NodeLink
from ..wire.facts import Probe
from .dial import DialTarget
from .shell import Shell

__all__ = ["NodeConnection", "OnProbes"]

OnProbes: TypeAlias = Callable[[list[Probe], float], None]
"""Called with the answers in order, and when they arrived (the loop's monotonic seconds)."""


class NodeConnection(Shell):
    """
    The conversation with one data node, over a real socket.

    Args:
        link: the conversation; it belongs to this shell from now on.
        dial: returns what to dial, at each attempt.
        on_probes: called with every batch of answers, in the loop. It must not block. What it raises is logged and
            counted.
    """

    def __init__(self, link: NodeLink, dial: Callable[[], DialTarget], on_probes: OnProbes) -> None:
        super().__init__(str(link.node), dial, link.timeout)
        self.link = link
        self._on_probes = on_probes

    def __repr__(self) -> str:
        return f"<NodeConnection of {self.link!r}>"

    def report_again(self) -> None:
        """Ask the node at once, and report its answer even if it is unchanged; called by the loop, not a callback."""
        self.link.report_again(self._now)
        self._pump()

    def _streams_wanted(self) -> int:
        return int(self.link.wants_connection)

    def _deadline(self) -> float | None:
        return self.link.deadline

    def _outgoing(self) -> Iterable[tuple[int, bytes]]:
        return [(0, data) for data in self.link.data_to_send()]

    def _deliver(self, now: float) -> bool:
        probes = self.link.events_received()
        if not probes:
            return False
        try:
            self._on_probes(probes, now)
        except Exception:
            # An error of the user's code; the log and the counter show it.
            self._callback_failed()
        return True

    def _on_connect(self, stream: int, credentials: Credentials, now: float) -> None:
        self.link.connect(now, credentials)

    def _on_connect_failed(self, stream: int, reason: str, now: float) -> None:
        self.link.connect_failed(reason, now)

    def _on_data(self, stream: int, data: bytes, now: float) -> None:
        self.link.receive_data(data, now)

    def _on_eof(self, stream: int, reason: str, now: float) -> None:
        self.link.receive_eof(now, reason or "the node closed the connection")

    def _on_tick(self, now: float) -> None:
        self.link.tick(now)

    def _close_link(self) -> None:
        self.link.close()
