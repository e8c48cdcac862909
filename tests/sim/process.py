"""
A process on its own host: it runs, hangs, dies and restarts, and answers streams of RESP.

While it hangs (SIGSTOP), what arrives waits until it resumes. A process that dies with its host dies silently; if it is
killed alone, its kernel resets connections.
"""

from __future__ import annotations

from collections.abc import Callable

import hiredis

from switchmaster.model import Address

from .network import Peer, Stream
from .world import World

__all__ = ["Conversation", "Process"]


class Conversation:
    """A server's end of one stream: RESP in, answers out."""

    def __init__(self, process: Process, stream: Stream) -> None:
        self.stream = stream
        self.resp3 = False
        self.name = ""
        """What the client called it by CLIENT SETNAME."""
        self.patterns: list[str] = []
        """Its subscriptions, as patterns or channels."""
        self._process = process
        self._reader = hiredis.Reader()

    def receive(self, data: bytes) -> None:
        self._process.take(self._process.life, lambda: self._read(data))

    def _read(self, data: bytes) -> None:
        self._reader.feed(data)
        while (words := self._reader.gets()) is not False:
            answer = self._process.answer(self, [word.decode("utf-8", "surrogateescape") for word in words])
            self.stream.answer(answer)

    def ended(self) -> None:
        self._process.conversations.pop(self, None)


class Process:
    """
    Base of data nodes and Sentinels.

    Args:
        world: its world.
        name: its name in the transcript.
        address: where it listens; no other process has its host.
    """

    def __init__(self, world: World, name: str, address: Address) -> None:
        self.world, self.name, self.address = world, name, address
        self.host = address.host
        self.alive, self.hung, self.dark = True, False, False
        """Whether its host is gone too."""
        self.started_at = world.clock.now
        self.deaths = 0
        self.life = 0
        """Counts its starts; messages for an earlier life do not reach it."""
        self.conversations: dict[Conversation, None] = {}
        self._inbox: list[Callable[[], None]] = []
        world.processes[address] = self
        world.network.listen(address, self)

    def say(self, text: str) -> None:
        self.world.say(self.name, text)

    # -- what comes ---------------------------------------------------------------------------------

    def accept(self, stream: Stream) -> Peer:
        conversation = Conversation(self, stream)
        self.conversations[conversation] = None
        return conversation

    def answer(self, conversation: Conversation, words: list[str]) -> bytes:
        """Execute one command of a client, and return the reply."""
        raise NotImplementedError

    def take(self, life: int, act: Callable[[], None]) -> None:
        """Handle what arrived for this life, now or when it resumes."""
        if life != self.life or not self.alive:
            return
        if self.hung:
            self._inbox.append(act)
        else:
            act()

    def send(self, target: Process, act: Callable[[], None], refused: Callable[[], None]) -> None:
        """
        Send another process a call to make.

        Args:
            target: the other process.
            act: called there.
            refused: called here if the target is dead, or has restarted since this was sent.
        """
        life, mine, network = target.life, self.life, self.world.network

        def arrive() -> None:
            if target.alive and life == target.life:
                target.take(life, act)
            elif not target.dark:
                network.post(target.host, self.host, lambda: self.take(mine, refused))

        network.post(self.host, target.host, arrive)

    def reply(self, target: Process, life: int, act: Callable[[], None]) -> None:
        """Answer another process, unless it has restarted."""
        self.world.network.post(self.host, target.host, lambda: target.take(life, act))

    # -- life and death -----------------------------------------------------------------------------

    def crash(self, dark: bool = False, unsent: bool = False) -> None:
        """Kill it; with its host if `dark`; before its written bytes are sent if `unsent`."""
        if not self.alive:
            return
        self.say("its host dies" if dark else "dies")
        self.alive, self.hung, self.dark = False, False, dark
        self.deaths += 1
        self._inbox.clear()
        self._kill_conversations(dark, unsent)
        if not dark:
            for other in self.world.sentinels.values():
                life = other.life
                self.world.network.post(
                    self.host, other.host, lambda other=other, life=life: other.take(life, self._lost_by(other))
                )
        self.world.links_may_have_changed()

    def _lost_by(self, other: Process) -> Callable[[], None]:
        return lambda: other.link_lost(self.address)

    def link_lost(self, address: Address) -> None:
        """Handle that a connection to another process was reset."""

    def _kill_conversations(self, dark: bool = False, unsent: bool = False) -> None:
        for conversation in list(self.conversations):
            if dark:
                conversation.stream.half_open()
            elif unsent:
                conversation.stream.reset()
            else:
                conversation.stream.close()
        self.conversations.clear()

    def start(self) -> None:
        """Restart it."""
        self.life += 1
        self.started_at = self.world.clock.now
        self.alive, self.hung, self.dark = True, False, False

    def hang(self) -> None:
        """Stop it (SIGSTOP)."""
        if self.alive and not self.hung:
            self.say("hangs")
            self.hung = True

    def resume(self) -> None:
        """Resume it (SIGCONT), with everything that arrived meanwhile."""
        if not self.hung:
            return
        self.say("goes on")
        self.hung = False
        inbox, self._inbox = self._inbox, []
        for act in inbox:
            if self.alive and not self.hung:
                act()
