"""
One connection: bytes in, frames out, requests matched to their replies, in bounded time.

A `RequestStream` lives from the moment when the shell has opened a connection until it is gone, and is
then thrown away. It knows no Sentinel and no node. Every request must be answered: the first reply
within the timeout, each further frame within the timeout of the one before it, and no request later
than `LAST_REPLY` timeouts after it was written, so a peer that drips a byte at a time is found out
too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from ..wire.resp import FrameReader, Reply, encode

__all__ = ["LAST_REPLY", "OnReply", "RequestStream"]

LAST_REPLY: Final = 5
"""How many timeouts after its writing a request of a batch may be answered."""

OnReply: TypeAlias = Callable[[Reply, float], None]
"""Takes the reply and the time at which it came."""


class _Request(NamedTuple):
    on_reply: OnReply
    sent_at: float
    confirmations: int
    """0 for a plain request; for a subscription, how many confirmations answer it."""


class RequestStream:
    """
    One open connection, without I/O.

    Args:
        timeout: seconds that a reply may take.
        ping_interval: seconds without a frame after which the peer is asked for a sign of life.
        now: when the connection was opened.
    """

    __slots__ = (
        "_confirmed",
        "_last_byte",
        "_last_frame",
        "_outgoing",
        "_ping_interval",
        "_reader",
        "_requests",
        "_timeout",
    )

    def __init__(self, timeout: float, ping_interval: float, now: float) -> None:
        self._timeout = timeout
        self._ping_interval = ping_interval
        self._reader = FrameReader()
        self._requests: deque[_Request] = deque()
        self._outgoing: list[bytes] = []
        self._confirmed = 0
        self._last_frame = now
        self._last_byte = now

    @property
    def broken(self) -> str:
        """Why nothing more can be read, as the end of a sentence; empty while all is well."""
        return self._reader.broken

    @property
    def idle(self) -> bool:
        """Whether every request is answered."""
        return not self._requests

    def ask(
        self,
        command: tuple[str | bytes, ...],
        on_reply: OnReply,
        now: float,
        confirmations: int = 0,
    ) -> None:
        """
        Write a request.

        Args:
            command: its words.
            on_reply: is called with the reply, or with the last confirmation of a subscription.
            now: monotonic seconds.
            confirmations: for a subscription, the number of its channels or patterns.
        """
        self._outgoing.append(encode(command))
        self._requests.append(_Request(on_reply, now, confirmations))

    def data_to_send(self) -> bytes:
        """Return what is to be written, and forget it."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def read(self, data: bytes, now: float) -> list[Reply]:
        """
        Take bytes from the peer.

        Returns:
            The frames that are complete, to be told apart by the caller: publications are its own,
            the rest goes to `reply` and `confirm`.
        """
        self._last_byte = now
        frames = self._reader.read(data)
        if frames:
            self._last_frame = now
        return frames

    def reply(self, frame: Reply, now: float) -> bool:
        """
        Give a reply to the oldest request.

        Returns:
            False where nothing was asked: the peer is out of step.
        """
        if not self._requests:
            return False
        self._confirmed = 0
        self._requests.popleft().on_reply(frame, now)
        return True

    def confirm(self, frame: Reply, now: float) -> bool:
        """
        Count one confirmation of the oldest request, which must be a subscription.

        Returns:
            False where that was not asked for.
        """
        if not self._requests or not self._requests[0].confirmations:
            return False
        self._confirmed += 1
        return self._confirmed < self._requests[0].confirmations or self.reply(frame, now)

    @property
    def deadline(self) -> float:
        """When `overdue` or `ping_due` must be asked."""
        if not self._requests:
            return self._last_frame + self._ping_interval
        sent_at = self._requests[0].sent_at
        return min(max(sent_at, self._last_frame) + self._timeout, sent_at + LAST_REPLY * self._timeout)

    def ping_due(self, now: float) -> bool:
        """Tell whether the peer has been quiet for so long that it should be pinged."""
        return not self._requests and now >= self._last_frame + self._ping_interval

    def overdue(self, now: float) -> str:
        """
        Tell whether the oldest request has been left unanswered for too long.

        Returns:
            The reason as the end of a sentence, or nothing.
        """
        if not self._requests or now < self.deadline:
            return ""
        sent_at = self._requests[0].sent_at
        if self._last_byte <= sent_at:
            return f"silent for {now - sent_at:.1f} s"
        return f"it answers too slowly: a reply was not whole after {now - sent_at:.1f} s"
