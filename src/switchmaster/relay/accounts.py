"""
Who may ask the relay: the default user and named ones, each with a password. All of them may only read.

Passwords are kept as digests and compared in constant time; none appears in a `repr`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

__all__ = ["DEFAULT_USER", "Accounts"]

DEFAULT_USER = "default"


class Accounts:
    """
    The users of one relay.

    Args:
        password: of the default user; None if it needs none, or is off because there are named users.
        users: the passwords of named users.
    """

    __slots__ = ("_digests", "open")

    def __init__(self, password: str | None = None, users: Mapping[str, str] | None = None) -> None:
        given = dict(users or {}) | ({} if password is None else {DEFAULT_USER: password})
        self._digests = {name: _digest(one.encode("utf-8", "surrogateescape")) for name, one in given.items()}
        self.open = not given
        """Whether every client is the default user, without a password."""

    def __repr__(self) -> str:
        return f"<Accounts: {'open' if self.open else ', '.join(sorted(self._digests))}>"

    @property
    def has_default(self) -> bool:
        """Whether the default user has a password."""
        return DEFAULT_USER in self._digests

    def accepts(self, username: str, password: bytes) -> bool:
        """Return whether this is the user's password; takes as long for a user that does not exist."""
        if self.open:
            return username == DEFAULT_USER
        known = self._digests.get(username)
        same = hmac.compare_digest(_digest(password), known or _digest(b""))
        return same and known is not None


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()
