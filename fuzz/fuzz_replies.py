"""Any answer of a server is read as a value or as `Unrecognised`, and a map of RESP3 like the flat list of RESP2."""

from __future__ import annotations

from collections.abc import Callable

from hiredis import PushNotification

from drive import Target, main
from seeds import node_answers, replies
from switchmaster.account.transcript_lines import encoded
from switchmaster.model import LIMITS
from switchmaster.wire import replies as module
from switchmaster.wire.events import Unrecognised
from switchmaster.wire.refusal import classify, explain
from switchmaster.wire.resp import FrameReader, plain

PARSERS: tuple[Callable[[object], object], ...] = (
    module.parse_address,
    module.parse_ckquorum,
    module.parse_hello,
    module.parse_info,
    module.parse_master,
    module.parse_masters,
    module.parse_myid,
    module.parse_replicas,
    module.parse_role,
    module.parse_sentinels,
)
ROWS = (module.parse_masters, module.parse_replicas, module.parse_sentinels)


def check(data: bytes) -> None:
    """Take the bytes of any number of replies."""
    reader = FrameReader()
    frames = reader.read(data)
    assert reader.broken.isprintable()
    assert len(reader.broken) < 400
    for frame in frames:
        assert plain(frame).isprintable()
        if classify(frame) is not None:
            assert explain(frame).isprintable()
        for parse in PARSERS:
            value = parse(frame)
            if isinstance(value, Unrecognised):
                check_unrecognised(value)
            elif parse in ROWS or parse in (module.parse_master, module.parse_hello):
                assert parse(flat(frame, deep=parse in ROWS)) == value, "a map and its flat list read differently"


def check_unrecognised(value: Unrecognised) -> None:
    """Check that an unread reply is described in a few words, of which only the payload is the peer's."""
    assert len(value.payload) <= LIMITS.payload_shown
    assert value.reason.isprintable()
    assert len(value.reason) < 200
    encoded(value.payload)


def flat(frame: object, deep: bool) -> object:
    """Return a reply as RESP2 has it."""
    if isinstance(frame, dict):
        return [item for pair in frame.items() for item in pair]
    if deep and isinstance(frame, list) and not isinstance(frame, PushNotification):
        return [flat(item, deep=False) for item in frame]
    return frame


def seeds() -> list[bytes]:
    """Return recorded replies."""
    return [reply for _, reply in replies()] + list(node_answers())


TARGET = Target(check, seeds, examples=1000)

if __name__ == "__main__":
    main(TARGET, "replies")
