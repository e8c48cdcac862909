"""The nouns that events and replies share."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from ..model import PlainValue

__all__ = ["Kind", "Unrecognised"]


class Kind(enum.StrEnum):
    """What an event is about."""

    MASTER = "master"
    REPLICA = "replica"
    """``slave`` on the wire, in all versions."""
    SENTINEL = "sentinel"


@dataclass(slots=True, unsafe_hash=True, init=False)
class Unrecognised(PlainValue):
    """
    Something that a peer sent and that protocol.md does not know; returned, never raised.

    For example an event of a newer server, a payload cut at 1023 bytes, or a reply of another shape.
    """

    channel: Final[str]
    """The event's channel, or the command whose reply this was."""
    payload: Final[str]
    """What it sent, cut to ``LIMITS.payload_shown`` characters."""
    reason: Final[str]
    """What was expected, as the end of a sentence."""

    def __init__(self, channel: str, payload: str, reason: str) -> None:
        self.channel = channel
        self.payload = payload
        self.reason = reason

    @property
    def master(self) -> str | None:
        """None: an unknown payload names no master."""
        return None
