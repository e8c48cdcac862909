"""One connection to a Sentinel: a `RequestStream` on which it also publishes."""

from __future__ import annotations

from ..wire.events import Event
from ..wire.facts import Fact
from ..wire.publications import MessageReader
from ..wire.resp import Reply
from .request_stream import RequestStream

__all__ = ["SentinelStream"]


class SentinelStream(RequestStream):
    """
    One open connection to a Sentinel, without I/O.

    Args:
        timeout: seconds that a reply may take.
        ping_interval: seconds without a frame after which the Sentinel should be pinged.
        now: when the connection was opened.
    """

    __slots__ = ("_messages",)

    def __init__(self, timeout: float, ping_interval: float, now: float) -> None:
        RequestStream.__init__(self, timeout, ping_interval, now)
        self._messages = MessageReader(self._reader)

    def lone_event(self, data: bytes, now: float) -> Event | None:
        """Read bytes that are one common message, if they are; see `MessageReader.lone_event`."""
        event = self._messages.lone_event(data)
        if event is not None:
            self._last_byte = self._last_frame = now
        return event

    def hear(self, data: bytes, now: float, facts: list[Fact]) -> tuple[list[Reply], bytes]:
        """Read bytes, and add the events to `facts`; see `MessageReader.read`. The frames are those of `read`."""
        heard = len(facts)
        frames, left = self._messages.read(data, facts)
        self._last_byte = now
        if frames or len(facts) > heard:
            self._last_frame = now
        return frames, left
