"""
A switch is added to a stream, and published to a channel, of a given Redis or Valkey: once, however often it is tried.

One script on the server does all of it: it sets a key named by the delivery, and only if that key is new it adds the
entry and publishes. The key expires after `REMEMBERED_SECONDS`, long after the last attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ..journal.wishes import Wish
from ..model import Address
from ..render import to_json
from .action_kinds import Action, AttemptFailed, Run
from .server_access import ActionLogin

__all__ = ["StreamAction"]

REMEMBERED_SECONDS: Final = 7 * 86_400
SCRIPT: Final = """\
if not redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[1]) then return 0 end
if ARGV[2] == '1' then redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'id', ARGV[4], 'switch', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[5]) end
return 1
"""


@dataclass(frozen=True, slots=True)
class StreamAction(Action):
    """Adds switches to a stream and publishes them."""

    kind: ClassVar[str] = "stream"

    address: Address
    login: ActionLogin
    key: str
    """Of the stream; empty to publish only."""
    channel: str
    """Empty to add to the stream only."""
    max_length: int

    @property
    def summary(self) -> str:
        """The server, the stream and the channel."""
        return f"{self.address}, stream {self.key or '-'}, channel {self.channel or '-'}"

    async def apply(self, wish: Wish, run: Run) -> str:
        line = to_json({**wish.line, "delivery": wish.delivery})
        keys = (self.key, f"{self.key or self.channel}:deliveries:{wish.delivery}")
        values = (str(REMEMBERED_SECONDS), "1" if self.key else "0", str(self.max_length), wish.delivery, line)
        try:
            [added] = await self.login.ask(self.address, ("EVAL", SCRIPT, "2", *keys, *values, self.channel))
        except ConnectionRefusedError:
            raise AttemptFailed(f"{self.address}: connection refused") from None
        return "added" if added else "it is there already"

    async def test(self) -> str:
        try:
            await self.login.ask(self.address, ("PING",))
        except ConnectionRefusedError:
            raise AttemptFailed(f"{self.address}: connection refused") from None
        return f"{self.address} answers PING; nothing was added"

    def plan(self, wish: Wish) -> str:
        return f"would add {wish.delivery} to {self.summary}"
