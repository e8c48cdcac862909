"""
A Sentinel and a data node without I/O, which answer what real servers were recorded to answer.

For tests of links and shells. Only the place of refusals and hostile bytes are invented here.
"""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import hiredis

from switchmaster.link.greeting import NOBODY, Credentials
from switchmaster.link.link import Link
from switchmaster.link.node_link import NodeLink
from switchmaster.wire.facts import Fact

REPLIES = Path(__file__).parents[1] / "recorded" / "replies"
VERSIONS = ("redis-6.2.14", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")
NOPERM = b"-NOPERM this user has no permissions to run this command or one of its arguments\r\n"
NO_HELLO = b"-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n"
NO_MASTER = b"-ERR No such master with that name\r\n"

Refuse = dict[str, bytes]


def recorded(version: str) -> dict[str, object]:
    """Return the replies of one server by command, except those that the recording shortened; a fresh copy."""
    return copy.deepcopy(_recorded(version))


@functools.cache
def _recorded(version: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for line in (REPLIES / f"{version}.txt").read_text(encoding="utf-8").splitlines():
        command, arrow, reply = line.partition(" => ")
        if arrow and not command.startswith("r"):
            try:
                found[command] = ast.literal_eval(reply)
            except (SyntaxError, ValueError):
                continue
    return found


def bulk(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


def resp(value: object, as_map: bool = False) -> bytes:
    """Encode a recorded reply; `as_map` for the RESP3 form of a list of fields and values."""
    if value is None:
        return b"*-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        if as_map and value and isinstance(value[0], str):
            return b"%%%d\r\n" % (len(value) // 2) + b"".join(map(resp, value))
        return b"*%d\r\n" % len(value) + b"".join(resp(item, as_map) for item in value)
    assert isinstance(value, str)
    return bulk(value)


def push(*words: str | bytes | int, resp3: bool = True) -> bytes:
    items = b"".join(b":%d\r\n" % w if isinstance(w, int) else bulk(w) for w in words)
    return (b">%d\r\n" if resp3 else b"*%d\r\n") % len(words) + items


def published(channel: str | bytes, payload: str | bytes, resp3: bool = True) -> bytes:
    return push("pmessage", "*", channel, payload, resp3=resp3)


class ScriptedSentinel:
    """
    Answers a link's bytes as the recorded server of a version did.

    Args:
        version: one of VERSIONS.
        refuse: replies instead of the recorded ones, by prefix of the command.
        masters: the names that it monitors; each looks like the recorded ``mymaster``.
    """

    def __init__(
        self,
        version: str = "redis-7.0.15",
        refuse: Refuse | None = None,
        masters: Sequence[str] = ("mymaster",),
    ) -> None:
        self.replies = recorded(version)
        self.version = version
        self.refuse = dict(refuse or {})
        self.masters = list(masters)
        self.commands: list[tuple[int, str]] = []
        """(stream, command), in order of arrival."""
        self._readers: dict[int, hiredis.Reader] = {}
        self._resp3: set[int] = set()

    def forget(self) -> None:
        """Treat the next connections as new."""
        self._readers.clear()
        self._resp3.clear()

    def answer(self, data: bytes, stream: int = 0) -> bytes:
        reader = self._readers.setdefault(stream, hiredis.Reader())
        reader.feed(data)
        answers = b""
        while (words := reader.gets()) is not False:
            text = [word.decode("utf-8", "surrogateescape") for word in words]
            self.commands.append((stream, " ".join(text)))
            answers += self._one(text, stream)
        return answers

    def _one(self, words: list[str], stream: int) -> bytes:
        command = " ".join(words)
        for beginning, reply in self.refuse.items():
            if command.startswith(beginning):
                return reply
        resp3 = stream in self._resp3
        match words:
            case ["HELLO", "3", *_]:
                self._resp3.add(stream)
                hello = self.replies["HELLO"]
                return resp(hello, as_map=True)
            case ["PSUBSCRIBE" | "SUBSCRIBE" as kind, *names]:
                return b"".join(push(kind.lower(), name, at, resp3=resp3) for at, name in enumerate(names, 1))
            case ["AUTH", *_] | ["CLIENT", *_]:
                return b"+OK\r\n"
            case ["PING"]:
                subscribed = any(at == stream and "SUBSCRIBE" in said for at, said in self.commands)
                return b"+PONG\r\n" if resp3 or not subscribed else push("pong", "", resp3=False)
            case ["ROLE"]:
                return resp(["sentinel", self.masters])
            case ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name] if name not in self.masters:
                return b"_\r\n" if resp3 else b"*-1\r\n"
            case ["SENTINEL", _, name] if name not in self.masters:
                return NO_MASTER
            case ["SENTINEL", "MASTER", _]:
                rows = self.replies["SENTINEL MASTERS"]
                assert isinstance(rows, list)
                return resp(rows[0], as_map=resp3)
            case ["SENTINEL", part, _]:
                as_map = resp3 and part in ("REPLICAS", "SENTINELS")
                return resp(self.replies[f"SENTINEL {part} mymaster"], as_map)
            case _:
                return resp(self.replies[command])


def link_of(name: str = "127.0.0.1:26379", **options: object) -> Link:
    return Link(name, rng=lambda: 0.5, **options)  # type: ignore[arg-type]


def exchange(
    link: Link,
    sentinel: ScriptedSentinel,
    now: float,
    cut: Callable[[bytes], Iterable[bytes]] = lambda data: [data],
    open_streams: set[int] | None = None,
    credentials: Credentials = NOBODY,
) -> list[Fact]:
    """Carry bytes between the two until neither has any left; return the facts."""
    opened = open_streams if open_streams is not None else set()
    facts: list[Fact] = []
    for _ in range(200):
        for stream in set(range(link.streams_wanted)) - opened:
            opened.add(stream)
            link.connect(now, stream, credentials)
        sent = link.data_to_send()
        for stream, data in sent:
            for piece in cut(sentinel.answer(data, stream)):
                link.receive_data(piece, now, stream)
        opened &= set(range(link.streams_wanted))
        facts += link.events_received()
        if not sent and opened == set(range(link.streams_wanted)):
            return facts
    raise AssertionError("the two never came to rest")


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def node_of(**options: object) -> NodeLink:
    from switchmaster.model import Address

    return NodeLink(Address("10.0.0.1", 6379), rng=lambda: 0.5, **options)  # type: ignore[arg-type]
