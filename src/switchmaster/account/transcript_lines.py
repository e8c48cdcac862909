"""
The lines of a transcript, one function for each form.

One line of text goes in; what it says comes out, or None if it has another form. Nothing here remembers earlier lines,
and nothing raises, whatever the line holds.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

from ..model import Address
from ..wire.hello import HELLO_CHANNEL

__all__ = [
    "CHANNEL",
    "LINE_MAX",
    "MESSAGES",
    "Dressed",
    "Element",
    "JsonEvent",
    "Prompt",
    "Value",
    "encoded",
    "is_log_line",
    "read_element",
    "read_json",
    "read_prompt",
    "read_reply",
    "read_time",
    "undress",
]

LINE_MAX: Final = 64 * 1024
"""Characters of a line; a payload has at most 1023 bytes, so a longer line is no part of a transcript."""

CHANNEL: Final = re.compile(rf"[+-][a-z-]{{1,64}}|{HELLO_CHANNEL}")
"""The form of every channel that Sentinel publishes on; the hello goes to the data nodes."""

MESSAGES: Final = {"pmessage": 4, "message": 3, "psubscribe": 3, "subscribe": 3}
"""The first element of a subscriber's message, and how many elements it has."""

Value: TypeAlias = str | int | None
"""The text or integer of an element; None for anything else."""

Element: TypeAlias = tuple[int, Value]
"""The place of an element in its frame, and its value."""

_PREFIX: Final = r"[\s>|]*"
"""What precedes a line that was quoted in Markdown or indented."""

# Markdown renders "1)" as "1.", and word processors replace blanks and quotation marks.
_ELEMENT: Final = re.compile(_PREFIX + r"([0-9]{1,5})[).>][ \t\xa0]+(.*)", re.DOTALL)
# redis-cli escapes quotation marks, so the next one ends the value; what follows is a note by the person who pasted it.
_QUOTED: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_CURLY: Final = re.compile("[\u201c\u201d]([^\u201c\u201d]*)[\u201c\u201d]")
_INTEGER: Final = re.compile(rb"\(integer\) (-?[0-9]{1,19})(?!\S)")
_CELL: Final = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"|(-?[0-9]{1,19})|NULL', re.DOTALL)
_QUOTES: Final = r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*\""""
_PAIR: Final = re.compile(rf"\s*({_QUOTES})\s*:\s*(?:b?({_QUOTES})|(-?[0-9]{{1,19}})|None)\s*([,}}])", re.DOTALL)
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

_COLOUR: Final = r"(?:\x1b\[[0-9;]*m)*"
_CONTAINER: Final = re.compile(
    rf"{_COLOUR}(?:([A-Za-z0-9][\w.-]{{0,127}}){_COLOUR}[ \t]{{1,64}}\|{_COLOUR} ?{_COLOUR}"
    r"|\[pod/([\w./-]{1,255})\] )"
)
"""docker compose: ``name-1  | ``; kubectl logs --prefix: ``[pod/name/container] ``."""
_STAMP: Final = re.compile(
    r"\[?((?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]|[A-Z][a-z]{2} [ 0-9][0-9] )?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)\]?[ \t]+(?=\S)"
)
"""``docker logs -t``, ``kubectl logs --timestamps``, ``ts``: with or without a date, with or without a zone."""
_LOG_LINE: Final = re.compile(
    r"[0-9]{1,9}:[XSMC] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:.]{8,12} [.#*-] [+-][a-z-]{1,64}(?: .*)?", re.DOTALL
)

_EARLIEST: Final = -62_135_596_800
_LATEST: Final = 253_402_300_799
"""The years 1 to 9999, in seconds since 1970: times that can be written as a date again."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A line that shows which server the following lines are from."""

    sentinel: str | None
    """``host:port``; None if redis-cli was started without an address."""
    starts: bool
    """Whether a new session begins here; False at the prompt of one that is subscribed."""
    rest: str = ""
    """What follows redis-cli's own prompt."""


@dataclass(frozen=True, slots=True)
class JsonEvent:
    """One published message in a line of JSON."""

    sentinel: str | None
    time: float | None
    channel: str
    payload: str


class Dressed(NamedTuple):
    """A line, separated from the prefix of a container runtime or a clock."""

    source: str | None
    """The container or pod that wrote it; None if none is named."""
    time: float | None
    """Seconds since 1970; None without a time, or with a time without a zone."""
    text: str


def undress(line: str) -> Dressed:
    """
    Separate a line from the prefix of ``docker compose logs``, ``kubectl logs --prefix`` or a clock.

    Args:
        line: such as ``s1-1  | 2026-11-23T03:00:00.123Z pmessage``.

    Returns:
        The prefix's parts, and the line as it was written; the line itself if it has no such prefix.
    """
    if line[:1] in ("", "{", "+", "*") or len(line) > LINE_MAX:
        return Dressed(None, None, line)
    source, time = None, None
    if match := _CONTAINER.match(line):
        source, line = match[1] or match[2], line[match.end() :]
    if match := _STAMP.match(line):
        time, line = read_time(match[1].replace(",", ".")), line[match.end() :]
    return Dressed(source, time, line)


def is_log_line(line: str) -> bool:
    """Return whether this is an event in a Sentinel's own log file, which is another source than its subscribers."""
    return _LOG_LINE.fullmatch(line.strip()) is not None


