"""
One short conversation of an action with a Redis or Valkey server: log in, send commands, judge the replies.

Commands go out as RESP, in which every word has its length: a name is data, whatever is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..link.greeting import Credentials
from ..model import Address
from ..net.command_connection import CommandConnection
from ..net.dial import DialTarget, Tls
from ..wire.refusal import Refusal, classify, explain
from ..wire.resp import Reply
from .action_kinds import AttemptFailed, GiveUp

__all__ = ["ACTION_CLIENT_NAME", "ActionLogin"]

ACTION_CLIENT_NAME: Final = "switchmaster-action"
"""What CLIENT LIST shows."""
SERVER_SECONDS: Final = 60.0
"""No limit of its own: the engine limits the whole attempt."""


@dataclass(frozen=True, slots=True)
class ActionLogin:
    """Credentials and TLS for one kind of server."""

    username: str | None = None
    password_file: str | None = None
    """Read again with each attempt."""
    tls: bool = False
    ca: str | None = None
    """Authorities to trust instead of the system's."""

    async def ask(self, address: Address, *commands: tuple[str, ...]) -> list[Reply]:
        """
        Connect, log in, send commands in one write and return their replies, without errors among them.

        Raises:
            ConnectionRefusedError: nothing listens there.
            AttemptFailed: it could not be reached or refused for now.
            GiveUp: it refuses the user the rights.
        """
        try:
            context = Tls(ca_file=self.ca).context() if self.tls else None
            target = DialTarget(address, context, credentials=Credentials(self.username, self.password()))
            connection = await CommandConnection.open(target, ACTION_CLIENT_NAME, SERVER_SECONDS)
        except ConnectionRefusedError:
            raise
        except (OSError, UsageError) as error:
            raise AttemptFailed(f"{address}: {error}") from None
        try:
            replies = await connection.ask(*commands, timeout=SERVER_SECONDS)
        except (OSError, TimeoutError) as error:
            raise AttemptFailed(f"{address}: the connection ended: {error}") from None
        finally:
            connection.abort()
        return _judged(address, commands, replies)

    def password(self) -> str | None:
        """Return the password, or None; raise `AttemptFailed` if its file can't be read."""
        if self.password_file is None:
            return None
        try:
            return Path(self.password_file).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise AttemptFailed(f"can't read {self.password_file}: {error}") from None


def _judged(address: Address, commands: Sequence[tuple[str, ...]], replies: list[Reply]) -> list[Reply]:
    for command, reply in zip(commands, replies, strict=True):
        kind = classify(reply)
        if kind is Refusal.PERMISSION:
            raise GiveUp(f"{address} refuses {command[0]}: {explain(reply)}")
        if kind is not None:
            raise AttemptFailed(f"{address} refuses {command[0]}: {explain(reply)}")
    return replies
