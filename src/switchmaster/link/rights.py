"""
Which ACL rules a user lacks, derived from the commands that were refused with NOPERM. Pure.

Source: ACLSetUser() in acl.c; a subcommand's rule is ``+sentinel|master`` in Redis 6.2 to 8.2 and Valkey 9.1 alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hiredis import ReplyError

from ..wire.refusal import Refusal, classify
from ..wire.resp import Reply

__all__ = ["Rights"]

_CONTAINERS: Final = ("SENTINEL", "CLIENT")
_OF_SUBSCRIBING: Final = ("PSUBSCRIBE", "SUBSCRIBE")


class Rights:
    """The rules that one user lacks on one connection."""

    __slots__ = ("_lacking",)

    def __init__(self) -> None:
        self._lacking: dict[str, None] = {}

    def note(self, command: Sequence[str], reply: Reply) -> None:
        """Take a command's reply. A right that is refused first and granted later is not lacking: 6.2 behaves so."""
        if not self._lacking and not isinstance(reply, ReplyError):
            return  # most replies: nothing is lacking, and nothing refused
        for rule in _rules(command):
            if classify(reply) is Refusal.PERMISSION:
                self._lacking[rule] = None
            else:
                self._lacking.pop(rule, None)

    @property
    def advice(self) -> str:
        """The rules to grant, as the end of a sentence; empty if nothing was refused."""
        return f"; grant it: {' '.join(self._lacking)}" if self._lacking else ""


def _rules(command: Sequence[str]) -> tuple[str, ...]:
    name = command[0]
    if name in _OF_SUBSCRIBING:
        # NOPERM does not say which of the two is missing, and one pattern is enough.
        return ("+psubscribe", "&*") if name == "PSUBSCRIBE" else ()
    return (f"+{name}|{command[1]}".lower(),) if name in _CONTAINERS else (f"+{name}".lower(),)
