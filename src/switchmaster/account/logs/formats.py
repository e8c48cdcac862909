"""
The servers' own line formats: which process wrote a line, when, at which level, and the message.

One line of text goes in, with whatever a container, a collector or a person put around it. The server's own part comes
out, and the text before it, which `wrappers` reads. The server's part is searched for, not expected at the beginning,
so an unknown wrapper hides nothing.

Source: serverLogRaw() in server.c. Redis 2.8 ``[pid] 03 Aug 13:34:28.665 # ``; 3 and 4 ``pid:X 09 Nov 17:58:33.373 #
``; 5 and later with the year; Valkey 8.1 and later ``log-format`` legacy or logfmt with ``log-timestamp-format``
legacy, iso8601 or milliseconds; the Windows port ``[001888] 03 Aug 13:34:28.665 # ``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .stamps import SERVER_STAMP, Stamp, read_stamp

__all__ = ["LOG_LINE_MAX", "ServerLine", "find_server_line"]

LOG_LINE_MAX: Final = 16 * 1024
"""Characters of a line; a server cuts its messages at 1024 bytes, so a longer line is not its own."""

_MESSAGE_MAX: Final = 4096

_LEGACY: Final = re.compile(
    r"(?<![^\s|\"'`\]\[:;,>)}(=\t])"
    r"(?:(?P<pid>\d{1,10}):(?P<role>[XCSM]) |\[(?P<pid2>\d{1,10})\] )?"
    rf"(?P<stamp>{SERVER_STAMP})"
    r" \\?(?P<level>[.*#-])(?: (?P<message>.*))?",
    re.DOTALL,
)
_LOGFMT: Final = re.compile(
    r"\bpid=(?P<pid>\d{1,10}) role=(?P<role>[\w/-]{1,16}) timestamp=\"(?P<stamp>[^\"]{1,40})\""
    r" level=(?P<level>\w{1,16}) message=\"(?P<message>[^\"]*)"
)
_ROLES: Final = {"X": "sentinel", "C": "child", "S": "replica", "M": "master"} | {
    "sentinel": "sentinel",
    "RDB/AOF": "child",
    "replica": "replica",
    "primary": "master",
}
_LEVELS: Final = {".": "debug", "-": "verbose", "*": "notice", "#": "warning", "info": "verbose"}
# Markdown's escapes, as people paste them: only before characters with a meaning there.
_ESCAPED: Final = re.compile(r"\\([*#+_@\-\[\]().!`|~<>])")
_QUOTES: Final = {'"': '"', "'": "'", "`": "`"}


@dataclass(frozen=True, slots=True)
class ServerLine:
    """What a server wrote."""

    before: str
    """The text before it on the line."""
    pid: int | None
    role: str | None
    """``sentinel``, ``master``, ``replica`` or ``child``; None in the formats before Redis 3, which do not say."""
    stamp: Stamp
    level: str
    """``debug``, ``verbose``, ``notice`` or ``warning``."""
    message: str


def find_server_line(line: str) -> ServerLine | None:
    """
    Find what a server wrote in a line.

    Args:
        line: without its line end.

    Returns:
        The server's part, or None if there is none.
    """
    if len(line) > LOG_LINE_MAX:
        return None
    if "message=" in line and (found := _LOGFMT.search(line)):
        stamp = read_stamp(found["stamp"])
        if stamp is not None:
            role, level = _ROLES.get(found["role"]), _LEVELS.get(found["level"], found["level"])
            message = _bare(found["message"], "")
            return ServerLine(line[: found.start()], int(found["pid"]), role, stamp, level, message)
    for found in _LEGACY.finditer(line):
        stamp = read_stamp(found["stamp"])
        if stamp is None:
            continue
        before = line[: found.start()]
        pid = found["pid"] or found["pid2"]
        message = _bare(found["message"] or "", before)
        role, level = _ROLES.get(found["role"] or ""), _LEVELS[found["level"]]
        return ServerLine(before, None if pid is None else int(pid), role, stamp, level, message)
    return None


def _bare(message: str, before: str) -> str:
    """Return a message without what a collector or Markdown added after and into it."""
    message = message[:_MESSAGE_MAX].rstrip()
    # A list in JSON, or swarm's own output: a comma at the end. No message of a Sentinel ends with one.
    message = message.removesuffix(",").rstrip()
    quote = _QUOTES.get(before[-1:])
    if quote is not None:
        message = message.removesuffix(quote)
    return _ESCAPED.sub(r"\1", message) if "\\" in message else message
