from typing import Any

import valkey.asyncio
import valkey.asyncio.sentinel
from valkey.asyncio.sentinel import MasterNotFoundError, SlaveNotFoundError

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

class SentinelManagedConnection(aio.Connection, valkey.asyncio.sentinel.SentinelManagedConnection): ...
class SentinelManagedSSLConnection(aio.Connection, valkey.asyncio.sentinel.SentinelManagedSSLConnection): ...
class SentinelConnectionPool(aio.Pool, valkey.asyncio.sentinel.SentinelConnectionPool): ...
class Sentinel(aio.Sentinel[valkey.asyncio.Valkey], valkey.asyncio.sentinel.Sentinel): ...  # type: ignore[misc]

def from_url(url: str, **arguments: Any) -> valkey.asyncio.Valkey: ...
