"""
Sockets that remember whether somebody took their descriptor.

Who polls a connection's socket by himself, as kombu and event loops do, waits for that one descriptor: he would never
hear of another one, to which the connection moved. No library says who does so; but all of them, ``select`` and the
like included, have to ask the socket for its `fileno`.
"""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["noticing"]

_Theirs: Any = object
"""The class of a socket, before which ours is mixed in."""


class _Noticing(_Theirs):
    taken = False
    """Whether somebody asked for the descriptor; who asks only for a moment sets it back."""


@functools.cache
def _kind(plain: Any) -> Any:
    ask = getattr(plain, "fileno", _ask_inside)  # looked up once: a pool asks before every command

    def fileno(self: Any) -> int:
        """Return the descriptor, and remember that it was asked for."""
        self.taken = True
        descriptor: int = ask(self)
        return descriptor

    return type(plain.__name__, (_Noticing, plain), {"fileno": fileno})


def _ask_inside(opened: Any) -> int:
    """Ask eventlet's plain socket, which has no such method, but a real socket inside."""
    return int(opened.fd.fileno())


def noticing(opened: Any) -> Any:
    """
    Return a socket that remembers whether its descriptor was taken.

    Args:
        opened: a socket, plain, of TLS or of greenlets; it is this very connection that is returned.
    """
    plain: Any = type(opened)
    kind = _kind(plain)
    try:
        opened.__class__ = kind
    except TypeError:  # a plain one has no room for what is to be remembered
        limit = opened.gettimeout()
        opened = kind(opened.family, opened.type, opened.proto, opened.detach())
        opened.settimeout(limit)
    # eventlet's plain one has it as an attribute, which would go before the method.
    getattr(opened, "__dict__", {}).pop("fileno", None)
    return opened
