"""
A server of an existing HAProxy is pointed at the master by its runtime API, and what HAProxy then has is read back.

The server is in maintenance while it moves, and its sessions with the old master end before it is ready again.
HAProxy's configuration is not changed: after a restart the next comparison puts the server right.

One master's server is changed by one run at a time, as the engine gives it; `local`, because each HAProxy has a socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from ..errors import UsageError
from ..journal.reaction_rows import RunCause
from ..journal.wishes import Wish
from ..model import Address
from ..net.haproxy_runtime import (
    HaproxyRuntime,
    ServerMode,
    ServerRow,
    set_address,
    set_mode,
    shut_session,
    shut_sessions,
)
from .action_kinds import Action, AttemptFailed, GiveUp, Run
from .destinations import resolve

__all__ = ["HaproxyAction"]

EXCHANGE_SECONDS: Final = 5.0
SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class HaproxyAction(Action):
    """Points servers of HAProxy at masters."""

    kind: ClassVar[str] = "haproxy"
    compares: ClassVar[bool] = True

    at: Path | Address
    """The stats socket, of the level ``admin``."""
    backend: str
    """A template, with ``{master}``."""
    server: str
    """The same."""

    @property
    def summary(self) -> str:
        """The server and the socket."""
        return f"{self.backend}/{self.server} at {self.at}"

    async def apply(self, wish: Wish, run: Run) -> str:
        backend, server = self._names(wish.master)
        wanted = await _numeric(wish.new)
        row = await self._read(backend, server)
        # An attempt that ended halfway may have left old sessions.
        if _is_right(row, wanted) and run.attempt == 1 and run.cause is not RunCause.RUN:
            return f"{backend}/{server} is right already"
        said = await self._ask(set_mode(backend, server, ServerMode.MAINT), shut_sessions(backend, server))
        forgotten = await self._forgotten(backend, server)
        said += await self._ask(
            *map(shut_session, forgotten),
            set_address(backend, server, wanted),
            set_mode(backend, server, ServerMode.READY),
        )
        row = await self._read(backend, server)
        if not _is_right(row, wanted):
            raise AttemptFailed(f"{backend}/{server} shows {_words(row)} instead of {wanted}: {said}")
        return f"{backend}/{server} shows {wanted}; its sessions were ended"

    async def compare(self, wish: Wish, run: Run) -> str:
        backend, server = self._names(wish.master)
        row = await self._read(backend, server)
        return "" if _is_right(row, await _numeric(wish.new)) else f"{backend}/{server} shows {_words(row)}"

    async def test(self) -> str:
        backend, server = self._names("example")
        if "{master}" not in self.backend + self.server:
            await self._read(backend, server)
        # It names no server, so it changes nothing; a socket of a lower level refuses it as it would any other.
        said = await self._ask("set server")
        if "ermission denied" in said:
            raise AttemptFailed(f"{self.at} has not the level admin")
        return f"{self.at} answers, with the level admin; nothing was changed"

    def plan(self, wish: Wish) -> str:
        backend, server = self._names(wish.master)
        return f"would let {backend}/{server} show {wish.new}"

    def _names(self, master: str) -> tuple[str, str]:
        backend, server = (one.replace("{master}", master) for one in (self.backend, self.server))
        try:
            shut_sessions(backend, server)
        except UsageError as error:
            raise GiveUp(str(error)) from None
        return backend, server

    async def _read(self, backend: str, server: str) -> ServerRow:
        """Return a server as HAProxy has it."""
        try:
            rows = await HaproxyRuntime(self.at, EXCHANGE_SECONDS).servers(backend)
        except UsageError as error:
            raise AttemptFailed(f"the backend {backend}: {error}") from None
        except (OSError, TimeoutError) as error:
            raise AttemptFailed(f"{self.at}: {str(error) or 'no answer in time'}") from None
        found = next((row for row in rows if row.server == server), None)
        if found is None:
            raise AttemptFailed(f"the backend {backend} has no server {server}")
        return found

    async def _forgotten(self, backend: str, server: str) -> tuple[str, ...]:
        """
        Return the sessions that HAProxy did not end with the others, since they had waited (see `shut_sessions`).

        None if it has too many sessions to list: a server that stays in maintenance would be worse.
        """
        try:
            return await HaproxyRuntime(self.at, EXCHANGE_SECONDS).sessions_on(backend, server)
        except (OSError, TimeoutError):
            return ()

    async def _ask(self, *commands: str) -> str:
        try:
            said = await HaproxyRuntime(self.at, EXCHANGE_SECONDS).ask(*commands)
        except (OSError, TimeoutError) as error:
            raise AttemptFailed(f"{self.at}: {str(error) or 'no answer in time'}") from None
        except UsageError as error:
            raise GiveUp(str(error)) from None
        return " ".join(said.split())[:SAID_CHARACTERS]


def _is_right(row: ServerRow, wanted: Address) -> bool:
    return row.address == wanted and row.mode is ServerMode.READY


def _words(row: ServerRow) -> str:
    return str(row.address) if row.mode is ServerMode.READY else f"{row.address}, {row.mode}"


async def _numeric(place: Address) -> Address:
    """Return a place with an address, which is what HAProxy takes and shows."""
    return Address(await resolve(place.host, place.port, public=False), place.port)
