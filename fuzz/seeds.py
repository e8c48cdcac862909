"""
The corpus: recordings of Sentinels, as the bytes that each target takes.

Only the frames around the recordings are invented. Everything is read once, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import drive  # noqa: F401  # it says where the tests are
from peers.scripted import NO_HELLO, NOPERM, VERSIONS, ScriptedSentinel, exchange, link_of, published, recorded, resp
from recorded.events import RECORDINGS, events_of
from recorded.recordings import CAPTURES, NAMES
from switchmaster.link.greeting import Credentials

__all__ = ["conversations", "messages", "node_answers", "replies", "said_by", "transcripts"]

KINDS = 8
"""Messages taken of each channel: the others differ only in addresses."""


@cache
def messages() -> tuple[tuple[str, str], ...]:
    """Return recorded messages as channel and payload: a few of each channel, of different lengths."""
    found: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for path in RECORDINGS:
        for channel, payload in events_of(path):
            alike = found.setdefault((channel, payload.count(" ")), [])
            if len(alike) < KINDS and (channel, payload) not in alike:
                alike.append((channel, payload))
    return tuple(message for key in sorted(found) for message in found[key])


@cache
def replies() -> tuple[tuple[str, bytes], ...]:
    """Return recorded replies as command and bytes, in RESP2 and, for lists that are maps there, in RESP3."""
    found: dict[tuple[str, bytes], None] = {}
    for version in VERSIONS:
        for command, value in recorded(version).items():
            if isinstance(value, str | int | list | None):
                found.setdefault((command, resp(value)))
                found.setdefault((command, resp(value, as_map=True)))
    return tuple(found)


@cache
def conversations() -> tuple[dict[int, bytes], ...]:
    """Return everything that a Sentinel wrote in one conversation, by stream: greetings, answers, then events."""
    said = [message for message in messages() if message[0] in ("+sdown", "+switch-master", "+slave", "+set", "+tilt")]
    ways = [{}, {"HELLO": NO_HELLO}, {"PSUBSCRIBE *": NOPERM}, {"PSUBSCRIBE": NOPERM, "SUBSCRIBE": NOPERM}]
    ways += [{"SENTINEL": NOPERM, "ROLE": NOPERM}, {"SENTINEL REPLICAS": NOPERM}]
    found = []
    for version in VERSIONS:
        for refuse in ways:
            sentinel, wrote = ScriptedSentinel(version, refuse), dict[int, bytes]()
            exchange(link_of(poll_interval=1.0), _Heard(sentinel, wrote), 0.0, credentials=Credentials(None, "s3cret"))  # type: ignore[arg-type]
            events = b"".join(published(*message, resp3="HELLO" not in refuse) for message in said[:12])
            stream = max(wrote)
            wrote[stream] += events
            found.append(wrote)
    return tuple(found)


class _Heard:
    """A scripted Sentinel whose answers are kept."""

    def __init__(self, sentinel: ScriptedSentinel, wrote: dict[int, bytes]) -> None:
        self._sentinel, self._wrote = sentinel, wrote

    def answer(self, data: bytes, stream: int = 0) -> bytes:
        answer = self._sentinel.answer(data, stream)
        self._wrote[stream] = self._wrote.get(stream, b"") + answer
        return answer


def node_answers() -> tuple[bytes, ...]:
    """Return the answers of data nodes to AUTH and ROLE, as roles change."""
    master = resp(["master", 50, [["127.0.0.1", "28781", "50"]]])
    replica = resp(["slave", "127.0.0.1", 28780, "connected", 50])
    loading = b"-LOADING Redis is loading the dataset in memory\r\n"
    return (b"+OK\r\n" + replica, b"+OK\r\n" + master, b"+OK\r\n" + loading, b"-WRONGPASS x\r\n", master, replica)


@cache
def transcripts() -> tuple[bytes, ...]:
    """Return files as operators have them, short enough to try many."""
    return tuple(_cuts())


def _cuts(size: int = 6_000) -> Iterator[bytes]:
    files = [*sorted(CAPTURES.glob("*.txt")), *sorted(CAPTURES.glob("*.jsonl"))]
    files += sorted((Path(CAPTURES).parent / "transcripts").glob("*"))
    for path in files:
        lines = path.read_bytes().splitlines(keepends=True)
        half = len(lines) // 2
        yield b"".join(lines)[:size]
        yield b"".join(lines[half:])[:size]


@cache
def said_by() -> tuple[tuple[tuple[str, str, str], ...], ...]:
    """Return recordings as lists of (Sentinel, channel, payload), each of at most some hundred items."""
    from recorded.recordings import said_in

    found = []
    for name in NAMES:
        said = [(one.sentinel, one.channel, one.payload) for one in said_in([name])]
        found += [tuple(said[at : at + 150]) for at in range(0, min(len(said), 600), 150)]
    return tuple(found)
