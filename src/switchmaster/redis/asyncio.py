"""
A drop-in for `redis.asyncio.sentinel`: same names, same arguments; clients follow the master at once.

::

    from switchmaster.redis.asyncio import Sentinel      # was: from redis.asyncio.sentinel import Sentinel
"""

from __future__ import annotations

from typing import Any

import redis.asyncio
import redis.asyncio.sentinel
from redis.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

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


class SentinelManagedConnection(aio.Connection, redis.asyncio.sentinel.SentinelManagedConnection):
    """A connection that is where commands may go."""

    read_plainly = redis.asyncio.connection.AbstractConnection.read_response


class SentinelManagedSSLConnection(aio.Connection, redis.asyncio.sentinel.SentinelManagedSSLConnection):
    """The same over TLS."""

    read_plainly = redis.asyncio.connection.AbstractConnection.read_response


class SentinelConnectionPool(aio.Pool, redis.asyncio.sentinel.SentinelConnectionPool):
    """A pool of such connections."""

    library = LIBRARY
    plain_connection = SentinelManagedConnection
    tls_connection = SentinelManagedSSLConnection


class Sentinel(aio.Sentinel[redis.asyncio.Redis], redis.asyncio.sentinel.Sentinel):  # type: ignore[misc]  # ours say what they return
    """`redis.asyncio.sentinel.Sentinel`, with clients that follow the master."""

    library = LIBRARY
    pool_class = SentinelConnectionPool
    client_class = redis.asyncio.Redis


def from_url(url: str, **arguments: Any) -> redis.asyncio.Redis:
    """
    Make a client from ``redis+sentinel://user:pass@h1:26379,h2:26379/mymaster/0``; see `Sentinel.from_url`.

    Args:
        url: it names a master, and may say ``role=replica``.
        arguments: as for `Sentinel`.

    Raises:
        UsageError: the URL is wrong; the sentence never shows what could be a password.
    """
    return client_from_url(Sentinel, url, arguments)
