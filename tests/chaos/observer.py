"""
The observer: a process that shares nothing with us and asks every data node and every Sentinel about itself.

A program of its own, so that nothing starves it. It reads addresses and master names as one line of JSON, and ends at
the end of its input. It writes a file of JSON lines, one for each change: of a node's role (asked every 5 ms), of the
address that a Sentinel has for a master (asked every 50 ms); and at the end how often it asked. All times are
``time.monotonic()``, which is the same in all processes of a machine.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import hiredis

ROLE_EVERY, HELD_EVERY = 0.005, 0.05
REDIAL = 0.01
"""Seconds between two attempts to reach a server that does not accept."""
DIAL_LIMIT = 0.1
STALLED_ABOVE = 0.04
"""Seconds between two answers of a node above which the machine, or that node, had no time: quiet runs stay below."""
SILENT_AFTER = 0.3
"""Seconds without an answer after which a server is silent."""
GONE, SILENT = "gone", "silent"

Tell = Callable[[float, Any], None]
"""Takes when it was known, and all replies to one question; or `GONE` or `SILENT`."""


class Asked:
    """
    One server that is asked the same question repeatedly.

    Args:
        address: where it is.
        question: the bytes of it.
        replies: how many there are to it.
        every: seconds between two questions.
        tell: called with each answer.
        stalled: called with the times of two answers that came too far apart.
        selector: waits for its socket.
    """

    def __init__(
        self,
        address: tuple[str, int],
        question: bytes,
        replies: int,
        every: float,
        tell: Tell,
        stalled: Callable[[float, float], None],
        selector: selectors.BaseSelector,
    ) -> None:
        self.address, self.question, self.replies, self.every = address, question, replies, every
        self.next_at = self._due = 0.0
        self.gaps: Counter[int] = Counter()
        """Tenths of milliseconds between two answers, while it answered."""
        self._tell, self._stalled, self._selector = tell, stalled, selector
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._got: list[Any] = []
        self._asked_at: float | None = None
        self._answered_at: float | None = None
        self._is_silent = False

    def turn(self, now: float) -> None:
        """Do what is due."""
        if self._asked_at is not None:
            if now - self._asked_at > SILENT_AFTER and not self._is_silent:
                self._is_silent, self._answered_at = True, None
                self._tell(self._asked_at, SILENT)
            self.next_at = now + SILENT_AFTER
        elif now >= self.next_at:
            # From when it was due: counted from when it was done, each question would be a little later.
            self._due = self.next_at if now - self.next_at < self.every else now
            self._ask(now)

    def read(self) -> None:
        """Read the bytes that arrived."""
        assert self._socket is not None  # only a socket that is open is waited for
        try:
            data = self._socket.recv(65536)
        except OSError:
            data = b""
        now = time.monotonic()
        if not data:
            self._lose(now)
            return
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._got.append(reply)
        if len(self._got) >= self.replies:
            self._answer(now)

    def _ask(self, now: float) -> None:
        if self._socket is None and not self._dial():
            self._lose(time.monotonic())
            return
        assert self._socket is not None  # it was dialled
        try:
            self._socket.send(self.question)
        except OSError:
            self._lose(now)
            return
        self._asked_at = now
        self.next_at = now + SILENT_AFTER

    def _answer(self, now: float) -> None:
        assert self._asked_at is not None  # there was a question
        if self._answered_at is not None:
            self.gaps[round((now - self._answered_at) * 10_000)] += 1
            if now - self._answered_at > max(STALLED_ABOVE, 2 * self.every):
                self._stalled(self._answered_at, now)
        self.next_at = max(now, self._due + self.every)
        got, self._got, self._asked_at, self._answered_at, self._is_silent = self._got, [], None, now, False
        self._tell(now, got)

    def _dial(self) -> bool:
        try:
            self._socket = socket.create_connection(self.address, DIAL_LIMIT)
        except OSError:
            return False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._reader = hiredis.Reader()
        return True

    def _lose(self, now: float) -> None:
        had = self._socket is not None
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
        self._socket, self._asked_at, self._answered_at, self._is_silent = None, None, None, False
        self._got = []
        # Dial again at once after a lost connection: a promotion kills the clients of its node.
        self.next_at = now if had else now + REDIAL
        if not had:
            self._tell(now, GONE)


class Looking:
    """
    All servers that are observed.

    Args:
        plan: ``{"nodes": {name: [host, port]}, "sentinels": {...}, "masters": [name, ...]}``.
        out: where changes are written.
    """

    def __init__(self, plan: dict[str, Any], out: TextIO) -> None:
        self._out = out
        self._masters: list[str] = plan["masters"]
        self._last: dict[tuple[str, str], object] = {}
        self._selector = selectors.DefaultSelector()
        pairs = [
            hiredis.pack_command(command)
            for name in self._masters
            for command in (("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name), ("SENTINEL", "MASTER", name))
        ]
        role = hiredis.pack_command(("ROLE",))
        self._nodes = [
            Asked(tuple(address), role, 1, ROLE_EVERY, self._role_of(name), self._stall, self._selector)
            for name, address in plan["nodes"].items()
        ]
        self._sentinels = [
            Asked(
                tuple(address),
                b"".join(pairs),
                len(pairs),
                HELD_EVERY,
                self._held_by(name),
                self._stall,
                self._selector,
            )
            for name, address in plan["sentinels"].items()
        ]

    def run(self, until: TextIO) -> None:
        """Observe until the input ends."""
        self._selector.register(until, selectors.EVENT_READ)
        everyone = [*self._nodes, *self._sentinels]
        going_on = True
        while going_on:
            now = time.monotonic()
            for each in everyone:
                each.turn(now)
            wait = max(0.0, min(each.next_at for each in everyone) - time.monotonic())
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    going_on = False
                else:
                    key.data.read()
        self._write({"pace": self.pace()})

    def pace(self) -> dict[str, float]:
        """Return the gaps between two answers of a node, in ms."""
        gaps: Counter[int] = sum((each.gaps for each in self._nodes), Counter())
        many, seen, found = gaps.total(), 0, dict[str, float]()
        for gap in sorted(gaps):
            seen += gaps[gap]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
                if name not in found and seen >= share * many:
                    found[name] = gap / 10
        return {"answers": many, **found}

    def _role_of(self, node: str) -> Tell:
        def tell(at: float, got: Any) -> None:
            role = got
            if isinstance(got, list):
                role = got[0][0].decode() if isinstance(got[0], list) else str(got[0])
            self._change((node, ""), at, {"node": node, "role": role})

        return tell

    def _held_by(self, sentinel: str) -> Tell:
        def tell(at: float, got: Any) -> None:
            for number, master in enumerate(self._masters):
                pair = got[2 * number : 2 * number + 2] if isinstance(got, list) else (None, None)
                self._change((sentinel, master), at, {"sentinel": sentinel, "master": master, **held(*pair)})

        return tell

    def _stall(self, since: float, at: float) -> None:
        self._write({"at": at, "stalled_since": since})

    def _change(self, who: tuple[str, str], at: float, what: dict[str, object]) -> None:
        if self._last.get(who) != what:
            self._last[who] = what
            self._write({"at": at, **what})

    def _write(self, line: dict[str, object]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def held(address: Sequence[bytes] | None, fields: Any) -> dict[str, object]:
    """Read the address that a Sentinel has for a master; None if it did not answer, or does not monitor it."""
    if not isinstance(address, list) or not isinstance(fields, list):
        return {"address": None, "epoch": None, "leading": False}
    told = dict(zip(fields[::2], fields[1::2], strict=True))
    return {
        "address": [address[0].decode(), int(address[1])],
        "epoch": int(told[b"config-epoch"]),
        "leading": b"failover_in_progress" in told[b"flags"],
    }


def main(path: str) -> None:
    """Observe, and write changes to a file."""
    plan = json.loads(sys.stdin.readline())
    with open(path, "w", encoding="utf-8") as out:
        Looking(plan, out).run(sys.stdin)


if __name__ == "__main__":
    main(sys.argv[1])
