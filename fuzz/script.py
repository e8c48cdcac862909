"""
A script for a link: bytes on a stream, time, ends of file, encoded as one input of bytes.

An input is cut at `MARK`; the byte after it gives the kind of the piece. So mutations that cut, double and splice bytes
do the same to a conversation.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from seeds import conversations
from switchmaster.link.greeting import NOBODY, Credentials
from switchmaster.link.link import Link
from switchmaster.link.node_link import NodeLink
from switchmaster.wire.facts import Fact

__all__ = ["MARK", "PASSWORD", "Cut", "Play", "link_seeds", "pieces_of"]

MARK: Final = b"\x1e"
PASSWORD: Final = "zQ7jW4kX"
Cut = int
"""0: bytes come as written; otherwise this many at a time."""


def pieces_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the pieces: a letter's code, and its bytes."""
    for piece in data.split(MARK)[:40]:
        yield (piece[0], piece[1:]) if piece else (0, b"")


class Play:
    """
    Plays a script to a link, and keeps the link's deadlines.

    Args:
        link: not connected yet.
        cut: how many bytes come at once.
        credentials: the login of each connection.
    """

    def __init__(self, link: Link | NodeLink, cut: Cut = 0, credentials: Credentials = NOBODY) -> None:
        self.link = link
        self.credentials = credentials
        self.cut = cut
        self.now = 0.0
        self.heard: list[tuple[float, Fact]] = []
        self.sent = 0
        self.open: set[int] = set()
        self.dial()

    def run(self, data: bytes) -> None:
        """Play the whole script."""
        for what, piece in pieces_of(data):
            if what == ord("t"):
                self.pass_time(len(piece) / 4)
            elif what == ord("e"):
                self.end(len(piece) % 2)
            elif what == ord("a") and isinstance(self.link, Link):
                self.link.ask(self.now, [piece.decode("utf-8", "surrogateescape")] if piece else None)
            else:
                self.receive(piece, 1 if what == ord("1") else 0)
            self.take()

    def pieces(self, piece: bytes) -> Iterable[bytes]:
        if not self.cut:
            return [piece] if piece else []
        return (piece[at : at + self.cut] for at in range(0, len(piece), self.cut))

    def receive(self, piece: bytes, stream: int) -> None:
        for part in self.pieces(piece):
            if isinstance(self.link, Link):
                self.link.receive_data(part, self.now, stream)
            else:
                self.link.receive_data(part, self.now)

    def end(self, stream: int) -> None:
        if isinstance(self.link, Link):
            self.link.receive_eof(self.now, stream)
        else:
            self.link.receive_eof(self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every tick at its deadline."""
        until = self.now + seconds
        while (due := self.link.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.link.tick(self.now)
            self.take()
            due = self.link.deadline
            assert due is None or due > self.now, f"due again at {due}, and it is {self.now}"
        self.now = until

    def take(self) -> None:
        """Do what the shell does after each call: write, take the facts, open and close connections."""
        self.heard += [(self.now, fact) for fact in self.link.events_received()]
        for out in self.link.data_to_send():
            self.sent += len(out if isinstance(out, bytes) else out[1])
        self.dial()

    def dial(self) -> None:
        if isinstance(self.link, Link):
            wanted = set(range(self.link.streams_wanted))
            self.open &= wanted
            for stream in sorted(wanted - self.open):
                self.open.add(stream)
                self.link.connect(self.now, stream, self.credentials)
        elif self.link.wants_connection and not self.link.deadline:
            self.link.connect(self.now, self.credentials)


def credentials_for(data: bytes) -> Credentials:
    """Return credentials drawn from the input."""
    return Credentials(None, PASSWORD) if zlib.crc32(data) & 1 else NOBODY


def link_seeds() -> list[bytes]:
    """Return recorded conversations as scripts: at once, with pauses, with an end, with a second one after it."""
    found = []
    for wrote in conversations():
        whole = MARK.join(b"%d%s" % (stream, data) for stream, data in sorted(wrote.items()))
        found += [whole, whole + MARK + b"t" + bytes(5) + MARK + b"a" + MARK + b"e" + MARK + b"t" + bytes(30)]
        found += [whole + MARK + b"t" + bytes(60) + MARK + whole]
    return found
