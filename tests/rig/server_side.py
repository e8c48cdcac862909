"""
A client seen from outside: its connections by the kernel, its commands by a server, failovers by the Sentinels.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from switchmaster.lab import LabClient, Steering
from switchmaster.lab.truth import read_info

NAME = "application"
"""The name of an application's connections (CLIENT SETNAME)."""
COMMANDS = ("blpop", "rpush", "set")
ESTABLISHED = "01"
"""In /proc/net/tcp."""


def connections_to(address: tuple[str, int]) -> int:
    """Count this process's established IPv4 connections to an address, in the calling thread's network."""
    own = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            own.add(os.readlink(f"/proc/self/fd/{entry}"))
        except FileNotFoundError:
            continue
    wanted = f"{struct.unpack('=I', socket.inet_aton(address[0]))[0]:08X}:{address[1]:04X}"
    # Not /proc/net, which is the network of the main thread.
    rows = [row.split() for row in Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(row[2] == wanted and row[3] == ESTABLISHED and f"socket:[{row[9]}]" in own for row in rows)


def clients_of(server: LabClient, command: str = "") -> list[str]:
    """Return the application's connections from CLIENT LIST; only those whose last command was this, if given."""
    lines = [line.split() for line in server.call("CLIENT", "LIST").splitlines()]
    return [
        " ".join(words) for words in lines if f"name={NAME}" in words and (not command or f"cmd={command}" in words)
    ]


def commands_at(server: LabClient, commands: Iterable[str] = COMMANDS) -> int:
    """Count the commands of an application that a server has executed since its start."""
    counts = read_info(server.call("INFO", "commandstats"))
    return sum(_field(counts.get(f"cmdstat_{command}", ""), "calls") for command in commands)


def refusals_at(server: LabClient) -> int:
    """Count the writes that a server has refused because it is a replica."""
    return _field(read_info(server.call("INFO", "errorstats")).get("errorstat_READONLY", ""), "count")


def lists_at(server: LabClient, keys: Iterable[str]) -> dict[str, list[int]]:
    """Return a server's lists of numbers."""
    return {key: [int(item) for item in server.call("LRANGE", key, 0, -1)] for key in keys}


def _field(counts: str, name: str) -> int:
    fields = dict(part.split("=") for part in counts.split(",") if part)
    return int(fields.get(name, 0))


def said_by(lab: Steering, channel: str, master: str) -> dict[str, float]:
    """Return when each Sentinel last logged a channel about a master, in seconds since 1970."""
    found = {}
    for sentinel in lab.sentinels:
        for line in lab.log(sentinel).splitlines():
            match = re.match(rf"\d+:X (\d+ \w+ \d+ [\d:.]+) [*#\-.] {re.escape(channel)} (.*)", line)
            if match and re.search(rf"(?:^|master |@ ){master}\b", match[2]):
                moment = datetime.strptime(match[1], "%d %b %Y %H:%M:%S.%f").astimezone()
                found[f"{sentinel.host}:{sentinel.port}"] = moment.timestamp()
    return found
