"""
A drop-in for `valkey.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.valkey import Sentinel      # was: from valkey.sentinel import Sentinel

Works with valkey-py 6. Needs the extra ``valkey``. For asyncio: `switchmaster.valkey.asyncio`.
"""

from __future__ import annotations

from typing import Any

from .. import errors
from ..client import sync
from ..client.client_options import Hook, Options
from ..client.library import bind
from ..client.sentinel import client_from_url

LIBRARY = bind("valkey")

import valkey  # noqa: E402  # after `bind`, which says how to install it
import valkey.sentinel  # noqa: E402
from valkey.sentinel import MasterNotFoundError, SlaveNotFoundError  # noqa: E402

__all__ = [
    "Hook",
    "MasterNotFoundError",
    "NoMasterElected",
    "NoSentinelReachable",
    "Options",
    "ReplicaNotFoundError",
    "Sentinel",
    "SentinelConnectionPool",
    "SentinelManagedConnection",
    "SentinelManagedSSLConnection",
    "SessionMoved",
    "SlaveNotFoundError",
    "StaleMaster",
    "TransactionMoved",
    "UnknownMaster",
    "from_url",
]

NoMasterElected = LIBRARY.raised[errors.NoMasterElected]
NoSentinelReachable = LIBRARY.raised[errors.NoSentinelReachable]
SessionMoved = LIBRARY.raised[errors.SessionMoved]
StaleMaster = LIBRARY.raised[errors.StaleMaster]
TransactionMoved = LIBRARY.raised[errors.TransactionMoved]
UnknownMaster = LIBRARY.raised[errors.UnknownMaster]
ReplicaNotFoundError = SlaveNotFoundError


class SentinelManagedConnection(sync.Connection, valkey.sentinel.SentinelManagedConnection):
    """A connection that is where commands may go."""

    read_plainly = valkey.connection.AbstractConnection.read_response


class SentinelManagedSSLConnection(sync.Connection, valkey.sentinel.SentinelManagedSSLConnection):
    """The same over TLS."""

    read_plainly = valkey.connection.AbstractConnection.read_response


class SentinelConnectionPool(sync.Pool, valkey.sentinel.SentinelConnectionPool):
    """A pool of such connections."""

    library = LIBRARY
    plain_connection = SentinelManagedConnection
    tls_connection = SentinelManagedSSLConnection


class Sentinel(sync.Sentinel[valkey.Valkey], valkey.sentinel.Sentinel):  # type: ignore[misc]  # `valkey_class` is taken by name
    """`valkey.sentinel.Sentinel`, with clients that follow the master."""

    library = LIBRARY
    pool_class = SentinelConnectionPool
    client_class = valkey.Valkey


def from_url(url: str, **arguments: Any) -> valkey.Valkey:
    """
    Make a client from ``valkey+sentinel://user:pass@h1:26379,h2:26379/mymaster/0``; see `Sentinel.from_url`.

    Args:
        url: it names a master, and may say ``role=replica``.
        arguments: as for `Sentinel`.

    Raises:
        UsageError: the URL is wrong; the sentence never shows what could be a password.
    """
    return client_from_url(Sentinel, url, arguments)
