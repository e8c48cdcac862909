"""
RESP at the edge: commands as bytes, bytes as frames.

`FrameReader` wraps ``hiredis.Reader``, which reads RESP2 and RESP3 alike, and bounds what a peer can make it hold.
Nothing here raises on what a peer sent: a broken stream has its reason in `FrameReader.broken`. `plain` cuts and cleans
a peer's text before it goes into a reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import hiredis

from ..model import LIMITS

__all__ = ["MESSAGE", "MESSAGE_BYTES", "SHORTEST", "FrameReader", "Reply", "encode", "plain", "read_message"]

Reply: TypeAlias = Any
"""What hiredis returns: bytes, int, float, bool, list, dict, None, or a ReplyError as a value."""

_NOT_ENOUGH: Final = object()
_SLICE: Final = 16 * 1024
"""
Bytes given to the parser at once: a frame can exceed its bound by so much. hiredis moves what is left of them to the
front of its buffer after each kilobyte, which costs more the more there are.
"""
_HUGE_AGGREGATE: Final = re.compile(rb"\n[*%~>|][0-9]{7}")
"""
A header of a million elements or more, which is refused unread.

hiredis allocates room for all elements that a header announces, 8 bytes each, before any has come. A ROLE with
`LIMITS.masters` names has fewer than seven digits.
"""
_OPEN_HEADER: Final = re.compile(rb"\n[*%~>|][0-9]{0,6}\Z")
"""The beginning of a header, which the next chunk may make huge: held back, so that cuts change nothing."""
_OPEN_BYTES: Final = 8
"""The longest such beginning."""
MESSAGE: Final = b">4\r\n$8\r\npmessage\r\n$1\r\n*\r\n"
"""How nearly every message begins: one of RESP3, to a subscriber of all channels."""
SHORTEST: Final = len(MESSAGE) + 2
"""No message is shorter. In the compiled core a slice that ends before it begins is an error."""
MESSAGE_BYTES: Final = 1024
"""What may follow it in a message that `read_message` reads."""
_PONG: Final = b"+PONG\r\n"
_SIZES: Final = [b"", *(b"$%d\r" % size for size in range(MESSAGE_BYTES))]
"""What announces a line of that many bytes, its carriage return included."""
_PROBE: Final = b"+between frames\r\n"
_HEADERS: Final = b"*%~>|"
_MARKS: Final = (b"*", b"%", b"~", b">", b"|")
_PROBED: Final = b"between frames"


def encode(args: Sequence[str | bytes]) -> bytes:
    """
    Return one command as bytes.

    Args:
        args: its words; text becomes UTF-8 with surrogateescape, so names go back as they came.

    Returns:
        The command as an array of bulk strings.
    """
    words = tuple(word if isinstance(word, bytes) else word.encode("utf-8", "surrogateescape") for word in args)
    return bytes(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub forgets bytes


def plain(text: object, limit: int = LIMITS.payload_shown) -> str:
    """
    Make a peer's text safe in a sentence on a terminal.

    Args:
        text: what the peer sent.
        limit: the number of characters kept.

    Returns:
        One line, in which each character that is not printable is replaced by a question mark.
    """
    words = str(text)[: limit + 1]
    shown = "".join(char if char.isprintable() else "?" for char in words[:limit])
    return shown + "…" if len(words) > limit else shown


class FrameReader:
    """
    Turns bytes into whole frames.

    Args:
        frame_bytes: how large one frame may be before the peer counts as broken.
    """

    __slots__ = ("_before", "_first", "_frame_bytes", "_held", "_pending", "_reader", "between", "broken")

    def __init__(self, frame_bytes: int = LIMITS.reply_bytes) -> None:
        self._reader = hiredis.Reader(notEnoughData=_NOT_ENOUGH)
        self._frame_bytes = frame_bytes
        self._pending = 0
        self._first = b""
        self._before = b"\n"
        self._held = b""
        self.between = True
        """Whether all that was read is known to be whole frames. It may be whole without that."""
        self.broken = ""
        """Why nothing more is read, as the end of a sentence; empty while the stream is whole."""

    def read(self, data: bytes) -> list[Reply]:
        """
        Read bytes from the peer.

        Args:
            data: any part of the stream.

        Returns:
            The frames that are complete now, in order; those before a break are still returned.
        """
        if self.between:
            # Without the patterns and the parser, which are no longer in the processor's cache where little is said.
            single = _single_frame(data)
            if single is not None:
                self._first = self._first or data[:1]
                return [single]
        if not self._first:
            self._first = data[:1]
        frames: list[Reply] = []
        if len(data) <= _SLICE:
            frames = self._read(data)
            if not self.between and len(frames) == 1:
                # Anything that was open before would have become a part of another frame.
                self.between = _is_same(frames[0], _single_frame(data))
            return frames
        for start in range(0, len(data), _SLICE):
            frames += self._read(data[start : start + _SLICE])
        return frames

    def _read(self, data: bytes) -> list[Reply]:
        if self.broken:
            return []
        # It begins with the last byte parsed, which may be the line feed before a header.
        scanned = self._before + self._held + data
        huge = _HUGE_AGGREGATE.search(scanned)
        if huge is not None:
            # The bytes before it are still good, and whole or torn input must give the same frames.
            data, self._held = scanned[1 : huge.start() + 1], b""
        else:
            opened = _OPEN_HEADER.search(scanned, max(0, len(scanned) - _OPEN_BYTES))
            end = len(scanned) if opened is None else opened.start() + 1
            data, self._held = scanned[1:end], scanned[end:]
            self._before = scanned[end - 1 : end]
        frames = self._parsed(data)
        if huge is not None:
            self.between = False
            if not self.broken:
                self.broken = "it announced a reply of a million elements or more"
        return frames

    def _parsed(self, data: bytes) -> list[Reply]:
        if self.between and not self._held and data.endswith(b"\r\n") and _PROBED not in data:
            # The parser does not say whether an array is open. If one is, it swallows the frame that follows.
            frames = self._parse(data + _PROBE)
            if frames and frames[-1] == _PROBED and not self.broken:
                del frames[-1]
                return frames
            self._reader, self.broken = hiredis.Reader(notEnoughData=_NOT_ENOUGH), ""
        self.between = False
        frames = self._parse(data)
        self._count(len(data), bool(frames))
        return frames

    def _parse(self, data: bytes) -> list[Reply]:
        frames: list[Reply] = []
        gets = self._reader.gets
        try:
            self._reader.feed(data)
            while (frame := gets()) is not _NOT_ENOUGH:
                frames.append(frame)
        except Exception as error:
            # ProtocolError; TypeError for a map with a list as key; MemoryError for a huge bulk.
            self.broken = self._explain_break(error)
        return frames

    def _count(self, size: int, progressed: bool) -> None:
        # has_data() is false inside an unfinished array, so the bytes held are counted here.
        self._pending = 0 if progressed else self._pending + size
        if self._pending > self._frame_bytes and not self.broken:
            self.broken = f"it sent more than {self._frame_bytes} bytes without ending a reply"

    def _explain_break(self, error: Exception) -> str:
        # One byte must suffice: the rest may come later, and how bytes are cut must not matter.
        if self._first == b"H":
            return "it looks like an HTTP server, not a Sentinel; check the port, which is usually 26379"
        if self._first == b"\x15":
            return "it requires TLS; give the TLS options, or the port without TLS"
        return f"it does not speak RESP; check the port: {plain(error)}"


def _single_frame(data: bytes) -> Reply:
    """Return the frame that the input is, if it is whole, and the commonest: a message, or the answer to a PING."""
    if data == _PONG:
        return b"PONG"
    if len(data) < SHORTEST or not data.startswith(MESSAGE) or not data.endswith(b"\r\n"):
        return None
    words = read_message(data[len(MESSAGE) : -2])
    return None if words is None else hiredis.PushNotification((b"pmessage", b"*", *words))


def read_message(rest: bytes) -> tuple[bytes, bytes] | None:
    """
    Read the two words that follow `MESSAGE`.

    Args:
        rest: the bytes after it, without the last line's end.

    Returns:
        Channel and payload. None if `rest` is anything but two whole words of one line each, is longer than
        `MESSAGE_BYTES`, or holds what may look like the header of an array.
    """
    lines = rest.split(b"\n")
    if len(lines) != 4 or len(rest) > MESSAGE_BYTES:
        return None
    size, channel, payload_size, payload = lines
    if size != _SIZES[len(channel)] or payload_size != _SIZES[len(payload) + 1]:
        return None
    if channel[-1:] != b"\r" or channel[0] in _HEADERS or payload[:1] in _MARKS:
        return None
    return channel[:-1], payload


def _is_same(frame: Reply, other: Reply) -> bool:
    return other is not None and type(frame) is type(other) and bool(frame == other)
