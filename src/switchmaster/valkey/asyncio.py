"""
A drop-in for `valkey.asyncio.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.valkey.asyncio import Sentinel      # was: from valkey.asyncio.sentinel import Sentinel
"""

from __future__ import annotations

from typing import Any

import valkey.asyncio
import valkey.asyncio.sentinel
from valkey.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

from ..client import aio
from ..client.client_options import Hook, Options
from ..client.sentinel import client_from_url
from . import LIBRARY, NoMasterElected, NoSentinelReachable, SessionMoved, StaleMaster, TransactionMoved, UnknownMaster

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

ReplicaNotFoundError = SlaveNotFoundError


class SentinelManagedConnection(aio.Connection, valkey.asyncio.sentinel.SentinelManagedConnection):
    """A connection that is where commands may go."""

    read_plainly = valkey.asyncio.connection.AbstractConnection.read_response


class SentinelManagedSSLConnection(aio.Connection, valkey.asyncio.sentinel.SentinelManagedSSLConnection):
    """The same over TLS."""

    read_plainly = valkey.asyncio.connection.AbstractConnection.read_response


class SentinelConnectionPool(aio.Pool, valkey.asyncio.sentinel.SentinelConnectionPool):
    """A pool of such connections."""

    library = LIBRARY
    plain_connection = SentinelManagedConnection
    tls_connection = SentinelManagedSSLConnection


class Sentinel(aio.Sentinel[valkey.asyncio.Valkey], valkey.asyncio.sentinel.Sentinel):  # type: ignore[misc]  # as above
    """`valkey.asyncio.sentinel.Sentinel`, with clients that follow the master."""

    library = LIBRARY
    pool_class = SentinelConnectionPool
    client_class = valkey.asyncio.Valkey


def from_url(url: str, **arguments: Any) -> valkey.asyncio.Valkey:
    """
    Make a client from ``valkey+sentinel://user:pass@h1:26379,h2:26379/mymaster/0``; see `Sentinel.from_url`.

    Args:
        url: it names a master, and may say ``role=replica``.
        arguments: as for `Sentinel`.

    Raises:
        UsageError: the URL is wrong; the sentence never shows what could be a password.
    """
    return client_from_url(Sentinel, url, arguments)
