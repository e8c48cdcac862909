"""After any bytes of a Sentinel, a Link is never due in the past, and is down soon after the Sentinel falls silent."""

from __future__ import annotations

from drive import Target, main
from fuzz_link import link_for
from script import Play, link_seeds
from switchmaster.link.request_stream import LAST_REPLY
from switchmaster.wire.facts import LinkState

SOON = 2 * LAST_REPLY
"""Seconds: a PING after one, the rest for requests in flight. The greeting has three."""


def check(data: bytes) -> None:
    """Take a script, see `script`; nothing follows it."""
    play = Play(link_for(data))
    play.run(data)
    silent_since = play.now
    connected = play.link.counters.connects
    while play.link.state is not LinkState.DOWN:
        due = play.link.deadline
        assert due is not None, f"{play.link} waits for nothing, and the peer is silent"
        assert due <= silent_since + SOON, f"{play.link} waits until {due - silent_since} s after the last byte"
        play.now = max(play.now, due)
        play.link.tick(play.now)
        play.link.data_to_send()
    assert play.link.counters.connects == connected
    due = play.link.deadline
    assert due is not None
    assert due > play.now


TARGET = Target(check, link_seeds, examples=500)

if __name__ == "__main__":
    main(TARGET, "link_time")
