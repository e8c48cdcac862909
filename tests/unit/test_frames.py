"""How bytes become frames: alike however they are cut, and as hiredis alone would read them."""

from __future__ import annotations

import itertools
import random

import hiredis
import pytest

from switchmaster.wire.resp import FrameReader


def event(channel: bytes, payload: bytes) -> bytes:
    words = (b"pmessage", b"*", channel, payload)
    return b">4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


EVENT = event(b"+sdown", b"master mymaster 127.0.0.1 6379")
WHOLE = [
    EVENT,
    event(b"+x", b"two lines\r\nof one payload"),
    event(b"", b""),
    event(b"+new-epoch", b"7"),
    b"+PONG\r\n",
    b"+OK\r\n",
    b"+between frames\r\n",  # what our own probe looks like
    b"-ERR no\r\n",
    b":1\r\n",
    b"$-1\r\n",
    b"$17\r\n+between frames\r\n\r\n",
    b"$7\r\n+PONG\r\n\r\n",
    b"*2\r\n+PONG\r\n+between frames\r\n",
    b"*2\r\n" + EVENT + b"*1\r\n" + EVENT,
    b"*0\r\n",
    b"%1\r\n$4\r\nname\r\n*1\r\n+PONG\r\n",
    b">3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n",
]


def alone(data: bytes) -> list[object]:
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(data)
    return list(iter(reader.gets, ...))


def shown(frames: list[object]) -> list[tuple[type, str]]:
    return [(type(frame), repr(frame)) for frame in frames]


@pytest.mark.parametrize("seed", range(200))
def test_frames_are_the_same_however_they_are_cut(seed: int) -> None:
    chance = random.Random(seed)
    data = b"".join(chance.choices(WHOLE, k=chance.randrange(1, 12)))
    # Mostly at the end of a line: there the reader asks itself whether it lies between two frames.
    lines = [at + 2 for at in range(len(data)) if data[at : at + 2] == b"\r\n"]
    anywhere = chance.sample(range(len(data)), k=min(3, len(data)))
    cuts = sorted({0, len(data), *chance.sample(lines, k=len(lines) // 2), *anywhere})
    reader, frames = FrameReader(), []
    for start, end in itertools.pairwise(cuts):
        frames += reader.read(data[start:end])
    assert shown(frames) == shown(alone(data))
    assert not reader.broken


@pytest.mark.parametrize("payload", [b"\n*9999999", b"*9999999", b"a\n>12345678", b"|7777777"])
def test_apparent_header_in_an_event_breaks_the_stream_whole_or_torn(payload: bytes) -> None:
    data = event(b"+x", payload)
    reasons = []
    for cut in range(len(data) + 1):
        reader = FrameReader()
        assert reader.read(EVENT) + reader.read(data[:cut]) + reader.read(data[cut:]) == alone(EVENT)
        reasons.append(reader.broken)
    assert set(reasons) == {"it announced a reply of a million elements or more"}


def test_event_alone_is_read_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = FrameReader()
    reader.read(b"*2\r\n+a\r\n")  # an open array
    assert reader.read(EVENT) == [[b"a", *alone(EVENT)]]
    assert reader.read(EVENT) == alone(EVENT)  # now it is known to lie between two frames
    reader._reader = None  # type: ignore[assignment]
    for data in (EVENT, b"+PONG\r\n", EVENT):
        assert shown(reader.read(data)) == shown(alone(data))


def test_wrong_protocol_is_still_named_after_the_first_bytes() -> None:
    reader = FrameReader()
    assert reader.read(b"HTTP/1.1 400 Bad Request\r\n") == []
    assert "HTTP" in reader.broken
    assert reader.read(b"+PONG\r\n") == []


def test_nothing_is_read_after_a_break() -> None:
    reader = FrameReader()
    assert reader.read(b"+OK\r\n*9999999\r\n") == [b"OK"]
    assert reader.read(b"+PONG\r\n") == []
