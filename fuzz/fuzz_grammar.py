"""Any published message is read without an error, and an event that is written again reads the same."""

from __future__ import annotations

import re

from drive import Target, main
from recorded.events import written_event
from seeds import messages
from switchmaster.model import LIMITS
from switchmaster.wire.events import Configured, Unrecognised
from switchmaster.wire.grammar import CUT_AT, parse_event

LEADING_ZERO = re.compile(r"(?<![0-9])0[0-9]")
"""No server writes a leading zero; it is read as a number and written without."""


def check(data: bytes) -> None:
    """Take a channel, a line feed, and a payload."""
    channel, _, payload = data.partition(b"\n")
    event = parse_event(channel, payload)
    text = payload.decode("utf-8", "surrogateescape")
    assert event == parse_event(channel.decode("utf-8", "surrogateescape"), text), "bytes and text read differently"
    if isinstance(event, Unrecognised):
        assert len(event.payload) <= LIMITS.payload_shown
        assert len(event.channel) <= LIMITS.payload_shown
        assert event.reason.isprintable()
        return
    assert len(event.payload) <= CUT_AT
    again = parse_event(event.channel, written_event(event))
    assert type(again) is type(event), f"{event} was written as {again}"
    if isinstance(event, Configured):
        # The password is masked, and the option is shown in lower case.
        assert written_event(again) == written_event(event)
    elif not LEADING_ZERO.search(text):
        assert written_event(event) == text, f"{event} is not what was said"
        assert again == event


def seeds() -> list[bytes]:
    """Return recorded messages."""
    return [f"{channel}\n{payload}".encode("utf-8", "surrogateescape") for channel, payload in messages()]


TARGET = Target(check, seeds, examples=3000)

if __name__ == "__main__":
    main(TARGET, "grammar")
