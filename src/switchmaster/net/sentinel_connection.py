"""One `Link` under asyncio: it moves bytes between sockets and the link, and passes on what the Sentinel says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from ..link.greeting import Credentials
from ..link.link import Link
from ..model import SentinelName
from ..wire.events import Event
from ..wire.facts import Fact
from .dial import DialTarget
from .shell import Shell

__all__ = ["OnEvent", "OnFacts", "SentinelConnection"]

OnFacts: TypeAlias = Callable[[SentinelName, list[Fact], float], None]
"""Called with the Sentinel, its facts in order, and when they arrived (the loop's monotonic seconds)."""
OnEvent: TypeAlias = Callable[[SentinelName, Event, float], None]
"""Called with the Sentinel, an event that came alone, and when it arrived."""


class SentinelConnection(Shell):
    """
    The conversation with one Sentinel, over real sockets.

    Args:
        link: the conversation; it belongs to this shell from now on.
        dial: returns what to dial, at each attempt.
        on_facts: called with every batch of facts, in the loop, before anything else happens. It must not block, and
            may call `ask`. What it raises is logged and counted.
        on_event: called instead with an event that came alone; None for `on_facts` in that case too. After a silence
            nothing that a program uses is in the processor's cache, so this way is kept short.
    """

    def __init__(
        self, link: Link, dial: Callable[[], DialTarget], on_facts: OnFacts, on_event: OnEvent | None = None
    ) -> None:
        super().__init__(link.name, dial, link.timeout)
        self.link = link
        self._on_facts = on_facts
        self._on_event = on_event

    def __repr__(self) -> str:
        return f"<SentinelConnection of {self.link!r}>"

    @property
    def silence(self) -> float | None:
        """Seconds since the last byte of this Sentinel; None before the first."""
        heard = self.link.last_heard
        return None if heard is None or self._loop is None else max(0.0, self._now - heard)

    def mute(self) -> None:
        """Stop passing facts on: this conversation no longer matters."""
        self._on_facts = lambda sentinel, facts, now: None
        self._on_event = None

    def ask(self, names: Iterable[str] | None = None) -> None:
        """
        Ask for masters as soon as possible; see `Link.ask`.

        Args:
            names: the masters; None for a whole snapshot.
        """
        if self._loop is not None:
            self.link.ask(self._now, names)
            self._pump()

    def hurry(self) -> None:
        """Dial at once if the next attempt is due later, otherwise ask for a whole snapshot; see `Link.hurry`."""
        if self._loop is None:
            return
        if self._pumping:
            # A callback that learns of the link's end must not dial it in the same turn: the old streams are still
            # open, and would be taken for the new ones.
            self._loop.call_soon(self.hurry)
            return
        self.link.hurry(self._now)
        self._pump()

    def _streams_wanted(self) -> int:
        return self.link.streams_wanted

    def _deadline(self) -> float | None:
        return self.link.deadline

    def _outgoing(self) -> Iterable[tuple[int, bytes]]:
        return self.link.data_to_send()

    def _deliver(self, now: float) -> bool:
        facts = self.link.events_received()
        if not facts:
            return False
        try:
            self._on_facts(self.link.name, facts, now)
        except Exception:
            # An error of the user's code; the log and the counter show it.
            self._callback_failed()
        return True

    def _on_connect(self, stream: int, credentials: Credentials, now: float) -> None:
        self.link.connect(now, stream, credentials)

    def _on_connect_failed(self, stream: int, reason: str, now: float) -> None:
        self.link.connect_failed(reason, now, stream)

    def _on_data(self, stream: int, data: bytes, now: float) -> None:
        on_event = self._on_event
        event = self.link.lone_event(data, now, stream) if on_event is not None else None
        if event is None or on_event is None:
            return self.link.receive_data(data, now, stream)
        self._pumping = True  # what the callback asks is sent by this turn
        try:
            on_event(self.link.name, event, now)
        except Exception:
            # As in `_deliver`.
            self._callback_failed()
        finally:
            self._pumping = False

    def _on_eof(self, stream: int, reason: str, now: float) -> None:
        self.link.receive_eof(now, stream, reason or "the Sentinel closed the connection")

    def _on_tick(self, now: float) -> None:
        self.link.tick(now)

    def _close_link(self) -> None:
        self.link.close()
