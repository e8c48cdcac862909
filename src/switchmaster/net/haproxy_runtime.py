"""
HAProxy's runtime API: commands that change a running HAProxy, and its state read back.

The address is a stats socket (``stats socket``, level ``admin``) or the socket of the master process (``haproxy -S``):
a path, or host and port. Each exchange is a connection of its own: a few hundred microseconds over a UNIX socket.

Names of backends and servers, and addresses, are checked before they become words of a command: nothing that they hold
can end a command or begin another. HAProxy answers some successes with text, so success is never taken from its
wording: read the state back (`HaproxyRuntime.servers`).

Source: HAProxy's management guide, version 2.6, section 9; ``src/cli.c``, ``src/server.c``.
"""

from __future__ import annotations

import asyncio
import csv
import enum
import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..model import Address

__all__ = [
    "HaproxyProcess",
    "HaproxyRuntime",
    "ServerMode",
    "ServerRow",
    "set_address",
    "set_health_up",
    "set_mode",
    "shut_session",
    "shut_sessions",
]

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one answer, at most: ``show servers state`` of 100,000 servers is less."""
COMMANDS_BYTES_MAX: Final = 8 * 1024
"""Bytes of the commands in one line: half of HAProxy's buffer (``tune.bufsize``, 16 kB), in which they must fit."""

_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
"""What a proxy or a server may be called in HAProxy (``invalid_char``)."""
_SESSION: Final = re.compile(r"0x[0-9a-f]{1,16}")
_SESSION_ROW: Final = re.compile(r"(0x[0-9a-f]{1,16}): .* be=(\S+) srv=(\S+) ")


