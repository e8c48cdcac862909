"""A subscriber's bytes: the same events and frames however they are cut, with or without the parser."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import hiredis
import pytest

from peers.scripted import published
from recorded.events import RECORDINGS, events_of
from switchmaster.model import LIMITS
from switchmaster.wire import resp
from switchmaster.wire.facts import Fact
from switchmaster.wire.grammar import parse_event, parse_message
from switchmaster.wire.publications import MessageReader
from switchmaster.wire.resp import FrameReader, Reply

COMMON = [
    published(b"+sdown", b"master mymaster 127.0.0.1 6379"),
    published(b"+new-epoch", b"7"),
    published(b"+switch-master", b"mymaster 127.0.0.1 6379 127.0.0.1 6380"),
    published(b"+sdown", b"master m\xff 127.0.0.1 6379"),
]
UNCOMMON = [
    published(b"+set", b"master m 127.0.0.1 6379 quorum 2"),
    published(b"+unknown", b"text"),
    published(b"+sdown", b"another form"),
    published(b"+sdown", b"two\r\nlines"),
    published(b"+sdown", b"master one\r\n>4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n+sdown\r\n$3\r\nx y"),
    published(b"+sdown", b"two\nlines"),
    published(b"+sdown", b"no instance"),
    published(b"+sdown", b""),
    published(b"+sdown", b">ster m 127.0.0.1 6379"),
    published(b"+unknown", b"master m 127.0.0.1 6379"),
    published(b"", b"master m 127.0.0.1 6379"),
    published(b"", b""),
    published(b"+sdown", b"master %s 127.0.0.1 6379" % (b"m" * 1200)),
]
"""Whole messages that are left to the parser."""
OTHERS = [
    *UNCOMMON,
    b"+PONG\r\n",
    b"-ERR no\r\n",
    b":1\r\n",
    b"$-1\r\n",
    b"*0\r\n",
    b"*2\r\n" + COMMON[0] + b"+a\r\n",  # an array that holds what looks like a message
    b"*2\r\n+a\r\n" + COMMON[1],
    b">3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$30\r\nmaster mymaster 127.0.0.1 6379\r\n",
    b">3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n",
    b"$%d\r\n%s\r\n" % (len(COMMON[0]), COMMON[0]),
]


class Reading:
    """What a reader makes of a stream, in order: events as values, anything else as its frame."""

    def __init__(self) -> None:
        self.frames = FrameReader()
        self.reader = MessageReader(self.frames)
        self.items: list[object] = []
        self.by_parser = 0
        """Messages that became frames."""

    def take(self, data: bytes, alone: bool = False) -> None:
        event = self.reader.lone_event(data) if alone else None
        if event is not None:
            self.items.append(event)
            return
        while data:
            facts: list[Fact] = []
            frames, data = self.reader.read(data, facts)
            self.items += [*facts, *map(typed, frames)]
            self.by_parser += sum(type(frame) is hiredis.PushNotification for frame in frames)


def typed(frame: Reply) -> object:
    if type(frame) is hiredis.PushNotification and len(frame) == 4:
        return parse_event(frame[2], frame[3])
    return type(frame), repr(frame)


def by_hiredis(data: bytes) -> list[object]:
    reader = hiredis.Reader(notEnoughData=...)
    reader.feed(data)
    return [typed(frame) for frame in iter(reader.gets, ...)]


def cuts_of(data: bytes, chance: random.Random) -> list[int]:
    """Where a stream is cut: mostly at the ends of frames, sometimes at those of lines, sometimes anywhere."""
    frames = [found.end() for found in re.finditer(rb"\r\n(?=[>+:$*-])", data)]
    anywhere = [chance.randrange(len(data) + 1) for _ in range(chance.randrange(4))]
    return sorted({0, len(data), *chance.sample(frames, k=len(frames) // 3), *anywhere})


@pytest.mark.parametrize("seed", range(300))
def test_stream_is_read_as_by_the_parser_alone_however_it_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    # Few others: what is tested is the way back to reading without the parser.
    data = b"".join(chance.choice(OTHERS if chance.random() < 0.15 else COMMON) for _ in range(chance.randrange(1, 30)))
    reading = Reading()
    for start, end in itertools.pairwise(cuts_of(data, chance)):
        reading.take(data[start:end], alone=chance.random() < 0.5)
    assert reading.items == by_hiredis(data)
    assert not reading.frames.broken


def test_byte_by_byte_is_the_same() -> None:
    data = b"".join(COMMON + OTHERS + COMMON)
    reading = Reading()
    for at in range(len(data)):
        reading.take(data[at : at + 1], alone=True)
    assert reading.items == by_hiredis(data)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recorded_stream_needs_no_parser(path: Path) -> None:
    said = list(events_of(path))
    data = b"".join(published(channel, payload) for channel, payload in said)
    reading = Reading()
    for at in range(0, len(data), 1000):
        reading.take(data[at : at + 1000])
    assert reading.items == [parse_event(channel, payload) for channel, payload in said]
    # One that is cut by the end of a read takes the next message with it, which shows where frames end.
    assert reading.by_parser <= 2 * sum(channel == "+set" for channel, _ in said)


def test_way_without_the_parser_is_found_again_in_the_same_input() -> None:
    reading = Reading()
    reading.take(b"*2\r\n+an open\r\n")
    stream = b"+array\r\n" + COMMON[0] * 5
    reading.take(stream)
    assert reading.items == by_hiredis(b"*2\r\n+an open\r\n" + stream)
    assert reading.by_parser == 1, "the message that showed where frames end"


def test_open_array_is_not_taken_for_the_space_between_frames() -> None:
    stream = COMMON[0] + b"*3\r\n" + COMMON[0] * 2
    reading = Reading()
    reading.take(b"*1\r\n")
    for data in (b"+a\r\n" + stream, COMMON[0], COMMON[1]):
        reading.take(data, alone=True)
    assert reading.items == by_hiredis(b"*1\r\n+a\r\n" + stream + COMMON[0] + COMMON[1])


def test_message_is_the_same_wherever_it_is_cut_in_two() -> None:
    for cut in range(len(COMMON[0]) + 1):
        reading = Reading()
        reading.take(COMMON[0][:cut], alone=True)
        reading.take(COMMON[0][cut:], alone=True)
        assert reading.items == by_hiredis(COMMON[0]), cut


def test_beginning_of_a_message_is_kept_within_bounds() -> None:
    reading = Reading()
    begun = resp.MESSAGE + b"$6\r\n+sdown\r\n$99999999\r\n"
    for data in (begun, *[b"x" * 100] * 100):
        reading.take(data)
        assert len(reading.reader._tail) < len(resp.MESSAGE) + resp.MESSAGE_BYTES
    assert not reading.items
    while not reading.frames.broken:
        reading.take(b"x" * 1_000_000)
    assert f"{LIMITS.reply_bytes} bytes" in reading.frames.broken


@pytest.mark.parametrize("data", UNCOMMON)
def test_whole_message_that_is_not_common_goes_to_the_parser_at_once(data: bytes) -> None:
    assert parse_message(data[len(resp.MESSAGE) : -2]) is None
    reading = Reading()
    reading.take(data)
    assert reading.items == by_hiredis(data)


@pytest.mark.parametrize("payload", [b"\n*9999999", b"*9999999", b"a\n>12345678", b"|7777777"])
def test_apparent_header_breaks_the_stream_whole_or_torn(payload: bytes) -> None:
    data = COMMON[0] + published(b"+sdown", payload)
    reasons = []
    for cut in range(len(data) + 1):
        reading = Reading()
        reading.take(data[:cut])
        reading.take(data[cut:])
        assert reading.items == by_hiredis(COMMON[0])
        reasons.append(reading.frames.broken)
    assert set(reasons) == {"it announced a reply of a million elements or more"}
