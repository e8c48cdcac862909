"""
Sockets that remember whether their descriptor was taken.

A program that polls a connection's socket itself, as kombu and event loops do, waits for that one descriptor: it would
not notice that the connection moved to another one. No library says that it polls; but all of them, and ``select`` and
the like, must ask the socket for its `fileno`.

They also close in silence when they are collected. A client that is dropped without being closed is part of a cycle, of
which Python finalizes the parts in any order: redis-py's connection closes its socket, but the socket may come first,
and would warn of itself.

And those of TLS say why the peer left (`alerts`).
"""

from __future__ import annotations

import _socket
import contextlib
import functools
from typing import Any

from .alerts import telling_alerts

__all__ = ["noticing"]

_Theirs: Any = object
"""The class of a socket, before which ours is mixed in."""


class _Noticing(_Theirs):
    taken = False
    """Whether the descriptor was asked for; code that needs it only for a moment resets this."""


@functools.cache
def _kind(plain: Any) -> Any:
    ask = getattr(plain, "fileno", _ask_inside)  # looked up once: a pool asks before every command

    def fileno(self: Any) -> int:
        """Return the descriptor, and remember that it was asked for."""
        self.taken = True
        descriptor: int = ask(self)
        return descriptor

    members: dict[str, Any] = {"fileno": fileno, **telling_alerts(plain)}
    if issubclass(plain, _socket.socket):  # those of greenlets have a finalizer of their own, or a hub to tell
        members["__del__"] = _close
    return type(plain.__name__, (_Noticing, plain), members)


def _close(opened: Any) -> None:
    with contextlib.suppress(OSError):  # the peer was faster
        opened.close()


def _ask_inside(opened: Any) -> int:
    """Ask eventlet's plain socket, which has no such method, but a real socket inside."""
    return int(opened.fd.fileno())


def noticing(opened: Any) -> Any:
    """
    Return a socket that remembers whether its descriptor was taken.

    Args:
        opened: a socket, plain, of TLS or of greenlets; the returned one is the same connection.
    """
    plain: Any = type(opened)
    kind = _kind(plain)
    try:
        opened.__class__ = kind
    except TypeError:  # a plain one has no room for the attribute
        limit = opened.gettimeout()
        opened = kind(opened.family, opened.type, opened.proto, opened.detach())
        opened.settimeout(limit)
    # eventlet's plain one has it as an attribute, which would shadow the method.
    getattr(opened, "__dict__", {}).pop("fileno", None)
    return opened
