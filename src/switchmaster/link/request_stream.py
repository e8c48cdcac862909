"""
One connection: bytes in, frames out, requests matched to their replies, in bounded time.

A `RequestStream` lives as long as one connection, and is then thrown away. It knows neither Sentinels nor nodes. Every
request must be answered: the first reply within the timeout, each further frame within the timeout of the one before
it, and no request later than `LAST_REPLY` timeouts after it was written, so that a peer that drips a byte at a time is
found out too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from ..wire.resp import FrameReader, Reply, encode

__all__ = ["LAST_REPLY", "OnReply", "RequestStream"]

_PING: Final = encode(("PING",))
_EARLY: Final = 0.0625
"""The share of the interval by which a PING may be early, so that one timer can serve many links."""
LAST_REPLY: Final = 5
"""How many timeouts after it was written a request of a batch may be answered."""

OnReply: TypeAlias = Callable[[Reply, float], None]
"""Takes the reply and the time when it came."""


class _Request(NamedTuple):
    on_reply: OnReply
    sent_at: float
    confirmations: int
    """0 for a plain request; for a subscription, the number of confirmations that answer it."""


class RequestStream:
    """
    One open connection, without I/O.

    Args:
        timeout: seconds that a reply may take.
        ping_interval: seconds without a frame after which the peer should be pinged.
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
        """Why nothing more can be read, as the end of a sentence; empty while the stream is whole."""
        return self._reader.broken

    @property
    def idle(self) -> bool:
        """Whether every request has been answered."""
        return not self._requests

    def ask(
        self,
        command: tuple[str | bytes, ...],
        on_reply: OnReply,
        now: float,
        confirmations: int = 0,
    ) -> None:
        """
        Queue a request.

        Args:
            command: its words.
            on_reply: is called with the reply, or with the last confirmation of a subscription.
            now: monotonic seconds.
            confirmations: for a subscription, the number of its channels or patterns.
        """
        self._outgoing.append(encode(command))
        self._requests.append(_Request(on_reply, now, confirmations))

    def ping(self, on_reply: OnReply, now: float) -> None:
        """Queue a PING; as `ask` does, with less effort."""
        self._outgoing.append(_PING)
        self._requests.append(_Request(on_reply, now, 0))

    def data_to_send(self) -> bytes:
        """Return the bytes to write, and forget them."""
        if not self._outgoing:
            return b""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def read(self, data: bytes, now: float) -> list[Reply]:
        """
        Read bytes from the peer.

        Returns:
            The complete frames. The caller keeps publications, and passes the others to `reply` or `confirm`.
        """
        self._last_byte = now
        frames = self._reader.read(data)
        if frames:
            self._last_frame = now
        return frames

    def reply(self, frame: Reply, now: float) -> bool:
        """
        Pass a reply to the oldest request.

        Returns:
            False if no request is open: the peer is out of step.
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
            False if the oldest request is not one.
        """
        if not self._requests or not self._requests[0].confirmations:
            return False
        self._confirmed += 1
        return self._confirmed < self._requests[0].confirmations or self.reply(frame, now)

    @property
    def deadline(self) -> float:
        """When `overdue` or `ping_due` must be checked."""
        if not self._requests:
            return self._last_frame + self._ping_interval
        sent_at = self._requests[0].sent_at
        return min(max(sent_at, self._last_frame) + self._timeout, sent_at + LAST_REPLY * self._timeout)

    def ping_due(self, now: float) -> bool:
        """Return whether the peer has been quiet for so long that it should be pinged, now or very soon."""
        return not self._requests and now >= self._last_frame + self._ping_interval * (1.0 - _EARLY)

    def overdue(self, now: float) -> str:
        """
        Return whether the oldest request has been unanswered for too long.

        Returns:
            The reason as the end of a sentence; empty if it has not.
        """
        if not self._requests or now < self.deadline:
            return ""
        sent_at = self._requests[0].sent_at
        if self._last_byte <= sent_at:
            return f"silent for {now - sent_at:.1f} s"
        return f"it answers too slowly: a reply was incomplete after {now - sent_at:.1f} s"