class ServerMode(enum.StrEnum):
    """The administrative state of a server."""

    READY = "ready"
    MAINT = "maint"
    """It gets no connection and no check."""
    DRAIN = "drain"
    """It gets no new connection; sessions and checks go on."""


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server of a backend, as HAProxy has it now."""

    backend: str
    server: str
    address: Address | None
    """None for a UNIX socket, and for a server without an address."""
    running: bool
    """Whether HAProxy gives it connections, by checks and administration together."""
    mode: ServerMode


@dataclass(frozen=True, slots=True)
class HaproxyProcess:
    """One process of a HAProxy in master/worker mode."""

    pid: int
    kind: str
    """``master``, ``worker`` or ``program``."""
    reloads: int
    """How many reloads it has outlived: a worker with more than 0 only ends its old sessions."""
    version: str = ""


def set_address(backend: str, server: str, address: Address) -> str:
    """
    Return the command that moves a server; new connections go to the new address.

    Args:
        backend: the backend's name.
        server: the server's name.
        address: an IP address and a port; HAProxy takes no name here.

    Raises:
        UsageError: a name is none, or the host is no IP address.
    """
    try:
        host = str(ip_address(address.host))
    except ValueError:
        raise UsageError(f"HAProxy can be given IP addresses only, not {address.host!r}: resolve it first") from None
    if not 0 < address.port <= 65535 or "%" in host:
        raise UsageError(f"HAProxy can't be given the address {address}")
    return f"set server {_place(backend, server)} addr {host} port {address.port}"


def set_mode(backend: str, server: str, mode: ServerMode) -> str:
    """
    Return the command that changes a server's administrative state.

    Raises:
        UsageError: a name is none.
    """
    return f"set server {_place(backend, server)} state {mode.value}"


def set_health_up(backend: str, server: str) -> str:
    """
    Return the command that has HAProxy count a server as up until its next checks say otherwise.

    Raises:
        UsageError: a name is none.
    """
    return f"set server {_place(backend, server)} health up"


def shut_session(session: str) -> str:
    """
    Return the command that ends one session at once.

    Args:
        session: its id, as `HaproxyRuntime.sessions_on` gives it.

    Raises:
        UsageError: it is no id.
    """
    if not _SESSION.fullmatch(session):
        raise UsageError(f"{session!r} is no id of a HAProxy session")
    return f"shutdown session {session}"


def shut_sessions(backend: str, server: str) -> str:
    """
    Return the command that ends the sessions of a server at once.

    HAProxy 2.6 forgets those that it took from a backend's queue (``pendconn_grab_from_px`` does not enter them in the
    server's list): seen with 2.6.12. Where connections may have waited, end what `HaproxyRuntime.sessions_on` gives,
    too, each by `shut_session`.

    Raises:
        UsageError: a name is none.
    """
    return f"shutdown sessions server {_place(backend, server)}"


def _place(backend: str, server: str) -> str:
    for name in (backend, server):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of a HAProxy backend or server")
    return f"{backend}/{server}"


class HaproxyRuntime:
    """
    The runtime API of one HAProxy.

    Args:
        at: its socket: a path, or an address.
        timeout: seconds for one exchange.
        of_master: whether the socket is that of the master process; commands then go to its current worker.
    """

    def __init__(self, at: Path | Address, timeout: float = 2.0, *, of_master: bool = False) -> None:
        self.at = at
        self._timeout, self._of_master = timeout, of_master

    def __repr__(self) -> str:
        return f"<HaproxyRuntime at {self.at}>"

    async def ask(self, *commands: str) -> str:
        """
        Send commands, in order, and return everything that HAProxy answers.

        Args:
            commands: each without a line's end and without ``;``; those of this module are.

        Raises:
            OSError: it can't be reached, or answers too much.
            TimeoutError: it took too long.
            UsageError: a command holds a character that would begin another.
        """
        prefix = "@1 " if self._of_master else ""
        answers = [await self._exchange(line) for line in _lines(prefix, commands)]
        return "".join(answers)

    async def servers(self, backend: str | None = None) -> tuple[ServerRow, ...]:
        """
        Return the servers as they are now.

        Args:
            backend: the backend's name; None for all.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
            UsageError: HAProxy has no such backend, or its answer is none that we know.
        """
        if backend is not None:
            _place(backend, backend)
        answer = await self.ask("show servers state" if backend is None else f"show servers state {backend}")
        return read_servers(answer)

    async def sessions(self) -> dict[tuple[str, str], int]:
        """
        Return how many sessions each server has now, by backend and server.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
            UsageError: HAProxy's answer is none that we know.
        """
        return read_sessions(await self.ask("show stat -1 4 -1"))

    async def connections(self) -> dict[str, int]:
        """
        Return how many connections each frontend has now, those that wait included.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
            UsageError: HAProxy's answer is none that we know.
        """
        return {frontend: many for (frontend, _), many in read_sessions(await self.ask("show stat -1 1 -1")).items()}

    async def sessions_on(self, backend: str, server: str) -> tuple[str, ...]:
        """
        Return the ids of all sessions of a server, also of those that it does not count as its own.

        Args:
            backend: the backend's name.
            server: the server's name.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
        """
        return read_sessions_on(await self.ask("show sess"), backend, server)

    async def processes(self) -> tuple[HaproxyProcess, ...]:
        """
        Return the processes of a master; only at a master's socket.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
        """
        return read_processes(await self._exchange("show proc"))

    async def reload(self) -> None:
        """
        Have the master read its configuration again; only at a master's socket.

        It ends the connection before it has begun: look at `processes` for the new worker.

        Raises:
            OSError: it can't be reached.
            TimeoutError: it took too long.
        """
        await self._exchange("reload")

    async def _exchange(self, line: str) -> str:
        async with asyncio.timeout(self._timeout):
            if isinstance(self.at, Path):
                reader, writer = await asyncio.open_unix_connection(str(self.at))
            else:
                reader, writer = await asyncio.open_connection(*self.at)
            try:
                writer.write(f"{line}\n".encode("ascii"))
                writer.write_eof()  # else the master waits for another command
                answer = bytearray()
                while data := await reader.read(64 * 1024):
                    answer += data
                    if len(answer) > ANSWER_BYTES_MAX:
                        raise ConnectionError(f"HAProxy at {self.at} answers more than {ANSWER_BYTES_MAX} bytes")
                return answer.decode("utf-8", "replace")
            finally:
                writer.transport.abort()


def _lines(prefix: str, commands: tuple[str, ...]) -> list[str]:
    """Join commands into as few lines as HAProxy's buffer allows."""
    lines: list[str] = []
    for command in commands:
        if not command.isascii() or not command.isprintable() or any(char in command for char in ";\\<"):
            raise UsageError(f"not a single command of HAProxy: {command!r}")
        one = prefix + command
        if lines and len(lines[-1]) + len(one) < COMMANDS_BYTES_MAX:
            lines[-1] += f";{one}"
        else:
            lines.append(one)
    return lines


