"""The recorded events of tests/recorded/captures as a Sentinel sends them: RESP pushes, in order of arrival."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

__all__ = [
    "RECORDINGS",
    "Message",
    "Run",
    "many_masters",
    "messages_of",
    "numbered_masters",
    "pushed",
    "runs_of",
    "start_address",
]

CAPTURES = Path(__file__).parent.parent / "tests" / "recorded" / "captures"
RECORDINGS = sorted(
    path for path in CAPTURES.glob("*.jsonl") if not path.name.endswith((".hello.jsonl", ".steps.jsonl"))
)
MASTER = re.compile(r"(?:^master|@) mymaster (\S+) (\d+)")
READ = 65536
"""Bytes that one read of a socket returns at most, here as in redis-py."""


@dataclass(frozen=True)
class Message:
    """One published message and its Sentinel."""

    sentinel: str
    channel: str
    payload: str


@dataclass(frozen=True)
class Run:
    """Consecutive messages of one Sentinel, as one read returns them."""

    sentinel: str
    count: int
    resp3: bytes
    resp2: bytes


def messages_of(path: Path) -> list[Message]:
    records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [Message(record["sentinel"], record["channel"], record["payload"]) for record in records]


def start_address(messages: Sequence[Message]) -> tuple[str, int]:
    """Return the first address of the master ``mymaster``."""
    found = next(match for message in messages if (match := MASTER.search(message.payload)))
    return found[1], int(found[2])


def bulk(text: str) -> bytes:
    raw = text.encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


def pushed(message: Message, resp3: bool = True) -> bytes:
    mark = b">4\r\n" if resp3 else b"*4\r\n"
    return mark + b"".join(map(bulk, ("pmessage", "*", message.channel, message.payload)))


def runs_of(messages: Sequence[Message]) -> list[Run]:
    """Cut messages where the Sentinel changes, and where a read would be full."""
    return [
        Run(name, len(part), b"".join(map(pushed, part)), b"".join(pushed(message, False) for message in part))
        for name, group in groupby(messages, key=lambda message: message.sentinel)
        for part in _reads(list(group))
    ]


def _reads(messages: list[Message]) -> Iterator[list[Message]]:
    part: list[Message] = []
    size = 0
    for message in messages:
        length = len(pushed(message))
        if part and size + length > READ:
            yield part
            part, size = [], 0
        part.append(message)
        size += length
    if part:
        yield part


def many_masters(count: int) -> list[Message]:
    """
    Return one recorded crash failover of `count` masters at the same time.

    Each has its own name, addresses and epoch. Consecutive messages of one Sentinel stay together, since a vote
    belongs to the attempt before it.
    """
    return [message for _, message in numbered_masters(range(count))]


def numbered_masters(numbers: Iterable[int]) -> list[tuple[int, Message]]:
    """Return the same for the masters of these numbers, each message with the number of its master."""
    recorded = messages_of(CAPTURES / "redis-7.0.15-crash500-run0.jsonl")
    runs = [list(group) for _, group in groupby(recorded, key=lambda message: message.sentinel)]
    some = list(numbers)
    return [(number, _renamed(message, number)) for run in runs for number in some for message in run]


def _renamed(message: Message, number: int) -> Message:
    payload = message.payload
    if message.channel == "+new-epoch":
        payload = str(number + 1)
    elif message.channel == "+vote-for-leader":
        payload = f"{payload.split(' ')[0]} {number + 1}"
    elif "sentinel" not in message.channel:
        host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        payload = payload.replace("mymaster", f"shard-{number:05}").replace("127.0.0.1", host)
    return Message(message.sentinel, message.channel, payload)
