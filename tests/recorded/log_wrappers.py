"""
The wrappers that tools put around a server's log lines: each is a function from line to line.

The shapes are those of docker compose v1 and v2, docker logs, docker service logs, kubectl, CRI, journalctl, syslog,
svlogd, grep, editors and Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

Wrap = Callable[[str, str], str]
"""Maps the writer's name and a server's line to the line in the file."""

_LEGACY: Final = re.compile(r"\d+:[XCSM] (\d\d \w{3} \d{4} [\d:.]+) ")
_LOGFMT: Final = re.compile(r'timestamp="([^"]+)"')


def moment_of(line: str) -> datetime:
    """Return when a recorded line was written."""
    if found := _LOGFMT.search(line):
        return datetime.fromisoformat(found[1])
    found = _LEGACY.match(line)
    assert found, line
    return datetime.strptime(found[1], "%d %b %Y %H:%M:%S.%f").replace(tzinfo=UTC)


def _iso(line: str, zone: str = "Z") -> str:
    return f"{moment_of(line):%Y-%m-%dT%H:%M:%S.%f}000{zone}"


def _docker_json(name: str, line: str) -> str:
    return json.dumps({"log": line + "\n", "stream": "stdout", "time": _iso(line)})


def _kubernetes_json(name: str, line: str) -> str:
    return json.dumps({"message": line, "@timestamp": _iso(line), "kubernetes": {"pod_name": name}}) + ","


def _journal_json(name: str, line: str) -> str:
    micros = str(round(moment_of(line).timestamp() * 1e6))
    return json.dumps({"__REALTIME_TIMESTAMP": micros, "_PID": "7", "_HOSTNAME": name, "SYSLOG_IDENTIFIER": "redis",
                       "MESSAGE": line})  # fmt: skip


def _markdown(name: str, line: str) -> str:
    return "> " + re.sub(r"([*#_@])", r"\\\1", line)


WRAPPERS: Final[dict[str, Wrap]] = {
    "bare": lambda name, line: line,
    "indented": lambda name, line: f"    {line}\r",
    "compose v1": lambda name, line: f"\x1b[36m{name}_1      |\x1b[0m {line}",
    "compose v2": lambda name, line: f"proj-{name}-1  | {line}",
    "docker logs -t": lambda name, line: f"{_iso(line)} {line}",
    "swarm": lambda name, line: f"stack_{name}.1.k2j3h4g5@node1    | {line},",
    "kubectl --prefix": lambda name, line: f"[pod/{name}/sentinel] {line}",
    "kubectl --timestamps": lambda name, line: f"{_iso(line)} {line}",
    "CRI": lambda name, line: f"{_iso(line, '+00:00')} stdout F {line}",
    "docker JSON": _docker_json,
    "Kubernetes JSON": _kubernetes_json,
    "journalctl -o short": lambda name, line: f"{moment_of(line):%b %d %H:%M:%S} {name} redis-sentinel[7]: {line}",
    "journalctl -o short-iso": lambda name, line: f"{moment_of(line):%Y-%m-%dT%H:%M:%S+0000} {name} redis[7]: {line}",
    "journalctl -o json": _journal_json,
    "svlogd": lambda name, line: f"{moment_of(line):%Y-%m-%d_%H:%M:%S.%f} {line}",
    "grep -n": lambda name, line: f"/var/log/redis/{name}.log:123:{line}",
    "numbered": lambda name, line: f"   42\t{line}",
    "tag": lambda name, line: f"[host-{name}]{line}",
    "hand-merged": lambda name, line: f"{name}_log {line}",
    "Markdown": _markdown,
}
"""The wrappers by name."""


def as_redis_4(line: str) -> str:
    """Return a line of Redis 5 and later as Redis 3 and 4 wrote it, without the year."""
    return re.sub(r"^(\d+:[XCSM] \d\d \w{3}) \d{4} ", r"\1 ", line)


def as_redis_2(line: str) -> str:
    """Return a line as Redis 2.8 wrote it, without the role too."""
    return re.sub(r"^(\d+):[XCSM] (\d\d \w{3}) \d{4} ", r"[\1] \2 ", line)


def as_windows(line: str) -> str:
    """Return a line as the Windows port wrote it, with a pid of at least six digits."""
    return re.sub(r"^(\d+):[XCSM] (\d\d \w{3}) \d{4} ", lambda m: f"[{m[1]:>06}] {m[2]} ", line)


def as_valkey(line: str, form: str, stamp: str) -> str:
    """
    Return a line of Redis 5 and later in a ``log-format`` and a ``log-timestamp-format`` of Valkey 8.1 and later.
    """
    found = re.match(r"(\d+):([XCSM]) (\d\d \w{3} \d{4} [\d:.]+) ([.*#-]) (.*)", line)
    if found is None:
        return line
    moment = moment_of(line)
    when = {
        "legacy": found[3],
        "iso8601": f"{moment:%Y-%m-%dT%H:%M:%S.}{moment.microsecond // 1000:03}+00:00",
        "milliseconds": str(round(moment.timestamp() * 1000)),
    }[stamp]
    if form == "legacy":
        return f"{found[1]}:{found[2]} {when} {found[4]} {found[5]}"
    level = {".": "debug", "-": "info", "*": "notice", "#": "warning"}[found[4]]
    role = {"X": "sentinel", "M": "primary", "S": "replica", "C": "RDB/AOF"}[found[2]]
    return f'pid={found[1]} role={role} timestamp="{when}" level={level} message="{found[5]}"'


def as_syslog(name: str, line: str) -> str:
    """Return a line as a server writes it to syslog: the bare message, its time to the second."""
    found = re.match(r"(\d+):[XCSM] \d\d \w{3} \d{4} [\d:.]+ [.*#-] (.*)", line)
    if found is None:
        return line
    return (
        f"{moment_of(line):%b} {moment_of(line).day:2} {moment_of(line):%H:%M:%S} {name} redis[{found[1]}]: {found[2]}"
    )
