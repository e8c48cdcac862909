"""For any bytes of a Sentinel, however cut, a Link raises nothing and emits the same facts at the same times."""

from __future__ import annotations

import zlib

from drive import Target, main
from script import PASSWORD, Play, credentials_for, link_seeds
from switchmaster.link.link import Link
from switchmaster.model import SentinelName
from switchmaster.wire.facts import LinkChange

NAME = SentinelName("127.0.0.1:26379")


def link_for(data: bytes) -> Link:
    """Return a link whose options are drawn from the input."""
    way = zlib.crc32(data)
    return Link(
        NAME,
        masters=["mymaster"] if way & 2 else None,
        poll_interval=1.0 if way & 4 else None,
        rng=lambda: 0.5,
    )


def check(data: bytes) -> None:
    """Take a script, see `script`."""
    way = credentials_for(data)
    plays = [
        Play(link_for(data), cut, way) for cut in (0, 7 if len(data) < 4_000 else 61, 1 if len(data) < 1_500 else 1_000)
    ]
    for play in plays:
        play.run(data)
    whole = plays[0]
    for play in plays[1:]:
        assert play.heard == whole.heard, "the cut of the bytes changed the facts"
        # Bytes after the end of a conversation are counted if they came in the same read.
        play.link.counters.bytes_received = whole.link.counters.bytes_received
        assert play.link.counters == whole.link.counters
        assert (play.sent, play.open, repr(play.link)) == (whole.sent, whole.open, repr(whole.link))
    for _, fact in whole.heard:
        if isinstance(fact, LinkChange):
            assert fact.reason.isprintable()
            assert len(fact.reason) < 400
        assert PASSWORD not in repr(fact)


TARGET = Target(check, link_seeds, examples=500)

if __name__ == "__main__":
    main(TARGET, "link")
