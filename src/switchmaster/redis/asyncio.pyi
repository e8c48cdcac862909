from typing import Any

import redis.asyncio
import redis.asyncio.sentinel
from redis.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

from ..client import aio
from ..client.client_options import Hook, Options

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

NoMasterElected: type[Exception]
NoSentinelReachable: type[Exception]
SessionMoved: type[Exception]
StaleMaster: type[Exception]
TransactionMoved: type[Exception]
UnknownMaster: type[Exception]
ReplicaNotFoundError = SlaveNotFoundError

class SentinelManagedConnection(aio.Connection, redis.asyncio.sentinel.SentinelManagedConnection): ...
class SentinelManagedSSLConnection(aio.Connection, redis.asyncio.sentinel.SentinelManagedSSLConnection): ...
class SentinelConnectionPool(aio.Pool, redis.asyncio.sentinel.SentinelConnectionPool): ...
class Sentinel(aio.Sentinel[redis.asyncio.Redis], redis.asyncio.sentinel.Sentinel): ...  # type: ignore[misc]

def from_url(url: str, **arguments: Any) -> redis.asyncio.Redis: ...
