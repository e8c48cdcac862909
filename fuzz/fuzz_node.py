"""For any bytes of a data node, however cut, a NodeLink raises nothing, emits the same answers, and is never late."""

from __future__ import annotations

from drive import Target, main
from script import MARK, PASSWORD, Play, credentials_for
from seeds import node_answers
from switchmaster.link.node_link import NodeLink
from switchmaster.model import Address
from switchmaster.wire.facts import Probe


def node_for() -> NodeLink:
    """Return a link to a node."""
    return NodeLink(Address("10.0.0.1", 6379), rng=lambda: 0.5)


def check(data: bytes) -> None:
    """Take a script, see `script`; nothing follows it."""
    plays = [Play(node_for(), cut, credentials_for(data)) for cut in (0, 1, 7)]
    for play in plays:
        play.run(data)
    whole = plays[0]
    for play in plays[1:]:
        assert play.heard == whole.heard, "the cut of the bytes changed the answers"
        assert (play.sent, repr(play.link)) == (whole.sent, repr(whole.link))
    for _, probe in whole.heard:
        assert isinstance(probe, Probe)
        assert probe.reason.isprintable()
        assert len(probe.reason) < 400
        assert PASSWORD not in repr(probe)
    for (_, one), (_, next_one) in zip(whole.heard, whole.heard[1:], strict=False):
        assert one != next_one, "an answer was reported twice"
    whole.pass_time(3.0)
    assert whole.link.deadline is not None, "it waits for nothing, and the peer is silent"


def seeds() -> list[bytes]:
    """Return recorded answers as scripts: one after the other, with pauses, and with an end of the connection."""
    answers = node_answers()
    found = [b"0" + answer for answer in answers]
    pause, end = MARK + b"t" + bytes(1), MARK + b"e"
    for first in answers:
        for then in answers:
            found.append(b"0" + first + pause + MARK + b"0" + then + end + MARK + b"0" + then)
    return found


TARGET = Target(check, seeds, examples=500)

if __name__ == "__main__":
    main(TARGET, "node")
