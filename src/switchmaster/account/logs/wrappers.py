"""
What containers, collectors and people put before a server's line: its source, and a time.

The text before the server's own part goes in, or a whole line if the server's message is bare, as in syslog. It is read
piece by piece from the left; each piece is one row of `_PIECES`. Text that no row matches is skipped word by word: it
says nothing, and costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .stamps import STAMP, Stamp, read_stamp

__all__ = ["CONTROL", "Wrapping", "read_json_line", "read_wrapping"]

CONTROL: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""The terminal's colours, which docker compose puts around names."""

_PIECES_MAX: Final = 12
"""Pieces of one line's prefix that are read."""
_NAME: Final = r"[\w.@-]{1,200}"
_SERVERS: Final = re.compile(r"redis|valkey|keydb|sentinel", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What a line's wrapper says."""

    source: str | None = None
    """The name of the container, pod, unit, host or file; None if the wrapper names none."""
    stamp: Stamp | None = None
    pid: int | None = None
    bare: bool = False
    """Whether a bare server's message follows, as in syslog."""
    rest: str = ""
    """The text after the last piece that was understood."""

    @property
    def of_server(self) -> bool:
        """Whether the source's name is that of a Redis, a Valkey or a Sentinel."""
        return self.source is not None and _SERVERS.search(self.source) is not None


def read_wrapping(text: str) -> Wrapping:
    """
    Read the text before a server's message.

    Args:
        text: the beginning of a line, up to the server's own part; or a whole line.

    Returns:
        What it says; all fields are None if it says nothing.
    """
    known = Wrapping(rest=CONTROL.sub("", text))
    for _ in range(_PIECES_MAX):
        taken = next((wrapping for piece, take in _PIECES if (wrapping := _take(known, piece, take))), None)
        if taken is None:
            break
        known = taken
        if known.bare or not known.rest:
            break
    return known


def read_json_line(line: str) -> tuple[Wrapping, str] | None:
    """
    Read a line of JSON that wraps a line of text: docker's json-file, Kubernetes collectors, journalctl -o json.

    Args:
        line: one JSON object.

    Returns:
        What it says about the text, and the text; None if it is no such object.
    """
    try:
        found = json.loads(line.rstrip().removesuffix(","))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or "channel" in found:
        return None
    text = next((body for key in _TEXT_KEYS if (body := _as_text(found.get(key))) is not None), None)
    if text is None:
        return None
    stamp = _json_stamp(found)
    pid = found.get("_PID") or found.get("SYSLOG_PID")
    # journald has the bare message of a server that logs to syslog, and names the identifier.
    bare = "MESSAGE" in found or "SYSLOG_IDENTIFIER" in found
    number = int(pid) if isinstance(pid, str) and pid.isdigit() and len(pid) < 11 else None
    return Wrapping(_json_source(found), stamp, number, bare), text.rstrip("\r\n")


_TEXT_KEYS: Final = ("log", "MESSAGE", "message", "msg", "textPayload", "line", "_raw", "body")
_TIME_KEYS: Final = ("time", "@timestamp", "timestamp", "ts", "receiveTimestamp")
_SOURCE_KEYS: Final = (
    *("pod_name", "pod", "container_name", "container", "CONTAINER_NAME", "unit", "_SYSTEMD_UNIT", "instance"),
    *("host", "hostname", "_HOSTNAME", "source", "SYSLOG_IDENTIFIER"),
)


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    # journald writes bytes that are not UTF-8 as a list of numbers.
    if isinstance(value, list) and value and all(isinstance(b, int) and 0 <= b < 256 for b in value):
        return bytes(value).decode("utf-8", "surrogateescape")
    return None


def _json_stamp(found: Mapping[str, Any]) -> Stamp | None:
    micros = found.get("_SOURCE_REALTIME_TIMESTAMP") or found.get("__REALTIME_TIMESTAMP")
    if isinstance(micros, str) and micros.isdigit() and len(micros) <= 17:
        return Stamp(int(micros) / 1e6, year=True, zone=True, digits=6)
    for key in _TIME_KEYS:
        value = found.get(key)
        if isinstance(value, str) and (stamp := read_stamp(value)) is not None:
            return stamp
        if isinstance(value, int | float) and not isinstance(value, bool) and 1e8 < value < 1e14:
            return Stamp(value / 1000 if value > 1e11 else float(value), year=True, zone=True)
    return None


def _json_source(found: Mapping[str, Any]) -> str | None:
    named = {key: value for key, value in found.items() if isinstance(value, str)}
    for inner in ("kubernetes", "resource", "labels", "attrs", "docker"):
        if isinstance(found.get(inner), dict):
            named = {**named, **{key: value for key, value in found[inner].items() if isinstance(value, str)}}
    if "_HOSTNAME" in named and "SYSLOG_IDENTIFIER" in named:
        return f"{named['_HOSTNAME']}/{named['SYSLOG_IDENTIFIER']}"
    return next((named[key].lstrip("/") for key in _SOURCE_KEYS if named.get(key)), None)


# One function for each piece ----------------------------------------------------------------------


def _blank(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    return known


def _file(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    return replace(known, source=known.source or found[1].rpartition("/")[2])


def _named(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    return replace(known, source=found[1])


def _tagged(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    return replace(known, source=known.source or found[1])


def _timed(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    stamp = read_stamp(found[1])
    return None if stamp is None else replace(known, stamp=_better(known.stamp, stamp))


def _logged(known: Wrapping, found: re.Match[str]) -> Wrapping | None:
    stamp = read_stamp(found[1])
    if stamp is None:
        return None
    pid = int(found[4]) if found[4] else None
    source = f"{found[2]}/{found[3]}"
    return replace(known, source=known.source or source, stamp=_better(known.stamp, stamp), pid=pid, bare=True)


def _better(known: Stamp | None, other: Stamp) -> Stamp:
    """Return the stamp that says more."""
    return known if known is not None and (known.zone or not other.zone) else other


_Take = Callable[[Wrapping, re.Match[str]], Wrapping | None]

_PIECES: Final[tuple[tuple[re.Pattern[str], _Take], ...]] = (
    # Indentation, quotation, a list's mark.
    (re.compile(r"[\s>`\"']+|[-*] +|\| +|,+"), _blank),
    # kubectl logs --prefix
    (re.compile(rf"\[pod/({_NAME})/{_NAME}\] ?"), _named),
    # docker compose, v1 (name_1  |) and v2 (name-1  |), docker service logs (name.1.id@node    |)
    (re.compile(rf"({_NAME})\s{{0,40}}\|(?: |$)"), _named),
    # CRI: time, stream, F(ull) or P(artial)
    (re.compile(rf"({STAMP})\s+(?:stdout|stderr) [FP](?: |$)"), _timed),
    # RFC 5424: <pri>1 time host app pid msgid [data]
    (
        re.compile(
            rf"(?:<\d{{1,3}}>)?1 ({STAMP}) (\S{{1,255}}) (\S{{1,48}}) (\d{{1,10}})?-? \S{{1,32}} (?:-|\[.*?\]) ?"
        ),
        _logged,
    ),
    # RFC 3164, journalctl -o short and its relatives: time host identifier[pid]:
    (re.compile(rf"(?:<\d{{1,3}}>)?({STAMP}) (\S{{1,255}}) ([^\s\[:]{{1,100}})(?:\[(\d{{1,10}})\])?:(?: |$)"), _logged),
    # kubectl --timestamps, docker logs -t, svlogd
    (re.compile(rf"\[?({STAMP})\]?:?(?:\s+|$)"), _timed),
    # grep: file:line: or file:
    (re.compile(r"([\w./@~+-]{1,255}\.(?:log|txt|out|gz)(?:\.\d{1,4})?(?:\.gz)?)[:-](?:\d{1,10}[:-])?\s*"), _file),
    # A line's number.
    (re.compile(r"\d{1,10}(?:[:.)\t]\s*|\s+|$)"), _blank),
    # A tag: [host-redis-sentinel], s1:, Sentinel_2_log
    (re.compile(rf"\[({_NAME})\]:?\s*"), _tagged),
    (re.compile(r"([A-Za-z][\w.@/-]{0,200})(?::\s*|\s+|$)"), _tagged),
)
"""What may precede a server's line, the more specific first."""


def _take(known: Wrapping, piece: re.Pattern[str], take: _Take) -> Wrapping | None:
    found = piece.match(known.rest)
    if found is None or found.end() == 0:
        return None
    taken = take(known, found)
    return None if taken is None else replace(taken, rest=known.rest[found.end() :])
