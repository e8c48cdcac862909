"""
The lines of which a transcript is made, one function for each look.

What enters is one line of text; what leaves is what it says, or None where it has another look.
Nothing here remembers a line before, and nothing raises, whatever stands there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from .model import Address

__all__ = [
    "CHANNEL",
    "LINE_MAX",
    "Element",
    "Prompt",
    "Published",
    "encoded",
    "read_element",
    "read_json",
    "read_prompt",
    "read_time",
]

LINE_MAX: Final = 64 * 1024
"""
Characters of a line; a payload has 1023 bytes at most, so a longer line is no part of a transcript.
"""

CHANNEL: Final = re.compile(r"[+-][a-z-]{1,64}")
"""The look of every channel that Sentinel publishes on."""

Element: TypeAlias = tuple[int, str | int | None]
"""The place of an element in its frame, and the text or integer there; None for anything else."""

_PREFIX: Final = r"[\s>|]*"
"""What stands before a line that was quoted in Markdown or indented."""

_ELEMENT: Final = re.compile(_PREFIX + r"([0-9]{1,4})[)>] (.*)", re.DOTALL)
_QUOTED: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"\s*', re.DOTALL)
_INTEGER: Final = re.compile(rb"\(integer\) (-?[0-9]{1,19})\s*")
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}
_CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

_HOST: Final = r"[\w.:\[\]-]{1,255}"
_PROMPT: Final = re.compile(
    rf"{_PREFIX}({_HOST}:[0-9]{{1,5}})(\(subscribed mode\))?(?:\[[0-9]+\])?(?:\(TX\))?> ?(.*)",
    re.DOTALL,
)
_COMMAND: Final = re.compile(r"\b(?:redis|valkey)-cli\b(.*)", re.DOTALL)
_URL: Final = re.compile(r"(?:redis|valkey)s?://(?:.*@)?(?:\[([^\]]+)\]|([^:/@]+))(?::([0-9]{1,5}))?(?:/.*)?")
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?"
    r"(?:Z|([+-])([0-9]{2}):?([0-9]{2}))"
)

_EARLIEST: Final = -62_135_596_800
_LATEST: Final = 253_402_300_799
"""The years 1 to 9999, in seconds since 1970: what a time may be that is written as a date again."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A line that shows with which server the lines after it speak."""

    sentinel: str | None
    """``host:port``; None where redis-cli was started without saying."""
    starts: bool
    """Whether a new conversation begins here: not at the prompt of one that is subscribed."""
    rest: str = ""
    """What stands after redis-cli's own prompt."""


@dataclass(frozen=True, slots=True)
class Published:
    """One published message in a line of JSON."""

    sentinel: str | None
    time: float | None
    channel: str
    payload: str


def read_element(line: str) -> Element | None:
    """
    Read one element of a reply as redis-cli shows it on a terminal.

    Args:
        line: such as ``3) "+sdown"`` or ``3) (integer) 1``, maybe indented, quoted or after a
            carriage return.

    Returns:
        Its place, and its text with redis-cli's quoting undone, its integer, or None for a value
        that is neither or has no end. None where the line has another look.

    Source: sdscatrepr() in sds.c, cliFormatReplyTTY() in redis-cli.c; Redis 6.2 to 8.2, Valkey 9.1.
    """
    if len(line) > LINE_MAX:
        return None
    match = _ELEMENT.fullmatch(_as_seen(line))
    if match is None:
        return None
    place, value = int(match[1]), encoded(match[2])
    if integer := _INTEGER.fullmatch(value):
        return place, int(integer[1])
    if quoted := _QUOTED.fullmatch(value):
        return place, _ESCAPE.sub(_unescape, quoted[1]).decode("utf-8", "surrogateescape")
    return place, None


def read_prompt(line: str) -> Prompt | None:
    """
    Read redis-cli's prompt, or a command line that starts redis-cli or valkey-cli.

    Args:
        line: such as ``10.0.0.1:26379> psubscribe *`` or ``[root@h ~]# redis-cli -h 10.0.0.1 -p
            26379``.

    Returns:
        What it says, or None where the line has another look.
    """
    seen = _as_seen(line)
    if match := _PROMPT.fullmatch(seen):
        return Prompt(match[1], starts=match[2] is None, rest=match[3])
    if match := _COMMAND.search(seen):
        return Prompt(_named_by_options(match[1].split()), starts=True)
    return None


def read_json(line: str) -> Published | str | None:
    """
    Read one line of JSON: a recorded message, or a line of our own output.

    Args:
        line: ``{"ts": …, "sentinel": …, "channel": …, "payload": …}``, or an event line, which has
            ``type`` and an ISO 8601 ``time`` instead of ``ts``.

    Returns:
        The message; None for a line of our own that holds no event; or why it cannot be read.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "not a whole line of JSON"
    if not isinstance(found, dict):
        return "not a JSON object"
    if isinstance(found.get("type"), str) and found["type"] != "event":
        return None
    channel, payload, sentinel = (found.get(key) for key in ("channel", "payload", "sentinel"))
    if not isinstance(channel, str) or not isinstance(payload, str):
        return "a JSON object without the text of a channel and a payload"
    if "node" in found:
        return "published by a data node, not by a Sentinel"
    named = sentinel if isinstance(sentinel, str) and sentinel else None
    return Published(named, _seconds(found.get("ts", found.get("time"))), channel, payload)


def read_time(text: str) -> float | None:
    """
    Read an ISO 8601 time with its zone, such as ``2026-11-23T03:00:00.123456Z``.

    Returns:
        Seconds since 1970, or None where the text is no such time of the years 1 to 9999. A leap second counts as
        the next one.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    zone = (int(match[9]) * 3600 + int(match[10]) * 60) if match[8] else 0
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return _dated(seconds + float(match[7] or 0) - (zone if match[8] == "+" else -zone))


def encoded(text: str) -> bytes:
    """
    Return the bytes of a text that may hold undecodable bytes; what was never bytes becomes ``?``.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _as_seen(line: str) -> str:
    # redis-cli from 7.2 on clears its prompt with a carriage return and ESC [K, and `script` keeps
    # both. What comes from the network is quoted, so neither is ever a part of it.
    return _CONTROL.sub("", line.rstrip("\r\n")).rpartition("\r")[2]


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes((int(code[1:], 16),)) if len(code) == 3 else _ESCAPED.get(code, code)


def _named_by_options(words: list[str]) -> str | None:
    given = {option: value.strip("`'\"") for option, value in pairwise(words) if option in ("-h", "-p", "-u")}
    host, port = given.get("-h", "127.0.0.1"), given.get("-p", "6379")
    if match := _URL.fullmatch(given.get("-u", "")):
        host, port = match[1] or match[2], match[3] or "6379"
    elif not given.keys() & {"-h", "-p"}:
        return None
    # A host that starts with a dash is the next option of a command line cut short.
    if not re.fullmatch(r"(?!-)[\w.:-]{1,255}", host) or not re.fullmatch(r"[0-9]{1,5}", port):
        return None
    return str(Address(host, int(port)))


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        return read_time(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return _dated(seconds)


def _dated(seconds: float) -> float | None:
    return seconds if _EARLIEST <= seconds <= _LATEST else None


def _days(year: int, month: int, day: int) -> int:
    # Days since 1970-01-01 in the Gregorian calendar; March counts as the first month, so that a
    # leap day is the last of its year.
    year -= month <= 2
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468