def read_servers(answer: str) -> tuple[ServerRow, ...]:
    """
    Read the answer to ``show servers state``.

    Raises:
        UsageError: it is none.
    """
    lines = answer.splitlines()
    if len(lines) < 2 or lines[0] != "1" or not lines[1].startswith("# "):
        said = lines[0][:200] if lines else "nothing"
        raise UsageError(f"HAProxy does not give the state of its servers: {said!r}")
    keys = lines[1][2:].split()
    rows = [dict(zip(keys, line.split(), strict=False)) for line in lines[2:] if line]
    try:
        return tuple(_server(row) for row in rows)
    except (KeyError, ValueError) as error:
        raise UsageError(f"HAProxy gives the state of its servers in a form that is not known: {error!r}") from None


_MAINT: Final = 0x01 | 0x02 | 0x20
"""SRV_ADMF_FMAINT, IMAINT and RMAINT: in maintenance by a command or the configuration, by another, by a resolver."""
_DRAIN: Final = 0x08 | 0x10
"""SRV_ADMF_FDRAIN and IDRAIN."""
_STOPPED: Final = 0
"""SRV_ST_STOPPED."""


def _server(row: dict[str, str]) -> ServerRow:
    host, port, admin = row["srv_addr"], int(row["srv_port"]), int(row["srv_admin_state"])
    mode = ServerMode.MAINT if admin & _MAINT else ServerMode.DRAIN if admin & _DRAIN else ServerMode.READY
    address = None if host == "-" or not port else Address(host, port)
    return ServerRow(row["be_name"], row["srv_name"], address, int(row["srv_op_state"]) != _STOPPED, mode)


def read_sessions(answer: str) -> dict[tuple[str, str], int]:
    """
    Read the answer to ``show stat``.

    Raises:
        UsageError: it is none.
    """
    lines = [line for line in answer.splitlines() if line]
    if not lines or not lines[0].startswith("# "):
        raise UsageError(f"HAProxy does not give its statistics: {lines[0][:200] if lines else 'nothing'!r}")
    try:
        rows = csv.DictReader([lines[0][2:], *lines[1:]])
        return {(row["pxname"], row["svname"]): int(row["scur"] or 0) for row in rows}
    except (KeyError, ValueError) as error:
        raise UsageError(f"HAProxy gives its statistics in a form that is not known: {error!r}") from None


def read_sessions_on(answer: str, backend: str, server: str) -> tuple[str, ...]:
    """Read the ids of one server's sessions from the answer to ``show sess``; other lines are left out."""
    rows = (_SESSION_ROW.match(line) for line in answer.splitlines())
    return tuple(row[1] for row in rows if row is not None and (row[2], row[3]) == (backend, server))


def read_processes(answer: str) -> tuple[HaproxyProcess, ...]:
    """Read the answer to ``show proc``; lines that are no process are left out."""
    found = []
    for line in answer.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].isdigit() and words[2].isdigit():
            found.append(HaproxyProcess(int(words[0]), words[1], int(words[2]), words[-1]))
    return tuple(found)
