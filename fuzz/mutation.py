"""
Recorded bytes, made hostile: input as a broken, an older or a malicious peer might send it.

Bytes and a list of steps, each a kind and a number, come in; bytes go out. The same steps always give the same bytes,
so a failure can be reported, shrunk and run again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

__all__ = ["KINDS", "LONGEST", "Mutation", "mutated", "random_mutations"]

LONGEST: Final = 64 * 1024
"""The most bytes of an input; anything longer is cut."""


class Mutation(NamedTuple):
    """One step: its kind, and the number from which its places and sizes are drawn."""

    kind: str
    number: int


NUMBERS: Final = (
    b"0", b"-1", b"00", b"1", b"9", b"65535", b"65536", b"999999", b"1000000", b"9999999", b"2147483648",
    b"4294967295", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"-9223372036854775808",
    b"1e308", b"nan", b"9" * 40, b"7" * 5000,
)  # fmt: skip
"""Numbers at the edges of what C, RESP, ports, epochs and Python's int() take."""

TOKENS: Final = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"  ", b"\t", b" @ ", b"@", b"#", b"%", b"%zz", b"%00", b"%ff", b"&", b"=",
    b":", b"::1", b"[", b"]", b"/", b"//", b"?", b",", b'"', b"\\", b"\\x", b"\x1b[2J", b"\x1b]0;x\x07", b"\x9b1m",
    b"\x7f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xed\xb2\x80", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xf0\x9f\xa6\x8a",
    b"\xef\xbb\xbf", b"pass", b" auth-pass ", b" quorum 2", b" #quorum 2/2", b"slave ", b"master ", b"sentinel ",
    b"*-1\r\n", b"$-1\r\n", b"_\r\n", b"*0\r\n", b"%0\r\n", b">0\r\n", b"*1\r\n", b"%1\r\n", b"~1\r\n", b"|1\r\n",
    b"#t\r\n", b",inf\r\n", b",nan\r\n", b"(123456789012345678901234567890\r\n", b"=15\r\ntxt:Some string\r\n",
    b"+OK\r\n", b"-ERR x\r\n", b"-NOPERM x\r\n", b"-NOAUTH x\r\n", b"-LOADING x\r\n", b":1\r\n", b"$0\r\n\r\n",
    b"-ERR No such master with that name\r\n", b"-\xff\xfe\r\n", b"+\xff\r\n", b"*2\r\n*2\r\n", b"*999999\r\n",
    b"\n*9999999\r\n", b"HTTP/1.1 400\r\n", b"\x15\x03\x01", b"1) ", b"2) (integer) 1", b"(error) x",
    b'{"channel":"+sdown","payload":"', b"}", b"{", b"null", b"\\ud800", b"127.0.0.1:26379> ", b"redis-cli -h ",
)  # fmt: skip
"""Words with a meaning to at least one of our parsers, or to a terminal."""

_DIGITS: Final = re.compile(rb"[0-9]+")


def _place(data: bytes, chance: random.Random) -> tuple[int, int]:
    at = chance.randrange(len(data) + 1)
    return at, min(len(data), at + chance.choice((1, 2, 4, 8, 16, 64, 256, 4096)))


def _cut(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at, end = _place(data, chance)
    return data[:at] + data[end:]


def _end(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip(data: bytes, other: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << chance.randrange(8)),)) + data[at + 1 :]


def _byte(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes((chance.randrange(256),)) + data[at + chance.randrange(2) :]


def _double(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at, end = _place(data, chance)
    to = chance.randrange(len(data) + 1)
    return data[:to] + data[at:end] * chance.choice((1, 1, 2, 8)) + data[to:]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _merge(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at, end = _place(other, chance)
    to = chance.randrange(len(data) + 1)
    return data[:to] + other[at:end] + data[to:]


def _token(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(TOKENS) + data[at + chance.choice((0, 0, 1, 4)) :]


def _nest(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice((b"*1\r\n", b"%1\r\n+a\r\n", b"[", b'{"a":', b"(", b"@ ")) * 300 + data[at:]


def _number(data: bytes, other: bytes, chance: random.Random) -> bytes:
    found = list(_DIGITS.finditer(data))
    if not found:
        return data
    one = chance.choice(found)
    new = chance.choice(NUMBERS) if chance.random() < 0.7 else b"%d" % (int(one[0][:15]) + chance.choice((-1, 1, 2)))
    return data[: one.start()] + new + data[one.end() :]


def _line_twice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    lines.insert(chance.randrange(len(lines) + 1), lines[at])
    return b"\n".join(lines)


def _line_gone(data: bytes, other: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def _lines_swapped(data: bytes, other: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


_STEPS: Final[Mapping[str, Callable[[bytes, bytes, random.Random], bytes]]] = {
    "cut": _cut,
    "end": _end,
    "flip": _flip,
    "byte": _byte,
    "double": _double,
    "splice": _splice,
    "merge": _merge,
    "token": _token,
    "nest": _nest,
    "number": _number,
    "line-twice": _line_twice,
    "line-gone": _line_gone,
    "lines-swapped": _lines_swapped,
}
KINDS: Final = tuple(_STEPS)
"""The kinds of steps, gentle ones first."""


def mutated(data: bytes, other: bytes, steps: Sequence[Mutation]) -> bytes:
    """
    Make recorded bytes hostile.

    Args:
        data: the recording.
        other: another recording, which some steps take pieces from.
        steps: the steps, in order; none returns the recording itself.
    """
    for step in steps:
        data = _STEPS[step.kind](data, other, random.Random(step.number))[:LONGEST]
    return data


def random_mutations(chance: random.Random) -> list[Mutation]:
    """Return a few steps; one in ten inputs stays as recorded."""
    count = chance.choice((0, 1, 1, 1, 2, 2, 3, 4, 6, 10))
    return [Mutation(chance.choice(KINDS), chance.getrandbits(32)) for _ in range(count)]
