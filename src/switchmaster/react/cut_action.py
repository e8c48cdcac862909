"""
The clients of a demoted master are disconnected, so that they ask again where the master is.

In a planned failover the old master stays up and takes writes for about ten seconds more, which it then throws away
(docs/topics/protocol.md). ``CLIENT KILL TYPE normal`` and ``TYPE pubsub`` end its clients' connections; replicas keep
theirs. Sentinels lose theirs too, as when they demote a master themselves, and connect again. A node that refuses
connections has no clients: nothing is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from ..journal.wishes import Wish
from .action_kinds import Action, Run
from .server_access import ActionLogin

__all__ = ["CutAction"]

KILLS: Final = tuple(("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes") for kind in ("normal", "pubsub"))


@dataclass(frozen=True, slots=True)
class CutAction(Action):
    """Disconnects the clients of the old master."""

    kind: ClassVar[str] = "cut"

    login: ActionLogin

    @property
    def summary(self) -> str:
        """Whose clients."""
        return f"clients of the old master, as {self.login.username or 'the default user'}"

    async def apply(self, wish: Wish, run: Run) -> str:
        if wish.old is None or wish.old == wish.new:
            return "no old master is known: nothing to disconnect"
        try:
            normal, pubsub = await self.login.ask(wish.old, *KILLS)
        except ConnectionRefusedError:
            return f"{wish.old} refuses connections: it has no clients"
        return f"{normal} clients and {pubsub} subscribers of {wish.old} disconnected"

    async def test(self) -> str:
        self.login.password()
        return "the password can be read; each master's rights are known once it is demoted (+client|kill)"

    def plan(self, wish: Wish) -> str:
        return f"would disconnect the clients of {wish.old}"
