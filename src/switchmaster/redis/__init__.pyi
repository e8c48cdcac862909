from typing import Any

import redis
import redis.sentinel
from redis.sentinel import MasterNotFoundError, SlaveNotFoundError

from ..client import sync
from ..client.client_options import Hook, Options
from ..client.installation import Installation

__all__ = [
    "Hook",
    "Installation",
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
    "install",
]

NoMasterElected: type[Exception]
NoSentinelReachable: type[Exception]
SessionMoved: type[Exception]
StaleMaster: type[Exception]
TransactionMoved: type[Exception]
UnknownMaster: type[Exception]
ReplicaNotFoundError = SlaveNotFoundError

class SentinelManagedConnection(sync.Connection, redis.sentinel.SentinelManagedConnection): ...
class SentinelManagedSSLConnection(sync.Connection, redis.sentinel.SentinelManagedSSLConnection): ...
class SentinelConnectionPool(sync.Pool, redis.sentinel.SentinelConnectionPool): ...
class Sentinel(sync.Sentinel[redis.Redis], redis.sentinel.Sentinel): ...

def from_url(url: str, **arguments: Any) -> redis.Redis: ...
def install() -> Installation: ...
