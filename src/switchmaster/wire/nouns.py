"""The nouns that events and replies share."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Kind", "Unrecognised"]


class Kind(enum.StrEnum):
    """What an event is about."""

    MASTER = "master"
    REPLICA = "replica"
    """``slave`` on the wire, in all versions."""
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """
    Something that a peer sent and that protocol.md does not know; returned, never raised.

    For example an event of a newer server, a payload cut at 1023 bytes, or a reply of another shape.
    """

    channel: str
    """The event's channel, or the command whose reply this was."""
    payload: str
    """What it sent, cut to ``LIMITS.payload_shown`` characters."""
    reason: str
    """What was expected, as the end of a sentence."""

    @property
    def master(self) -> str | None:
        """None: an unknown payload names no master."""
        return None
