"""
How a link subscribes: to everything by one pattern, and to less if an ACL refuses it.

PSUBSCRIBE is checked literally: a user with ``&+* &-*`` may subscribe to ``+*`` and ``-*``, but not to ``*``; one with
``&+switch-master`` only to that channel, and one refused name refuses the whole command. Hence the chain of `_WAYS`,
then one channel after the other. Source: ACLCheckPubsubPerm() in acl.c, Redis 6.2 to 8.2, Valkey 9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from ..wire.events import EVENTS
from ..wire.refusal import Refusal, classify, explain
from ..wire.resp import Reply
from .request_stream import OnReply

__all__ = ["Subscription"]

_Ask: TypeAlias = Callable[[tuple[str, ...], OnReply, int], None]

_CHANNELS: Final = tuple(spec.channel for spec in EVENTS)
_NEEDED: Final = "+switch-master"
_WAYS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("PSUBSCRIBE", ("*",)),
    ("PSUBSCRIBE", ("+*", "-*")),
    ("SUBSCRIBE", _CHANNELS),
)


class Subscription:
    """
    One subscription on one connection.

    Args:
        ask: writes a command that is answered by that many confirmations.
        on_confirmed: is called with the time from which events are heard.
        on_refusal: is called when a way is refused and the next one is tried.
        on_denied: is called with the reason and the time if the user lacks the right to the needed channel.
        on_failure: is called with the reason and the time if the Sentinel answers anything else.
    """

    __slots__ = (
        "_allowed",
        "_ask",
        "_left",
        "_on_confirmed",
        "_on_denied",
        "_on_failure",
        "_on_refusal",
        "subscribed",
    )

    def __init__(
        self,
        ask: _Ask,
        on_confirmed: Callable[[float], None],
        on_refusal: Callable[[], None],
        on_denied: Callable[[str, float], None],
        on_failure: Callable[[str, float], None],
    ) -> None:
        self._ask = ask
        self._on_confirmed = on_confirmed
        self._on_refusal = on_refusal
        self._on_denied = on_denied
        self._on_failure = on_failure
        self._allowed: list[str] = []
        self._left = len(_CHANNELS)
        self.subscribed = ""
        """The patterns or channels subscribed to, for people; empty until confirmed."""

    def begin(self) -> None:
        """Try the first way."""
        self._try(0)

    def _try(self, way: int) -> None:
        command, names = _WAYS[way]
        self._ask((command, *names), partial(self._take, way), len(names))

    def _take(self, way: int, reply: Reply, now: float) -> None:
        refusal = classify(reply)
        if refusal is None:
            names = _WAYS[way][1]
            self._confirm(" ".join(names) if way < 2 else f"{len(names)} channels", now)
        elif refusal is not Refusal.PERMISSION:
            self._on_failure(explain(reply), now)
        else:
            self._on_refusal()
            if way + 1 < len(_WAYS):
                self._try(way + 1)
            else:
                self._try_each()

    def _try_each(self) -> None:
        for channel in _CHANNELS:
            self._ask(("SUBSCRIBE", channel), partial(self._take_one, channel), 1)

    def _take_one(self, channel: str, reply: Reply, now: float) -> None:
        self._left -= 1
        if classify(reply) is None:
            self._allowed.append(channel)
        if self._left:
            return
        if _NEEDED in self._allowed:
            self._confirm(" ".join(self._allowed), now)
        elif self._allowed:
            self._on_denied(f"the user may not subscribe to {_NEEDED}", now)
        else:
            self._on_denied("the user may subscribe to none of Sentinel's channels", now)

    def _confirm(self, subscribed: str, now: float) -> None:
        self.subscribed = subscribed
        self._on_confirmed(now)