def read_element(line: str) -> Element | None:
    """
    Read one element of a reply as redis-cli shows it on a terminal.

    Args:
        line: such as ``3) "+sdown"`` or ``3) (integer) 1``, perhaps indented, quoted, after a carriage return, or
            followed by a note.

    Returns:
        Its place, and its text with redis-cli's quoting undone, its integer, or None for a value that is neither or has
        no end. None if the line has another form.

    Source: sdscatrepr() in sds.c, cliFormatReplyTTY() in redis-cli.c; Redis 6.2 to 8.2, Valkey 9.1.
    """
    if len(line) > LINE_MAX:
        return None
    match = _ELEMENT.fullmatch(_as_seen(line))
    if match is None:
        return None
    place, value = int(match[1]), encoded(match[2])
    if integer := _INTEGER.match(value):
        return place, int(integer[1])
    if quoted := _QUOTED.match(value):
        return place, _unquoted(quoted[1])
    if curly := _CURLY.match(match[2]):
        return place, curly[1]
    return place, None


def read_reply(line: str) -> tuple[Value, ...] | None:
    """
    Read a subscriber's message that is complete on one line.

    Args:
        line: one of ``"pmessage","*","+sdown","..."`` (redis-cli --csv), ``["pmessage","*","+sdown","..."]``
            (redis-cli --json), ``{"type": "pmessage", "channel": ..., "data": ...}``, or the same as Python prints a
            dictionary (what redis-py's get_message() returns).

    Returns:
        Its elements, the first of which is a key of `MESSAGES`; None if the line has another form.
    """
    bare = line.strip(" \t\r>|")
    opening = bare[:1]
    if opening not in ('"', "[", "{") or len(line) > LINE_MAX or not ("message" in bare or "subscribe" in bare):
        return None
    values = _csv_cells(bare) if opening == '"' else _dumped(bare)
    if not values or not isinstance(values[0], str) or values[0] not in MESSAGES:
        return None
    return values


def read_prompt(line: str) -> Prompt | None:
    """
    Read redis-cli's prompt, or a command line that starts redis-cli or valkey-cli.

    Args:
        line: such as ``10.0.0.1:26379> psubscribe *`` or ``[root@h ~]# redis-cli -h 10.0.0.1 -p
            26379``.

    Returns:
        What it says; None if the line has another form.
    """
    seen = _as_seen(line)
    if match := _PROMPT.fullmatch(seen):
        return Prompt(match[1], starts=match[2] is None, rest=match[3])
    if match := _COMMAND.search(seen):
        return Prompt(_named_by_options(match[1].split()), starts=True)
    return None


def read_json(line: str) -> JsonEvent | str | None:
    """
    Read one line of JSON: a recorded message, or a line of our own output.

    Args:
        line: ``{"ts": …, "sentinel": …, "channel": …, "payload": …}``, or an event line, which has
            ``type`` and an ISO 8601 ``time`` instead of ``ts``.

    Returns:
        The message; None for a line of our own without an event; or the reason why it cannot be read.
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
    if "node" in found and channel != HELLO_CHANNEL:
        return "published by a data node, not by a Sentinel"
    named = sentinel if isinstance(sentinel, str) and sentinel else None
    return JsonEvent(named, _seconds(found.get("ts", found.get("time"))), channel, payload)


def read_time(text: str) -> float | None:
    """
    Read an ISO 8601 time with its zone, such as ``2026-11-23T03:00:00.123456Z``.

    Returns:
        Seconds since 1970, or None if the text is no such time in the years 1 to 9999. A leap second counts as the next
        second.
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
    Return the bytes of a text that may hold undecodable bytes; other characters that can't be encoded become ``?``.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _as_seen(line: str) -> str:
    # Since 7.2 redis-cli clears its prompt with a carriage return and ESC [K, and `script` keeps
    # both. Text from the network is quoted, so neither is ever a part of it.
    return _CONTROL.sub("", line.rstrip("\r\n")).rpartition("\r")[2]


def _unquoted(text: bytes) -> str:
    return _ESCAPE.sub(_unescape, text).decode("utf-8", "surrogateescape")


def _csv_cells(line: str) -> tuple[Value, ...]:
    content, at, cells = encoded(line), 0, list[Value]()
    while (match := _CELL.match(content, at)) and len(cells) < max(MESSAGES.values()):
        cells.append(int(match[2]) if match[2] else None if match[1] is None else _unquoted(match[1]))
        at = match.end() + 1
        if content[match.end() : at] != b",":
            break
    return tuple(cells)


def _dumped(line: str) -> tuple[Value, ...] | None:
    """Read an array or a dictionary, of JSON or of Python."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = _python_pairs(line)
    if isinstance(found, dict):
        pattern = ("pattern",) if found.get("type") == "pmessage" else ()
        found = [found[key] for key in ("type", *pattern, "channel", "data") if key in found]
    if not isinstance(found, list):
        return None
    return tuple(value if isinstance(value, str | int) else None for value in found)


def _python_pairs(line: str) -> dict[str, Value]:
    # redis-py returns only dictionaries of text, bytes, integers and None; nothing is evaluated.
    pairs, at = dict[str, Value](), 1
    while match := _PAIR.match(line, at):
        value = None if match[2] is None else _unquoted(encoded(match[2][1:-1]))
        pairs[match[1][1:-1]] = int(match[3]) if match[3] else value
        if match[4] == "}":
            return pairs
        at = match.end()
    return {}


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
    # A host that starts with a dash is the next option of an incomplete command line.
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
