"""For any bytes of a Sentinel, a Link keeps no text longer than a name, and its requests grow only in proportion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from drive import Target, main
from fuzz_link import link_for
from script import Play, link_seeds
from switchmaster.model import LIMITS

TEXT = 1023
"""Characters of a name, a host or a run id: what sentinelEvent() can publish."""
REQUESTS = 4 * LIMITS.batch + 64
"""Four questions about each master of a batch; a subscription to each channel, PINGs and the greeting."""


def check(data: bytes) -> None:
    """Take a script, see `script`."""
    play = Play(link_for(data))
    play.run(data)
    for _, fact in play.heard:
        for text in texts_in(fact):
            assert len(text) <= TEXT, f"{type(fact).__name__} keeps {len(text)} characters: {text[:60]!r}"
    for stream in play.link._streams.values():
        assert len(stream._requests) <= REQUESTS
    # A name is asked about four times, each time with at most 60 bytes around it.
    bound = (
        4 * (len(data) + 60 * data.count(b"\n")) + 4_000 * play.link.counters.connects + 20 * play.link.counters.pings
    )
    assert play.sent <= bound + 1_000 * data.count(b"\x1ea"), f"{len(data)} bytes made it send {play.sent}"


def texts_in(value: object) -> Iterator[str]:
    """Yield every text in a fact."""
    if isinstance(value, str):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from texts_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts_in(key)
            yield from texts_in(item)
    elif isinstance(value, tuple | frozenset | list):
        for item in value:
            yield from texts_in(item)


def seeds() -> list[bytes]:
    """Return recorded conversations, some of them with very long names."""
    found = link_seeds()
    for data in found[:8]:
        for word, long in ((b"mymaster", b"m" * 3000), (b"127.0.0.1", b"h" * 3000)):
            bulk = b"$%d\r\n%s\r\n"
            found.append(data.replace(bulk % (len(word), word), bulk % (len(long), long)))
    return found


TARGET = Target(check, seeds, examples=400)

if __name__ == "__main__":
    main(TARGET, "link_memory")
