"""
From what HAProxy has to what it should have: the commands in between, in their order.

`Wanted` says where one master's servers should be. `commands_between` compares it with the rows that HAProxy gave
(`switchmaster.net.haproxy_runtime.ServerRow`); nothing to do is no command, so it can be asked at any time. Pure: no
I/O, no clock.

Rules:

1. New connections are refused while nothing is believed, wait while a failover holds them back or the believed address
   refuses them, and go to the believed address otherwise.
2. A server that moves is in maintenance in between, and its sessions end first: no connection is made to the old
   address once the first command of a line is carried out.
3. The sessions of any other node end with the move, also those that HAProxy had opened by its own checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ..model import Address
from ..net.haproxy_runtime import ServerMode, ServerRow, set_address, set_health_up, set_mode, shut_sessions
from .haproxy_config import SLOT, WALL, ProxyNames

__all__ = ["Rows", "Wanted", "commands_between", "fits"]

Rows: TypeAlias = Mapping[tuple[str, str], ServerRow]
"""What HAProxy has, by backend and server."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where one master's servers should be; all addresses are IP addresses."""

    at: Address | None = None
    """Where the master is believed to be; None if that is not known."""
    held: bool = False
    """Whether new connections wait, and none may stay."""
    nodes: tuple[Address, ...] = ()
    """All nodes that a majority lists: what HAProxy may choose from when we are gone."""
    readable: tuple[Address, ...] = ()
    """The replicas that may be read from."""

    @property
    def served(self) -> bool:
        """Whether new connections go to the believed address."""
        return self.at is not None and not self.held


def commands_between(rows: Rows, wanted: Wanted, names: ProxyNames) -> tuple[str, ...]:
    """
    Return the commands that bring HAProxy to what is wanted.

    Args:
        rows: what it has.
        wanted: what it should have.
        names: of the master's backends.

    Returns:
        In order; none if it has that already.
    """
    moving = _believed(rows, wanted, names.believed)
    return (
        *moving,
        *_placed(rows, names.classic, wanted.nodes),
        *(_ended(rows, names.classic, wanted.at) if moving else ()),
        *_placed(rows, names.reads, wanted.readable),
    )


def fits(rows: Rows, wanted: Wanted, names: ProxyNames) -> bool:
    """Return whether HAProxy has what is wanted."""
    return not commands_between(rows, wanted, names)


def _believed(rows: Rows, wanted: Wanted, backend: str) -> list[str]:
    slot, wall = rows.get((backend, SLOT)), rows.get((backend, WALL))
    commands = []
    if wall is not None:
        mode = ServerMode.MAINT if wanted.at is None else ServerMode.READY
        if wall.mode is not mode:
            commands.append(set_mode(backend, WALL, mode))
    if slot is None:
        return commands
    elsewhere = wanted.at is not None and slot.address != wanted.at
    if slot.mode is not ServerMode.MAINT and (elsewhere or not wanted.served):
        commands += (set_mode(backend, SLOT, ServerMode.MAINT), shut_sessions(backend, SLOT))
    if wanted.at is not None and elsewhere:
        commands.append(set_address(backend, SLOT, wanted.at))
    if wanted.served and (elsewhere or slot.mode is not ServerMode.READY):
        # Its last checks were of another node, or of this one before it was the master.
        commands += (set_mode(backend, SLOT, ServerMode.READY), set_health_up(backend, SLOT))
    return commands


def _placed(rows: Rows, backend: str, nodes: Iterable[Address]) -> list[str]:
    """Return what gives each node a server; a node that has one keeps it."""
    servers = [row for (where, _), row in rows.items() if where == backend]
    missing = list(dict.fromkeys(nodes))
    free: list[ServerRow] = []
    commands = []
    for row in servers:
        if row.address is not None and row.address in missing:
            missing.remove(row.address)
            if row.mode is not ServerMode.READY:
                commands.append(set_mode(backend, row.server, ServerMode.READY))
            continue
        free.append(row)
        if row.mode is not ServerMode.MAINT:
            commands += (
                set_mode(backend, row.server, ServerMode.MAINT),
                shut_sessions(backend, row.server),
            )
    for row, node in zip(free, missing, strict=False):
        commands += (
            set_address(backend, row.server, node),
            set_mode(backend, row.server, ServerMode.READY),
        )
    return commands


def _ended(rows: Rows, backend: str, at: Address | None) -> list[str]:
    """Return what ends the sessions that HAProxy had opened by its own checks, on any node but the master."""
    return [
        shut_sessions(backend, row.server)
        for (where, _), row in rows.items()
        if where == backend and row.address is not None and row.address != at
    ]
