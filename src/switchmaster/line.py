"""
What all lines have in common: their type, and how times, addresses and text are written in them.

`switchmaster.render` makes the lines of the core's values. What only reads lines, such as the journal's reader, needs
none of those values, and imports this alone.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from .model import Wall

__all__ = ["Line", "host_port", "iso", "seconds_of", "to_json"]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":"))
"""Kept, because `json.dumps` makes one for each call."""


def _fast_encode() -> Callable[[Any], str]:
    """Return the encoder's own function in C, kept too: `JSONEncoder.encode` makes one for each call."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _ENCODER.encode
    escape = json.encoder.encode_basestring_ascii
    chunks = make(None, _ENCODER.default, escape, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


_encode: Final = _fast_encode()

Line = dict[str, Any]
"""One JSON object; its ``type`` says which kind."""


@lru_cache(maxsize=16_384)
def iso(wall: Wall) -> str | None:
    """Return a time as ``2026-11-23T03:00:00.123456Z``, or None if there is none."""
    if wall is None:
        return None
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def seconds_of(time: str | None) -> float:
    """Return the seconds since 1970 of a time in a line; 0 if there is none."""
    return 0.0 if time is None else datetime.fromisoformat(time).timestamp()


def host_port(line: Mapping[str, Any] | None) -> str:
    """Return an address in a line as ``HOST:PORT``, or ``not known``."""
    if line is None:
        return "not known"
    return f"[{line['host']}]:{line['port']}" if ":" in line["host"] else f"{line['host']}:{line['port']}"


def to_json(line: Mapping[str, Any]) -> str:
    """Return the line as JSON on one line, ASCII only."""
    return _encode(line)
