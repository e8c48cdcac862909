"""
What an error reply means, as a value: the one place that reads a server's words.

An error's first word is a code (``NOPERM``, ``WRONGPASS``) and part of the protocol. Some errors have only ``ERR`` and
a sentence; `classify` knows those sentences by their beginnings, which are the same in Redis 6.2 to 8.2 and Valkey 7.2
to 9.1 (docs/topics/protocol.md, 3.3). Everything else decides by the `Refusal`; `explain` and the peer's text are for
people.
"""

from __future__ import annotations

import enum
from typing import Final

import hiredis

from .resp import Reply, plain

__all__ = ["Refusal", "classify", "explain"]


class Refusal(enum.Enum):
    """The kinds of error replies."""

    PASSWORD = "password"
    """The password is missing or wrong: retrying soon would hammer the server."""
    NEEDLESS_PASSWORD = "needless password"
    """AUTH was sent to a server without a password: the connection works all the same."""
    PROTECTED = "protected mode"
    FULL = "maxclients"
    PERMISSION = "NOPERM"
    """The ACL user lacks the right to this one command or channel."""
    UNKNOWN_COMMAND = "unknown command"
    UNKNOWN_SUBCOMMAND = "unknown subcommand"
    """The server knows the command (``SENTINEL``), but not this subcommand or argument."""
    UNKNOWN_PROTOCOL = "unknown protocol"
    """HELLO asked for a version of RESP that the server does not speak."""
    NO_SUCH_MASTER = "no such master"
    OTHER = "other"

    @property
    def unavailable(self) -> bool:
        """Whether this command is not available on this connection, so that asking again is pointless."""
        return self in _UNAVAILABLE


_UNAVAILABLE: Final = frozenset(
    {Refusal.PERMISSION, Refusal.UNKNOWN_COMMAND, Refusal.UNKNOWN_SUBCOMMAND, Refusal.UNKNOWN_PROTOCOL}
)

_UNKNOWN_COMMAND: Final = "it does not know the command"
_REFUSALS: Final[tuple[tuple[str, Refusal, str], ...]] = (
    # Beginnings only, the first that fits: the wording after them differs between versions.
    (
        "NOAUTH",
        Refusal.PASSWORD,
        "it requires a password; give one for it (and a username, if it has ACL users)",
    ),
    ("WRONGPASS", Refusal.PASSWORD, "it refuses the username or the password; check both"),
    ("ERR invalid password", Refusal.PASSWORD, "it refuses the password; check it"),
    ("ERR AUTH <password> called without any password", Refusal.NEEDLESS_PASSWORD, ""),
    (
        "DENIED",
        Refusal.PROTECTED,
        "it is in protected mode and refuses other hosts; set a password on it, or `protected-mode no`",
    ),
    (
        "ERR max number of clients",
        Refusal.FULL,
        "it has no room for another client; raise its maxclients, or close idle clients",
    ),
    ("NOPERM", Refusal.PERMISSION, "the ACL user may not do this; grant it"),
    ("NOPROTO", Refusal.UNKNOWN_PROTOCOL, "it does not speak RESP3"),
    ("ERR unknown command", Refusal.UNKNOWN_COMMAND, _UNKNOWN_COMMAND),
    ("ERR unknown", Refusal.UNKNOWN_SUBCOMMAND, _UNKNOWN_COMMAND),
    ("ERR Unknown", Refusal.UNKNOWN_SUBCOMMAND, _UNKNOWN_COMMAND),
    ("ERR No such master", Refusal.NO_SUCH_MASTER, "it monitors no such master"),
)


def classify(reply: Reply) -> Refusal | None:
    """
    Return the kind of refusal that a reply is.

    Args:
        reply: any reply.

    Returns:
        The kind, or None if the reply is not an error.
    """
    if not isinstance(reply, hiredis.ReplyError):
        return None
    text = str(reply)
    return next((kind for prefix, kind, _ in _REFUSALS if text.startswith(prefix)), Refusal.OTHER)


def explain(reply: Reply) -> str:
    """
    Write a refusal as the end of a sentence, with advice and the peer's own words.

    Args:
        reply: an error reply.

    Returns:
        Advice if the error is a known one, then what the peer said.
    """
    text = str(reply)
    said = f'it said "{plain(text)}"'
    advice = next((advice for prefix, _, advice in _REFUSALS if text.startswith(prefix)), "")
    return f"{advice} ({said})" if advice else said
