from typing import Any

import valkey
import valkey.sentinel
from valkey.sentinel import MasterNotFoundError, SlaveNotFoundError

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

class SentinelManagedConnection(sync.Connection, valkey.sentinel.SentinelManagedConnection): ...
class SentinelManagedSSLConnection(sync.Connection, valkey.sentinel.SentinelManagedSSLConnection): ...
class SentinelConnectionPool(sync.Pool, valkey.sentinel.SentinelConnectionPool): ...
class Sentinel(sync.Sentinel[valkey.Valkey], valkey.sentinel.Sentinel): ...  # type: ignore[misc]

def from_url(url: str, **arguments: Any) -> valkey.Valkey: ...
def install() -> Installation: ...
