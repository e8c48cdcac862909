"""
Published messages, as they come to a subscriber: cut where one begins, without making a frame of each.

Of what Sentinels send, nearly everything are messages to a subscriber of all channels, and most of them have come from
another Sentinel before. `MessageReader` reads these, as long as it knows that it stands between two frames, and leaves
everything else to `FrameReader`. How bytes are cut, and who reads them, makes no difference to what is read.
"""

from __future__ import annotations

from typing import Final

from .events import Event
from .facts import Fact
from .grammar import parse_message
from .resp import MESSAGE, MESSAGE_BYTES, SHORTEST, FrameReader, Reply

__all__ = ["MessageReader"]

_END: Final = b"\r\n"
_NEXT: Final = _END + MESSAGE
_LAST_LINES: Final = 4
"""The lines of a message after `MESSAGE`."""
_LINES: Final = MESSAGE.count(b"\n") + _LAST_LINES
"""The lines of a message; with fewer it is surely not whole."""


class MessageReader:
    """
    Turns a subscriber's bytes into events, and into frames what is no common message.

    Args:
        frames: reads the frames.
    """

    __slots__ = ("_frames", "_tail")

    def __init__(self, frames: FrameReader) -> None:
        self._frames = frames
        self._tail = b""
        """The beginning of a message whose end has not come; then `frames` stands between two."""

    def lone_event(self, data: bytes) -> Event | None:
        """
        Read bytes that are one common message, if they are.

        Args:
            data: what came at once.

        Returns:
            The event. None if they are anything else: then they count as not read, and belong to `read`.
        """
        if self._tail or not self._frames.between or len(data) < SHORTEST:
            return None
        if not data.startswith(MESSAGE) or data[-2:] != _END:
            return None
        return parse_message(data[len(MESSAGE) : -2])

    def read(self, data: bytes, facts: list[Fact]) -> tuple[list[Reply], bytes]:
        """
        Read bytes from the peer, up to the next message after something else.

        Args:
            data: any part of the stream.
            facts: gets the events of the common messages that come first.

        Returns:
            The frames that came after these events, and the bytes that are left to read.
        """
        frames = self._frames
        if frames.between:
            data, self._tail = self._tail + data, b""
            data = data[_parse_messages(data, facts) :]
            if not data:
                return [], b""
            if _is_open(data):
                self._tail = data
                return [], b""
        at = data.find(_NEXT) + len(_END)
        if at < len(_END):
            return frames.read(data), b""
        return frames.read(data[:at]), data[at:]


def _parse_messages(data: bytes, facts: list[Fact]) -> int:
    """Append the events of the common messages with which `data` begins; return the bytes that they take."""
    if not data.startswith(MESSAGE):
        return 0
    taken = 0
    starts = data[len(MESSAGE) :].split(_NEXT)
    last = starts.pop()
    for rest in starts:
        event = parse_message(rest)
        if event is None:
            return taken
        facts.append(event)
        taken += len(_NEXT) + len(rest)
    # The last one may be followed by something else, or not be whole.
    lines = last.split(_END, _LAST_LINES)
    if len(lines) > _LAST_LINES:
        left = len(lines[_LAST_LINES])
        event = parse_message(last[: len(last) - left - len(_END)])
        if event is not None:
            facts.append(event)
            taken = len(data) - left
    return taken


def _is_open(data: bytes) -> bool:
    """Whether this is the beginning of a message of bearable length, and surely not all of it."""
    if len(data) <= len(MESSAGE):
        return bool(data) and MESSAGE.startswith(data)
    return len(data) < len(MESSAGE) + MESSAGE_BYTES and data.startswith(MESSAGE) and data.count(b"\n") < _LINES
