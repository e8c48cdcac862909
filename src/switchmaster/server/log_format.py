"""
The format of the daemon's log on standard error: one line for people, or one JSON object, for each record.

Everything goes through `logging`; ``extra={"fields": {...}}`` adds fields such as ``deployment`` or ``failover``. JSON
is ASCII and text is escaped: what came from the network can't forge a line or control a terminal.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any, Final, Literal

from ..render import iso

__all__ = ["JsonLines", "TextLines", "set_up"]

_UNSAFE: Final = re.compile(r"[^\x20-\x7e\xa1-\xac\xae-\u024f\u0370-\u03ff\u0400-\u04ff\u3040-\u30ff\u4e00-\u9fff]")
"""Everything except printable letters and signs of common scripts."""


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


class TextLines(logging.Formatter):
    """One line for people: time, level, message, and ``key=value`` for each field."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items() if value is not None)
        text = _escaped(f"{iso(record.created)} {record.levelname.lower():<7} {record.getMessage()}{fields}")
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(form: Literal["text", "json"], level: str) -> None:
    """
    Send all log records to standard error; a second call changes the format and the level.

    Args:
        form: ``text`` for people, ``json`` for programs.
        level: the lowest level that is logged: ``debug``, ``info``, ``warning`` or ``error``.
    """
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [out]
    root.setLevel(level.upper())
    # Alembic logs each step of a migration; the writer logs what matters of it.
    logging.getLogger("alembic").setLevel("WARNING")


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)
