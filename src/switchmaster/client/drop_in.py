"""
The classes of `switchmaster.redis` and `switchmaster.valkey`, for threads and for asyncio, made by one function.

Each is one of ours, mixed in before the library's own of the same name. What type checkers know of them is in the
``.pyi`` file beside each of the four modules.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from .. import errors
from .client_options import Hook, Options
from .installation import Installation, install
from .library import bind
from .sentinel import client_from_url

__all__ = ["drop_in"]

_RAISED = (
    errors.NoMasterElected,
    errors.NoSentinelReachable,
    errors.SessionMoved,
    errors.StaleMaster,
    errors.TransactionMoved,
    errors.UnknownMaster,
)


def drop_in(module: str) -> dict[str, Any]:
    """
    Return the public names of a drop-in.

    Args:
        module: ``switchmaster.LIBRARY`` for threads, ``switchmaster.LIBRARY.asyncio`` for asyncio.

    Raises:
        MissingDependency: the library is not installed.
    """
    name, *asyncio = module.split(".")[1:]
    library = bind(name)
    ours = import_module("switchmaster.client.aio" if asyncio else "switchmaster.client.sync")
    home = ".".join((name, *asyncio))
    theirs, connection = import_module(f"{home}.sentinel"), import_module(f"{home}.connection")

    def mixed(kind: str, part: type, doc: str, **attributes: Any) -> type:
        body = {"__doc__": doc, "__module__": module, "__qualname__": kind, **attributes}
        return type(kind, (part, getattr(theirs, kind)), body)

    read_plainly = connection.AbstractConnection.read_response
    plain = mixed(
        "SentinelManagedConnection", ours.Connection, "A connection that follows the master.", read_plainly=read_plainly
    )
    tls = mixed("SentinelManagedSSLConnection", ours.Connection, "The same over TLS.", read_plainly=read_plainly)
    pool = mixed(
        "SentinelConnectionPool",
        ours.Pool,
        "A pool of such connections.",
        library=library,
        plain_connection=plain,
        tls_connection=tls,
    )
    sentinel = mixed(
        "Sentinel",
        ours.Sentinel,
        f"`{home}.sentinel.Sentinel`, with clients that follow the master.",
        library=library,
        pool_class=pool,
        client_class=getattr(import_module(home), name.capitalize()),
    )

    def from_url(url: str, **arguments: Any) -> Any:
        """
        Make a client from ``redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0``; see `Sentinel.from_url`.

        Args:
            url: it names a master, and may say ``role=replica``.
            arguments: as for `Sentinel`.

        Raises:
            UsageError: the URL is wrong; the sentence never shows what could be a password.
        """
        return client_from_url(sentinel, url, arguments)

    from_url.__module__, from_url.__qualname__ = module, "from_url"
    from_url.__doc__ = str(from_url.__doc__).replace("``redis+", f"``{name}+")
    public: dict[str, Any] = {kind.__name__: kind for kind in (plain, tls, pool, sentinel)}
    public |= {kind.__name__: library.raised[kind] for kind in _RAISED}
    public |= {} if asyncio else {"Installation": Installation, "install": _install(name)}
    return {
        **public,
        "Hook": Hook,
        "MasterNotFoundError": theirs.MasterNotFoundError,
        "Options": Options,
        "ReplicaNotFoundError": theirs.SlaveNotFoundError,
        "SlaveNotFoundError": theirs.SlaveNotFoundError,
        "from_url": from_url,
    }


def _install(name: str) -> Callable[[], Installation]:
    def install_here() -> Installation:
        """
        Replace the library's Sentinel, pool and connections by ours for the whole process, also those for asyncio.

        For frameworks that take no class and no pool. Call it first in the program.

        Returns:
            What puts the library's own back: ``remove()``.

        Raises:
            UsageError: other modules have imported the library's classes already; nothing is replaced then.
        """
        return install(name)

    install_here.__module__, install_here.__name__ = f"switchmaster.{name}", "install"
    install_here.__qualname__ = "install"
    return install_here
